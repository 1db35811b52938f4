"""Probes on their way: so that a slow outside system holds up its own object and nobody else's.

A reconcile starts its probe here and waits a moment for it. Most answers come within that moment,
and one reconcile does it all. A slower one goes on by itself; once it is answered, its object is
looked at again and the outcome is taken then.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Generic, TypeVar

from integration_hub.ports import Key

Tag = TypeVar("Tag")
Attempt = TypeVar("Attempt")
_log = logging.getLogger(__name__)


class Probes(Generic[Tag, Attempt]):
    """At most `limit` probes under way, `share` of them for one namespace, one per object.

    Belongs to one event loop.

    A probe carries a tag that says what it was made of, so that one on old inputs can be told.
    `enqueue` is told the keys whose answers came late. `patience_seconds` is the moment a reconcile
    waits.
    """

    def __init__(
        self,
        enqueue: Callable[[Iterable[Key]], None],
        *,
        limit: int = 1024,
        share: int = 128,
        patience_seconds: float = 0.1,
    ) -> None:
        self._enqueue = enqueue
        self._limit = limit
        self._share = share
        self._patience = patience_seconds
        self._running: dict[Key, tuple[Tag, asyncio.Task[Attempt]]] = {}
        self._by_namespace: Counter[str] = Counter()
        self._done: dict[Key, Attempt] = {}

    def full(self, key: Key) -> bool:
        """Whether no probe of this object can be started now."""
        return len(self._running) >= self._limit or self._by_namespace[key.namespace] >= self._share

    def running(self, key: Key) -> Tag | None:
        """The tag of the probe that is under way for this object; None if there is none."""
        entry = self._running.get(key)
        return entry[0] if entry is not None else None

    def take(self, key: Key) -> Attempt | None:
        """The answer that came since the last look, once."""
        return self._done.pop(key, None)

    async def attempt(self, key: Key, tag: Tag, probe: Coroutine[None, None, Attempt]) -> Attempt | None:
        """Start a probe, in place of one under way for the same object.

        Returns its result if it comes within the moment, else None, and the key is enqueued once it
        does. Raises whatever the probe raises within the moment.
        """
        self.forget(key)
        task = asyncio.create_task(probe, name=f"probe {key}")
        self._running[key] = tag, task
        self._by_namespace[key.namespace] += 1
        try:
            await asyncio.wait([task], timeout=self._patience)
        except asyncio.CancelledError:
            self.forget(key)
            raise
        if task.done():
            self._remove(key)
            return task.result()
        task.add_done_callback(lambda ended: self._ended(key, ended))
        return None

    def forget(self, key: Key) -> None:
        """End the object's probe, if any, and drop its answer."""
        self._done.pop(key, None)
        task = self._remove(key)
        if task is not None:
            task.cancel()

    async def stop(self) -> None:
        """End all probes: this process no longer leads, or ends."""
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        self._by_namespace.clear()
        self._done.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: Key, task: asyncio.Task[Attempt]) -> None:
        entry = self._running.get(key)
        if entry is None or entry[1] is not task:
            return
        self._remove(key)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._done[key] = task.result()
        else:
            _log.error("A probe failed in an unforeseen way", extra={"object": str(key)}, exc_info=error)
        self._enqueue((key,))

    def _remove(self, key: Key) -> asyncio.Task[Attempt] | None:
        entry = self._running.pop(key, None)
        if entry is None:
            return None
        self._by_namespace[key.namespace] -= 1
        if not self._by_namespace[key.namespace]:
            del self._by_namespace[key.namespace]
        return entry[1]
