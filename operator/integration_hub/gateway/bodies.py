"""Bodies of requests: never more than agreed, never slower than agreed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from integration_hub.api.errors import ErrorCode
from integration_hub.gateway.errors import Refusal
from integration_hub.gateway.visit import visit_in
from integration_hub.ports import Problem


class BodyGuard:
    """Stands before `receive`. Refuses with 413 what is too large and with 408 what is too slow.

    `seconds` bounds the whole body (None: a stream takes as long as it takes), `idle_seconds` each
    pause within it.
    """

    def __init__(
        self, receive: Receive, headers: Mapping[str, str], limit: int, seconds: float, idle: float
    ) -> None:
        self._receive = receive
        self._limit: int = limit
        self._seconds: float | None = seconds
        self._idle = idle
        self._deadline: float | None = None
        self._taken = 0
        self._announced = headers.get("content-length")
        self._chunked = "transfer-encoding" in headers
        self.done = self._announced in {None, "0"} and not self._chunked
        """Whether nothing of the body is left to come."""

    def open(self, *, max_bytes: int, seconds: float | None) -> None:
        """Other bounds for this request; call it before the body is read."""
        self._limit, self._seconds = max_bytes, seconds

    def check_announced(self) -> None:
        """Refuse by the head before a byte is read: two lengths (RFC 9112 section 6.1), or one too large.

        A proxy before us that goes by the other length would take the rest for somebody's next request.
        """
        if self._announced is not None and self._chunked:
            said = "Send Content-Length or Transfer-Encoding, never both."
            raise Refusal(Problem(ErrorCode.INVALID_REQUEST, said))
        if self._announced is not None and self._announced.isdigit() and int(self._announced) > self._limit:
            raise Refusal(self._too_large())

    async def receive(self) -> Message:
        """See ASGI."""
        if self.done:
            return await self._receive()  # only a disconnect is left to come, whenever
        self.check_announced()
        try:
            async with asyncio.timeout_at(self._next_deadline()):
                message = await self._receive()
        except TimeoutError:
            raise Refusal(Problem(ErrorCode.REQUEST_TIMEOUT, "The body did not arrive in time.")) from None
        self._taken += len(message.get("body", b""))
        if self._taken > self._limit:
            raise Refusal(self._too_large())
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.done = True
        return message

    def _next_deadline(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._deadline is None and self._seconds is not None:
            self._deadline = now + self._seconds
        idle = now + self._idle
        return idle if self._deadline is None else min(idle, self._deadline)

    def _too_large(self) -> Problem:
        return Problem(ErrorCode.PAYLOAD_TOO_LARGE, f"At most {self._limit} bytes are taken here.")


class Bodies:
    """ASGI middleware that puts a BodyGuard before every body."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, seconds: float, idle_seconds: float) -> None:
        self._app = app
        self._bounds = (max_bytes, seconds, idle_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guard = BodyGuard(receive, Headers(scope=scope), *self._bounds)
        visit_in(scope).body = guard
        await self._app(scope, guard.receive, send)
