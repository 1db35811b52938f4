"""The elector: never two writers, a takeover in time, and nothing written by whoever was asleep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_hub.ports import LEASES, ApiError, NotLeaderError
from integration_hub.runtime.leader import Elector, LeaseTimes
from memory_cluster import MemoryCluster
from virtual_time import FixedEntropy, VirtualClock, freeze, run_virtual


def _elector(cluster: MemoryCluster, clock: VirtualClock, identity: str, jitter: float = 0.999) -> Elector:
    return Elector(
        cluster, clock, FixedEntropy(jitter), namespace="hub", name="integration-hub", identity=identity
    )


def _lease(cluster: MemoryCluster) -> dict[str, object]:
    lease = cluster.read(LEASES, "hub", "integration-hub")
    assert lease is not None
    spec: dict[str, object] = lease["spec"]
    return spec


async def _until(condition: Callable[[], bool], clock: VirtualClock, limit: float = 120) -> float:
    """The virtual time at which `condition` came true, looked at every 50 ms."""
    end = clock.monotonic() + limit
    while not condition():
        assert clock.monotonic() < end, "it never came true"
        await asyncio.sleep(0.05)
    return clock.monotonic()


def _story(tell: Callable[[VirtualClock, MemoryCluster], Awaitable[None]]) -> None:
    async def story(clock: VirtualClock) -> None:
        await tell(clock, MemoryCluster())

    run_virtual(story)


def test_the_first_one_leads_and_the_second_stands_by() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        first, second = _elector(cluster, clock, "first"), _elector(cluster, clock, "second")
        tasks = [asyncio.create_task(first.run()), asyncio.create_task(second.run())]
        await asyncio.sleep(600)
        first.require()
        with pytest.raises(NotLeaderError, match="second does not hold the Lease hub/integration-hub"):
            second.require()
        assert second.holder == "first"
        assert first.fencing == 1
        for task in tasks:
            task.cancel()

    _story(tell)


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("killed_after", [30.0, 30.7, 31.9, 32.4])
def test_a_killed_leader_is_followed_within_20_seconds(killed_after: float, jitter: float) -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        cluster.latency = 0.05
        first, second = _elector(cluster, clock, "first"), _elector(cluster, clock, "second", jitter)
        leader = asyncio.create_task(first.run())
        await asyncio.sleep(1.1)
        standby = asyncio.create_task(second.run())
        await asyncio.sleep(killed_after)
        leader.cancel()
        killed_at = clock.monotonic()
        led_at = await _until(lambda: second.leading, clock)
        assert 12 < led_at - killed_at < 20
        assert second.fencing == 2
        standby.cancel()

    _story(tell)


def test_a_released_lease_is_taken_over_at_the_next_look() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        first, second = _elector(cluster, clock, "first"), _elector(cluster, clock, "second")
        tasks = [asyncio.create_task(first.run())]
        await asyncio.sleep(5)
        tasks.append(asyncio.create_task(second.run()))
        await asyncio.sleep(5)
        await first.release()
        released_at = clock.monotonic()
        assert _lease(cluster)["holderIdentity"] == ""
        with pytest.raises(NotLeaderError):
            first.require()
        assert await _until(lambda: second.leading, clock) - released_at < 3
        await asyncio.sleep(60)
        assert not first.leading
        assert tasks[0].done(), "a released elector does not stand again"
        tasks[1].cancel()

    _story(tell)


def test_a_renewal_in_flight_does_not_undo_the_release() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        first = _elector(cluster, clock, "first")
        task = asyncio.create_task(first.run())
        await asyncio.sleep(5)
        cluster.latency = 1.0
        count = len(cluster.requests)
        await _until(lambda: len(cluster.requests) > count, clock)
        await first.release(within_seconds=5)
        assert _lease(cluster)["holderIdentity"] == ""
        assert not first.leading
        await asyncio.sleep(30)
        assert _lease(cluster)["holderIdentity"] == ""
        assert task.done()

    _story(tell)


def test_a_leader_that_was_stopped_writes_nothing_after_it_wakes() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        first = _elector(cluster, clock, "first")
        task = asyncio.create_task(first.run())
        await asyncio.sleep(5)
        first.require()
        # While it was stopped, another replica took over.
        lease = cluster.read(LEASES, "hub", "integration-hub")
        assert lease is not None
        lease["spec"].update(holderIdentity="second", leaseTransitions=2)
        cluster.put(LEASES, "hub", "integration-hub", spec=lease["spec"])
        freeze(60)
        with pytest.raises(NotLeaderError):  # before any of its own code ran
            first.require()
        await asyncio.sleep(5)
        assert not first.leading
        assert _lease(cluster)["holderIdentity"] == "second"
        task.cancel()

    _story(tell)


def test_a_leader_cut_off_from_the_api_server_stops_after_the_renew_deadline() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        told: list[tuple[str, float]] = []
        elector = _elector(cluster, clock, "first")
        elector.subscribe(
            lambda _: told.append(("gained", clock.monotonic())),
            lambda: told.append(("lost", clock.monotonic())),
        )
        task = asyncio.create_task(elector.run())
        await asyncio.sleep(30)
        cluster.hang = True
        cut_at = clock.monotonic()
        await _until(lambda: not elector.leading, clock)
        await asyncio.sleep(1)
        assert [word for word, _ in told] == ["gained", "lost"]
        assert 7 < told[1][1] - cut_at < 10.5
        task.cancel()

    _story(tell)


def test_a_leader_that_lost_touch_leads_on_with_the_same_number_if_nobody_followed() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        elector = _elector(cluster, clock, "first")
        task = asyncio.create_task(elector.run())
        await asyncio.sleep(5)
        cluster.trouble = lambda *_: ApiError(503, "ServiceUnavailable", "etcd is down")
        await _until(lambda: not elector.leading, clock)
        cluster.trouble = None
        await _until(lambda: elector.leading, clock)
        assert elector.fencing == 1
        task.cancel()

    _story(tell)


def test_a_standby_that_was_stopped_does_not_take_a_lease_that_was_renewed_meanwhile() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        first, second = _elector(cluster, clock, "first"), _elector(cluster, clock, "second")
        tasks = [asyncio.create_task(first.run()), asyncio.create_task(second.run())]
        await asyncio.sleep(10)
        # Only the standby sleeps: its view ages, while the leader renews.
        second._seen_at -= 60
        await asyncio.sleep(10)
        assert first.leading
        assert not second.leading
        for task in tasks:
            task.cancel()

    _story(tell)


def test_wall_clocks_that_disagree_change_nothing() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        class Skewed(VirtualClock):
            def now(self) -> datetime:
                return super().now() + timedelta(days=365)

        first, second = _elector(cluster, clock, "first"), _elector(cluster, Skewed(), "second")
        tasks = [asyncio.create_task(first.run())]
        await asyncio.sleep(5)
        tasks.append(asyncio.create_task(second.run()))
        await asyncio.sleep(120)
        assert first.leading
        assert not second.leading
        for task in tasks:
            task.cancel()

    _story(tell)


def test_a_deleted_lease_does_not_count_its_leaders_from_one_again() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        elector = _elector(cluster, clock, "first")
        task = asyncio.create_task(elector.run())
        await asyncio.sleep(5)
        cluster.drop(LEASES, "hub", "integration-hub")
        await asyncio.sleep(5)
        assert elector.leading
        assert elector.fencing == 2
        task.cancel()

    _story(tell)


def test_a_lease_deleted_under_its_holder_does_not_make_two_leaders() -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        first, second = _elector(cluster, clock, "first"), _elector(cluster, clock, "second")
        tasks = [asyncio.create_task(first.run())]
        await asyncio.sleep(5)
        tasks.append(asyncio.create_task(second.run()))
        await asyncio.sleep(5)
        cluster.drop(LEASES, "hub", "integration-hub")
        for _ in range(600):
            assert not second.leading
            await asyncio.sleep(0.1)
        assert first.leading
        for task in tasks:
            task.cancel()

    _story(tell)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cut", "mend", "slow", "quick", "restart first", "restart second"]),
            st.floats(0.1, 25),
        ),
        max_size=12,
    ),
    st.floats(0, 0.999),
)
def test_at_no_moment_do_two_lead(steps: list[tuple[str, float]], jitter: float) -> None:
    async def tell(clock: VirtualClock, cluster: MemoryCluster) -> None:
        electors = {name: _elector(cluster, clock, name, jitter) for name in ("first", "second")}
        tasks = {name: asyncio.create_task(elector.run()) for name, elector in electors.items()}
        terms: list[int] = []

        async def watch() -> None:
            while True:
                leaders = [elector for elector in electors.values() if elector.leading]
                assert len(leaders) <= 1
                terms.extend(elector.fencing for elector in leaders)
                await asyncio.sleep(0.1)

        watcher = asyncio.create_task(watch())
        for number, (what, seconds) in enumerate(steps):
            match what:
                case "cut" | "mend":
                    cluster.hang = what == "cut"
                case "slow" | "quick":
                    cluster.latency = 3.0 if what == "slow" else 0.0
                case "restart first" | "restart second":
                    name = what.removeprefix("restart ")
                    tasks[name].cancel()
                    electors[name] = _elector(cluster, clock, f"{name}-{number}", jitter)
                    tasks[name] = asyncio.create_task(electors[name].run())
                case _:
                    pass
            await asyncio.sleep(seconds)
        cluster.hang, cluster.latency = False, 0.0
        await asyncio.sleep(60)
        assert not watcher.done(), watcher
        assert sum(elector.leading for elector in electors.values()) == 1, "and in the end, one does"
        assert terms == sorted(terms), "the fencing number never goes back"
        for task in (watcher, *tasks.values()):
            task.cancel()

    _story(tell)


@pytest.mark.parametrize(
    ("duration", "deadline", "retry"),
    [
        pytest.param(10, 10, 2, id="no room between deadline and takeover"),
        pytest.param(15, 2, 2, id="a deadline before the first retry"),
        pytest.param(15, 10, 0, id="no pause at all"),
    ],
)
def test_times_that_allow_two_leaders_are_refused(duration: float, deadline: float, retry: float) -> None:
    with pytest.raises(ValueError, match="lease times must be"):
        LeaseTimes(duration, deadline, retry)
