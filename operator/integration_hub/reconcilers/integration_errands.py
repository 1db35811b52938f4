"""What a reconcile sends to the outside and does not wait long for: a probe, a newer token.

Each is one coroutine with its outcome as a value, for `probing.Probes` to run: a slow far end, be it
the system itself or its token endpoint, holds up its own object and nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome
from integration_hub.domain.integration import Inputs
from integration_hub.domain.integration.requested import Checked, judge
from integration_hub.ports import (
    CallAnswer,
    CallRequest,
    Calls,
    Clock,
    CredentialFacts,
    CredentialProblem,
    CredentialSource,
    Expressions,
    HealthLog,
    HealthPoint,
    Link,
    Purpose,
)
from integration_hub.providers.probing import probe_call
from integration_hub.providers.request import NoProbe, RequestProblem
from integration_hub.reconcilers.departing import Revoked
from integration_hub.reconcilers.rotating import Turn


@dataclass(frozen=True, slots=True)
class Tag:
    """What an errand under way is for, so that one on old inputs can be told."""

    what: str
    inputs: Inputs


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe that was made: of which object, on which inputs, and what it came to."""

    uid: str
    inputs: Inputs
    outcome: Outcome
    checked: tuple[Checked, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewed:
    """A try for a newer token, and what there is after it."""

    uid: str
    found: CredentialFacts | CredentialProblem


Errand = Probed | Renewed | Turn | Revoked


class ErrandMetrics(Protocol):
    """The figures of errands."""

    def observe_probe(self, kind: str, provider: str, outcome: str, seconds: float) -> None: ...


class Errands:
    """Makes the coroutines; see the module's text. None raises for what the far end does."""

    def __init__(
        self,
        *,
        calls: Calls,
        credentials: CredentialSource,
        expressions: Expressions,
        health: HealthLog,
        clock: Clock,
        metrics: ErrandMetrics,
    ) -> None:
        self._calls = calls
        self._credentials = credentials
        self._expressions = expressions
        self._health = health
        self._clock = clock
        self._metrics = metrics

    async def probe(self, link: Link, inputs: Inputs, *, asked: bool = False) -> Probed:
        """Send the provider's probe and sort the answer. `asked`: somebody wants to know now."""
        outcome = await self.try_out(link, Purpose.TEST if asked else Purpose.PROBE)
        self._metrics.observe_probe(
            INTEGRATION.kind, link.provider_label, outcome.reason.value, outcome.elapsed_seconds
        )
        if outcome.counts:
            took = outcome.elapsed_seconds * 1000 if outcome.status else None
            self._health.record_health(HealthPoint(self._clock.now(), link.uid, outcome.success, took))
        checked = await self._run_tests(link) if asked and outcome.success else ()
        return Probed(link.uid, inputs, outcome, checked)

    async def _run_tests(self, link: Link) -> tuple[Checked, ...]:
        """The owner's own tests, one after the other."""
        checked = []
        for test in link.spec.tests:
            request = CallRequest(test.method, test.path, purpose=Purpose.TEST, retry=False)
            answer = await self._calls.call(link, request)
            checked.append(judge(test, answer, self._expressions))
        return tuple(checked)

    async def try_out(self, link: Link, purpose: Purpose) -> Outcome:
        """The provider's probe with the credentials of this purpose."""
        request = probe_call(link, self._expressions, purpose=purpose)
        if isinstance(request, RequestProblem | NoProbe):
            why = request.message if isinstance(request, RequestProblem) else "there is nothing to ask for"
            return Outcome(Reason.CONFIG_INVALID, detail=why)
        return outcome_of(await self._calls.call(link, request))

    async def refresh(self, link: Link) -> Renewed:
        """Obtain a newer token ahead of the present one's end."""
        return Renewed(link.uid, await self._credentials.refresh(link))


_TELLING = frozenset(
    {
        Reason.CONFIG_INVALID,
        Reason.INVALID_URL,
        Reason.ADDRESS_BLOCKED,
        Reason.NAME_NOT_RESOLVED,
        Reason.CONNECTION_FAILED,
        Reason.TLS_FAILED,
        Reason.TIMEOUT,
        Reason.PROTOCOL_ERROR,
        Reason.INVALID_CREDENTIALS,
        Reason.REAUTH_REQUIRED,
    }
)
"""Reasons that say something of the connection although no request may have left."""


def outcome_of(answer: CallAnswer) -> Outcome:
    """An answer as health sees it: what never left by our own budget, breaker or trouble is no verdict."""
    unsent = answer.attempts == 0 and not answer.success and answer.reason not in _TELLING
    return Outcome(
        answer.reason,
        answer.status,
        answer.detail,
        answer.retry_after,
        answer.elapsed_seconds,
        held=unsent,
    )
