"""Circuit breakers of all connections: decided in `domain.breaker`, believed in memory, kept in the store.

A change counts in this process at once and is written before the call that caused it is answered. Changes
that another replica's write overtakes are decided again on what stands then. A store that does not work
makes no call fail: the breaker goes on in memory, and what it missed is written with the next change.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from integration_hub.api.integration import INTEGRATION, CircuitBreaker
from integration_hub.domain import breaker
from integration_hub.domain.breaker import Pass, Stop, Verdict
from integration_hub.ports import BreakerRow, Breakers, Clock, Key, Link, StoreError, Wakeup, Wakeups

TRANSITION = "breaker"
"""The wakeup's reason."""
REFRESH_SECONDS = 1.0
"""How old what is known of other replicas' breakers may be."""
_TRIES = 8
_log = logging.getLogger(__name__)

Change = Callable[[BreakerRow], BreakerRow]


class BreakerStore(Breakers, Wakeups, Protocol):
    """What breakers need of the store."""


class BreakerMetrics(Protocol):
    def set_circuit(self, namespace: str, name: str, state: str) -> None: ...

    def drop_circuit(self, namespace: str, name: str) -> None: ...


@dataclass(slots=True)
class _Entry:
    """`believed` is `stored` with `pending` applied to it."""

    stored: BreakerRow = breaker.CLOSED
    believed: BreakerRow = breaker.CLOSED
    pending: list[Change] = field(default_factory=list)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    key: Key | None = None
    writes: int = 0


