"""Due times: one heap, one task, for any number of objects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from integration_hub.ports import Key
from integration_hub.runtime.due import DueTimes
from integration_hub.runtime.queue import WorkQueue
from virtual_time import FixedEntropy, VirtualClock, run


def key(number: int) -> Key:
    return Key("Integration", "team-a", f"i{number}")


def with_due(scenario: Callable[[DueTimes, WorkQueue], Awaitable[None]]) -> None:
    async def main() -> None:
        queue = WorkQueue(VirtualClock(), FixedEntropy())
        due = DueTimes(VirtualClock(), queue)
        task = asyncio.create_task(due.run())
        await asyncio.sleep(0)
        await scenario(due, queue)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_keys_come_in_the_order_of_their_times() -> None:
    async def scenario(due: DueTimes, queue: WorkQueue) -> None:
        due.set(key(1), 300)
        due.set(key(2), 100)
        due.set(key(3), 200)
        order = [(await queue.get(), now()) for _ in range(3)]
        assert order == [(key(2), 100), (key(3), 200), (key(1), 300)]
        assert len(due) == 0

    with_due(scenario)


@pytest.mark.parametrize("later", [True, False], ids=["moved-later", "moved-earlier"])
def test_a_new_time_replaces_the_old_one(later: bool) -> None:
    async def scenario(due: DueTimes, queue: WorkQueue) -> None:
        first, second = (100, 200) if later else (200, 100)
        due.set(key(1), first)
        await asyncio.sleep(1)
        due.set(key(1), second)
        queue.done(await queue.get())
        assert now() == pytest.approx(second)
        await asyncio.sleep(600)
        assert len(queue) == 0

    with_due(scenario)


def test_a_discarded_time_never_comes() -> None:
    async def scenario(due: DueTimes, queue: WorkQueue) -> None:
        due.set(key(1), 10)
        due.discard(key(1))
        await asyncio.sleep(60)
        assert len(queue) == 0
        assert due.get(key(1)) is None

    with_due(scenario)


def test_a_time_in_the_past_comes_at_once() -> None:
    async def scenario(due: DueTimes, queue: WorkQueue) -> None:
        await asyncio.sleep(50)
        due.set(key(1), 10)
        await queue.get()
        assert now() == pytest.approx(50)

    with_due(scenario)


def test_ten_thousand_moves_do_not_grow_the_heap_without_bound() -> None:
    async def scenario(due: DueTimes, queue: WorkQueue) -> None:
        for turn in range(10_000):
            due.set(key(turn % 100), 1_000 + turn)
        assert len(due) == 100
        assert len(due._heap) <= 1_200
        await asyncio.sleep(20_000)
        assert len(queue) == 100

    with_due(scenario)


def test_clear_leaves_nothing_to_come() -> None:
    async def scenario(due: DueTimes, queue: WorkQueue) -> None:
        due.set(key(1), 5)
        due.clear()
        await asyncio.sleep(60)
        assert len(queue) == 0

    with_due(scenario)
