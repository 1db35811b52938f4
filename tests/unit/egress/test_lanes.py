"""So many at once for each key; who came first goes first; who gives up holds nobody up."""

from __future__ import annotations

import asyncio

from integration_hub.egress.lanes import Lanes


async def waiting(lanes: Lanes, key: str, entered: list[int], number: int) -> None:
    await lanes.enter(key)
    entered.append(number)


async def queue(lanes: Lanes, count: int) -> tuple[list[int], list[asyncio.Task[None]]]:
    entered: list[int] = []
    tasks = [asyncio.create_task(waiting(lanes, "a", entered, number)) for number in range(count)]
    await asyncio.sleep(0)
    return entered, tasks


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_each_key_has_its_own_places_and_a_lane_nobody_uses_is_forgotten() -> None:
    lanes = Lanes(2)
    assert [lanes.enter_now(key) for key in ("a", "a", "a", "b")] == [True, True, False, True]
    assert len(lanes) == 2
    for key in ("a", "a", "b"):
        lanes.leave(key)
    assert len(lanes) == 0


async def test_places_go_to_those_who_wait_in_the_order_they_came() -> None:
    lanes = Lanes(1)
    lanes.enter_now("a")
    entered, _ = await queue(lanes, 3)
    for count in range(1, 4):
        lanes.leave("a")
        assert not lanes.enter_now("a"), "nobody passes those who wait"
        await turns()
        assert entered == list(range(count))
    lanes.leave("a")
    assert len(lanes) == 0


async def test_one_who_gives_up_leaves_the_line() -> None:
    lanes = Lanes(1)
    lanes.enter_now("a")
    entered, tasks = await queue(lanes, 3)
    tasks[0].cancel()
    await turns()
    lanes.leave("a")
    await turns()
    assert entered == [1]
    lanes.leave("a")
    await turns()
    assert entered == [1, 2]
    lanes.leave("a")
    assert len(lanes) == 0


async def test_a_place_handed_to_one_who_is_giving_up_goes_on_to_the_next() -> None:
    lanes = Lanes(1)
    lanes.enter_now("a")
    entered, tasks = await queue(lanes, 2)
    lanes.leave("a")
    tasks[0].cancel()
    await turns()
    assert entered == [1]
    lanes.leave("a")
    assert len(lanes) == 0
