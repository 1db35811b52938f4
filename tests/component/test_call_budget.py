"""Budgets around calls: exact, shared by all who use an account, kept quiet when asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from call_stage import FarEnd, ScriptedEgress, Stage, far_end, get, link, reply, stage, way_out
from integration_hub.api.errors import ErrorCode
from integration_hub.api.reasons import Reason
from integration_hub.ports import Link, Purpose
from memory_store import MemoryStore
from virtual_time import VirtualClock, run_virtual

TEN = {"rateLimit": {"requests": 10, "windowSeconds": 60}}
YEAR = 31_536_000
HEADERS = {"rateLimitHeaders": {"remaining": "X-Remaining", "reset": "X-Reset"}}
TEN_LINK = link(provider=TEN)


def on(clock: VirtualClock, *answers: Any, **more: Any) -> tuple[Stage, ScriptedEgress]:
    egress = ScriptedEgress(list(answers) or [reply(200)])
    return stage(egress, clock, **more), egress


def most_within(moments: Sequence[float], seconds: float) -> int:
    return max(sum(at <= other < at + seconds for other in moments) for at in moments)


@pytest.mark.parametrize("shared", [False, True], ids=["in memory", "in the store"])
def test_a_hundred_at_once_get_exactly_what_there_is(shared: bool) -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, shared=shared)
        told = await asyncio.gather(*(scene.calls.call(TEN_LINK, get()) for _ in range(100)))
        assert sum(answer.success for answer in told) == len(egress.sent_at) == 10
        refused = next(answer for answer in told if not answer.success)
        assert refused.problem is not None
        assert (refused.reason, refused.problem.code) == (
            Reason.RATE_LIMITED,
            ErrorCode.RATE_LIMIT_EXCEEDED,
        )
        assert refused.retry_after == pytest.approx(60, abs=0.01)
        await asyncio.sleep(59.9)
        assert not (await scene.calls.call(TEN_LINK, get())).success
        await asyncio.sleep(0.2)
        assert (await scene.calls.call(TEN_LINK, get())).success

    run_virtual(story)


@pytest.mark.parametrize("shared", [False, True], ids=["in memory", "in the store"])
def test_who_waits_gets_through_and_no_window_holds_more_than_the_limit(shared: bool) -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, shared=shared)
        told = await asyncio.gather(*(scene.calls.call(TEN_LINK, get(wait_seconds=300)) for _ in range(45)))
        assert all(answer.success for answer in told)
        assert most_within(egress.sent_at, 60) == 10
        assert max(egress.sent_at) == pytest.approx(240, abs=1)
        assert scene.figures.waits

    run_virtual(story)


def test_who_would_wait_too_long_fails_at_once() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, _ = on(clock)
        for _ in range(10):
            await scene.calls.call(TEN_LINK, get())
        told = await scene.calls.call(TEN_LINK, get(wait_seconds=10))
        assert (told.success, clock.monotonic()) == (False, 0.0)

    run_virtual(story)


def test_all_uses_of_one_account_share_its_budget() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock)
        twin = link(name="twin", provider=TEN)
        stranger = link(name="other", provider=TEN, credentials={"secretRef": {"name": "another"}})
        for purpose in (Purpose.CALL, Purpose.PROBE, Purpose.WIDGET, Purpose.SYNC, Purpose.DELIVERY):
            for each in (TEN_LINK, twin):
                assert (await scene.calls.call(each, get(purpose=purpose))).success
        assert not (await scene.calls.call(twin, get())).success
        assert (await scene.calls.call(stranger, get())).success
        assert len(egress.sent_at) == 11

    run_virtual(story)


def test_without_a_limit_nothing_is_counted() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock)
        free = link()
        await asyncio.gather(*(scene.calls.call(free, get()) for _ in range(500)))
        assert len(egress.sent_at) == 500

    run_virtual(story)


def test_a_quota_of_a_year_survives_restarts_and_is_not_spent_by_calls_that_were_refused() -> None:
    async def story(clock: VirtualClock) -> None:
        limits = {"quota": {"requests": 15, "windowSeconds": YEAR}, **TEN}
        yearly = link(provider=limits)
        scene, egress = on(clock)
        for _ in range(40):
            await scene.calls.call(yearly, get())
        assert len(egress.sent_at) == 10
        scene.restart()
        await asyncio.sleep(61)
        told = [await scene.calls.call(yearly, get()) for _ in range(8)]
        assert [answer.success for answer in told] == [True] * 5 + [False] * 3
        assert told[-1].retry_after == pytest.approx(YEAR - 61, abs=1)

    run_virtual(story)


@pytest.mark.parametrize(
    "answer",
    [
        reply(429, retry_after="40"),
        reply(503, retry_after="40"),
        reply(200, x_remaining="0", x_reset="40"),
        reply(403, x_remaining="0", x_reset="40"),
    ],
    ids=["429", "503", "nothing left", "nothing left, and a refusal"],
)
def test_quiet_that_was_asked_for_is_kept_by_all_who_use_the_account(answer: Any) -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, answer, reply(200))
        first, twin = link(provider=HEADERS), link(name="twin", provider=HEADERS)
        await scene.calls.call(first, get())
        await asyncio.sleep(39)
        told = await scene.calls.call(twin, get())
        assert told.reason is Reason.RATE_LIMITED
        assert told.retry_after == pytest.approx(1, abs=0.01)
        assert (await scene.calls.call(twin, get(wait_seconds=2))).success
        assert len(egress.sent_at) == 2

    run_virtual(story)


def test_a_rate_limit_of_unknown_length_gives_a_moment_of_quiet() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, reply(429), reply(200))
        free = link()
        await scene.calls.call(free, get())
        assert (await scene.calls.call(free, get())).retry_after == pytest.approx(1, abs=0.01)
        assert (await scene.calls.call(free, get(wait_seconds=1.5))).success
        assert len(egress.sent_at) == 2

    run_virtual(story)


def test_quiet_survives_a_restart() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, reply(429, retry_after="600"), reply(200))
        free = link()
        await scene.calls.call(free, get())
        calls = scene.restart()
        assert (await calls.call(free, get())).reason is Reason.RATE_LIMITED
        await asyncio.sleep(600)
        assert (await calls.call(free, get())).success
        assert len(egress.sent_at) == 2

    run_virtual(story)


def test_nobody_is_silenced_for_longer_than_an_hour() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, _ = on(clock, reply(429, retry_after="31536000"), reply(200))
        free = link()
        await scene.calls.call(free, get())
        await asyncio.sleep(3600)
        assert (await scene.calls.call(free, get())).success

    run_virtual(story)


def test_a_repetition_waits_for_the_quiet_that_was_asked_for() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, reply(429, retry_after="12"), reply(200))
        told = await scene.calls.call(link(retry={"maxRetries": 3}), get())
        assert (told.success, told.attempts) == (True, 2)
        assert egress.sent_at == [0, pytest.approx(12, abs=0.01)]

    run_virtual(story)


def test_delays_grow_and_stay_within_their_bounds() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, egress = on(clock, reply(500))
        scene.entropy.value = 0.999_999  # type: ignore[attr-defined]
        told = await scene.calls.call(
            link(retry={"maxRetries": 6}, circuitBreaker={"failureThreshold": 99}), get()
        )
        pauses = [after - before for before, after in zip(egress.sent_at, egress.sent_at[1:], strict=False)]
        assert told.attempts == 7
        assert pauses == pytest.approx([2, 4, 8, 16, 30, 30], abs=0.01)

    run_virtual(story)


def test_a_store_that_fails_stops_no_call() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, _ = on(clock, reply(429, retry_after="60"), reply(200))
        scene.store.broken = "no connection"
        quota = link(provider={"quota": {"requests": 1, "windowSeconds": YEAR}})
        await scene.calls.call(quota, get())
        assert (await scene.calls.call(quota, get())).reason is Reason.RATE_LIMITED
        await asyncio.sleep(60)
        assert (await scene.calls.call(quota, get())).success

    run_virtual(story)


def test_a_probe_that_is_refused_here_leaves_no_entry_and_a_call_does() -> None:
    async def story(clock: VirtualClock) -> None:
        scene, _ = on(clock)
        one = link(provider={"rateLimit": {"requests": 1, "windowSeconds": 60}})
        for purpose in (Purpose.CALL, Purpose.PROBE, Purpose.CALL):
            await scene.calls.call(one, get(purpose=purpose))
        assert [(record.outcome, record.attempt) for record in scene.store.calls] == [
            ("Connected", 1),
            ("RateLimited", 0),
        ]

    run_virtual(story)


async def test_a_hundred_callers_on_real_sockets_get_exactly_what_there_is() -> None:
    async def ask(scene: Stage, end: FarEnd, each: Link) -> bool:
        return (await scene.calls.call(each, get())).success

    limits = {"rateLimit": {"requests": 25, "windowSeconds": 3600}}
    async with far_end() as end, way_out(end.port) as egress:
        scene = stage(egress, store=MemoryStore())
        links = [end.link(name=f"n{number}", provider=limits) for number in range(4)]
        told = await asyncio.gather(*(ask(scene, end, links[number % 4]) for number in range(100)))
    assert sum(told) == len(end.seen) == 25
