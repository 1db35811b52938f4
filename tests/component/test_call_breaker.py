"""Breakers around calls: what opens them, what a restart and other replicas know of them."""

from __future__ import annotations

import asyncio
from typing import Any

from call_stage import SILENCE, ScriptedEgress, Stage, get, link, reply, stage
from integration_hub.api.errors import ErrorCode
from integration_hub.api.reasons import Reason
from integration_hub.egress.breakers import TRANSITION
from integration_hub.ports import CallAnswer, Purpose, Wakeup
from memory_store import MemoryStore
from virtual_time import VirtualClock, run_virtual

LINK = link()
WAKEUP = Wakeup("Integration", "team", "chat", TRANSITION)


def on(clock: VirtualClock, *answers: Any, store: MemoryStore | None = None) -> tuple[Stage, ScriptedEgress]:
    egress = ScriptedEgress(list(answers))
    return stage(egress, clock, store=store or MemoryStore(clock)), egress


async def fail(scene: Stage, times: int, **more: Any) -> CallAnswer:
    for _ in range(times):
        answer = await scene.calls.call(LINK, get(**more))
    return answer


def test_five_failures_stop_calls_and_three_successes_let_them_go_on() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, *[reply(503)] * 5, reply(200))
        await fail(scene, 5)
        assert scene.calls.breaker(LINK.uid).state == "open"
        told = await scene.calls.call(LINK, get())
        assert told.problem is not None
        assert (told.reason, told.problem.code, told.attempts) == (
            Reason.CIRCUIT_OPEN,
            ErrorCode.CIRCUIT_OPEN,
            0,
        )
        assert told.problem.retry_after == 30
        assert len(egress.sent_at) == 5
        await asyncio.sleep(30)
        states = []
        for _ in range(3):
            assert (await scene.calls.call(LINK, get())).success
            states.append(scene.calls.breaker(LINK.uid).state)
        assert states == ["halfOpen", "halfOpen", "closed"]
        assert scene.figures.circuits == [
            ("chat", "closed"),
            ("chat", "open"),
            ("chat", "halfOpen"),
            ("chat", "closed"),
        ]

    run_virtual(story)


def test_every_transition_wakes_the_integration_after_it_was_written() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, _ = on(clock, reply(503))
        await fail(scene, 4)
        assert await scene.store.drain() == []
        await fail(scene, 1)
        assert await scene.store.drain() == [WAKEUP]
        assert (await scene.store.load_breakers())[LINK.uid] == scene.calls.breaker(LINK.uid)
        await asyncio.sleep(30)
        await fail(scene, 1)
        assert await scene.store.drain() == [WAKEUP]
        assert scene.calls.breaker(LINK.uid).opened_at == clock.now()

    run_virtual(story)


def test_an_open_breaker_survives_a_restart() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, reply(503))
        await fail(scene, 5)
        await asyncio.sleep(10)
        calls = scene.restart()
        await calls.restore()
        told = await calls.call(LINK, get())
        assert (told.reason, told.retry_after) == (Reason.CIRCUIT_OPEN, 20)
        assert len(egress.sent_at) == 5

    run_virtual(story)


def test_the_count_goes_on_after_a_restart() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, _ = on(clock, reply(503))
        await fail(scene, 4)
        calls = scene.restart()
        await calls.restore()
        await calls.call(LINK, get())
        assert calls.breaker(LINK.uid).state == "open"

    run_virtual(story)


def test_a_trial_cut_short_by_a_crash_holds_the_next_one_up_no_longer_than_it_could_have_lasted() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, *[reply(503)] * 5, reply(200))
        await fail(scene, 5)
        await asyncio.sleep(30)
        egress.seconds = 1000
        crashed = asyncio.create_task(scene.calls.call(LINK, get()))
        await asyncio.sleep(0)
        calls = scene.restart()  # what the process wrote before it died is all that is left of it
        await calls.restore()
        egress.seconds = 0
        told = await calls.call(LINK, get())
        assert (told.reason, told.retry_after) == (Reason.CIRCUIT_OPEN, 35)
        await asyncio.sleep(35)
        assert (await calls.call(LINK, get())).success
        crashed.cancel()

    run_virtual(story)


def test_one_trial_at_a_time_however_many_ask() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, *[reply(503)] * 5, reply(200))
        await fail(scene, 5)
        await asyncio.sleep(30)
        egress.seconds = 1
        answers = await asyncio.gather(*(scene.calls.call(LINK, get()) for _ in range(20)))
        assert sum(answer.success for answer in answers) == 1
        assert len(egress.sent_at) == 6

    run_virtual(story)


