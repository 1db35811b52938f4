"""The work queue's promises, in virtual time and against a model."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from integration_hub.ports import Key
from integration_hub.runtime.queue import Priority, WorkQueue
from virtual_time import FixedEntropy, VirtualClock, VirtualLoop, run

T = TypeVar("T")


def key(name: str) -> Key:
    return Key("Integration", "team-a", name)


def make(**options: float) -> WorkQueue:
    return WorkQueue(VirtualClock(), FixedEntropy(1.0 - 1e-9), **options)  # type: ignore[arg-type]


async def drain(queue: WorkQueue) -> list[str]:
    names = []
    while len(queue):
        taken = await queue.get()
        names.append(taken.name)
        queue.done(taken)
    return names


def test_a_key_added_thrice_is_handed_out_once() -> None:
    async def scenario() -> None:
        queue = make()
        for _ in range(3):
            queue.add(key("a"))
        assert await drain(queue) == ["a"]

    run(scenario())


def test_a_key_added_while_processed_is_handed_out_again_but_not_before_done() -> None:
    async def scenario() -> None:
        queue = make()
        queue.add(key("a"))
        taken = await queue.get()
        queue.add(key("a"))
        queue.add(key("a"))
        assert len(queue) == 0
        queue.done(taken)
        assert await drain(queue) == ["a"]

    run(scenario())


def test_changes_go_before_resyncs_in_the_order_of_adding() -> None:
    async def scenario() -> None:
        queue = make()
        queue.add(key("r1"), priority=Priority.RESYNC)
        queue.add(key("c1"))
        queue.add(key("r2"), priority=Priority.RESYNC)
        queue.add(key("c2"))
        assert await drain(queue) == ["c1", "c2", "r1", "r2"]

    run(scenario())


def test_a_change_lifts_a_waiting_resync() -> None:
    async def scenario() -> None:
        queue = make()
        queue.add(key("r1"), priority=Priority.RESYNC)
        queue.add(key("r2"), priority=Priority.RESYNC)
        queue.add(key("r2"))
        assert await drain(queue) == ["r2", "r1"]

    run(scenario())


def test_a_resync_never_lowers_a_waiting_change() -> None:
    async def scenario() -> None:
        queue = make()
        queue.add(key("a"))
        queue.add(key("a"), priority=Priority.RESYNC)
        assert queue.stats().changes == 1
        assert queue.stats().resyncs == 0

    run(scenario())


def test_a_steady_stream_of_changes_starves_no_resync() -> None:
    async def scenario() -> float:
        queue = make(aging_seconds=30)
        queue.add(key("resync"), priority=Priority.RESYNC)
        for second in range(1000):
            queue.add(key(f"change-{second}"))
            await asyncio.sleep(1)
            taken = await queue.get()
            queue.done(taken)
            if taken.name == "resync":
                return asyncio.get_running_loop().time()
        raise AssertionError("the resync starved")

    assert run(scenario()) <= 32


def test_a_change_to_an_aged_resync_does_not_put_it_back() -> None:
    async def scenario() -> None:
        queue = make(aging_seconds=10)
        queue.add(key("old"), priority=Priority.RESYNC)
        await asyncio.sleep(11)
        queue.add(key("young"))
        queue.add(key("old"))
        assert await drain(queue) == ["old", "young"]

    run(scenario())


def test_a_delayed_key_comes_when_due_and_not_before() -> None:
    async def scenario() -> None:
        queue = make()
        queue.add_after(key("a"), 90)
        queue.add_after(key("b"), 30)
        assert (await queue.get()).name == "b"
        assert asyncio.get_running_loop().time() == pytest.approx(30)
        assert (await queue.get()).name == "a"
        assert asyncio.get_running_loop().time() == pytest.approx(90)

    run(scenario())


@pytest.mark.parametrize(
    ("wishes", "expected"), [((60, 20), 20), ((20, 60), 20)], ids=["earlier-later", "later-earlier"]
)
def test_the_earliest_of_several_delays_counts(wishes: tuple[int, int], expected: int) -> None:
    async def scenario() -> None:
        queue = make()
        for seconds in wishes:
            queue.add_after(key("a"), seconds)
        queue.done(await queue.get())
        assert asyncio.get_running_loop().time() == pytest.approx(expected)
        await asyncio.sleep(120)
        assert len(queue) == 0, "the later wish was withdrawn by the earlier one's turn"

    run(scenario())


def test_a_turn_withdraws_the_delayed_wish() -> None:
    async def scenario() -> None:
        queue = make()
        queue.add_after(key("a"), 30)
        queue.add(key("a"))
        assert await drain(queue) == ["a"]
        await asyncio.sleep(60)
        assert len(queue) == 0

    run(scenario())


def test_backoff_doubles_up_to_its_limit_and_starts_over_after_success() -> None:
    async def scenario() -> None:
        queue = make(backoff_seconds=0.5, backoff_limit_seconds=300)
        waits = [round(queue.retry(key("a")), 3) for _ in range(12)]
        assert waits == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        assert queue.failures(key("a")) == 12
        queue.forget(key("a"))
        assert queue.retry(key("a")) == pytest.approx(0.5)

    run(scenario())


def test_backoff_survives_thousands_of_failures() -> None:
    async def scenario() -> None:
        queue = make()
        for _ in range(3000):
            last = queue.retry(key("a"))
        assert last == pytest.approx(300)

    run(scenario())


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
def test_jitter_keeps_a_backoff_between_half_and_whole(chance: float) -> None:
    async def scenario() -> None:
        queue = WorkQueue(VirtualClock(), FixedEntropy(chance), backoff_seconds=8)
        assert 4 <= queue.retry(key("a")) <= 8

    run(scenario())


def test_retry_waits_at_least_as_long_as_asked() -> None:
    async def scenario() -> None:
        assert make().retry(key("a"), at_least=42) == 42

    run(scenario())


def test_each_waiting_worker_gets_one_key() -> None:
    async def scenario() -> None:
        queue = make()
        workers = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        for name in "abc":
            queue.add(key(name))
        assert sorted(taken.name for taken in await asyncio.gather(*workers)) == ["a", "b", "c"]

    run(scenario())


def test_a_worker_cancelled_after_being_woken_passes_the_key_on() -> None:
    async def scenario() -> None:
        queue = make()
        leaving = asyncio.create_task(queue.get())
        staying = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add(key("a"))  # wakes the first worker, which is cancelled before it runs
        leaving.cancel()
        assert (await asyncio.wait_for(staying, 5)).name == "a"

    run(scenario())


def test_a_worker_cancelled_while_waiting_takes_no_key_with_it() -> None:
    async def scenario() -> None:
        queue = make()
        leaving = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        leaving.cancel()
        queue.add(key("a"))
        assert (await queue.get()).name == "a"

    run(scenario())


def test_clear_forgets_what_waits_and_leaves_what_is_processed() -> None:
    async def scenario() -> None:
        queue = make()
        queue.add(key("busy"))
        taken = await queue.get()
        queue.add(key("busy"))
        queue.add(key("waiting"))
        queue.add_after(key("later"), 5)
        queue.retry(key("failed"))
        queue.clear()
        queue.done(taken)
        await asyncio.sleep(600)
        assert len(queue) == 0
        assert queue.failures(key("failed")) == 0

    run(scenario())


def test_the_figures_tell_depth_age_and_retries() -> None:
    async def scenario() -> None:
        waits: list[tuple[Priority, float]] = []
        queue = WorkQueue(
            VirtualClock(), FixedEntropy(), on_wait=lambda lane, wait: waits.append((lane, wait))
        )
        queue.add(key("a"))
        await asyncio.sleep(3)
        queue.add(key("b"), priority=Priority.RESYNC)
        queue.retry(key("c"))
        stats = queue.stats()
        assert (stats.changes, stats.resyncs, stats.delayed, stats.processing) == (1, 1, 1, 0)
        assert stats.oldest_age == pytest.approx(3)
        assert (stats.adds, stats.retries) == (2, 1)
        await queue.get()
        ((priority, waited),) = waits
        assert priority is Priority.CHANGE
        assert waited == pytest.approx(3)
        assert queue.stats().processing == 1

    run(scenario())


@pytest.mark.parametrize("seed", range(5))
def test_many_workers_under_load_lose_nothing_and_never_share_a_key(seed: int) -> None:
    """Twelve workers, ten keys, thousands of adds: each key's last add is followed by a whole run."""

    async def scenario() -> None:
        chance = random.Random(seed)
        queue = WorkQueue(VirtualClock(), FixedEntropy())
        busy: Counter[Key] = Counter()
        versions: Counter[Key] = Counter()
        seen: dict[Key, int] = {}

        async def worker() -> None:
            while True:
                taken = await queue.get()
                busy[taken] += 1
                assert busy[taken] == 1
                version = versions[taken]
                await asyncio.sleep(chance.random())
                seen[taken] = version
                busy[taken] -= 1
                if chance.random() < 0.2:
                    queue.retry(taken)
                else:
                    queue.forget(taken)
                queue.done(taken)

        workers = [asyncio.create_task(worker()) for _ in range(12)]
        for _ in range(3000):
            target = key(str(chance.randrange(10)))
            versions[target] += 1
            queue.add(target, priority=chance.choice(list(Priority)))
            await asyncio.sleep(chance.random() / 20)
        await asyncio.sleep(3600)
        assert seen == dict(versions)
        assert not [task for task in workers if task.done()]
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    run(scenario())


