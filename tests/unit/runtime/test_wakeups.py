"""Wakeups from the store become looks, and none is lost to trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from integration_hub.ports import Key, Wakeup
from integration_hub.runtime.wakeups import WakeupDrain
from memory_store import MemoryStore
from virtual_time import VirtualClock, run


def wakeup(number: int, reason: str = "breaker") -> Wakeup:
    return Wakeup("Integration", "team-a", f"chat-{number}", reason)


def key(number: int) -> Key:
    return Key("Integration", "team-a", f"chat-{number}")


class Desk:
    """A drain with its store, and what it passed on, in order."""

    def __init__(self) -> None:
        self.store = MemoryStore(VirtualClock())
        self.passed: list[tuple[str, tuple[Key, ...]]] = []
        self.trouble: Exception | None = None
        self.drain = WakeupDrain(self.store, self._enqueue, self._before)

    def _enqueue(self, keys: Iterable[Key]) -> None:
        self.passed.append(("look", tuple(keys)))

    async def _before(self, keys: Sequence[Key]) -> None:
        self.passed.append(("before", tuple(keys)))
        if self.trouble is not None:
            raise self.trouble

    @property
    def looked(self) -> set[Key]:
        return {each for what, keys in self.passed if what == "look" for each in keys}


def test_what_is_there_is_prepared_and_then_looked_at() -> None:
    async def story() -> None:
        desk = Desk()
        await desk.store.wake(wakeup(1))
        await desk.store.wake(wakeup(1, "credentials"))
        await desk.store.wake(wakeup(2))
        await desk.drain.drain_once()
        assert desk.passed == [("before", (key(1), key(2))), ("look", (key(1), key(2)))]
        assert await desk.drain.drain_once() == 0

    run(story())


def test_a_wakeup_is_passed_on_at_once_while_it_runs() -> None:
    async def story() -> None:
        desk = Desk()
        running = asyncio.create_task(desk.drain.run())
        await asyncio.sleep(1)
        started = asyncio.get_running_loop().time()
        await desk.store.wake(wakeup(1))
        while not desk.looked:
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - started < 0.1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(story())


def test_trouble_while_preparing_loses_no_look() -> None:
    async def story() -> None:
        desk = Desk()
        desk.trouble = ValueError("a bug")
        await desk.store.wake(wakeup(1))
        await asyncio.gather(desk.drain.drain_once(), return_exceptions=True)
        assert desk.looked == {key(1)}

    run(story())


def test_a_database_that_does_not_work_is_asked_again() -> None:
    async def story() -> None:
        desk = Desk()
        desk.store.broken = "gone"
        running = asyncio.create_task(desk.drain.run())
        await asyncio.sleep(30)
        desk.store.broken = ""
        await desk.store.wake(wakeup(1))
        await asyncio.sleep(10)
        assert desk.looked == {key(1)}
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(story())
