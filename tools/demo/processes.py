"""Programs that the demo starts: on a leash, with a log, found out when they die early."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_LEASH = Path(__file__).with_name("leash.py")
_POLL_S = 0.05
_LOG_LINES_SHOWN = 8


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


class Program:
    """A program on a leash: it runs until the leash file is removed, or `owner` ends."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        leash: Path,
        log: Path,
        owner: int | None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        holder = ["--owner", str(owner)] if owner is not None else []
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(_LEASH), "--while", str(leash), *holder, "--", *command],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C in the terminal is not meant for it
            )

    def until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Return when `ready()`.

        Raises DemoError, with the end of the log, if the program ends first or time runs out.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if (status := self._process.poll()) is not None:
                raise DemoError(f"{self.name} ended with status {status} before {what}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise DemoError(f"{self.name}: {what} did not come within {seconds:.0f} s\n{self.tail()}")
            time.sleep(_POLL_S)

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-_LOG_LINES_SHOWN:])

    def wait_gone(self, seconds: float = 20.0) -> None:
        """Wait for its end, once the leash file is gone; by force if it does not come."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def ask(method: str, port: int, path: str, body: Any = None, *, token: str = "") -> tuple[int, str]:
    """HTTP status and body of a request to this machine, past any proxy; `body` is sent as JSON.

    Raises OSError.
    """
    data = json.dumps(body) if body is not None else None
    headers = {"Content-Type": "application/json"} if data else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(f"{method} {path}: {error!r}") from error
    finally:
        connection.close()


def listens(port: int) -> bool:
    """Whether something takes connections on this loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


def free_port(wish: int) -> int:
    """The wished-for loopback port, or another one where that is taken."""
    for port in (wish, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            taken: int = probe.getsockname()[1]
            return taken
    raise DemoError("no free port on the loopback interface")