class QueueMachine(RuleBasedStateMachine):
    """Random histories against the simplest model: which keys owe a run, and which are being run."""

    names = st.sampled_from("abcd")

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.queue = self._do(self._make())
        self.owed: set[str] = set()
        self.running: set[str] = set()

    async def _make(self) -> WorkQueue:
        return WorkQueue(VirtualClock(self.loop), FixedEntropy(), aging_seconds=30)

    def _do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    @rule(name=names, priority=st.sampled_from(Priority))
    def add(self, name: str, priority: Priority) -> None:
        async def act() -> None:
            self.queue.add(key(name), priority=priority)

        self._do(act())
        self.owed.add(name)

    @rule(name=names, seconds=st.integers(1, 60))
    def add_after(self, name: str, seconds: int) -> None:
        async def act() -> None:
            self.queue.add_after(key(name), seconds)
            await asyncio.sleep(seconds)
            await asyncio.sleep(0)

        self._do(act())
        self.owed.add(name)

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds: int) -> None:
        self._do(asyncio.sleep(seconds))

    @precondition(lambda self: len(self.queue) > 0)
    @rule()
    def take(self) -> None:
        taken = self._do(self.queue.get()).name
        assert taken not in self.running, "two workers on one key"
        assert taken in self.owed, "handed out without a reason"
        self.owed.discard(taken)
        self.running.add(taken)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), fails=st.booleans())
    def finish(self, data: st.DataObject, fails: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.running)))

        async def act() -> None:
            if fails:
                wait = self.queue.retry(key(name))
            else:
                self.queue.forget(key(name))
                wait = 0.0
            self.queue.done(key(name))
            await asyncio.sleep(wait)
            await asyncio.sleep(0)

        self._do(act())
        self.running.discard(name)
        if fails:
            self.owed.add(name)

    @invariant()
    def what_is_owed_can_be_had(self) -> None:
        """Every owed key that nobody works on is ready: none is lost, none is handed out twice."""
        assert len(self.queue) == len(self.owed - self.running)
        assert self.queue.stats().processing == len(self.running)

    def teardown(self) -> None:
        self.loop.close()


TestQueueAgainstItsModel = QueueMachine.TestCase
TestQueueAgainstItsModel.settings = hypothesis_settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
