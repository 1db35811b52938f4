"""Wakeups: facts that gateways and workers left in the store, turned into looks at objects.

Only the leader drains them, since only it reports. A wakeup says which object, never what is true of
it: the look finds that out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from integration_hub.ports import Key, StoreError, Wakeup

WAIT_SECONDS = 5.0
"""How long the store may let us wait before it is asked anyway."""
TROUBLE_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Drained(Protocol):
    """Where wakeups lie; a `ports.Wakeups`."""

    async def drain(self, limit: int = 1000) -> Sequence[Wakeup]: ...

    async def wait(self, seconds: float) -> None: ...


class WakeupDrain:
    """Drains wakeups while this process leads: `start` and `stop` with the controller.

    `before` is told each batch's keys ahead of `enqueue`, to read what the looks will need.
    """

    def __init__(
        self,
        wakeups: Drained,
        enqueue: Callable[[Iterable[Key]], None],
        before: Callable[[Sequence[Key]], Awaitable[None]],
    ) -> None:
        self._wakeups = wakeups
        self._enqueue = enqueue
        self._before = before

    async def run(self) -> None:
        """Drain until cancelled. A store that does not work is asked again: nothing is lost meanwhile."""
        troubled = False
        while True:
            try:
                await self.drain_once()
                await self._wakeups.wait(WAIT_SECONDS)
            except StoreError as error:
                if not troubled:
                    _log.warning("Wakeups cannot be read, will retry", extra={"cause": str(error)})
                troubled = True
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                troubled = False

    async def drain_once(self) -> int:
        """Take what is there and pass it on; how many there were. Raises StoreError."""
        taken = 0
        while batch := await self._wakeups.drain():
            keys = tuple(dict.fromkeys(Key(each.kind, each.namespace, each.name) for each in batch))
            taken += len(batch)
            try:
                await self._before(keys)
            finally:
                # They are gone from the store: whatever happens to the preparations, they are looked at.
                self._enqueue(keys)
        return taken
