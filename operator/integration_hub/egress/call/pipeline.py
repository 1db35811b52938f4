"""The pipeline: what stands between somebody who wants a call and the wire, in its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

from integration_hub.api.errors import ErrorCode
from integration_hub.api.reasons import Reason
from integration_hub.domain import answer_cache, breaker, retry
from integration_hub.domain.breaker import Pass, Stop, Verdict
from integration_hub.domain.call_problem import code_of
from integration_hub.domain.classification import Outcome
from integration_hub.domain.rate_headers import exhausted_for
from integration_hub.egress.answers import Answers
from integration_hub.egress.breakers import BreakerBook
from integration_hub.egress.budgets import Budgets
from integration_hub.egress.call.attempt import Attempts
from integration_hub.egress.call.journey import (
    CORRELATION_ID,
    CallMetrics,
    CallStore,
    Diary,
    Journey,
    Tried,
    told,
)
from integration_hub.egress.call.streaming import Streams
from integration_hub.egress.tracing import Tracing
from integration_hub.ports import (
    BreakerRow,
    CallAnswer,
    CallRequest,
    CallStream,
    Clock,
    CredentialProblem,
    CredentialSource,
    Entropy,
    Expressions,
    Link,
    Presented,
    Problem,
    Purpose,
    ResponseCache,
    StreamingEgress,
)
from integration_hub.providers.composing import Composer, Draft
from integration_hub.providers.request import RequestProblem

STUBBORN_SECONDS = 60.0
"""Where renewed credentials were called expired as well, no others are asked for so long."""
LEASE_GRACE_SECONDS = 5.0
UNTOLD_QUIET_SECONDS = 1.0
"""A far end that asks for fewer calls and does not say for how long: others must not go on meanwhile."""
_REMEMBERED = 10_000
_HOLDING = frozenset({Reason.RATE_LIMITED, Reason.UPSTREAM_ERROR})


class CallPipeline:
    """`ports.Calls`. One per process; it belongs to one event loop. `restore()` before the first call."""

    def __init__(
        self,
        egress: StreamingEgress,
        credentials: CredentialSource,
        store: CallStore,
        cache: ResponseCache,
        *,
        expressions: Expressions,
        clock: Clock,
        entropy: Entropy,
        metrics: CallMetrics,
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._entropy = entropy
        self._metrics = metrics
        self._composer = Composer(expressions)
        self._tracing = Tracing()
        self._diary = Diary(store, metrics, clock)
        self._breakers = BreakerBook(store, clock, metrics, shared=store.shared)
        self._budgets = Budgets(store, clock, shared=store.shared)
        self._answers = Answers(cache)
        self._attempts = Attempts(egress, expressions, clock, self._tracing, self._diary)
        self._streams = Streams(egress, self._attempts, clock)
        self._stubborn: dict[str, float] = {}

    # ------------------------------------------------------------------ calls

    async def call(self, link: Link, request: CallRequest) -> CallAnswer:
        """See `ports.Calls.call`."""
        journey = self._set_out(link, request)
        draft = self._composer.draft(link, request)
        if isinstance(draft, RequestProblem):
            return self._misworded(journey, draft)
        journey.host = draft.host
        if not answer_cache.cacheable(request):
            return await self._fetch(journey, draft, None)
        presented = await self._present(journey)
        if isinstance(presented, CallAnswer):
            return presented
        return await self._answers.answer(
            link, request, presented.version, lambda: self._fetch(journey, draft, presented)
        )

    async def stream(
        self, link: Link, request: CallRequest, body: AsyncIterable[bytes] | None = None
    ) -> CallStream | CallAnswer:
        """See `ports.Calls.stream`. Without a body, expired credentials are renewed once, as in `call`."""
        journey = self._set_out(link, request)
        draft = self._composer.draft(link, request)
        if isinstance(draft, RequestProblem):
            return self._misworded(journey, draft)
        journey.host = draft.host
        draft = replace(draft, gzip=False)
        presented: Presented | None = None
        renewed = body is not None
        while True:
            passed = await self._gate(journey, draft, request.wait_seconds)
            if isinstance(passed, CallAnswer):
                return passed
            verdict = Verdict.NOTHING
            async with AsyncExitStack() as nobodys:
                try:
                    found = presented or await self._present(journey)
                    if isinstance(found, CallAnswer):
                        return found
                    opened = await self._streams.open(journey, draft, found, body)
                    if not isinstance(opened, Tried):
                        await nobodys.enter_async_context(opened)  # it is closed if we are cancelled below
                    outcome = opened.outcome
                    verdict = breaker.verdict(outcome)
                finally:
                    await self._breakers.leave(link, passed, verdict)
                await self._respect(link, outcome, opened.headers)
                nobodys.pop_all()
            if not isinstance(opened, Tried):
                return opened
            if renewed or not self._renewable(journey, outcome, renewed=renewed):
                return told(journey, opened)
            renewed = True
            newer = await self._renew(journey, opened, found)
            if isinstance(newer, CallAnswer):
                return newer
            presented = newer

    def forget_answers(self, link_uid: str) -> None:
        """See `ports.Calls.forget_answers`."""
        self._answers.forget(link_uid)

    # ------------------------------------------------------------------ breakers, for the reconciler

    async def restore(self) -> None:
        """Read what earlier processes and other replicas know of breakers."""
        await self._breakers.refresh()

    def breaker(self, uid: str) -> BreakerRow:
        """A connection's breaker: `state`, `opened_at`, `retry_at`. Of other replicas' within a second."""
        return self._breakers.row(uid)

    def forget(self, uid: str) -> None:
        """The Integration is gone."""
        self._breakers.forget(uid)
        self._stubborn.pop(uid, None)
        self._answers.forget(uid)

    # ------------------------------------------------------------------ inside

    def _set_out(self, link: Link, request: CallRequest) -> Journey:
        given = request.correlation_id
        correlation_id = given if CORRELATION_ID.fullmatch(given) else self._entropy.uuid()
        return Journey(link, request, correlation_id, self._tracing.parent(request.trace), "the provider")

    async def _fetch(self, journey: Journey, draft: Draft, presented: Presented | None) -> CallAnswer:
        """All attempts of one call. What failed last is the answer once no other may be made."""
        request = journey.request
        policy = self._policy(journey)
        tried: Tried | None = None
        renewed, repetition, patience = False, 0, request.wait_seconds
        while True:
            passed = await self._gate(journey, draft, patience, last=tried)
            if isinstance(passed, CallAnswer):
                return passed
            verdict = Verdict.NOTHING
            try:
                found = presented or await self._present(journey)
                if isinstance(found, CallAnswer):
                    return found
                tried = await self._attempts.make(journey, draft, found)
                verdict = breaker.verdict(tried.outcome)
            finally:
                await self._breakers.leave(journey.link, passed, verdict)
            await self._respect(journey.link, tried.outcome, tried.headers)
            if tried.outcome.success:
                return told(journey, tried)
            if self._renewable(journey, tried.outcome, renewed=renewed):
                newer = await self._renew(journey, tried, found)
                if isinstance(newer, CallAnswer):
                    return newer
                presented, renewed = newer, True
                continue
            repetition += 1
            wait = retry.delay(policy, tried.outcome, repetition, self._entropy.random())
            if wait is None:
                return told(journey, tried)
            presented, patience = None, max(request.wait_seconds, policy.max_seconds)
            await asyncio.sleep(wait)

    def _policy(self, journey: Journey) -> retry.RetryPolicy:
        request = journey.request
        if request.retry and retry.may_repeat(request.method, request.idempotency_key, request.headers):
            return retry.RetryPolicy.of(journey.link.spec.retry)
        return retry.NEVER

    async def _gate(
        self, journey: Journey, draft: Draft, patience: float, *, last: Tried | None = None
    ) -> Pass | CallAnswer:
        """Breaker, budget, breaker: a full budget may be waited for, and the breaker open meanwhile.

        `last`: what the attempt before came to, which tells a caller more than that no other was let out.
        """
        link = journey.link
        stop = await self._breakers.look(link, forced=journey.forced)
        if stop is None:
            wait = await self._budget(link, patience)
            if wait:
                return told(journey, last) if last is not None else self._spent(journey, wait)
            lease = draft.timeout_seconds + LEASE_GRACE_SECONDS
            passed = await self._breakers.enter(link, trial_seconds=lease, forced=journey.forced)
            if isinstance(passed, Pass):
                return passed
            stop = passed
        return told(journey, last) if last is not None else self._stopped(journey, stop)

    async def _budget(self, link: Link, patience: float) -> float:
        if not patience:
            return await self._budgets.take(link, 0.0)
        began = self._clock.monotonic()
        wait = await self._budgets.take(link, patience)
        waited = self._clock.monotonic() - began
        if waited > 0:
            self._metrics.observe_rate_wait(link.provider_label, waited)
        return wait

    async def _present(self, journey: Journey) -> Presented | CallAnswer:
        request = journey.request
        found = await self._credentials.present(
            journey.link, caller=request.caller, purpose=request.purpose.value
        )
        return self._without_credentials(journey, found) if isinstance(found, CredentialProblem) else found

    def _renewable(self, journey: Journey, outcome: Outcome, *, renewed: bool) -> bool:
        """Whether newer credentials are worth asking for: once a call, not where they did not help lately."""
        if not outcome.expired or journey.request.purpose is Purpose.ROTATION:
            return False  # new credentials on trial are to be judged, not replaced
        uid, now = journey.link.uid, self._clock.monotonic()
        if renewed:
            if len(self._stubborn) >= _REMEMBERED:
                self._stubborn.clear()
            self._stubborn[uid] = now + STUBBORN_SECONDS
            return False
        return self._stubborn.get(uid, 0.0) <= now

    async def _renew(self, journey: Journey, tried: Tried, refused: Presented) -> Presented | CallAnswer:
        newer = await self._credentials.renew(journey.link, refused)
        if not isinstance(newer, CredentialProblem):
            return newer
        answer = told(journey, tried)
        if newer.reason is answer.reason:
            return answer  # nothing is newer: the far end's own words say more
        problem = Problem(code_of(newer.reason), newer.message, newer.retry_after)
        return replace(
            answer,
            reason=newer.reason,
            detail=newer.message,
            retry_after=newer.retry_after,
            problem=problem,
        )

    async def _respect(self, link: Link, outcome: Outcome, headers: Mapping[str, str]) -> None:
        """Keep the quiet that the far end asked for, in words or by having no calls left."""
        asked = (outcome.retry_after or 0.0) if outcome.reason in _HOLDING else 0.0
        if outcome.reason is Reason.RATE_LIMITED and outcome.retry_after is None:
            asked = UNTOLD_QUIET_SECONDS
        names = link.provider.rate_limit_headers
        if names is not None:
            asked = max(asked, exhausted_for(names, headers, self._clock.now().timestamp()))
        if asked > 0:
            await self._budgets.hold(link, asked)

    # ------------------------------------------------------------------ refusals

    def _misworded(self, journey: Journey, found: RequestProblem) -> CallAnswer:
        return self._refused(journey, Reason.CONFIG_INVALID, ErrorCode.INVALID_REQUEST, found.message)

    def _stopped(self, journey: Journey, stop: Stop) -> CallAnswer:
        details = (
            f"Calls to {journey.host} are stopped, since too many in a row failed; the next trial is in "
            f"{stop.retry_after:.0f} s."
        )
        return self._refused(
            journey, Reason.CIRCUIT_OPEN, ErrorCode.CIRCUIT_OPEN, details, retry_after=stop.retry_after
        )

    def _spent(self, journey: Journey, wait: float) -> CallAnswer:
        details = (
            f"The calls that {journey.link.provider_name} allows this account are used up for now; there is "
            f"room again in {wait:.0f} s."
        )
        return self._refused(
            journey, Reason.RATE_LIMITED, ErrorCode.RATE_LIMIT_EXCEEDED, details, retry_after=wait
        )

    def _without_credentials(self, journey: Journey, found: CredentialProblem) -> CallAnswer:
        return self._refused(
            journey, found.reason, code_of(found.reason), found.message, retry_after=found.retry_after
        )

    def _refused(
        self,
        journey: Journey,
        reason: Reason,
        code: ErrorCode,
        details: str,
        *,
        retry_after: float | None = None,
    ) -> CallAnswer:
        """Nothing was sent, or nothing more."""
        problem = Problem(code, details, retry_after)
        outcome = Outcome(reason, detail=details, retry_after=retry_after)
        self._diary.refusal(journey, outcome, problem)
        return told(journey, Tried(outcome, problem, {}))
