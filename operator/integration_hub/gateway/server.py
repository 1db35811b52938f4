"""uvicorn as one coroutine of our own loop, with the patience of its connections bounded.

What is cut: a head that is slow or large, a peer that does not read its answer, an idle connection, one
connection too many. Bodies are bounded by `bodies`, in the application, where an answer can still be given.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Generator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import httptools
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from integration_hub.api.errors import ErrorCode
from integration_hub.api.meta import format_time
from integration_hub.gateway.visit import PeerGoneError
from integration_hub.ports import Clock

_BACKLOG = 1024
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Seconds, bytes and numbers of connections; `drain_seconds` is what requests in hand have at the end.

    `stall_seconds`: how long a peer may leave its answer unread.
    """

    connections: int = 2000
    head_bytes: int = 32 * 1024
    head_seconds: float = 10.0
    keep_alive_seconds: int = 75
    stall_seconds: float = 30.0
    drain_seconds: int = 3


class GatewayServer:
    """Listens from `open` on and serves in `run`, until that is cancelled or `stop` is called."""

    def __init__(self, app: ASGIApp, listener: socket.socket, clock: Clock, limits: ServerLimits) -> None:
        self._listener = listener
        self.host, self.port = listener.getsockname()[:2]
        """The address in use (of interest where port 0 was asked for)."""
        config = uvicorn.Config(
            _until_gone(app),
            http=_protocol(clock, limits),
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=limits.keep_alive_seconds,
            timeout_graceful_shutdown=limits.drain_seconds,
        )
        self._server = _Quiet(config)

    @classmethod
    def open(
        cls,
        app: ASGIApp,
        clock: Clock,
        *,
        host: str,
        port: int,
        limits: ServerLimits | None = None,
    ) -> Self:
        """Take the port; connections wait in its backlog until `run`. Raises OSError where it is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        dual = family == socket.AF_INET6 and host == "::"
        listener = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=dual and socket.has_dualstack_ipv6()
        )
        # asyncio leaves out what it usually sets, since it does not know such a socket's protocol; without
        # it, the second packet of every answer waits 40 ms for the peer's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setblocking(False)
        return cls(app, listener, clock, limits or ServerLimits())

    async def run(self) -> None:
        """Serve. When cancelled: no new connections; requests in hand are finished within `drain_seconds`."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="gateway server")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.stop()
            while not serving.done():  # within drain_seconds, however often we are told to hurry
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(serving)
            raise

    def stop(self) -> None:
        """Let `run` end in order."""
        self._server.should_exit = True

    def close(self) -> None:
        """Give the port back, for a server that never ran."""
        self._listener.close()


def _until_gone(app: ASGIApp) -> ASGIApp:
    """The application, told when it sends to a peer that is gone: an OSError, as ASGI 2.4 wants it.

    uvicorn drops what is sent then, and an answer of any length would be made up to its end for nobody.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        cycle = getattr(send, "__self__", None)

        async def checked(message: Message) -> None:
            if getattr(cycle, "disconnected", False):
                raise PeerGoneError
            await send(message)

        await app(scope, receive, checked)

    return guarded


class _Quiet(uvicorn.Server):
    """Leaves the process's signals alone: they are the composition root's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _protocol(clock: Clock, limits: ServerLimits) -> type[HttpToolsProtocol]:
    """The connection class with these limits: uvicorn makes one per connection, from the class alone."""

    class Protocol(_GuardedProtocol):
        CLOCK = clock
        LIMITS = limits

    return Protocol


class _HeadTooLargeError(Exception):
    """Raised into the parser, which stops there."""


