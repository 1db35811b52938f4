"""One call through a connection: what execute, batches and widgets have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from integration_hub.api.errors import ErrorCode
from integration_hub.api.offerings import Endpoint
from integration_hub.domain import call as calls_by_path
from integration_hub.domain import endpoint as endpoints
from integration_hub.domain import url
from integration_hub.domain.call import Encoding, Wording, WordingProblem
from integration_hub.domain.endpoint import EndpointCall
from integration_hub.operations.trail import Trail
from integration_hub.ports import (
    CallAnswer,
    Caller,
    CallRequest,
    Calls,
    Expressions,
    Json,
    Link,
    Problem,
    Purpose,
)
from integration_hub.providers.request import RequestProblem, base_url


@dataclass(frozen=True, slots=True)
class Plan:
    """A call checked and composed, before anything is sent. `endpoint` is set where it was called by name."""

    request: CallRequest
    endpoint: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What the far end said.

    `data` is decoded as `encoding` tells. `problem` is set where the answer is a failure all the same: by
    its status, by the provider's rules, or because it is not what the endpoint's responseSchema promises.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: Json = field(repr=False)
    encoding: Encoding
    truncated: bool
    milliseconds: int
    attempts: int
    cached: bool
    problem: Problem | None = None


class OneCall:
    """Composes, sends, and tells what came of it."""

    def __init__(self, calls: Calls, expressions: Expressions) -> None:
        self._calls = calls
        self._expressions = expressions

    def plan(
        self, link: Link, wording: Wording, caller: Caller, trail: Trail, purpose: Purpose = Purpose.CALL
    ) -> Plan | Problem:
        """Check the words and compose the call; nothing is sent."""
        if not wording.endpoint:
            return Problem(ErrorCode.INVALID_REQUEST, "endpoint: it is missing")
        if wording.by_path:
            composed = calls_by_path.compose(wording, link.provider.default_headers)
            if isinstance(composed, WordingProblem):
                return Problem(ErrorCode.INVALID_REQUEST, composed.message)
            return Plan(request_of(composed, caller, trail, purpose))
        endpoint = endpoints.find(link.provider, wording.endpoint)
        if isinstance(endpoint, Problem):
            return replace(endpoint, details=f"{endpoint.details}; a path begins with a slash")
        problem = _named_wording_problem(endpoint, wording)
        if problem:
            return Problem(ErrorCode.INVALID_REQUEST, problem)
        made = endpoints.endpoint_call(
            endpoint,
            {**(wording.data or {}), **wording.parameters},
            config=link.config,
            expressions=self._expressions,
        )
        if isinstance(made, Problem):
            return made
        return Plan(request_of(made, caller, trail, purpose, wording.headers), endpoint)

    async def make(self, link: Link, plan: Plan) -> Answered | Problem:
        """Send it. A Problem where the far end gave no answer at all."""
        answer = await self._calls.call(link, plan.request)
        if answer.status == 0:
            return answer.problem or Problem(ErrorCode.INTERNAL_ERROR, "The call came to nothing.")
        return _answered(answer, plan)

    def url_of(self, link: Link, plan: Plan) -> str | Problem:
        """Where the call would go, without what the credentials add."""
        base = base_url(
            link.provider, config=link.config, region=link.spec.region, expressions=self._expressions
        )
        if isinstance(base, RequestProblem):
            return Problem(ErrorCode.INVALID_CONFIGURATION, base.message)
        joined = url.join(base, plan.request.path)
        if isinstance(joined, url.UrlProblem):
            return Problem(ErrorCode.INVALID_REQUEST, f"endpoint: {joined.message}")
        for name, value in plan.request.query:
            joined = url.with_query(joined, {name: value})
        return joined


def request_of(
    made: EndpointCall,
    caller: Caller,
    trail: Trail,
    purpose: Purpose,
    headers: Mapping[str, str] | None = None,
) -> CallRequest:
    """A composed call as egress takes it; `headers` are the caller's own and win over the endpoint's."""
    return CallRequest(
        method=made.method,
        path=made.path,
        query=made.query,
        headers={**made.headers, **(headers or {})},
        body=made.body,
        purpose=purpose,
        caller=caller.user,
        correlation_id=trail.correlation_id,
        trace=trail.trace,
        idempotency_key=trail.idempotency_key,
        cache_seconds=made.cache_seconds,
        repeatable=made.repeatable,
    )


def _named_wording_problem(endpoint: Endpoint, wording: Wording) -> str:
    if wording.data is not None and not isinstance(wording.data, Mapping):
        return f"data: {endpoint.name!r} takes an object of named values"
    method = "POST" if endpoint.kind == "graphql" else endpoint.method
    if wording.method and wording.method.upper() != method:
        return f"method: {endpoint.name!r} is a {method}; leave method out"
    return calls_by_path.check_headers(wording.headers)


def _answered(answer: CallAnswer, plan: Plan) -> Answered:
    shown = calls_by_path.show(
        answer.body, answer.headers.get("content-type", ""), truncated=answer.truncated
    )
    problem = answer.problem
    if problem is None and plan.endpoint is not None:
        problem = endpoints.answer_problem(plan.endpoint, answer.body)
    return Answered(
        status=answer.status,
        headers=answer.headers,
        data=shown.data,
        encoding=shown.encoding,
        truncated=answer.truncated,
        milliseconds=round(answer.elapsed_seconds * 1000),
        attempts=answer.attempts,
        cached=answer.cached,
        problem=problem,
    )
