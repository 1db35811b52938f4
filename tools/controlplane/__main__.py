"""Entry for `python tools/controlplane` and `python -m controlplane`."""

import sys
from pathlib import Path

if not __package__:  # started by path: make the package importable under its own name
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from controlplane.cli import main

if __name__ == "__main__":
    sys.exit(main())
