"""Both kinds of providers: gather → decide → report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from integration_hub.api.conditions import READY
from integration_hub.api.meta import KindInfo
from integration_hub.domain import provider as providers
from integration_hub.ports import Clock, EventNote, Events, Json, Key
from integration_hub.providers.reading import ProviderReader
from integration_hub.reconcilers.integration_links import BY_PROVIDER
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.controller import Result
from integration_hub.runtime.status import StatusWriter, WriteOutcome

COUNT_SECONDS = 5.0
"""Shortest pause between two writes that only carry a new count: a mass rollout is a few writes."""


class ProviderReconciler:
    """Reports on one of the two kinds, `info`: whether its definition holds together, and how many use it."""

    def __init__(
        self,
        info: KindInfo,
        *,
        cache: ObjectCache,
        reader: ProviderReader,
        status: StatusWriter,
        events: Events,
        clock: Clock,
    ) -> None:
        self._info = info
        self._cache = cache
        self._reader = reader
        self._status = status
        self._events = events
        self._clock = clock
        self._counted: dict[Key, float] = {}

    async def reconcile(self, key: Key) -> Result:
        """See runtime.controller.Reconciler."""
        observed, known = self._cache.get(key), self._reader.read(key)
        if observed is None or known is None:
            self._counted.pop(key, None)
            return Result()
        if observed.deleting:
            return Result()
        previous = observed.load().get("status") or {}
        count, wait = self._count(key, previous)
        desired, told = providers.report(
            providers.finding(known.examined),
            integration_count=count,
            previous=previous,
            generation=observed.generation,
            now=self._clock.now(),
        )
        outcome = await self._status.write(self._info, observed, desired)
        if outcome is WriteOutcome.CONFLICT:
            return Result(requeue_after=0)
        if outcome is WriteOutcome.WRITTEN:
            self._counted[key] = self._clock.monotonic()
            transition = told.transition(READY)
            if transition is not None and (transition.now == "False" or transition.was == "False"):
                severity: Literal["Normal", "Warning"] = "Warning" if transition.now == "False" else "Normal"
                self._events.record(
                    EventNote(key, observed.uid, severity, transition.reason.value, transition.message)
                )
        return Result(requeue_after=wait)

    def _count(self, key: Key, previous: Mapping[str, Json]) -> tuple[int, float | None]:
        """How many Integrations to report, and when to look again if that is not the newest figure."""
        written = previous.get("integrationCount", 0)
        actual = len(self._cache.by_index("Integration", BY_PROVIDER, str(key)))
        last = self._counted.get(key)
        if actual == written or last is None:
            return actual, None
        wait = last + COUNT_SECONDS - self._clock.monotonic()
        return (written, wait) if wait > 0 else (actual, None)
