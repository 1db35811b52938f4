"""The same as execute, with bodies passed through both ways as they come and held by nobody."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from integration_hub.api.errors import ErrorCode
from integration_hub.domain.call import METHODS, check_headers, check_path
from integration_hub.operations.execute import CALL
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import CallAnswer, Caller, CallRequest, Calls, CallStream, Problem

TRUNCATED = "x-upstream-truncated"
"""Header of an answer of which only the beginning is passed on."""


@dataclass(frozen=True, slots=True)
class StreamInput:
    """`path` is below the provider's base, percent-encoded, with its query.

    `body` None: there is none. `body_length` where it is known; else it travels in chunks.
    """

    namespace: str
    integration: str
    method: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: AsyncIterable[bytes] | None = field(default=None, repr=False)
    body_length: int | None = None
    trail: Trail = NO_TRAIL


class ExecuteStream:
    """One call that is passed through."""

    def __init__(self, integrations: Integrations, calls: Calls) -> None:
        self._integrations = integrations
        self._calls = calls

    async def __call__(self, caller: Caller, asked: StreamInput) -> CallStream | Problem:
        """The far end's answer whatever its status; it must be closed. Raises what `body` raises."""
        link = await self._integrations.link(
            caller, asked.namespace, asked.integration, subresource=CALL, trail=asked.trail
        )
        if isinstance(link, Problem):
            return link
        wrong = "" if asked.method in METHODS else f"method: {asked.method[:16]!r} cannot be passed on"
        wrong = wrong or check_path(asked.path) or check_headers(asked.headers)
        if wrong:
            return Problem(ErrorCode.INVALID_REQUEST, wrong)
        request = CallRequest(
            method=asked.method,
            path=asked.path,
            headers=asked.headers,
            caller=caller.user,
            correlation_id=asked.trail.correlation_id,
            trace=asked.trail.trace,
            body_length=asked.body_length,
            retry=False,
        )
        opened = await self._calls.stream(link, request, asked.body)
        if not isinstance(opened, CallAnswer):
            return opened
        if opened.status:
            return WholeAnswer(opened)
        return opened.problem or Problem(ErrorCode.INTERNAL_ERROR, "The call came to nothing.")


class WholeAnswer:
    """`ports.CallStream` of an answer that was read to be judged: a failure's, cut where it was too long."""

    def __init__(self, answer: CallAnswer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = dict(answer.headers)
        if answer.truncated:
            self.headers.pop("content-length", None)
            self.headers[TRUNCATED] = "true"

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `ports.CallStream.chunks`."""
        if self._answer.body:
            yield self._answer.body

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Nothing is held."""
