"""ports.Store in memory: what the databases do, without one. The store's contract suite runs on it too.

Everything is at once what the databases reach within a second. `broken` stands for a database that cannot
be used: while it holds a text, whatever is awaited raises StoreError with it and what is recorded is lost.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from integration_hub.ports import (
    AuditQuery,
    AuditRecord,
    BreakerRow,
    CallFigures,
    CallQuery,
    CallRecord,
    Clock,
    FiguresPoint,
    HealthPoint,
    HealthWindow,
    KeptAnswer,
    StoreError,
    Wakeup,
    WindowLimit,
)

_UNTOUCHED = BreakerRow()


class WallClock:
    """ports.Clock of this machine, for tests that keep no time of their own."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self.now().timestamp()


@dataclass(slots=True)
class _Lease:
    holder: str
    fence: int
    expires: datetime


@dataclass(slots=True)
class _Begun:
    fingerprint: str
    expires: datetime
    running_until: datetime
    answer: KeptAnswer | None = None


class MemoryStore:
    """ports.Store. `clock` says when leases and keys run out; everything else is told its time."""

    def __init__(
        self, clock: Clock | None = None, *, shared: bool = False, running_seconds: float = 300.0
    ) -> None:
        self.broken = ""
        self.calls: list[CallRecord] = []
        self.audit: list[AuditRecord] = []
        self.health: list[HealthPoint] = []
        self.closed = False
        self._clock: Clock = clock or WallClock()
        self._shared = shared
        self._running_seconds = running_seconds
        self._ids = 0
        self._newest = 0
        self._forgotten: defaultdict[str, int] = defaultdict(int)
        self._taken: defaultdict[str, list[datetime]] = defaultdict(list)
        self._held: dict[str, datetime] = {}
        self._breakers: dict[str, BreakerRow] = {}
        self._locks: dict[str, _Lease] = {}
        self._fences = 0
        self._once: dict[str, tuple[str, datetime]] = {}
        self._begun: dict[tuple[str, str], _Begun] = {}
        self._wakeups: dict[tuple[str, str, str], Wakeup] = {}
        self._woken = asyncio.Event()
        self._woken.set()

    # ------------------------------------------------------------------ request logs and figures

    def record_call(self, record: CallRecord) -> None:
        if not self.broken:
            self.calls.append(replace(record, id=self._id()))

    async def find_calls(self, query: CallQuery) -> Sequence[CallRecord]:
        self._require()
        found = [
            each
            for each in reversed(self.calls)
            if each.namespace == query.namespace
            and query.integration_uid in ("", each.integration_uid)
            and (not query.levels or each.level in query.levels)
            and (query.since is None or each.at >= query.since)
            and (not query.before or each.id < query.before)
        ]
        return found[: max(query.limit, 0)]

    async def call_figures(
        self, namespace: str, uids: Sequence[str], *, since: datetime | None = None
    ) -> Mapping[str, CallFigures]:
        self._require()
        figures: dict[str, CallFigures] = {}
        for number, call in enumerate(self.calls):
            uid = call.integration_uid
            if call.namespace != namespace or (uids and uid not in uids) or number < self._forgotten[uid]:
                continue
            if since is None or call.at >= _minute(since):
                figures[uid] = _with(figures.get(uid, CallFigures()), call)
        return figures

    async def call_series(self, uid: str, *, since: datetime) -> Sequence[FiguresPoint]:
        self._require()
        minutes: dict[datetime, CallFigures] = {}
        for call in self.calls[self._forgotten[uid] :]:
            if call.integration_uid == uid and call.at >= _minute(since):
                at = _minute(call.at)
                minutes[at] = _with(minutes.get(at, CallFigures()), call)
        return [FiguresPoint(at, minutes[at]) for at in sorted(minutes)]

    async def forget_integration(self, uid: str) -> None:
        self._require()
        self._forgotten[uid] = len(self.calls)
        self.health = [point for point in self.health if point.uid != uid]
        self._breakers.pop(uid, None)
        for kept in (self._taken, self._held):
            for key in [key for key in kept if key == uid or key.startswith(f"{uid}/")]:
                del kept[key]

    def record_audit(self, record: AuditRecord) -> None:
        if not self.broken:
            self.audit.append(replace(record, id=self._id()))

    async def find_audit(self, query: AuditQuery) -> Sequence[AuditRecord]:
        self._require()
        found = [
            each
            for each in reversed(self.audit)
            if each.namespace == query.namespace
            and query.name in ("", each.name)
            and query.actor in ("", each.actor)
            and (query.since is None or each.at >= query.since)
            and (not query.before or each.id < query.before)
        ]
        return found[: max(query.limit, 0)]

    # ------------------------------------------------------------------ health

    def record_health(self, point: HealthPoint) -> None:
        if not self.broken:
            self.health.append(point)

    async def health_windows(self, uids: Sequence[str], *, since: datetime) -> Mapping[str, HealthWindow]:
        self._require()
        windows: dict[str, HealthWindow] = {}
        for point in sorted(self.health, key=lambda each: each.at):
            if point.uid not in uids or point.at < _minute(since):
                continue
            window = windows.get(point.uid, HealthWindow())
            windows[point.uid] = HealthWindow(
                checks=window.checks + 1,
                failures=window.failures + (not point.success),
                milliseconds=window.milliseconds if point.milliseconds is None else point.milliseconds,
                last_check=point.at,
            )
        return windows

    # ------------------------------------------------------------------ state shared by replicas

    async def take(self, key: str, limits: Sequence[WindowLimit], now: datetime) -> float:
        self._require()
        held = (self._held.get(key, now) - now).total_seconds()
        waits = [held, *(self._wait(key, limit, now) for limit in limits)]
        if max(waits) > 0:
            return max(waits)
        if limits:
            self._taken[key].append(now)
        return 0.0

    def _wait(self, key: str, limit: WindowLimit, now: datetime) -> float:
        length = timedelta(seconds=limit.seconds)
        within = sorted(at for at in self._taken[key] if at > now - length)
        if len(within) < limit.requests:
            return 0.0
        if limit.requests <= 0:
            return float(limit.seconds)
        return (within[-limit.requests] + length - now).total_seconds()

    async def hold(self, key: str, until: datetime) -> None:
        self._require()
        self._held[key] = max(until, self._held.get(key, until))

    async def used(self, key: str, seconds: int, now: datetime) -> int:
        self._require()
        return sum(at > now - timedelta(seconds=seconds) for at in self._taken[key])

    async def load_breakers(self) -> Mapping[str, BreakerRow]:
        self._require()
        return {
            uid: row
            for uid, row in self._breakers.items()
            if row.state != "closed" or row.failures or row.successes
        }

    async def save_breaker(self, uid: str, row: BreakerRow) -> BreakerRow:
        self._require()
        stands = self._breakers.get(uid, _UNTOUCHED)
        if stands.version != row.version:
            return stands
        self._breakers[uid] = replace(row, version=row.version + 1)
        return self._breakers[uid]

    async def try_lock(self, name: str, holder: str, seconds: float) -> int:
        self._require()
        now = self._clock.now()
        lease = self._locks.get(name)
        if lease is not None and lease.holder != holder and lease.expires > now:
            return 0
        expires = now + timedelta(seconds=seconds)
        if lease is not None and lease.holder == holder and lease.expires > now:
            lease.expires = expires
            return lease.fence
        self._fences += 1
        self._locks[name] = _Lease(holder, self._fences, expires)
        return self._fences

    async def unlock(self, name: str, holder: str) -> None:
        self._require()
        lease = self._locks.get(name)
        if lease is not None and lease.holder == holder:
            del self._locks[name]

    async def put_once(self, digest: str, value: str, expires: datetime) -> None:
        self._require()
        self._once[digest] = (value, expires)

    async def take_once(self, digest: str, now: datetime) -> str | None:
        self._require()
        value, expires = self._once.pop(digest, (None, now))
        return value if expires > now else None

    async def begin(
        self, caller: str, key: str, fingerprint: str, expires: datetime
    ) -> Literal["new", "running"] | KeptAnswer:
        self._require()
        now = self._clock.now()
        begun = self._begun.get((caller, key))
        if begun is not None and begun.expires > now:
            if begun.answer is not None:
                return begun.answer
            if begun.running_until > now:
                return "running"
        running_until = now + timedelta(seconds=self._running_seconds)
        self._begun[caller, key] = _Begun(fingerprint, expires, running_until)
        return "new"

    async def finish(self, caller: str, key: str, answer: KeptAnswer) -> None:
        self._require()
        begun = self._begun.get((caller, key))
        if begun is not None:
            begun.answer = answer

    async def abandon(self, caller: str, key: str) -> None:
        self._require()
        begun = self._begun.get((caller, key))
        if begun is not None and begun.answer is None:
            del self._begun[caller, key]

    async def wake(self, wakeup: Wakeup) -> None:
        self._require()
        self._wakeups[wakeup.kind, wakeup.namespace, wakeup.name] = wakeup
        self._woken.set()

    async def drain(self, limit: int = 1000) -> Sequence[Wakeup]:
        self._require()
        taken = list(self._wakeups)[:limit]
        if len(taken) == len(self._wakeups):
            self._woken.clear()
        return [self._wakeups.pop(key) for key in taken]

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    # ------------------------------------------------------------------ the whole

    @property
    def shared(self) -> bool:
        return self._shared

    async def ready(self) -> str:
        return self.broken

    async def close(self) -> None:
        self.closed = True

    def _require(self) -> None:
        if self.broken or self.closed:
            raise StoreError(self.broken or "the store is closed")

    def _id(self) -> str:
        """A UUIDv7 by the clock, the last part counting."""
        self._ids += 1
        self._newest = max(self._newest, int(self._clock.now().timestamp() * 1000))
        head = f"{self._newest:012x}"
        return f"{head[:8]}-{head[8:]}-7000-8000-{self._ids:012x}"


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _with(figures: CallFigures, call: CallRecord) -> CallFigures:
    return CallFigures(
        total=figures.total + 1,
        successful=figures.successful + call.success,
        failed=figures.failed + (not call.success),
        milliseconds=figures.milliseconds + call.milliseconds,
        bytes_sent=figures.bytes_sent + call.bytes_sent,
        bytes_received=figures.bytes_received + call.bytes_received,
        last_activity=max(figures.last_activity or call.at, call.at),
        untimed=figures.untimed + (call.milliseconds <= 0),
    )
