"""A third-party server as a child process: started on a free port of loopback, awaited, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_TRIES = 3
"""A port that was free a moment ago may be taken by now; then another one is tried."""


@contextlib.contextmanager
def child_server(
    command: Callable[[int], Sequence[str | Path]],
    *,
    ready: str,
    folder: Path,
    seconds: float = 60,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run `command(port)` until the block ends; yields its port once `ready` (a path) answers over HTTP.

    Any answer will do, also 401. `folder` is where it runs and where its `server.log` lies.
    """
    for attempt in range(1, _TRIES + 1):
        port = _free_port()
        log = folder / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(part) for part in command(port)],
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            if not _answers(process, f"http://127.0.0.1:{port}{ready}", seconds):
                assert attempt < _TRIES, f"it did not start:\n{log.read_text(errors='replace')[-3000:]}"
                continue
            yield port
            return
        finally:
            _end(process)


def _answers(process: subprocess.Popen[bytes], url: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