class _GuardedProtocol(HttpToolsProtocol):
    """One connection. llhttp reads it, as strict as it comes; what it leaves to its user is here.

    `_unread` counts the bytes read since the parser got somewhere: of a trailer or a chunk's extension it
    keeps no more than that, and no more than one read besides.
    """

    CLOCK: Clock
    LIMITS: ServerLimits

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_deadline: asyncio.TimerHandle | None = None
        self._stall_deadline: asyncio.TimerHandle | None = None
        self._unread = 0
        self._head_bytes = 0
        self._in_head = False
        self._deaf = False
        """Whether the last request that will be read here has been."""
        self._offered = False
        """Whether a request has just come with the offer of another protocol, and with a body."""

    # ------------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.LIMITS.connections:
            self._refuse(ErrorCode.OVERLOADED, "Too many connections are open.")
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._deaf:
            return
        self._unread += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._unreadable(isinstance(error.__context__, _HeadTooLargeError))
        else:
            if self._unread > self.LIMITS.head_bytes:
                self._unreadable(too_large=True)
        self._watch_head()

    def _feed(self, data: bytes) -> None:
        """Let the parser read. Another protocol is never taken up, so what follows is HTTP/1.1 still
        (RFC 9110 section 7.8): some clients offer HTTP/2 with every request.
        """
        while True:
            try:
                return self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                if self._offered:
                    self._resume()

    def _resume(self) -> None:
        """The parser took the offer for the request's end: a new one reads the body, framed by the head."""
        framing = [b"%b: %b\r\n" % each for each in self.headers if each[0] in _FRAMING]
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n")

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall_deadline is None:
            self._stall_deadline = self.loop.call_later(self.LIMITS.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stall_deadline is not None:
            self._stall_deadline.cancel()
            self._stall_deadline = None
        super().resume_writing()

    # ------------------------------------------------------------------ the parser

    def on_message_begin(self) -> None:
        if not self._offered:
            super().on_message_begin()
            self._in_head, self._head_bytes = True, 0

    def on_url(self, url: bytes) -> None:
        if not self._offered:
            super().on_url(url)
            self._weigh(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # a trailer is no header: it came after all that was decided by them
            super().on_header(name, value)
            self._weigh(len(name) + len(value) + len(": \r\n"))

    def on_headers_complete(self) -> None:
        if self._offered:
            self._offered = False  # these headers are known; the body is next
            return
        self._unread, self._in_head = 0, False
        version = self.parser.get_http_version()
        hosts = sum(name == b"host" for name, _ in self.headers)
        if version not in {"1.0", "1.1"} or hosts > 1 or (version == "1.1" and not hosts):
            raise ValueError("no HTTP/1 with one Host (RFC 9112 section 3.2)")
        super().on_headers_complete()
        self._offered = self.parser.should_upgrade() and any(name in _FRAMING for name, _ in self.headers)

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._offered:
            self._unread = 0
            super().on_message_complete()

    def _weigh(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.LIMITS.head_bytes:
            raise _HeadTooLargeError

    def _unreadable(self, too_large: bool) -> None:
        """Refuse, and read no further. Requests that stand before what cannot be read are answered first."""
        self._deaf = True
        if self._busy() and not self.cycle.more_body:
            self.cycle.keep_alive = False
        elif too_large:
            most = self.LIMITS.head_bytes
            self._refuse(ErrorCode.PAYLOAD_TOO_LARGE, f"A head has {most} bytes at most.", status=431)
        else:
            self._refuse(ErrorCode.INVALID_REQUEST, "This is no HTTP/1.1 request.", status=400)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_head()

    def _busy(self) -> bool:
        """Whether a request is in hand."""
        return self.cycle is not None and not self.cycle.response_complete

    # ------------------------------------------------------------------ heads

    def _watch_head(self) -> None:
        """A request in hand has its head, an idle connection its own timer; whatever else has this one."""
        if self._busy():
            self._forget_head()
        elif not self.transport.is_closing() and self.timeout_keep_alive_task is None:
            self._await_head()

    def _await_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(self.LIMITS.head_seconds, self._head_is_late)

    def _forget_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_is_late(self) -> None:
        self._head_deadline = None
        if self.transport.is_closing():
            return
        if self._unread:
            self._refuse(ErrorCode.REQUEST_TIMEOUT, "The head did not arrive in time.")
        else:
            self.transport.close()  # connected and said nothing

    def _refuse(self, code: ErrorCode, details: str, *, status: int = 0) -> None:
        """Answer where no application can be asked, in the same shape, and hang up."""
        self._forget_head()
        if self.pipeline or (self._busy() and self.cycle.response_started):
            self.transport.abort()  # it would be read as part of another answer
            return
        if self._busy():
            self.cycle.disconnected = True  # the application's own answer would come too late
        body = {
            "error": "The request was refused",
            "details": details,
            "code": code.value,
            "timestamp": format_time(self.CLOCK.now()),
            "retryable": code.retryable,
        }
        payload = json.dumps(body).encode()
        number = status or code.status
        head = [
            f"HTTP/1.1 {number} {HTTPStatus(number).phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(payload)}",
            "Connection: close",
            *(["Retry-After: 1"] if code is ErrorCode.OVERLOADED else []),
        ]
        self.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + payload)
        self.transport.close()
