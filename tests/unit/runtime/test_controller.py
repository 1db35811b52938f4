"""The controller: changes become reconciles, failures become retries, and only while this process leads."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from integration_hub.ports import ApiError, Key, NotLeaderError
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.controller import Controller, Result
from integration_hub.runtime.due import DueTimes
from integration_hub.runtime.queue import WorkQueue
from virtual_time import FixedEntropy, VirtualClock, run

KIND = "Integration"


def key(name: str) -> Key:
    return Key(KIND, "team-a", name)


class Script:
    """A reconciler that records its calls and does what it is told."""

    def __init__(self, act: Callable[[Key], Awaitable[Result] | Result] = lambda _: Result()) -> None:
        self.act = act
        self.calls: list[tuple[float, str]] = []

    async def reconcile(self, key: Key) -> Result:
        self.calls.append((asyncio.get_running_loop().time(), key.name))
        outcome = self.act(key)
        return outcome if isinstance(outcome, Result) else await outcome


class Rig:
    def __init__(self, reconciler: Script, **options: Any) -> None:
        clock = VirtualClock()
        self.cache = ObjectCache()
        self.queue = WorkQueue(clock, FixedEntropy(1 - 1e-9))
        self.seen: list[tuple[str, str, float]] = []
        self.controller = Controller(
            self.cache,
            self.queue,
            DueTimes(clock, self.queue),
            clock,
            observe=lambda *what: self.seen.append(what),
            **options,
        )
        self.controller.register(KIND, reconciler)
        self.version = 0

    def put(self, name: str, kind: str = KIND, **more: Any) -> None:
        self.version += 1
        metadata = {
            "name": name,
            "namespace": "team-a",
            "uid": f"uid-{name}",
            "resourceVersion": str(self.version),
            "generation": more.pop("generation", 1),
        }
        self.cache.upsert(kind, {"metadata": metadata, **more})


def play(
    story: Callable[[Rig], Awaitable[None]], reconciler: Script, *, started: bool = True, **options: Any
) -> None:
    async def main() -> None:
        rig = Rig(reconciler, **options)
        if started:
            rig.controller.start()
        await story(rig)
        await rig.controller.stop()

    run(main())


def names(script: Script) -> list[str]:
    return [name for _, name in script.calls]


def test_a_new_object_is_reconciled_once() -> None:
    script = Script()

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(60)
        assert names(script) == ["a"]
        assert [seen[:2] for seen in rig.seen] == [(KIND, "success")]

    play(story, script)


def test_our_own_status_write_causes_no_reconcile_but_somebody_elses_does() -> None:
    script = Script()

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(1)
        rig.cache.expect_status(key("a"), {"phase": "ACTIVE"})
        rig.put("a", status={"phase": "ACTIVE"})
        rig.cache.expect_status(key("a"), None)
        await asyncio.sleep(1)
        assert names(script) == ["a"]
        rig.put("a", status={"phase": "edited by hand"})
        await asyncio.sleep(1)
        assert names(script) == ["a", "a"]

    play(story, script)


def test_a_change_of_managed_fields_alone_causes_no_reconcile() -> None:
    script = Script()

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(1)
        rig.put("a")
        await asyncio.sleep(1)
        assert names(script) == ["a"]

    play(story, script)


def test_a_deleted_object_is_reconciled_a_last_time() -> None:
    script = Script()

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(1)
        rig.cache.remove(key("a"), "uid-a")
        await asyncio.sleep(1)
        assert names(script) == ["a", "a"]

    play(story, script)


def test_a_map_names_further_objects() -> None:
    script = Script()

    async def story(rig: Rig) -> None:
        rig.controller.on_change("Provider", lambda change: [key(f"uses-{change.key.name}")])
        rig.put("slack", kind="Provider")
        await asyncio.sleep(1)
        assert names(script) == ["uses-slack"]

    play(story, script)


def test_a_broken_map_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    script = Script()

    async def story(rig: Rig) -> None:
        rig.controller.on_change(KIND, lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
        rig.controller.on_change(KIND, lambda _: [key("other")])
        rig.put("a")
        await asyncio.sleep(1)
        assert sorted(names(script)) == ["a", "other"]

    play(story, script)
    assert "map of changes" in caplog.text


def test_it_looks_again_when_the_result_says_so() -> None:
    script = Script(lambda _: Result(requeue_after=300))

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(601)
        assert script.calls == [(0, "a"), (300, "a"), (600, "a")]

    play(story, script)


def test_a_change_replaces_the_next_look_instead_of_adding_to_it() -> None:
    script = Script(lambda _: Result(requeue_after=300))

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(100)
        rig.put("a", generation=2)
        await asyncio.sleep(350)
        assert script.calls == [(0, "a"), (100, "a"), (400, "a")]

    play(story, script)


def test_a_conflict_is_tried_again_soon() -> None:
    answers = [Result(requeue_after=0), Result()]
    script = Script(lambda _: answers.pop(0))

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(60)
        assert [when for when, _ in script.calls] == [0, pytest.approx(0.5)]

    play(story, script)


def test_failures_back_off_and_are_told_once_per_cause(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Key) -> Result:
        raise ApiError(500, "InternalError", "boom")

    script = Script(fail)

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(8)
        assert [when for when, _ in script.calls] == pytest.approx([0, 0.5, 1.5, 3.5, 7.5])
        script.act = lambda _: Result()
        await asyncio.sleep(60)
        assert rig.queue.failures(key("a")) == 0

    with caplog.at_level(logging.INFO):
        play(story, script)
    messages = Counter(record.message for record in caplog.records)
    assert messages["Reconcile failed, will retry"] == 1
    assert messages["Reconciles again"] == 1
    failed = next(record for record in caplog.records if record.levelno == logging.WARNING)
    assert failed.__dict__["object"] == "Integration team-a/a"
    assert "boom" in failed.__dict__["cause"]
    assert failed.exc_info is None, "a known trouble needs no stack"


def test_a_bug_in_a_reconciler_costs_one_object_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    def act(which: Key) -> Result:
        if which.name == "bad":
            raise ZeroDivisionError
        return Result()

    script = Script(act)

    async def story(rig: Rig) -> None:
        rig.put("bad")
        rig.put("good")
        await asyncio.sleep(0.4)
        assert sorted(names(script)) == ["bad", "good"]
        assert rig.controller.running

    play(story, script, workers=1)
    assert "ZeroDivisionError" in caplog.text


def test_retry_after_is_respected() -> None:
    def fail(_: Key) -> Result:
        raise ApiError(429, "TooManyRequests", "later", retry_after=20)

    script = Script(fail)

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(21)
        assert [when for when, _ in script.calls] == [0, 20]

    play(story, script)


def test_a_stuck_reconcile_gives_its_worker_back() -> None:
    async def hang() -> Result:
        await asyncio.Event().wait()
        return Result()

    script = Script(lambda which: hang() if which.name == "stuck" else Result())

    async def story(rig: Rig) -> None:
        rig.put("stuck")
        rig.put("next")
        await asyncio.sleep(31)
        assert names(script)[:2] == ["stuck", "next"]
        assert (KIND, "timeout") in [seen[:2] for seen in rig.seen]

    play(story, script, workers=1, timeout_seconds=30)


def test_who_does_not_lead_does_nothing() -> None:
    script = Script()

    async def story(rig: Rig) -> None:
        rig.put("a")
        rig.controller.enqueue([key("a")])
        await asyncio.sleep(60)
        assert script.calls == []
        assert len(rig.queue) == 0

    play(story, script, started=False)


def test_who_begins_to_lead_looks_at_everything() -> None:
    script = Script()

    async def story(rig: Rig) -> None:
        for number in range(50):
            rig.put(f"i{number}")
        rig.controller.start()
        await asyncio.sleep(1)
        assert sorted(names(script)) == sorted(f"i{number}" for number in range(50))

    play(story, script, started=False)


def test_who_lost_the_lead_stops_in_the_middle_and_forgets_its_plans() -> None:
    finished = []

    async def slow(which: Key) -> Result:
        await asyncio.sleep(10)
        finished.append(which.name)
        return Result(requeue_after=5)

    script = Script(slow)

    async def story(rig: Rig) -> None:
        rig.put("a")
        rig.put("b")
        await asyncio.sleep(1)
        await rig.controller.stop()
        await asyncio.sleep(600)
        assert finished == []
        assert names(script) == ["a"]
        assert not rig.controller.running

    play(story, script, workers=1)


def test_a_stop_with_grace_lets_work_in_hand_finish_but_starts_none() -> None:
    finished = []

    async def slow(which: Key) -> Result:
        await asyncio.sleep(3)
        finished.append(which.name)
        return Result(requeue_after=5)

    script = Script(slow)

    async def story(rig: Rig) -> None:
        rig.put("a")
        rig.put("b")
        await asyncio.sleep(1)
        await rig.controller.stop(grace_seconds=8)
        assert asyncio.get_running_loop().time() == pytest.approx(3)
        assert finished == ["a"]

    play(story, script, workers=1)


def test_a_write_refused_for_want_of_leadership_is_made_up_for_if_the_term_goes_on() -> None:
    """A renewal may succeed a moment too late: no term ends, nobody else looks, and no key may be lost."""
    refusals = [NotLeaderError("paused too long")]

    def refuse_once(_: Key) -> Result:
        if refusals:
            raise refusals.pop()
        return Result()

    script = Script(refuse_once)

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(600)
        assert names(script) == ["a", "a"]

    play(story, script)


def test_a_write_refused_for_want_of_leadership_is_not_made_up_for_once_the_term_is_over() -> None:
    def refuse(_: Key) -> Result:
        raise NotLeaderError("paused too long")

    script = Script(refuse)

    async def story(rig: Rig) -> None:
        rig.put("a")
        await asyncio.sleep(0.01)
        await rig.controller.stop()
        await asyncio.sleep(600)
        assert names(script) == ["a"]

    play(story, script)


def test_one_kind_has_one_reconciler() -> None:
    async def story(rig: Rig) -> None:
        with pytest.raises(ValueError, match="already"):
            rig.controller.register(KIND, Script())

    play(story, Script())
