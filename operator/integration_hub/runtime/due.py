"""Due times: when each object is looked at again although nothing changed. One heap for all objects."""

from __future__ import annotations

import asyncio
import heapq

from integration_hub.ports import Clock, Key
from integration_hub.runtime.queue import Priority, WorkQueue

_REBUILD_ABOVE = 1024


class DueTimes:
    """Adds a key to the queue, as a resync, when its time has come. One time per key; a new one replaces it.

    Belongs to one event loop; times are seconds of `Clock.monotonic`. An object without a due time costs
    nothing, one with a due time a heap entry: no task and no timer per object.
    """

    def __init__(self, clock: Clock, queue: WorkQueue) -> None:
        self._clock = clock
        self._queue = queue
        self._times: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._moved = asyncio.Event()

    def set(self, key: Key, at: float) -> None:
        """Look at `key` at the monotonic time `at`; a time in the past means at once."""
        if self._times.get(key) == at:
            return
        self._times[key] = at
        heapq.heappush(self._heap, (at, key))
        # Replaced entries stay in the heap until they surface; rebuild when they are the larger part.
        if len(self._heap) > _REBUILD_ABOVE and len(self._heap) > 2 * len(self._times):
            self._heap = [(time, known) for known, time in self._times.items()]
            heapq.heapify(self._heap)
        if self._heap[0][1] == key:
            self._moved.set()

    def discard(self, key: Key) -> None:
        """`key` needs no further look."""
        self._times.pop(key, None)

    def clear(self) -> None:
        self._times.clear()
        self._heap.clear()
        self._moved.set()

    def __len__(self) -> int:
        return len(self._times)

    def get(self, key: Key) -> float | None:
        """When `key` is due, or None."""
        return self._times.get(key)

    async def run(self) -> None:
        """Feed the queue until cancelled."""
        while True:
            self._moved.clear()
            seconds = self._release()
            try:
                async with asyncio.timeout(seconds):
                    await self._moved.wait()
            except TimeoutError:
                continue

    def _release(self) -> float | None:
        """Hand over what is due; the seconds until the next one, None where there is none."""
        now = self._clock.monotonic()
        while self._heap:
            at, key = self._heap[0]
            if self._times.get(key) != at:
                heapq.heappop(self._heap)  # discarded or replaced
            elif at <= now:
                heapq.heappop(self._heap)
                del self._times[key]
                self._queue.add(key, priority=Priority.RESYNC)
            else:
                return at - now
        return None
