"""The keyed work queue: one worker per key, duplicates merged, changes before resyncs, backoff per key.

Four promises, each of which a test holds:

- a key is handed to one worker at a time; what is added while it is processed is handed out again after;
- a key that was added is handed out sooner or later, however often it was added in between (then once);
- a change goes before a resync, and a resync that waited `aging_seconds` competes as a change of that age,
  so that no stream of changes starves it;
- `retry` waits longer with every failure of the same key in a row, with jitter, up to a limit.

It belongs to one event loop and is not thread-safe. Times are seconds of `Clock.monotonic`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from integration_hub.ports import Clock, Entropy, Key


class Priority(IntEnum):
    """Why a key is to be looked at. The smaller goes first."""

    CHANGE = 0
    RESYNC = 1


@dataclass(frozen=True, slots=True)
class QueueStats:
    """What the queue looks like now, for metrics. Ages in seconds."""

    changes: int
    resyncs: int
    delayed: int
    processing: int
    oldest_age: float
    adds: int
    retries: int


class WorkQueue:
    """See the module's text. `on_wait(priority, seconds)` is told how long each key waited its turn."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        *,
        aging_seconds: float = 30.0,
        backoff_seconds: float = 0.5,
        backoff_limit_seconds: float = 300.0,
        on_wait: Callable[[Priority, float], None] | None = None,
    ) -> None:
        self._clock = clock
        self._entropy = entropy
        self._aging = aging_seconds
        self._backoff = backoff_seconds
        self._backoff_limit = backoff_limit_seconds
        self._on_wait = on_wait
        # key -> when it was added; each lane in the order of adding.
        self._lanes: dict[Priority, OrderedDict[Key, float]] = {lane: OrderedDict() for lane in Priority}
        self._processing: set[Key] = set()
        self._again: dict[Key, Priority] = {}
        self._failures: dict[Key, int] = {}
        self._delayed: dict[Key, tuple[float, Priority]] = {}
        self._alarms: list[tuple[float, Key]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._getters: deque[asyncio.Future[None]] = deque()
        self._adds = 0
        self._retries = 0

    # ------------------------------------------------------------------ in

    def add(self, key: Key, *, priority: Priority = Priority.CHANGE) -> None:
        """Have `key` looked at: now, or right after its present run if it is being processed."""
        self._adds += 1
        if key in self._processing:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        self._enqueue(key, priority)

    def add_after(self, key: Key, seconds: float, *, priority: Priority = Priority.CHANGE) -> None:
        """Add `key` in `seconds`, unless it gets its turn before. The earliest of several wishes counts."""
        if seconds <= 0:
            self.add(key, priority=priority)
            return
        due = self._clock.monotonic() + seconds
        known = self._delayed.get(key)
        if known is not None:
            due, priority = min(due, known[0]), min(priority, known[1])
        self._delayed[key] = (due, priority)
        if known is not None and known[0] == due:
            return
        heapq.heappush(self._alarms, (due, key))
        self._arm()

    def retry(self, key: Key, *, at_least: float = 0.0) -> float:
        """Add a failed key again after its backoff, which doubles with each failure. Returns the seconds.

        `at_least`: how long somebody asked us to wait (Retry-After).
        """
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        self._retries += 1
        # The exponent is capped first: 2.0**1100 would overflow.
        ceiling = min(self._backoff_limit, self._backoff * 2.0 ** min(failures - 1, 32))
        seconds = max(at_least, ceiling * (0.5 + self._entropy.random() / 2))
        self.add_after(key, seconds, priority=Priority.RESYNC)
        return seconds

    def forget(self, key: Key) -> None:
        """`key` succeeded (or is gone): its next failure starts from the shortest backoff."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        """How often `key` failed in a row."""
        return self._failures.get(key, 0)

    # ------------------------------------------------------------------ out

    async def get(self) -> Key:
        """The next key, which then counts as processed until `done(key)`. Waits for one."""
        while (key := self._pop()) is None:
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()  # this worker was chosen and is leaving: choose another
                elif getter in self._getters:
                    self._getters.remove(getter)
                raise
        return key

    def done(self, key: Key) -> None:
        """The worker is through with `key`, whatever came of it."""
        self._processing.discard(key)
        priority = self._again.pop(key, None)
        if priority is not None:
            self._enqueue(key, priority)

    def clear(self) -> None:
        """Forget everything that waits, and every failure. What is being processed is left to its worker."""
        for lane in self._lanes.values():
            lane.clear()
        self._again.clear()
        self._failures.clear()
        self._delayed.clear()
        self._alarms.clear()
        self._arm()

    # ------------------------------------------------------------------ reading

    def __len__(self) -> int:
        """Keys that could be handed out at once."""
        return sum(len(lane) for lane in self._lanes.values())

    def stats(self) -> QueueStats:
        now = self._clock.monotonic()
        heads = [next(iter(lane.values())) for lane in self._lanes.values() if lane]
        return QueueStats(
            changes=len(self._lanes[Priority.CHANGE]),
            resyncs=len(self._lanes[Priority.RESYNC]),
            delayed=len(self._delayed),
            processing=len(self._processing),
            oldest_age=max((now - added for added in heads), default=0.0),
            adds=self._adds,
            retries=self._retries,
        )

    # ------------------------------------------------------------------ inside

    def _enqueue(self, key: Key, priority: Priority) -> None:
        changes, resyncs = self._lanes[Priority.CHANGE], self._lanes[Priority.RESYNC]
        if key in changes:
            return
        now = self._clock.monotonic()
        waiting_since = resyncs.get(key)
        if waiting_since is None:
            self._lanes[priority][key] = now
            self._wake()
        elif priority is Priority.CHANGE and waiting_since + self._aging > now:
            # A resync that has aged already goes before a change of this moment: moving it would put it back.
            del resyncs[key]
            changes[key] = now

    def _pop(self) -> Key | None:
        changes, resyncs = self._lanes[Priority.CHANGE], self._lanes[Priority.RESYNC]
        if changes and resyncs:
            first_change = next(iter(changes.values()))
            first_resync = next(iter(resyncs.values()))
            priority = Priority.RESYNC if first_resync + self._aging <= first_change else Priority.CHANGE
        elif changes or resyncs:
            priority = Priority.CHANGE if changes else Priority.RESYNC
        else:
            return None
        key, added = self._lanes[priority].popitem(last=False)
        self._processing.add(key)
        self._delayed.pop(key, None)  # its turn is now; if it fails or wants more, it will say so anew
        if self._on_wait is not None:
            self._on_wait(priority, self._clock.monotonic() - added)
        return key

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _arm(self) -> None:
        """Have the event loop call `_ring` when the earliest delayed key is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._alarms and self._delayed.get(self._alarms[0][1], (None,))[0] != self._alarms[0][0]:
            heapq.heappop(self._alarms)  # withdrawn or moved since
        if self._alarms:
            seconds = max(0.0, self._alarms[0][0] - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        now = self._clock.monotonic()
        while self._alarms and self._alarms[0][0] <= now:
            due, key = heapq.heappop(self._alarms)
            wish = self._delayed.get(key)
            if wish is not None and wish[0] == due:
                del self._delayed[key]
                self.add(key, priority=wish[1])
        self._arm()
