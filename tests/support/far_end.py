"""An outside system: a real HTTP server on loopback, in threads, whose answers a test chooses.

Each test has its own corner of it (`corner`), so that one server, whose port the hub's allow-list
names, serves all tests of a run.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request as it came in: `path` below the corner, header names in lower case.

    `peer` is the port it came from: requests with the same one came over one connection.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: int = 0


@dataclass(frozen=True)
class Reply:
    """What is answered, after `seconds`."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class Corner:
    """One test's part of the far end: `url` is its root, `behave` decides, `asked` remembers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.behave: Callable[[Asked], Reply] = lambda _: Reply(200, {"ok": True})
        self.asked: list[Asked] = []

    def always(self, status: int = 200, body: Any = None, **headers: str) -> None:
        """Answer everything the same; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.behave = lambda _: Reply(status, body if body is not None else {"ok": status < 300}, named)


class FarEnd:
    """The server. `port` is known before any corner is."""

    def __init__(self) -> None:
        corners: dict[str, Corner] = {}
        self._corners = corners

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                _, name, rest = (self.path + "/").split("/", 2)
                corner = corners.get(name)
                asked = Asked(
                    self.command,
                    "/" + rest.removesuffix("/"),
                    {key.lower(): value for key, value in self.headers.items()},
                    body,
                    self.client_address[1],
                )
                reply = Reply(404) if corner is None else self._ask(corner, asked)
                time.sleep(reply.seconds)
                data = json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for key, value in reply.headers.items():
                    self.send_header(key, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def _ask(self, corner: Corner, asked: Asked) -> Reply:
                corner.asked.append(asked)
                return corner.behave(asked)

            do_GET = do_POST = do_HEAD = _answer  # noqa: N815 - the names http.server looks for

            def log_message(self, *arguments: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def corner(self, name: str) -> Corner:
        return self._corners.setdefault(name, Corner(f"http://127.0.0.1:{self.port}/{name}"))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def far_end() -> Iterator[FarEnd]:
    server = FarEnd()
    try:
        yield server
    finally:
        server.close()
