"""Calls that are passed through as they are: `/api/v1/integrations/{id}/proxy/…`, any method, any body.

Method, path, query, headers and body go to the outside system below the provider's base; its answer
comes back as it is, whatever its status. Nothing is held, and nothing is repeated. The hub's own
refusals have the shape of every error and lack the header `X-Upstream-Status`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from integration_hub.domain.call import METHODS, OURS
from integration_hub.gateway.errors import BrokenOff, told
from integration_hub.gateway.families.calls import IntegrationId, trail_of
from integration_hub.gateway.identity import TENANT, Asking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import check_path
from integration_hub.gateway.visit import visit_of
from integration_hub.operations.stream import StreamInput
from integration_hub.ports import CallStream, PortError

UPSTREAM_STATUS = "X-Upstream-Status"
_PREFIX_SEGMENTS = 6
_KEPT_BACK = OURS | {TENANT.lower(), "x-correlation-id", "x-real-ip", "via", "content-length"}
_SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
"""What an outside system wrote must not act in a browser as if the hub had written it."""
_HUBS_OWN = frozenset(
    {"content-security-policy", "content-security-policy-report-only", "strict-transport-security"}
    | {"x-correlation-id", "x-upstream-status", "alt-svc", "clear-site-data", "service-worker-allowed"}
    | {"refresh", "nel", "report-to", "reporting-endpoints", "public-key-pins", "connection"}
)
"""Headers of an answer that speak of an origin, of a connection or of the hub: not the outside system's."""
_ANYTHING = "Whatever the outside system answers, with its status."


class PassageRoutes:
    """See the module's text."""

    def __init__(self, parts: GatewayParts) -> None:
        self._stream = parts.operations.stream
        self._most = parts.limits.stream_bytes

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/v1/integrations", tags=["calls"])
        for method in METHODS:
            router.add_api_route(
                "/{integrationId}/proxy/{path:path}",
                self.passed,
                methods=[method],
                operation_id=f"pass_{method.lower()}",
                summary="Pass API call through",
                response_class=Response,
                responses={200: {"description": _ANYTHING, "content": {"*/*": {}}}},
            )
        return router

    async def passed(
        self, request: Request, asking: Asking, integration_id: IntegrationId, path: str
    ) -> Response:
        del path  # decoded; what was sent is in raw_path
        check_path(request, _PREFIX_SEGMENTS)
        visit = visit_of(request)
        has_body = visit.body is not None and not visit.body.done
        if visit.body is not None:
            visit.body.open(max_bytes=self._most, seconds=None)
            visit.body.check_announced()
        announced = request.headers.get("content-length", "")
        opened = told(
            await self._stream(
                asking.caller,
                StreamInput(
                    namespace=asking.namespace,
                    integration=integration_id,
                    method=request.method,
                    path=_path_below(request),
                    headers=_passed_on(request.headers.items()),
                    body=request.stream() if has_body else None,
                    body_length=int(announced) if has_body and announced.isdigit() else None,
                    trail=trail_of(asking),
                ),
            )
        )
        return _Relayed(opened, request.method)


class _Relayed(StreamingResponse):
    """The far end's answer on its way; the connection to it is let go however this ends."""

    def __init__(self, opened: CallStream, method: str) -> None:
        self._opened = opened
        kept = {
            name: value if value.isascii() else value.encode().decode("latin-1")  # UTF-8 as it is sent on
            for name, value in opened.headers.items()
            if name not in _HUBS_OWN and not name.startswith("access-control-")
        }
        headers = {
            **kept,
            UPSTREAM_STATUS: str(opened.status),
            "Content-Security-Policy": _SANDBOX,
        }
        content = _nothing() if method == "HEAD" else _told(opened)
        # Others are no final statuses (RFC 9110 section 15), or would end what the caller speaks with us.
        status = opened.status if 200 <= opened.status < 600 else 502
        super().__init__(content, status_code=status, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opened:
            await super().__call__(scope, receive, send)


async def _told(opened: CallStream) -> AsyncIterator[bytes]:
    try:
        async for chunk in opened.chunks():
            yield chunk
    except PortError as error:
        raise BrokenOff(str(error)) from error


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in list[bytes]():
        yield chunk


def _path_below(request: Request) -> str:
    """What follows `/proxy` in the address, percent-encoded as it came, with its query."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = "/" + b"/".join(raw.partition(b"?")[0].split(b"/")[_PREFIX_SEGMENTS:]).decode("latin-1")
    query = request.scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def _passed_on(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The caller's headers but for those that are between the caller and the hub."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name in _KEPT_BACK or name.startswith("x-forwarded-"):
            continue
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
