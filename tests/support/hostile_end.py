"""The far end at its worst: one that must never hear from us, and one that answers what no server would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Listener:
    """Sockets on one port of several loopback addresses. `serve` has each connection; `came` counts them."""

    def __init__(self, addresses: tuple[str, ...], serve: Callable[[socket.socket], None]) -> None:
        self.came: list[str] = []
        """The address of ours that each connection came to."""
        self._serve = serve
        self._sockets = _bound(addresses)
        self.port = int(self._sockets[0].getsockname()[1])
        for each in self._sockets:
            threading.Thread(target=self._accept, args=(each,), daemon=True).start()

    def close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.came.append(str(connection.getsockname()[0]))
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(30)
            self._serve(connection)


@contextmanager
def forbidden_place() -> Iterator[Listener]:
    """What stands inside: on every loopback address there is, with an answer that nobody may ever see."""
    listener = Listener(("127.0.0.1", "127.0.0.2", "::1"), answering(b"HTTP/1.1 200 OK\r\n\r\nINSIDE"))
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def odd_server(answers: dict[str, bytes]) -> Iterator[Listener]:
    """Answers a path that begins with one of these with exactly these bytes, then hangs up."""

    def serve(connection: socket.socket) -> None:
        head = _head(connection)
        path = [*head.split(b" ", 2), b"", b""][1].decode("latin-1")
        found = next((value for key, value in answers.items() if path.startswith(key)), b"")
        connection.sendall(found)

    listener = Listener(("127.0.0.1",), serve)
    try:
        yield listener
    finally:
        listener.close()


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    """The same to everybody."""

    def serve(connection: socket.socket) -> None:
        _head(connection)
        connection.sendall(answer)

    return serve


def _head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            break
        data += part
    return data


def _bound(addresses: tuple[str, ...]) -> list[socket.socket]:
    """One socket for each address that this machine has, all on one port."""
    for _ in range(50):
        first = _listening(addresses[0], 0)
        port = int(first.getsockname()[1])
        bound = [first]
        try:
            for address in addresses[1:]:
                try:
                    bound.append(_listening(address, port))
                except OSError as error:
                    if ":" in address and not isinstance(error, PermissionError) and error.errno != 98:
                        continue  # a machine without IPv6
                    raise
        except OSError:
            for each in bound:
                each.close()
            continue
        return bound
    raise AssertionError("no port is free on all of " + ", ".join(addresses))


def _listening(address: str, port: int) -> socket.socket:
    return socket.create_server(
        (address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=64
    )
