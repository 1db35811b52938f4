"""The route class of the API: JSON only, bodies read before anything else, Idempotency-Key on POST."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from integration_hub.api.errors import ErrorCode
from integration_hub.gateway.errors import Refusal
from integration_hub.gateway.idempotency import Idempotency
from integration_hub.gateway.visit import visit_of
from integration_hub.ports import Problem

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def api_route(idempotency: Idempotency | None) -> type[APIRoute]:
    """The class for a router's `route_class`. Without `idempotency` the header has no meaning there."""

    class ApiRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def handler(request: Request) -> Response:
                await _read(request)
                if idempotency is not None and request.method == "POST":
                    return await idempotency.run(request, handle)
                return await handle(request)

            return handler

    return ApiRoute


async def _read(request: Request) -> None:
    """Read the whole body, within its bounds; refuse one that is not JSON (RFC 9110: 415)."""
    visit = visit_of(request)
    if visit.body is None or visit.body.done:
        return
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind != "application/json":
        said = f"not {kind}" if kind else "and say so in Content-Type"
        raise Refusal(Problem(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send application/json, {said[:80]}."))
    await request.body()  # kept by the request: FastAPI would call every failure here a 400
