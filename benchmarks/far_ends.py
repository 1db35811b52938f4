"""Outside systems in processes of their own, so that what they cost is nobody else's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent


@contextmanager
def running(program: str, *arguments: str) -> Iterator[int]:
    """Run a program of this folder that prints its port; the port."""
    command = [sys.executable, str(HERE / program), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
