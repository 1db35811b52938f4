"""`python tools/servers [NAME …]`: have the servers of `make test-servers` ready; prints their paths."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from controlplane.gobuild import BuildError
from servers import pins
from servers.get import ServerMissingError, locate


def main(names: list[str]) -> int:
    for name in names or pins.SERVERS:
        try:
            print(name, locate(name))
        except (ServerMissingError, BuildError) as error:
            print(f"servers: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
