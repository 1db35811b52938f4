"""How connections are: the verdict that stands, with figures as they are at this moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integration_hub.api.integration import INTEGRATION, HealthCheck, HealthStatus
from integration_hub.operations.admission import Admission
from integration_hub.operations.integrations import Integrations, decoded
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Access, Caller, Clock, HealthLog, HealthWindow, Json, Problem
from integration_hub.runtime.cache import CachedObject

_WINDOW_MINUTES = HealthCheck().window_minutes
_VERDICTS = {status.value: status for status in HealthStatus}
VERDICTS: tuple[HealthStatus, ...] = (
    HealthStatus.HEALTHY,
    HealthStatus.DEGRADED,
    HealthStatus.UNHEALTHY,
    HealthStatus.UNKNOWN,
)
"""Those that a connection may have."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`uptime` and `error_rate` are percent of the checks within the Integration's window; None: none yet."""

    id: str
    name: str
    status: HealthStatus
    last_check: datetime | None
    uptime: float | None
    response_milliseconds: int | None
    error_rate: float | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """`counts` has every verdict; they add up to the number of `reports`."""

    counts: Mapping[HealthStatus, int]
    reports: tuple[HealthReport, ...]


class ReadHealth:
    """Of one Integration, or of all of a namespace."""

    def __init__(
        self, integrations: Integrations, admission: Admission, health: HealthLog, clock: Clock
    ) -> None:
        self._integrations = integrations
        self._admission = admission
        self._health = health
        self._clock = clock

    async def one(
        self, caller: Caller, namespace: str, wanted: str, trail: Trail = NO_TRAIL
    ) -> HealthReport | Problem:
        """By name or uid."""
        found = await self._integrations.open(caller, namespace, wanted, trail=trail)
        if isinstance(found, Problem):
            return found
        return await self.of(found)

    async def all(self, caller: Caller, namespace: str, trail: Trail = NO_TRAIL) -> HealthSummary | Problem:
        """Those of a namespace, by name."""
        refusal = await self._admission.refusal(caller, Access("list", INTEGRATION.plural, namespace), trail)
        if refusal is not None:
            return refusal
        reports = await self._reports(self._integrations.all(namespace))
        counts: dict[HealthStatus, int] = dict.fromkeys(VERDICTS, 0)
        for report in reports:
            counts[report.status] += 1
        return HealthSummary(counts, reports)

    async def of(self, found: CachedObject) -> HealthReport:
        """Of one, for who has been let in already."""
        return (await self._reports([found]))[0]

    async def _reports(self, found: Sequence[CachedObject]) -> tuple[HealthReport, ...]:
        objects: list[tuple[CachedObject, Json]] = []
        by_length: dict[int, list[str]] = defaultdict(list)
        async for each, obj in decoded(found):
            objects.append((each, obj))
            by_length[_window_minutes(obj)].append(each.uid)
        windows: dict[str, HealthWindow] = {}
        now = self._clock.now()
        for minutes, uids in by_length.items():
            windows |= await self._health.health_windows(uids, since=now - timedelta(minutes=minutes))
        return tuple(_report(each, obj, windows.get(each.uid)) for each, obj in objects)


def verdict(status: Mapping[str, Json]) -> HealthStatus:
    """What a status says of the connection's health."""
    return _VERDICTS.get((status.get("health") or {}).get("status", ""), HealthStatus.UNKNOWN)


def _window_minutes(obj: Json) -> int:
    return int(((obj.get("spec") or {}).get("healthCheck") or {}).get("windowMinutes") or _WINDOW_MINUTES)


def _report(found: CachedObject, obj: Json, window: HealthWindow | None) -> HealthReport:
    """The store's figures; where it has none, those that were written into the status last."""
    status = obj.get("status") or {}
    written = status.get("health") or {}
    name = (obj.get("spec") or {}).get("displayName") or found.key.name
    if window is None or not window.checks:
        last = written.get("lastCheck")
        return HealthReport(
            id=found.uid,
            name=name,
            status=verdict(status),
            last_check=datetime.fromisoformat(last) if last else None,
            uptime=written.get("uptime"),
            response_milliseconds=written.get("responseTime"),
            error_rate=written.get("errorRate"),
            last_error=written.get("lastError"),
        )
    uptime = round(100 * (window.checks - window.failures) / window.checks, 2)
    return HealthReport(
        id=found.uid,
        name=name,
        status=verdict(status),
        last_check=window.last_check,
        uptime=uptime,
        response_milliseconds=round(window.milliseconds) if window.milliseconds is not None else None,
        error_rate=round(100 - uptime, 2),
        last_error=written.get("lastError"),
    )
