"""Try a connection now, by the provider's own probe (INT-25, INT-32).

Through `Calls`, at once, from whichever process is asked: no write to the API server, nothing on the user's
object, and it works while no operator leads. The operator hears of it and looks for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import HealthStatus
from integration_hub.api.reasons import Reason
from integration_hub.operations.health import HealthReport, ReadHealth
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import (
    CallAnswer,
    Caller,
    Calls,
    Clock,
    Expressions,
    HealthLog,
    HealthPoint,
    Link,
    NoLink,
    Problem,
    Purpose,
    Wakeup,
    Wakeups,
)
from integration_hub.providers.linking import Linker
from integration_hub.providers.probing import probe_call
from integration_hub.providers.request import NoProbe, RequestProblem

TEST = "test"
"""The virtual subresource that lets somebody try a connection (verb create)."""


@dataclass(frozen=True, slots=True)
class TryInput:
    """`integration` is a name or uid."""

    namespace: str
    integration: str
    trail: Trail = NO_TRAIL


class TryConnection:
    """Needs: create integrations/test."""

    def __init__(
        self,
        *,
        integrations: Integrations,
        linker: Linker,
        calls: Calls,
        expressions: Expressions,
        health: HealthLog,
        reports: ReadHealth,
        wakeups: Wakeups,
        clock: Clock,
    ) -> None:
        self._integrations = integrations
        self._linker = linker
        self._calls = calls
        self._expressions = expressions
        self._health = health
        self._reports = reports
        self._wakeups = wakeups
        self._clock = clock

    async def __call__(self, caller: Caller, asked: TryInput) -> HealthReport | Problem:
        """The connection's health as this very try finds it; a try that fails is a finding, not a Problem."""
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, verb="create", subresource=TEST, trail=asked.trail
        )
        if isinstance(found, Problem):
            return found
        link = self._linker.link(found)
        if isinstance(link, NoLink):
            return link.problem
        request = probe_call(link, self._expressions, purpose=Purpose.TEST)
        if isinstance(request, RequestProblem):
            return Problem(ErrorCode.INVALID_CONFIGURATION, request.message)
        if isinstance(request, NoProbe):
            return Problem(
                ErrorCode.INVALID_CONFIGURATION,
                "The provider declares no request to try; name one in spec.healthCheck.path.",
            )
        trail = asked.trail
        answer = await self._calls.call(
            link, replace(request, caller=caller.user, correlation_id=trail.correlation_id, trace=trail.trace)
        )
        await self._tell(link, answer)
        return _judged(await self._reports.of(found), answer, self._clock)

    async def _tell(self, link: Link, answer: CallAnswer) -> None:
        """The same facts as a probe of the operator's own would leave, if anything was sent at all."""
        if answer.attempts:
            took = answer.elapsed_seconds * 1000 if answer.status else None
            self._health.record_health(HealthPoint(self._clock.now(), link.uid, answer.success, took))
        key = link.key
        await self._wakeups.wake(Wakeup(key.kind, key.namespace, key.name, "Tested"))


def _judged(report: HealthReport, answer: CallAnswer, clock: Clock) -> HealthReport:
    problem = answer.problem
    return replace(
        report,
        status=_verdict(answer),
        last_check=clock.now(),
        response_milliseconds=round(answer.elapsed_seconds * 1000) if answer.status else None,
        last_error=None if answer.success else (problem.details if problem is not None else answer.detail),
    )


def _verdict(answer: CallAnswer) -> HealthStatus:
    if answer.success:
        return HealthStatus.HEALTHY
    return HealthStatus.DEGRADED if answer.reason is Reason.RATE_LIMITED else HealthStatus.UNHEALTHY
