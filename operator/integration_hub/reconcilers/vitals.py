"""What the calls of all connections tell of them: once a minute, one question per namespace.

Totals are compared with those of the minute before, so every call counts once. From the differences a
detector learns what is usual for each connection (`domain.anomaly`), and a connection whose calls all
fail is looked at without waiting for its next probe. At the start of a term the windows of uptime and
error rate are taken up from the store, where every check is recorded. Nothing here writes a status.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from integration_hub.api.integration import INTEGRATION
from integration_hub.domain.anomaly import Anomaly, Detector, Minute
from integration_hub.ports import CallFigures, Clock, HealthWindow, Key, StoreError
from integration_hub.runtime.cache import CachedObject, ObjectCache

LOOK_SECONDS = 60.0
ALL_FAILED = 3
"""So many failed calls and none that succeeded, within one look, are a reason to probe."""
CHUNK = 500
DEFAULT_WINDOW_MINUTES = 60
_log = logging.getLogger(__name__)

_WINDOW = re.compile(rb'"windowMinutes":(\d{1,4})')


class Figures(Protocol):
    """What is asked of the store; a `ports.Store`."""

    async def call_figures(
        self, namespace: str, uids: Sequence[str], *, since: datetime | None = None
    ) -> Mapping[str, CallFigures]: ...

    async def health_windows(self, uids: Sequence[str], *, since: datetime) -> Mapping[str, HealthWindow]: ...


class Vitals:
    """Runs as a duty of the leader. `look_at` is told the keys that want a look of their own."""

    def __init__(
        self, store: Figures, cache: ObjectCache, clock: Clock, look_at: Callable[[Iterable[Key]], None]
    ) -> None:
        self._store = store
        self._cache = cache
        self._clock = clock
        self._look_at = look_at
        self._totals: dict[str, CallFigures] = {}
        self._detectors: dict[str, Detector] = {}
        self._windows: dict[str, HealthWindow] = {}

    def anomaly(self, uid: str) -> Anomaly | None:
        """What is unusual about a connection now."""
        detector = self._detectors.get(uid)
        return detector.anomaly if detector is not None else None

    def failed(self, uid: str) -> int | None:
        """Calls and checks that failed since its creation, as of the last look; None if nobody knows."""
        total = self._totals.get(uid)
        return total.failed if total is not None else None

    def take_window(self, uid: str) -> HealthWindow | None:
        """What the store knew of its checks when this term began, once."""
        return self._windows.pop(uid, None)

    async def run(self) -> None:
        """Until cancelled. A store that does not work is asked again in a minute."""
        troubled = False
        restored = False
        while True:
            try:
                if not restored:
                    await self._restore()
                    restored = True
                await self.look()
            except StoreError as error:
                if not troubled:
                    _log.warning("Figures of calls cannot be read", extra={"cause": str(error)})
                troubled = True
            else:
                troubled = False
            await asyncio.sleep(LOOK_SECONDS)

    def forget(self) -> None:
        """The term is over: what is usual is learnt anew."""
        self._totals.clear()
        self._detectors.clear()
        self._windows.clear()

    async def look(self) -> None:
        """One look at all namespaces. Raises StoreError."""
        living: set[str] = set()
        for namespace in self._cache.namespaces(INTEGRATION.kind):
            totals = await self._store.call_figures(namespace, ())
            keys = {each.uid: each.key for each in self._cache.objects(INTEGRATION.kind, namespace)}
            living.update(keys)
            noticed = [key for uid, key in keys.items() if uid in totals and self._noticed(uid, totals[uid])]
            if noticed:
                self._look_at(noticed)
        for kept in (self._totals, self._detectors):
            for uid in kept.keys() - living:
                del kept[uid]

    # ------------------------------------------------------------------ inside

    def _noticed(self, uid: str, total: CallFigures) -> bool:
        """Learn from what happened since the last look; whether it is worth a look at the object."""
        before = self._totals.get(uid)
        self._totals[uid] = total
        if before is None or total.total <= before.total:
            return False
        calls, failed = total.total - before.total, total.failed - before.failed
        sent = calls - (total.untimed - before.untimed)
        took = (total.milliseconds - before.milliseconds) / sent if sent > 0 else 0.0
        known = self._detectors.get(uid) or Detector()
        now = known.after(Minute(calls, failed, took))
        self._detectors[uid] = now
        return now.anomaly != known.anomaly or (failed == calls and failed >= ALL_FAILED)

    async def _restore(self) -> None:
        """The windows of all connections, in chunks of one length."""
        by_length: defaultdict[int, list[str]] = defaultdict(list)
        for each in self._cache.objects(INTEGRATION.kind):
            by_length[_window_minutes(each)].append(each.uid)
        for minutes, uids in by_length.items():
            since = self._clock.now() - timedelta(minutes=minutes)
            for start in range(0, len(uids), CHUNK):
                self._windows |= await self._store.health_windows(uids[start : start + CHUNK], since=since)


def _window_minutes(observed: CachedObject) -> int:
    """Of the spec as it is kept; decoding ten thousand of them for one number would take seconds."""
    found = _WINDOW.search(observed.raw)
    return int(found[1]) if found is not None else DEFAULT_WINDOW_MINUTES
