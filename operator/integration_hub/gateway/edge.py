"""The outermost step: every answer gets its correlation id and security headers, every bug its answer."""

from __future__ import annotations

import logging
import re
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from integration_hub.api.errors import ErrorCode
from integration_hub.gateway.errors import BrokenOff, ErrorAnswers
from integration_hub.gateway.parts import GatewayMetrics
from integration_hub.gateway.visit import PeerGoneError, Visit, begin
from integration_hub.ports import Clock, Entropy, Problem

CORRELATION_ID = "X-Correlation-Id"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}").fullmatch
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_log = logging.getLogger(__name__)


class Edge:
    """ASGI middleware; see the module's text."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        answers: ErrorAnswers,
        clock: Clock,
        entropy: Entropy,
        metrics: GatewayMetrics | None,
    ) -> None:
        self._app = app
        self._answers = answers
        self._clock = clock
        self._entropy = entropy
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(CORRELATION_ID, "")
        visit = Visit(given if _ID(given) else self._entropy.uuid())
        begin(scope, visit)
        status, started = 0, self._clock.monotonic()

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(message, visit, scope)
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation_id=visit.correlation_id):
            try:
                await self._app(scope, receive, finish)
            except (ClientDisconnect, PeerGoneError):
                _log.debug("A caller went away in the middle of a request")
            except BrokenOff as cut:
                # Left unfinished: the server closes the connection.
                _log.info("An answer broke off", extra={"path": _route(scope), "cause": str(cut)})
            except Exception:
                _log.exception("A request met a bug", extra={"path": _route(scope)})
                if status:
                    raise  # half an answer is out: let the connection break rather than pretend
                problem = Problem(
                    ErrorCode.INTERNAL_ERROR, f"Report this with the id {visit.correlation_id}."
                )
                await self._answers.answer(problem)(scope, receive, finish)
            finally:
                if self._metrics is not None:
                    seconds = self._clock.monotonic() - started
                    self._metrics.observe_request(
                        visit.caller_kind, _route(scope), scope["method"], status, seconds
                    )


def _dress(message: Message, visit: Visit, scope: Scope) -> None:
    headers = MutableHeaders(raw=message["headers"])
    message["headers"] = headers.raw
    headers[CORRELATION_ID] = visit.correlation_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if scope.get("scheme") == "https":
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if visit.body is not None and not visit.body.done:
        headers["Connection"] = "close"  # what is left of the body would be read as the next request


def _route(scope: Any) -> str:
    """The path as declared: ids would make a metric without bounds."""
    return getattr(scope.get("route"), "path", None) or "none"
