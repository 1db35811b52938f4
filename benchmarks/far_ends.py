"""Outside systems in processes of their own, so that what they cost is nobody's else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent


@contextmanager
def running(program: str) -> Iterator[int]:
    """Run a program of this folder that prints its port; the port."""
    process = subprocess.Popen([sys.executable, str(HERE / program)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
