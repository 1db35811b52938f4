"""The route class of the API: JSON only, bodies read before anything else, Idempotency-Key on POST."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from integration_hub.api.errors import ErrorCode
from integration_hub.gateway.errors import Refusal
from integration_hub.gateway.idempotency import Idempotency
from integration_hub.gateway.visit import visit_of
from integration_hub.ports import Problem

_Body = TypeVar("_Body", bound=BaseModel)
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def api_route(idempotency: Idempotency | None, quick: Handler | None = None) -> type[APIRoute]:
    """The class for a router's `route_class`. Without `idempotency` the header has no meaning there.

    `quick` does what the declared function does without FastAPI's resolving of its parameters, which
    costs more than all else that the gateway does with a request: for the few routes where that counts.
    """

    class ApiRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = quick or super().get_route_handler()

            async def handler(request: Request) -> Response:
                check_path(request)
                await _read(request)
                if idempotency is not None and request.method == "POST":
                    return await idempotency.run(request, handle)
                return await handle(request)

            return handler

    return ApiRoute


async def body_of(request: Request, model: type[_Body]) -> _Body:
    """The body as that model, with the refusal that FastAPI would give. For `quick` handlers."""
    body = await request.body()
    if not body:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(found) from None


def answer_of(model: BaseModel) -> Response:
    """The model as JSON, as FastAPI would answer it. For `quick` handlers."""
    return Response(model.model_dump_json(by_alias=True), media_type="application/json")


def check_path(request: Request, segments: int | None = None) -> None:
    """Refuse an encoded slash (%2F) in the path, or in its first `segments`: an id that held one would be
    taken for further steps of the path, and lead to another route than whoever encoded it meant.
    """
    raw: bytes = request.scope.get("raw_path") or b""
    if b"%2" in raw and any(b"%2f" in each for each in raw.lower().split(b"/")[:segments]):
        said = "There is nothing at this path: an id holds no slash (%2F)."
        raise Refusal(Problem(ErrorCode.NOT_FOUND, said))


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
