"""A namespace's connections in figures: every Integration counted once in each split, so that they add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from integration_hub.api.integration import INTEGRATION, HealthStatus, Phase
from integration_hub.api.provider import Category
from integration_hub.domain.integration import provider_key
from integration_hub.operations.admission import Admission
from integration_hub.operations.health import verdict
from integration_hub.operations.integration_view import phase_of
from integration_hub.operations.integrations import Integrations, decoded
from integration_hub.operations.metrics import MetricsReport, report, too_far_back
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Access, Caller, CallFigures, CallLog, Clock, Json, Problem
from integration_hub.providers.reading import ProviderReader


@dataclass(frozen=True, slots=True)
class StatisticsInput:
    """`window` None: calls since the first one."""

    namespace: str
    window: timedelta | None = None
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class Statistics:
    """`by_category`, `by_phase` and `by_health` each add up to `total`; a category of None is not known."""

    total: int
    by_category: Mapping[Category | None, int]
    by_phase: Mapping[Phase, int]
    by_health: Mapping[HealthStatus, int]
    calls: MetricsReport

    @property
    def healthy(self) -> int:
        return self.by_health.get(HealthStatus.HEALTHY, 0)

    @property
    def unhealthy(self) -> int:
        """All the others: a connection nothing good is known of is not healthy."""
        return self.total - self.healthy


class ReadStatistics:
    """Of one namespace."""

    def __init__(
        self,
        integrations: Integrations,
        admission: Admission,
        providers: ProviderReader,
        calls: CallLog,
        clock: Clock,
    ) -> None:
        self._integrations = integrations
        self._admission = admission
        self._providers = providers
        self._calls = calls
        self._clock = clock

    async def __call__(self, caller: Caller, asked: StatisticsInput) -> Statistics | Problem:
        """Calls of Integrations that are gone are not counted: their figures went with them."""
        too_long = too_far_back(asked.window)
        if too_long is not None:
            return too_long
        access = Access("list", INTEGRATION.plural, asked.namespace)
        refusal = await self._admission.refusal(caller, access, asked.trail)
        if refusal is not None:
            return refusal
        found = self._integrations.all(asked.namespace)
        categories: Counter[Category | None] = Counter()
        phases: Counter[Phase] = Counter()
        healths: Counter[HealthStatus] = Counter()
        async for _, obj in decoded(found):
            spec, status = obj.get("spec") or {}, obj.get("status") or {}
            categories[self._category(spec, asked.namespace)] += 1
            phases[phase_of(spec, status)] += 1
            healths[verdict(status)] += 1
        since = self._clock.now() - asked.window if asked.window is not None else None
        uids = [each.uid for each in found]
        figures = await self._calls.call_figures(asked.namespace, uids, since=since) if uids else {}
        return Statistics(len(found), categories, phases, healths, report(together(figures.values())))

    def _category(self, spec: Json, namespace: str) -> Category | None:
        key = provider_key(spec, namespace)
        known = self._providers.read(key) if key is not None else None
        return known.examined.spec.category if known is not None else None


def together(figures: Iterable[CallFigures]) -> CallFigures:
    """The sum of several Integrations' figures."""
    all_of_them = tuple(figures)
    moments = [each.last_activity for each in all_of_them if each.last_activity is not None]
    return CallFigures(
        total=sum(each.total for each in all_of_them),
        successful=sum(each.successful for each in all_of_them),
        failed=sum(each.failed for each in all_of_them),
        milliseconds=sum(each.milliseconds for each in all_of_them),
        bytes_sent=sum(each.bytes_sent for each in all_of_them),
        bytes_received=sum(each.bytes_received for each in all_of_them),
        last_activity=max(moments, default=None),
        untimed=sum(each.untimed for each in all_of_them),
    )
