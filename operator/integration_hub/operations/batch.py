"""Several calls in one request: at the same time, bounded, answered in their order, each for itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from integration_hub.api.errors import ErrorCode
from integration_hub.api.offerings import Batch
from integration_hub.domain import batch as batches
from integration_hub.domain import classification
from integration_hub.domain.batch import BatchedAnswer, BatchedCall
from integration_hub.domain.call import Wording
from integration_hub.domain.call_problem import problem_of
from integration_hub.operations.execute import CALL
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.one_call import Answered, OneCall, Plan, request_of
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import (
    CallAnswer,
    Caller,
    Calls,
    Clock,
    Expressions,
    HttpResponse,
    Json,
    Link,
    Problem,
    Purpose,
)

Result = Answered | Problem


@dataclass(frozen=True, slots=True)
class BatchInput:
    """`native` False: never in one request, even where the provider takes batches."""

    namespace: str
    integration: str
    calls: Sequence[Wording]
    native: bool = True
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class BatchResults:
    """One result for each call, in the order of the calls."""

    results: tuple[Result, ...]


class ExecuteBatch:
    """The provider's own batches where it takes the calls so, else side by side."""

    def __init__(
        self,
        integrations: Integrations,
        one_call: OneCall,
        calls: Calls,
        expressions: Expressions,
        clock: Clock,
    ) -> None:
        self._integrations = integrations
        self._one_call = one_call
        self._calls = calls
        self._expressions = expressions
        self._clock = clock

    async def __call__(self, caller: Caller, asked: BatchInput) -> BatchResults | Problem:
        """A Problem where none was sent; what is wrong with one call is that call's result."""
        link = await self._integrations.link(
            caller, asked.namespace, asked.integration, subresource=CALL, trail=asked.trail
        )
        if isinstance(link, Problem):
            return link
        most = link.spec.batch.max_calls
        if len(asked.calls) > most:
            return Problem(
                ErrorCode.INVALID_REQUEST,
                f"calls: {len(asked.calls)} are more than this Integration takes in one batch ({most}, "
                "spec.batch.maxCalls)",
            )
        plans = [
            self._one_call.plan(link, wording, caller, _numbered(asked.trail, number))
            for number, wording in enumerate(asked.calls)
        ]
        return BatchResults(await self._run(link, plans, caller, asked))

    async def _run(
        self, link: Link, plans: Sequence[Plan | Problem], caller: Caller, asked: BatchInput
    ) -> tuple[Result, ...]:
        """At most `parallelism` requests under way at once, batches and single calls alike."""
        gate = asyncio.Semaphore(link.spec.batch.parallelism)
        results: dict[int, Result] = {}
        native = link.provider.batch if asked.native and link.provider.supports.batch else None
        together = _together(native, plans) if native is not None else {}

        async def alone(number: int, plan: Plan) -> None:
            async with gate:
                results[number] = await self._one_call.make(link, plan)

        async def in_one(batch: Batch, numbers: Sequence[int]) -> None:
            calls = [together[number] for number in numbers]
            async with gate:
                trail = _numbered(asked.trail, numbers[0])
                answers = await self._send(link, batch, calls, caller, trail)
            results.update(zip(numbers, answers, strict=True))

        async with asyncio.TaskGroup() as group:
            for number, plan in enumerate(plans):
                if isinstance(plan, Problem):
                    results[number] = plan
                elif number not in together:
                    group.create_task(alone(number, plan))
            if native is not None:
                for start in range(0, len(together), native.max_calls):
                    numbers = list(together)[start : start + native.max_calls]
                    group.create_task(in_one(native, numbers))
        return tuple(results[number] for number in range(len(plans)))

    async def _send(
        self, link: Link, batch: Batch, calls: Sequence[BatchedCall], caller: Caller, trail: Trail
    ) -> Sequence[Result]:
        """One request of the provider's batch kind, and what it says of each call."""
        made = batches.batch_call(batch, calls, config=link.config, expressions=self._expressions)
        if isinstance(made, Problem):
            return [made] * len(calls)
        answer = await self._calls.call(link, request_of(made, caller, trail, Purpose.CALL))
        if answer.problem is not None:
            return [answer.problem] * len(calls)
        read = batches.batch_answers(batch, len(calls), answer.body)
        if isinstance(read, Problem):
            return [read] * len(calls)
        return [self._single(link, one, answer) for one in read]

    def _single(self, link: Link, one: BatchedAnswer, whole: CallAnswer) -> Result:
        """One answer of a batch, judged by the provider's rules as if it had come alone."""
        name = link.provider.display_name
        if one.status == 0:
            return Problem(ErrorCode.UPSTREAM_ERROR, f"{name} left this call of the batch unanswered.")
        body = json.dumps(one.body).encode() if one.body is not None else b""
        alone = HttpResponse(one.status, {}, body, truncated=False, elapsed_seconds=whole.elapsed_seconds)
        outcome = classification.classify(
            alone, classification.rules(link.provider, probing=False), self._expressions, self._clock.now()
        )
        return Answered(
            status=one.status,
            headers={},
            data=one.body,
            encoding="none" if one.body is None else "json",
            truncated=False,
            milliseconds=round(whole.elapsed_seconds * 1000),
            attempts=whole.attempts,
            cached=False,
            problem=problem_of(outcome, name, link.spec.timeout_seconds),
        )


def _together(batch: Batch, plans: Sequence[Plan | Problem]) -> dict[int, BatchedCall]:
    """The calls, by their number, that may share a request; none where that would be one alone.

    A call with headers of its own, with a response that must be checked, or whose body is no JSON goes
    by itself.
    """
    found: dict[int, BatchedCall] = {}
    for number, plan in enumerate(plans):
        call = _batched(plan) if isinstance(plan, Plan) else None
        if call is not None and batches.takes(batch, call):
            found[number] = call
    return found if len(found) > 1 else {}


def _batched(plan: Plan) -> BatchedCall | None:
    request = plan.request
    if plan.endpoint is not None and plan.endpoint.response_schema is not None:
        return None
    own = {name: value for name, value in request.headers.items() if name.lower() != "content-type"}
    kind = request.headers.get("Content-Type", "application/json")
    if own or not kind.startswith("application/json"):
        return None
    body: Json = json.loads(request.body) if request.body else None
    return BatchedCall(request.method, request.path, tuple(request.query), body)


def _numbered(trail: Trail, number: int) -> Trail:
    """Each request of a batch is repeatable for itself: a key of its own, derived from the caller's."""
    if not trail.idempotency_key:
        return trail
    return replace(trail, idempotency_key=f"{trail.idempotency_key}-{number}")
