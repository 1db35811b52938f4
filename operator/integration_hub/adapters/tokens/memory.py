"""Answers remembered for a little while: bounded, asked for once however many wait, the bad ones apart."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from integration_hub.ports import Clock, SecretText

_T = TypeVar("_T")

Kept = tuple[_T, float]
"""An answer, and for how many seconds it may be given again; 0 not at all."""


@dataclass(slots=True)
class _Shelf(Generic[_T]):
    """The least recently used go first."""

    size: int
    entries: OrderedDict[Hashable, tuple[_T, float]]

    def find(self, key: Hashable, now: float) -> _T | None:
        entry = self.entries.get(key)
        if entry is None:
            return None
        if entry[1] <= now:
            del self.entries[key]
            return None
        self.entries.move_to_end(key)
        return entry[0]

    def put(self, key: Hashable, answer: _T, until: float) -> None:
        self.entries[key] = (answer, until)
        self.entries.move_to_end(key)
        if len(self.entries) > self.size:
            self.entries.popitem(last=False)


class AnswerMemory(Generic[_T]):
    """Remembers answers by key. What is `bad` has a shelf of its own: a storm of bad tokens cannot push
    out the good ones.
    """

    def __init__(self, clock: Clock, bad: Callable[[_T], bool], *, size: int = 10_000) -> None:
        self._clock = clock
        self._bad = bad
        self._good_ones: _Shelf[_T] = _Shelf(size, OrderedDict())
        self._bad_ones: _Shelf[_T] = _Shelf(size, OrderedDict())
        self._under_way: dict[Hashable, asyncio.Task[_T]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[Kept[_T]]]) -> _T:
        """The remembered answer, or what `ask` says; asked once for all who want it meanwhile."""
        now = self._clock.monotonic()
        for shelf in (self._good_ones, self._bad_ones):
            found = shelf.find(key, now)
            if found is not None:
                return found
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, ask))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)  # one caller's going away is not the others' loss

    async def _ask(self, key: Hashable, ask: Callable[[], Awaitable[Kept[_T]]]) -> _T:
        asked_at = self._clock.monotonic()  # an answer is as old as its question
        answer, seconds = await ask()
        if seconds > 0:
            shelf = self._bad_ones if self._bad(answer) else self._good_ones
            shelf.put(key, answer, asked_at + seconds)
        return answer


class TokenMemory(AnswerMemory[_T]):
    """The same for tokens, which it knows by their hash alone."""

    async def of(self, token: SecretText, ask: Callable[[], Awaitable[Kept[_T]]]) -> _T:
        """See `get`."""
        return await self.get(hashlib.sha256(token.reveal().encode()).digest(), ask)
