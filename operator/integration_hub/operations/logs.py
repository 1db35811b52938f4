"""The request log of a connection, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Caller, CallLog, CallQuery, CallRecord, Level, Problem

LOGS = "logs"
"""The virtual subresource that lets somebody read an Integration's request log (verb get)."""
MOST = 1000
LEVELS: tuple[Level, ...] = ("debug", "info", "warn", "error")
"""From the least to the most serious."""


@dataclass(frozen=True, slots=True)
class LogsInput:
    """`level`: this and all that is more serious; None: all. `before`: `next` of the page before."""

    namespace: str
    integration: str
    limit: int = 100
    level: Level | None = None
    since: datetime | None = None
    before: str = ""
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class LogPage:
    """`next` leads to older entries; empty where there are none."""

    entries: Sequence[CallRecord]
    next: str


class ReadLogs:
    """Of one Integration."""

    def __init__(self, integrations: Integrations, calls: CallLog) -> None:
        self._integrations = integrations
        self._calls = calls

    async def __call__(self, caller: Caller, asked: LogsInput) -> LogPage | Problem:
        """At most MOST entries, whatever was asked for."""
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, subresource=LOGS, trail=asked.trail
        )
        if isinstance(found, Problem):
            return found
        limit = min(max(asked.limit, 1), MOST)
        entries = await self._calls.find_calls(
            CallQuery(
                namespace=asked.namespace,
                integration_uid=found.uid,
                levels=LEVELS[LEVELS.index(asked.level) :] if asked.level is not None else (),
                since=asked.since,
                before=asked.before,
                limit=limit + 1,
            )
        )
        page = entries[:limit]
        return LogPage(page, page[-1].id if len(entries) > limit else "")
