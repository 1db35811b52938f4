"""Lanes: so many requests at once for each host, each namespace, all together; the others wait their turn.

A host that hangs holds up those who call it, a namespace that calls too much holds up itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lane:
    free: int
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


@dataclass(slots=True)
class Lanes:
    """A lane of `places` for each key; one that nobody uses is forgotten. Belongs to one event loop."""

    places: int
    _lanes: dict[Hashable, _Lane] = field(default_factory=dict)

    def enter_now(self, key: Hashable) -> bool:
        """Take a place in this key's lane if one is free and nobody waits for it."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(self.places)
        if not lane.free or lane.waiting:
            return False
        lane.free -= 1
        return True

    async def enter(self, key: Hashable) -> None:
        """Wait for a place and take it; who came first goes first. Whoever entered must `leave`."""
        if self.enter_now(key):
            return
        lane = self._lanes[key]
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(key)  # the place was handed over just then
            else:
                lane.waiting.remove(turn)
            raise

    def leave(self, key: Hashable) -> None:
        """Give the place back, or hand it to the one who waits longest."""
        lane = self._lanes[key]
        while lane.waiting:
            turn = lane.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        lane.free += 1
        if lane.free == self.places:
            del self._lanes[key]

    def __len__(self) -> int:
        return len(self._lanes)