def test_a_trial_given_up_by_its_caller_frees_the_place() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, *[reply(503)] * 5, reply(200))
        await fail(scene, 5)
        await asyncio.sleep(30)
        egress.seconds = 1000
        given_up = asyncio.create_task(scene.calls.call(LINK, get()))
        await asyncio.sleep(1)
        given_up.cancel()
        await asyncio.wait([given_up])
        egress.seconds = 0
        assert (await scene.calls.call(LINK, get())).success

    run_virtual(story)


def test_answers_of_a_far_end_that_works_do_not_open_it() -> None:
    async def story(clock: VirtualClock) -> None:
        answers = [reply(404), reply(403), reply(429), reply(302), reply(400)] * 4
        scene, egress = on(clock, *answers)
        await fail(scene, 20, wait_seconds=2)
        assert scene.calls.breaker(LINK.uid).state == "closed"
        assert len(egress.sent_at) == 20

    run_virtual(story)


def test_repetitions_end_when_it_opens_and_the_cause_is_told_not_the_breaker() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, SILENCE)
        patient = link(retry={"maxRetries": 10}, circuitBreaker={"failureThreshold": 3})
        told = await scene.calls.call(patient, get())
        assert (told.attempts, told.reason, len(egress.sent_at)) == (3, Reason.TIMEOUT, 3)

    run_virtual(story)


def test_a_person_who_tests_the_connection_is_let_through() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, _ = on(clock, *[reply(503)] * 5, reply(200))
        await fail(scene, 5)
        assert (await scene.calls.call(LINK, get(purpose=Purpose.TEST))).success
        assert scene.calls.breaker(LINK.uid).state == "halfOpen"

    run_virtual(story)


def test_a_store_that_fails_makes_no_call_fail_and_is_told_later() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, _ = on(clock, reply(503))
        scene.store.broken = "disk full"
        await fail(scene, 5)
        assert scene.calls.breaker(LINK.uid).state == "open"
        assert (await scene.calls.call(LINK, get())).reason is Reason.CIRCUIT_OPEN
        scene.store.broken = ""
        await asyncio.sleep(30)
        await fail(scene, 1)
        assert (await scene.store.load_breakers())[LINK.uid] == scene.calls.breaker(LINK.uid)

    run_virtual(story)


def test_replicas_share_one_count_and_one_trial() -> None:
    async def story(clock: VirtualClock) -> None:
        store = MemoryStore(clock, shared=True)
        (one, first), (two, second) = (on(clock, reply(503), store=store) for _ in range(2))
        for scene in (one, two, one, two, one):
            await fail(scene, 1)
        assert (await store.load_breakers())[LINK.uid].state == "open"
        await asyncio.sleep(1)
        assert (await two.calls.call(LINK, get())).reason is Reason.CIRCUIT_OPEN
        sent = len(first.sent_at) + len(second.sent_at)
        await asyncio.sleep(30)
        first.answers, second.answers = [reply(200)], [reply(200)]
        first.seconds = second.seconds = 2
        told = await asyncio.gather(
            *(scene.calls.call(LINK, get()) for scene in (one, two) for _ in range(5))
        )
        assert sum(answer.success for answer in told) == 1
        assert len(first.sent_at) + len(second.sent_at) == sent + 1

    run_virtual(story)


def test_replicas_learn_that_it_closed() -> None:
    async def story(clock: VirtualClock) -> None:
        store = MemoryStore(clock, shared=True)
        (one, _), (two, _) = (on(clock, *[reply(503)] * 5, reply(200), store=store) for _ in range(2))
        await fail(one, 5)
        await asyncio.sleep(1)
        assert (await two.calls.call(LINK, get())).reason is Reason.CIRCUIT_OPEN
        await asyncio.sleep(30)
        await fail(one, 3)
        assert one.calls.breaker(LINK.uid).state == "closed"
        await asyncio.sleep(1)
        await two.calls.restore()
        assert two.calls.breaker(LINK.uid).state == "closed"

    run_virtual(story)


def test_a_connection_that_is_gone_leaves_nothing() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, _ = on(clock, reply(503))
        await fail(scene, 5)
        scene.calls.forget(LINK.uid)
        assert scene.calls.breaker(LINK.uid).state == "closed"
        assert scene.figures.circuits[-1] == ("chat", "gone")
        await asyncio.sleep(0)

    run_virtual(story)
