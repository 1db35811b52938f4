"""Lanes: so many requests at once for each host, each namespace, all together; the others wait their turn.

A host that hangs holds up those who call it, a namespace that calls too much holds up itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lane:
    places: asyncio.Semaphore
    users: int = 0


@dataclass(slots=True)
class Lanes:
    """A lane of `places` for each key; one that nobody uses is forgotten. Belongs to one event loop."""

    places: int
    _lanes: dict[Hashable, _Lane] = field(default_factory=dict)

    @asynccontextmanager
    async def place(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for a place in this key's lane and hold it."""
        lane = self._lanes.setdefault(key, _Lane(asyncio.Semaphore(self.places)))
        lane.users += 1
        try:
            async with lane.places:
                yield
        finally:
            lane.users -= 1
            if not lane.users:
                self._lanes.pop(key, None)

    def __len__(self) -> int:
        return len(self._lanes)
