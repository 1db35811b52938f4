"""Entry for `python tools/demo` and `python -m demo`."""

import sys
from pathlib import Path

if not __package__:  # started by path: make the package importable under its own name
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from demo.cli import main

if __name__ == "__main__":
    sys.exit(main())
