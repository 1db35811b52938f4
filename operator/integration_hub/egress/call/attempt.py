"""One attempt: the request composed and signed, sent, its answer judged, the attempt written down."""

from __future__ import annotations

from dataclasses import dataclass, replace

from opentelemetry.trace import Span

from integration_hub.domain import classification
from integration_hub.domain.call_problem import problem_of
from integration_hub.domain.concealment import Conceal, concealing
from integration_hub.domain.echo import Veil
from integration_hub.egress.call.journey import Diary, Journey, Tried, shown_headers
from integration_hub.egress.tracing import Tracing
from integration_hub.ports import (
    Clock,
    Egress,
    Expressions,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    Presented,
)
from integration_hub.providers.composing import CORRELATION_ID, Draft, compose


@dataclass(slots=True)
class Outgoing:
    """A request ready to be sent, and what strikes its secrets out."""

    journey: Journey
    request: HttpRequest
    conceal: Conceal
    veil: Veil
    span: Span


@dataclass(frozen=True, slots=True)
class Attempts:
    """Makes single attempts. Whether there are to be any, and more of them, others decide."""

    egress: Egress
    expressions: Expressions
    clock: Clock
    tracing: Tracing
    diary: Diary

    async def make(self, journey: Journey, draft: Draft, presented: Presented) -> Tried:
        """Send once. Never raises for what the far end does."""
        outgoing = self.prepare(journey, draft, presented)
        tried = None
        try:
            answer = await self.egress.send(outgoing.request)
            tried = self.judge(outgoing, answer)
        finally:
            self.end(outgoing, tried)
        self.diary.attempt(
            journey,
            outgoing.request,
            tried,
            outgoing.conceal,
            answer if isinstance(answer, HttpResponse) else None,
        )
        return tried

    def prepare(
        self, journey: Journey, draft: Draft, presented: Presented, *, streamed: bool = False
    ) -> Outgoing:
        """The request with credentials, correlation and trace; the signature last, over all of it."""
        journey.attempts += 1
        span, added = self.tracing.begin(
            journey.trace,
            draft.request.method,
            draft.host,
            journey.link.provider_label,
            journey.attempts,
        )
        added[CORRELATION_ID] = journey.correlation_id
        request = compose(draft, presented, added)
        if streamed:
            request = replace(request, streamed=True, body=b"", body_length=draft.request.body_length)
        if presented.sign is not None:
            request = presented.sign(request, self.clock.now())
        return Outgoing(journey, request, concealing(presented.secrets), Veil(presented.secrets), span)

    def judge(self, outgoing: Outgoing, answer: HttpResponse | HttpFailure) -> Tried:
        """What an answer amounts to by the provider's rules, and what of it a caller may see."""
        journey = outgoing.journey
        rules = classification.rules(journey.link.provider, probing=journey.request.probing)
        outcome = classification.classify(answer, rules, self.expressions, self.clock.now(), outgoing.conceal)
        problem = problem_of(outcome, journey.host, outgoing.request.timeout_seconds)
        if isinstance(answer, HttpFailure):
            return Tried(outcome, problem, {})
        veil = outgoing.veil
        headers = veil.over_headers(shown_headers(answer.headers))
        return Tried(outcome, problem, headers, veil.over(answer.body), answer.truncated)

    def end(self, outgoing: Outgoing, tried: Tried | None) -> None:
        """Close the span; `tried` None: it was broken off."""
        if tried is None:
            self.tracing.end(outgoing.span, 0, "cancelled", success=False)
        else:
            outcome = tried.outcome
            self.tracing.end(outgoing.span, outcome.status, outcome.reason.value, success=outcome.success)
