"""The one shape of every error: `{error, details, code, timestamp, retryable}`, whatever went wrong where."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from integration_hub.api.errors import ErrorCode
from integration_hub.api.meta import format_time
from integration_hub.ports import ApiError, Clock, PortError, Problem, StoreError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_MAX_DETAILS = 1024
_MAX_FIELDS = 5

_BY_STATUS = {
    400: ErrorCode.INVALID_REQUEST,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    408: ErrorCode.REQUEST_TIMEOUT,
    413: ErrorCode.PAYLOAD_TOO_LARGE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    422: ErrorCode.INVALID_REQUEST,
}


class Error(BaseModel):
    """What every refusal and every failure is answered with."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": "Failed to execute API call",
                "details": "Connection timeout after 30000ms",
                "code": "CONNECTION_TIMEOUT",
                "timestamp": "2024-01-15T10:30:00Z",
                "retryable": True,
            }
        }
    )

    error: str = Field(description="What was not done.")
    details: str = Field(description="Why, naming the field or the host, and what to do about it.")
    code: str = Field(description="Stable word to match on.", json_schema_extra={"enum": list(ErrorCode)})
    timestamp: str = Field(description="When, UTC to the second.", json_schema_extra={"format": "date-time"})
    retryable: bool = Field(description="Whether the same request may succeed later.")
    upstream: dict[str, Any] | None = Field(
        default=None, description="What the outside system answered, where it did; else absent."
    )


class Refusal(Exception):  # noqa: N818 - it is how a route says no, not a fault
    """A Problem on its way out of a route or a dependency; `upstream` is what the far end said, if it did."""

    def __init__(self, problem: Problem, upstream: BaseModel | None = None) -> None:
        super().__init__(problem.details)
        self.problem = problem
        self.upstream = upstream


class BrokenOff(Exception):  # noqa: N818 - nothing is wrong with the hub
    """Half an answer is out and the rest will not come: only a broken connection tells the caller so."""


def told(outcome: _T | Problem) -> _T:
    """What an operation came to, unless it is a Problem: that becomes the answer."""
    if isinstance(outcome, Problem):
        raise Refusal(outcome)
    return outcome


class ErrorAnswers:
    """Makes answers out of Problems and of whatever is raised."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def install(self, app: FastAPI) -> None:
        app.add_exception_handler(Refusal, self._refused)
        app.add_exception_handler(HTTPException, self._http)
        app.add_exception_handler(RequestValidationError, self._invalid)
        app.add_exception_handler(PortError, self._outside)

    def answer(
        self,
        problem: Problem,
        headline: str = "",
        headers: Mapping[str, str] | None = None,
        upstream: BaseModel | None = None,
    ) -> Response:
        """The answer for a problem; `headline` says what was not done."""
        code = problem.code
        sent = dict(headers or {})
        if problem.retry_after is not None:
            sent["Retry-After"] = str(max(1, math.ceil(problem.retry_after)))
        if code is ErrorCode.UNAUTHENTICATED:
            sent["WWW-Authenticate"] = 'Bearer realm="integration-hub"'
        body = {
            "error": headline or _HEADLINES.get(code, "The request was refused"),
            "details": problem.details[:_MAX_DETAILS] or code.way_out,
            "code": code.value,
            "timestamp": format_time(self._clock.now()),
            "retryable": problem.retryable,
        }
        if upstream is not None:
            body["upstream"] = upstream.model_dump(mode="json", by_alias=True)
        return JSONResponse(body, status_code=code.status, headers=sent)

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)  # noqa: S101 - Starlette's handlers are typed by the base class
        return self.answer(error.problem, _headline(request), upstream=error.upstream)

    async def _http(self, request: Request, error: Exception) -> Response:
        """What Starlette and FastAPI raise: no such path, no such method, an unreadable body."""
        assert isinstance(error, HTTPException)  # noqa: S101
        code = _BY_STATUS.get(error.status_code, ErrorCode.INVALID_REQUEST)
        details = {
            ErrorCode.NOT_FOUND: f"There is nothing at {request.url.path}.",
            ErrorCode.METHOD_NOT_ALLOWED: f"{request.method} is not served at {request.url.path}.",
        }.get(code, str(error.detail))
        headers = dict(error.headers or {})
        if code is ErrorCode.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_served(request))
        return self.answer(Problem(code, details), headers=headers)

    async def _invalid(self, request: Request, error: Exception) -> Response:
        """The body, the query or the path is not what the route takes: each field with what is wrong."""
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return self.answer(Problem(ErrorCode.INVALID_REQUEST, explain(error.errors())), _headline(request))

    async def _outside(self, request: Request, error: Exception) -> Response:
        """Something the hub itself leans on does not work: the API server, the database."""
        _log.warning("A request failed for want of a part", extra={"cause": str(error)})
        details = (
            "The hub's database cannot be used now."
            if isinstance(error, StoreError)
            else ("The API server cannot be reached now." if isinstance(error, ApiError) else "Not ready.")
        )
        after = getattr(error, "retry_after", None)
        return self.answer(
            Problem(ErrorCode.NOT_READY, details, 2.0 if after is None else after), _headline(request)
        )


def explain(problems: Any) -> str:
    """Pydantic's findings in one line, by field; never a value, which may be a secret."""
    lines = []
    for each in list(problems)[:_MAX_FIELDS]:
        place = [str(step) for step in each["loc"]]
        if place and place[0] in {"body", "query", "path", "header"}:
            place = place[1:] or place
        said = _MESSAGES.get(each["type"], each["msg"].removeprefix("Value error, "))
        lines.append(f"{'.'.join(place)}: {said}")
    return "; ".join(lines)


def _served(request: Request) -> list[str]:
    """Every method that this path is served with (RFC 9110 section 15.5.6): Starlette tells one route's."""
    served: set[str] = set()
    for route in request.app.router.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            served |= getattr(route, "methods", None) or set()
    return sorted(served)


def headline(summary: str) -> str:
    """What was not done, by the summary of what was asked for."""
    return f"Failed to {summary[0].lower()}{summary[1:]}" if summary else ""


def _headline(request: Request) -> str:
    return headline(getattr(request.scope.get("route"), "summary", None) or "")


_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "json_invalid": "is not valid JSON",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
_HEADLINES = {
    ErrorCode.UNAUTHENTICATED: "Authentication failed",
    ErrorCode.FORBIDDEN: "Permission denied",
    ErrorCode.NOT_FOUND: "Not found",
    ErrorCode.METHOD_NOT_ALLOWED: "Method not allowed",
    ErrorCode.PAYLOAD_TOO_LARGE: "Payload too large",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "Unsupported media type",
    ErrorCode.REQUEST_TIMEOUT: "Request timeout",
    ErrorCode.RATE_LIMIT_EXCEEDED: "Too many requests",
    ErrorCode.INVALID_REQUEST: "Invalid request",
    ErrorCode.OVERLOADED: "Overloaded",
    ErrorCode.NOT_READY: "Not ready",
    ErrorCode.INTERNAL_ERROR: "Internal error",
}
