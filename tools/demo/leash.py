#!/usr/bin/env python3
"""Runs one program for as long as a file exists and, if named, another process lives; then ends it.

    python tools/demo/leash.py --while FILE [--owner PID] -- COMMAND...

So that stopping the demo is removing one file: no list of process ids to go stale, and nothing is
left behind when the demo itself is killed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

POLL_S = 0.2
STOP_TIMEOUT_S = 12.0


def alive(pid: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def cut(file: Path, seconds: float) -> None:
    """Remove the file and wait until every leash on it has ended its program, or time runs out."""
    with file.open() as held:
        file.unlink()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(POLL_S)
            else:
                return


def hold(command: Sequence[str], wanted: Callable[[], bool]) -> int:
    """Run the command until it ends or is no longer wanted; return its exit status (negative: by signal)."""
    process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL)
    try:
        while wanted():
            if (status := process.poll()) is not None:
                return status
            time.sleep(POLL_S)
        return 0
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Hold one program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--while", dest="file", type=Path, required=True)
    parser.add_argument("--owner", type=int)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)

    def wanted() -> bool:
        return options.file.exists() and (options.owner is None or alive(options.owner))

    with options.file.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)  # whoever removes the file can wait for all its leashes to let go
        return hold(options.command, wanted)


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
