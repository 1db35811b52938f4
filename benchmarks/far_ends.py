"""Outside systems in processes of their own, so that what they cost is nobody else's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig import cpu_seconds_of

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Started:
    """A program of this folder that runs, and where it listens."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        return cpu_seconds_of(self.pid)


@contextmanager
def started(program: str, *arguments: str) -> Iterator[Started]:
    """Run a program of this folder that prints its port."""
    command = [sys.executable, str(HERE / program), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Started(int(process.stdout.readline()), process.pid)
    finally:
        process.kill()
        process.wait()


@contextmanager
def running(program: str, *arguments: str) -> Iterator[int]:
    """The same, where only the port matters."""
    with started(program, *arguments) as one:
        yield one.port
