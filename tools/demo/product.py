#!/usr/bin/env python3
"""A product, as small as one can be: GET /health, and POST /break to make it ill.

    python tools/demo/product.py --port 18080 --release 1.4.0

Once broken it stays broken until the process is replaced, as a deadlocked worker does: the process lives, so
nothing that only watches processes sees anything wrong.
"""

from __future__ import annotations

import argparse
import json
import resource
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Product(ThreadingHTTPServer):
    """The product on one loopback port; port 0 picks a free one, which `server_port` tells."""

    daemon_threads = True

    def __init__(self, port: int, *, release: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.release = release
        self.broken = threading.Event()
        self._started = time.monotonic()

    def health(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """What GET /health answers: status, version, uptime in seconds, cpu and memory in percent."""
        uptime = time.monotonic() - self._started
        used = resource.getrusage(resource.RUSAGE_SELF)
        body = {
            "status": "unhealthy" if self.broken.is_set() else "healthy",
            "version": self.release,
            "uptime": round(uptime, 1),
            "metrics": {
                "cpu": round(100 * (used.ru_utime + used.ru_stime) / max(uptime, 0.1), 1),
                "memory": round(100 * used.ru_maxrss / (512 * 1024), 1),  # of the 512 MiB it asks for
            },
        }
        return (HTTPStatus.SERVICE_UNAVAILABLE if self.broken.is_set() else HTTPStatus.OK), body


class _Handler(BaseHTTPRequestHandler):
    server: Product
    protocol_version = "HTTP/1.1"
    server_version = "orders"

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(*self.server.health())
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "there is only /health"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/break":
            self.server.broken.set()
            self._answer(HTTPStatus.OK, {"status": "broken until restarted"})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "there is only /break"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a probe a second is no news."""

    def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--release", default="1.4.0", help="the version it reports")
    options = parser.parse_args(arguments)
    with Product(options.port, release=options.release) as product:
        product.serve_forever()


if __name__ == "__main__":
    main()
