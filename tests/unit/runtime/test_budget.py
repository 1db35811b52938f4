"""The API budget: the line it forms, and how it answers a server that asks for quiet."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.runtime.budget import ApiBudget, TokenBucket
from virtual_time import FixedEntropy, VirtualClock, run_virtual


async def _times_of(clock: VirtualClock, bucket: TokenBucket, count: int) -> list[float]:
    """When each of `count` simultaneous askers got its turn, in the order of asking."""

    async def one() -> float:
        await bucket.take()
        return clock.monotonic()

    return list(await asyncio.gather(*(one() for _ in range(count))))


def test_a_burst_goes_out_at_once_and_the_rest_at_the_rate() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        return await _times_of(clock, TokenBucket(clock, FixedEntropy(), rate=10, burst=3), 6)

    assert run_virtual(story) == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])


def test_a_quiet_time_saves_up_no_more_than_the_burst() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        bucket = TokenBucket(clock, FixedEntropy(), rate=10, burst=2)
        await asyncio.sleep(3600)
        return [at - 3600 for at in await _times_of(clock, bucket, 4)]

    assert run_virtual(story) == pytest.approx([0, 0, 0.1, 0.2])


def test_after_a_429_nothing_goes_out_before_the_time_asked_for_and_then_no_burst() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        bucket = TokenBucket(clock, FixedEntropy(0.0), rate=10, burst=100)
        bucket.pause(5)
        return await _times_of(clock, bucket, 3)

    assert run_virtual(story) == pytest.approx([5.1, 5.2, 5.3])


def test_a_429_moves_those_back_who_wait_already_and_keeps_their_order() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        bucket = TokenBucket(clock, FixedEntropy(0.0), rate=10, burst=1)
        waiting = asyncio.create_task(_times_of(clock, bucket, 4))
        await asyncio.sleep(0.05)
        bucket.pause(2)
        later = await _times_of(clock, bucket, 1)
        return [*await waiting, *later]

    assert run_virtual(story) == pytest.approx([0, 2.1, 2.2, 2.3, 2.4], abs=0.051)


def test_two_429s_at_once_count_as_the_longer_one() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        bucket = TokenBucket(clock, FixedEntropy(0.0), rate=10, burst=1)
        bucket.pause(3)
        bucket.pause(1)
        bucket.pause(3)
        return await _times_of(clock, bucket, 1)

    assert run_virtual(story) == pytest.approx([3.1])


def test_an_absurd_retry_after_is_cut_to_a_minute() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        bucket = TokenBucket(clock, FixedEntropy(0.0), rate=10, burst=1)
        bucket.pause(315_360_000)
        return await _times_of(clock, bucket, 1)

    assert run_virtual(story) == pytest.approx([60.1])


def test_a_cancelled_asker_gives_its_place_back() -> None:
    async def story(clock: VirtualClock) -> float:
        bucket = TokenBucket(clock, FixedEntropy(), rate=1, burst=1)
        await bucket.take()
        impatient = asyncio.create_task(bucket.take())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        await bucket.take()
        return clock.monotonic()

    assert run_virtual(story) == pytest.approx(1.0)


def test_a_storm_of_writes_leaves_reads_alone() -> None:
    async def story(clock: VirtualClock) -> float:
        budget = ApiBudget(clock, FixedEntropy(), rate=1, burst=1)
        budget.pause("write", 30)
        await budget.take("read")
        return clock.monotonic()

    assert run_virtual(story) == 0


@given(
    st.integers(1, 20),
    st.floats(1, 1000),
    st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=30),
)
def test_whatever_happens_no_window_sees_more_than_burst_plus_rate(
    burst: int, rate: float, steps: list[tuple[float, bool]]
) -> None:
    async def story(clock: VirtualClock) -> list[float]:
        bucket = TokenBucket(clock, FixedEntropy(), rate=rate, burst=burst)
        asked: list[asyncio.Task[list[float]]] = []
        for pause, storm in steps:
            await asyncio.sleep(pause)
            if storm:
                bucket.pause(pause)
            asked.append(asyncio.create_task(_times_of(clock, bucket, burst)))
        return sorted(at for times in await asyncio.gather(*asked) for at in times)

    times = run_virtual(story)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - start) + 1.001


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_bucket_that_could_never_let_anything_out_is_refused(rate: float, burst: int) -> None:
    async def story(clock: VirtualClock) -> None:
        TokenBucket(clock, FixedEntropy(), rate=rate, burst=burst)

    with pytest.raises(ValueError, match="positive rate and burst"):
        run_virtual(story)