class BreakerBook:
    """All breakers, by Integration uid. Belongs to one event loop. `shared`: other replicas write too."""

    def __init__(self, store: BreakerStore, clock: Clock, metrics: BreakerMetrics, *, shared: bool) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._shared = shared
        self._entries: dict[str, _Entry] = {}
        self._fresh_until = 0.0
        self._marks = itertools.count(secrets.randbits(24))
        self._refreshing: asyncio.Task[None] | None = None

    def row(self, uid: str) -> BreakerRow:
        """How it stands, as far as this process knows."""
        entry = self._entries.get(uid)
        return entry.believed if entry is not None else breaker.CLOSED

    async def refresh(self) -> None:
        """Read all breakers: at start, and whenever another replica may have changed one."""
        before = {uid: entry.writes for uid, entry in self._entries.items()}
        try:
            rows = await self._store.load_breakers()
        except StoreError as error:
            _log.warning("Breakers cannot be read", extra={"error": str(error)})
            return
        finally:
            self._fresh_until = self._clock.monotonic() + REFRESH_SECONDS
        for uid in {*rows, *self._entries}:
            entry = self._entries.setdefault(uid, _Entry())
            if not entry.pending and entry.writes == before.get(uid, 0):
                self._adopt(entry, rows.get(uid, breaker.CLOSED))

    async def look(self, link: Link, *, forced: bool) -> Stop | None:
        """Whether a call would be stopped now; claims nothing."""
        if self._shared and self._clock.monotonic() >= self._fresh_until:
            await self._refresh_once()
        entry = self._entries.get(link.uid)
        if entry is None:
            return None
        self._name(entry, link.key)
        answer = self._admit(entry, link, trial_seconds=1.0, forced=forced)
        return answer if isinstance(answer, Stop) else None

    async def enter(self, link: Link, *, trial_seconds: float, forced: bool) -> Pass | Stop:
        """Let a call out, as the trial if the breaker is not closed. What was let out must `leave`."""
        entry = self._entries.get(link.uid)
        if entry is None or entry.believed.state == "closed":
            return _FREE
        answer = self._admit(entry, link, trial_seconds=trial_seconds, forced=forced)
        lease = answer.lease if isinstance(answer, Pass) else None
        if lease is None:
            return answer
        if (
            self._shared
        ):  # two replicas that claim at the same moment must not take each other's for their own
            lease += timedelta(milliseconds=next(self._marks) % 1000)
            answer = Pass(lease)
        policy, now = link.spec.circuit_breaker, self._clock.now()
        await self._change(link, entry, lambda row: breaker.claim(row, policy, now, lease, forced=forced))
        row = self.row(link.uid)
        if row.state == "closed":
            return _FREE
        if row.state == "halfOpen" and row.retry_at == lease:
            return answer
        return self._stop(entry, policy)

    async def leave(self, link: Link, passed: Pass, verdict: Verdict) -> None:
        """The call is over. NOTHING gives a trial back unused."""
        entry = self._entries.get(link.uid)
        if entry is None:
            if verdict is not Verdict.FAILS:
                return
            entry = self._entries.setdefault(link.uid, _Entry())
            self._name(entry, link.key)
        policy, now = link.spec.circuit_breaker, self._clock.now()
        await self._change(
            link, entry, lambda row: breaker.settle(row, verdict, policy, now, lease=passed.lease)
        )

    def forget(self, uid: str) -> None:
        """The Integration is gone."""
        entry = self._entries.pop(uid, None)
        if entry is not None and entry.key is not None:
            self._metrics.drop_circuit(entry.key.namespace, entry.key.name)

    # ------------------------------------------------------------------ inside

    def _admit(self, entry: _Entry, link: Link, *, trial_seconds: float, forced: bool) -> Pass | Stop:
        return breaker.admit(
            entry.believed,
            link.spec.circuit_breaker,
            self._clock.now(),
            trial_seconds=trial_seconds,
            forced=forced,
        )

    def _stop(self, entry: _Entry, policy: CircuitBreaker) -> Stop:
        answer = breaker.admit(entry.believed, policy, self._clock.now(), trial_seconds=0.0)
        return answer if isinstance(answer, Stop) else Stop(0.0)

    async def _change(self, link: Link, entry: _Entry, change: Change) -> None:
        """Apply at once; return once it is written, or could not be."""
        believed = change(entry.believed)
        if believed == entry.believed:
            return
        entry.believed = believed
        entry.pending.append(change)
        async with entry.writing:
            await self._write(link, entry)

    async def _write(self, link: Link, entry: _Entry) -> None:
        for _ in range(_TRIES):
            count = len(entry.pending)
            if not count:
                return
            before, wanted = entry.stored, self._marked(entry.believed)
            try:
                standing = await self._store.save_breaker(link.uid, replace(wanted, version=before.version))
            except StoreError as error:
                _log.warning(
                    "A breaker cannot be written", extra={"object": str(link.key), "error": str(error)}
                )
                self._metrics.set_circuit(link.namespace, link.key.name, entry.believed.state)
                entry.pending[:] = [_standing(entry.believed)]  # however long it lasts, one change is kept
                return
            won = standing == replace(wanted, version=before.version + 1)
            entry.writes += 1
            entry.stored = standing
            if won:
                del entry.pending[:count]
            else:
                entry.pending[:] = _still_telling(standing, entry.pending)
            entry.believed = _applied(standing, entry.pending)
            if standing.state != before.state:
                await self._tell(link, before, standing, ours=won)
        entry.pending.clear()
        entry.believed = entry.stored

    def _marked(self, row: BreakerRow) -> BreakerRow:
        """Unlike what another replica writes at the same time: `successes` mean nothing in a closed row.

        Else two failures, one here and one there, would look like one.
        """
        if not self._shared or row.state != "closed" or not row.failures:
            return row
        return replace(row, successes=next(self._marks) % 2**30)

    async def _tell(self, link: Link, before: BreakerRow, after: BreakerRow, *, ours: bool) -> None:
        self._metrics.set_circuit(link.namespace, link.key.name, after.state)
        if not ours:
            return
        _log.info(
            "Circuit breaker changed",
            extra={"object": str(link.key), "before": before.state, "after": after.state},
        )
        try:
            await self._store.wake(Wakeup(INTEGRATION.kind, link.namespace, link.key.name, TRANSITION))
        except StoreError as error:
            _log.warning("Nobody is woken", extra={"object": str(link.key), "error": str(error)})

    def _adopt(self, entry: _Entry, row: BreakerRow) -> None:
        changed = entry.stored.state != row.state
        # A row that is not listed is closed and untouched, and its version unknown: keep the last one known.
        entry.stored = row if row.version else replace(row, version=entry.stored.version)
        entry.believed = entry.stored
        if changed and entry.key is not None:
            self._metrics.set_circuit(entry.key.namespace, entry.key.name, row.state)

    def _name(self, entry: _Entry, key: Key) -> None:
        if entry.key is None:
            entry.key = key
            self._metrics.set_circuit(key.namespace, key.name, entry.believed.state)

    async def _refresh_once(self) -> None:
        """One reading serves all who wait for it."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self.refresh(), name="refresh breakers")
        await asyncio.shield(self._refreshing)


_FREE = Pass()


def _standing(believed: BreakerRow) -> Change:
    return lambda row: replace(believed, version=row.version)


def _applied(row: BreakerRow, changes: list[Change]) -> BreakerRow:
    for change in changes:
        row = change(row)
    return row


def _still_telling(row: BreakerRow, changes: list[Change]) -> list[Change]:
    """The changes that change something about what another has written."""
    kept = []
    for change in changes:
        changed = change(row)
        if changed != row:
            kept.append(change)
        row = changed
    return kept
