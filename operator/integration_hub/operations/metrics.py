"""What went through a connection, in figures that outlive the single entries of its log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from integration_hub.api.errors import ErrorCode
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import FIGURES_KEPT, Caller, CallFigures, CallLog, Clock, Problem

NONE = CallFigures()


@dataclass(frozen=True, slots=True)
class MetricsInput:
    """`window` None: since the first call."""

    namespace: str
    integration: str
    window: timedelta | None = None
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """`average_milliseconds` is of the calls that were sent, None without any; `bytes_transferred` counts
    both directions.
    """

    total: int
    successful: int
    failed: int
    average_milliseconds: int | None
    bytes_transferred: int
    last_activity: datetime | None


class ReadMetrics:
    """Of one Integration."""

    def __init__(self, integrations: Integrations, calls: CallLog, clock: Clock) -> None:
        self._integrations = integrations
        self._calls = calls
        self._clock = clock

    async def __call__(self, caller: Caller, asked: MetricsInput) -> MetricsReport | Problem:
        """All zero before the first call."""
        refusal = too_far_back(asked.window)
        if refusal is not None:
            return refusal
        found = await self._integrations.open(caller, asked.namespace, asked.integration, trail=asked.trail)
        if isinstance(found, Problem):
            return found
        since = self._clock.now() - asked.window if asked.window is not None else None
        figures = await self._calls.call_figures(asked.namespace, [found.uid], since=since)
        return report(figures.get(found.uid, NONE))


def too_far_back(window: timedelta | None) -> Problem | None:
    """A window that is longer than figures are kept would be answered with less than was asked for."""
    if window is None or window <= FIGURES_KEPT:
        return None
    hours = FIGURES_KEPT // timedelta(hours=1)
    return Problem(
        ErrorCode.INVALID_REQUEST,
        f"window: at most {hours}h; without one, all is counted since the first request",
    )


def report(figures: CallFigures) -> MetricsReport:
    average = figures.average_milliseconds
    return MetricsReport(
        total=figures.total,
        successful=figures.successful,
        failed=figures.failed,
        average_milliseconds=round(average) if average is not None else None,
        bytes_transferred=figures.bytes_sent + figures.bytes_received,
        last_activity=figures.last_activity,
    )
