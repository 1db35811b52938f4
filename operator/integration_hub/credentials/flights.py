"""Single flight: however many ask for the same thing at once, it is done once, and to its end.

What is under way does not belong to who asked first: a caller that is cancelled leaves it running, since a
token request that is cut off in the middle may have spent a refresh token for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Flights(Generic[_T]):
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[_T]] = {}

    async def join(self, key: Hashable, start: Callable[[], Coroutine[None, None, _T]]) -> _T:
        """The result of the flight under way for `key`, or of one that is started."""
        return await asyncio.shield(self.launch(key, start))

    def launch(self, key: Hashable, start: Callable[[], Coroutine[None, None, _T]]) -> asyncio.Task[_T]:
        """The same without waiting for it."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(start(), name=f"credentials {key}")
            self._running[key] = task
            task.add_done_callback(lambda ended: self._ended(key, ended))
        return task

    def under_way(self, key: Hashable) -> bool:
        return key in self._running

    async def land(self, seconds: float) -> None:
        """Let what is under way come to its end, so long at most; then end it."""
        tasks = tuple(self._running.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _ended(self, key: Hashable, task: asyncio.Task[_T]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled():
            task.exception()  # whoever joined has it; nobody may have
