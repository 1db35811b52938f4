"""What every store promises: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from integration_hub.ports import (
    AuditQuery,
    BreakerRow,
    CallFigures,
    CallQuery,
    HealthWindow,
    KeptAnswer,
    StoreError,
    Wakeup,
    WindowLimit,
)
from store_stage import NAMESPACE, UID, Stage

ALL = CallQuery(NAMESPACE)


# --------------------------------------------------------------------------- request logs


async def test_a_call_is_found_as_it_was_recorded(stage: Stage) -> None:
    call = stage.call(
        request_headers={"accept": "application/json", "authorization": "***"},
        response_headers={"content-type": "application/json; charset=utf-8"},
        request_body='{"name": "Grüße"}',
        response_body="{}",
    )
    stage.store.record_call(call)
    (found,) = await stage.store.find_calls(ALL)
    assert found.id
    assert replace(found, id="") == call


async def test_calls_are_found_newest_first_with_ids_that_grow(stage: Stage) -> None:
    for number in range(5):
        stage.store.record_call(stage.call(correlation_id=f"c-{number}"))
    found = await stage.store.find_calls(ALL)
    assert [call.correlation_id for call in found] == ["c-4", "c-3", "c-2", "c-1", "c-0"]
    assert all(newer.id > older.id for newer, older in pairwise(found))


async def test_ids_grow_although_the_clock_is_set_back(stage: Stage) -> None:
    stage.store.record_call(stage.call(correlation_id="before"))
    stage.clock.set_wall(stage.clock.now() - timedelta(days=1))
    stage.store.record_call(stage.call(correlation_id="after"))
    assert [call.correlation_id for call in await stage.store.find_calls(ALL)] == ["after", "before"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (CallQuery(NAMESPACE), ["old error", "other", "info", "warn", "error"]),
        (CallQuery("team-b"), ["stranger"]),
        (CallQuery("nobody"), []),
        (CallQuery(NAMESPACE, integration_uid=UID), ["old error", "info", "warn", "error"]),
        (CallQuery("team-b", integration_uid=UID), []),
        (CallQuery(NAMESPACE, levels=("error",)), ["old error", "error"]),
        (CallQuery(NAMESPACE, levels=("warn", "error")), ["old error", "warn", "error"]),
        (CallQuery(NAMESPACE, levels=("info",)), ["other", "info"]),
        (CallQuery(NAMESPACE, levels=("debug",)), []),
        (CallQuery(NAMESPACE, limit=2), ["warn", "error"]),
        (CallQuery(NAMESPACE, limit=0), []),
        (CallQuery(NAMESPACE, integration_uid=UID, levels=("error", "info"), limit=2), ["info", "error"]),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, CallQuery) else "",
)
async def test_calls_are_found_by(stage: Stage, query: CallQuery, expected: list[str]) -> None:
    for level, other in (
        ("error", {"message": "old error"}),
        ("info", {"message": "other", "integration_uid": "another"}),
        ("error", {"message": "stranger", "namespace": "team-b", "integration_uid": "theirs"}),
        ("info", {"message": "info"}),
        ("warn", {"message": "warn"}),
        ("error", {"message": "error"}),
    ):
        stage.store.record_call(stage.call(level=level, **other))
    assert [call.message for call in reversed(await stage.store.find_calls(query))] == expected


async def test_calls_are_found_since_a_time(stage: Stage) -> None:
    stage.store.record_call(stage.call(message="old"))
    since = stage.clock.move(seconds=10)
    stage.store.record_call(stage.call(message="at that time"))
    stage.clock.move(seconds=1)
    stage.store.record_call(stage.call(message="later"))
    found = await stage.store.find_calls(CallQuery(NAMESPACE, since=since))
    assert [call.message for call in found] == ["later", "at that time"]


async def test_page_by_page_every_call_is_seen_once(stage: Stage) -> None:
    for number in range(25):
        stage.store.record_call(stage.call(message=str(number)))
    seen: list[str] = []
    before = ""
    while page := await stage.store.find_calls(CallQuery(NAMESPACE, before=before, limit=10)):
        seen += [call.message for call in page]
        before = page[-1].id
        stage.store.record_call(stage.call(message="came meanwhile"))
    assert seen == [str(number) for number in reversed(range(25))]


# --------------------------------------------------------------------------- figures


async def test_figures_add_up(stage: Stage) -> None:
    assert await stage.store.call_figures(NAMESPACE, [UID]) == {}
    for _ in range(3):
        stage.store.record_call(stage.call())
    last = stage.clock.move(seconds=5)
    stage.store.record_call(stage.failed_call(milliseconds=30.25, bytes_sent=1, bytes_received=0))
    assert await stage.store.call_figures(NAMESPACE, [UID]) == {
        UID: CallFigures(4, 3, 1, 3 * 12.5 + 30.25, 301, 6_000, last)
    }


async def test_calls_that_never_left_count_and_are_left_out_of_the_average(stage: Stage) -> None:
    stage.store.record_call(stage.call(milliseconds=200.0))
    for _ in range(99):
        stage.store.record_call(stage.failed_call(milliseconds=0.0, status=0, attempt=0))
    for since in (None, stage.clock.now()):
        figures = (await stage.store.call_figures(NAMESPACE, [UID], since=since))[UID]
        assert (figures.total, figures.failed, figures.untimed) == (100, 99, 99)
        assert figures.average_milliseconds == 200.0


async def test_figures_are_those_of_the_namespace_and_of_the_uids_asked_for(stage: Stage) -> None:
    for uid in ("one", "two", "three"):
        stage.store.record_call(stage.call(integration_uid=uid))
    stage.store.record_call(stage.call(namespace="team-b", integration_uid="theirs"))
    assert set(await stage.store.call_figures(NAMESPACE, [])) == {"one", "two", "three"}
    assert set(await stage.store.call_figures(NAMESPACE, ["one", "three", "theirs", "none"])) == {
        "one",
        "three",
    }
    since = stage.clock.now()
    assert set(await stage.store.call_figures("team-b", ["theirs", "one"], since=since)) == {"theirs"}


async def test_figures_since_a_time_begin_with_its_minute(stage: Stage) -> None:
    stage.store.record_call(stage.call())
    since = stage.clock.move(minutes=2)
    stage.store.record_call(stage.failed_call())
    later = stage.clock.move(minutes=2)
    stage.store.record_call(stage.call())
    assert (await stage.store.call_figures(NAMESPACE, [UID], since=since))[UID].total == 2
    assert (await stage.store.call_figures(NAMESPACE, [UID], since=since + timedelta(minutes=1)))[UID] == (
        CallFigures(1, 1, 0, 12.5, 100, 2_000, later)
    )
    assert await stage.store.call_figures(NAMESPACE, [UID], since=later + timedelta(minutes=1)) == {}
    assert (await stage.store.call_figures(NAMESPACE, [UID]))[UID].total == 3


async def test_a_series_has_the_minutes_that_saw_a_call(stage: Stage) -> None:
    first = stage.clock.now()
    for minutes, calls in ((0, 2), (1, 1), (3, 4)):
        stage.clock.move(minutes=minutes)
        for _ in range(calls):
            stage.store.record_call(stage.call())
    minute = first.replace(second=0, microsecond=0)
    points = await stage.store.call_series(UID, since=first)
    assert [(point.at - minute, point.figures.total) for point in points] == [
        (timedelta(minutes=0), 2),
        (timedelta(minutes=1), 1),
        (timedelta(minutes=4), 4),
    ]
    whole = (await stage.store.call_figures(NAMESPACE, [UID]))[UID]
    assert sum(point.figures.total for point in points) == whole.total
    assert sum(point.figures.milliseconds for point in points) == whole.milliseconds


async def test_what_is_known_of_an_integration_is_forgotten_and_nothing_else(stage: Stage) -> None:
    store, now = stage.store, stage.clock.now()
    limits = [WindowLimit(1, 3600)]
    for uid in (UID, f"{UID}0"):
        store.record_call(stage.call(integration_uid=uid))
        store.record_health(stage.check(uid=uid))
        await store.save_breaker(uid, BreakerRow("open", failures=5))
        for key in (uid, f"{uid}/writes"):
            assert await store.take(key, limits, now) == 0
    await store.forget_integration(UID)
    await store.forget_integration("never heard of")

    other = f"{UID}0"
    assert set(await store.call_figures(NAMESPACE, [])) == {other}
    assert set(await store.call_figures(NAMESPACE, [], since=now)) == {other}
    assert set(await store.health_windows([UID, other], since=now)) == {other}
    assert set(await store.load_breakers()) == {other}
    assert [await store.used(key, 3600, now) for key in (UID, f"{UID}/writes")] == [0, 0]
    assert [await store.used(key, 3600, now) for key in (other, f"{other}/writes")] == [1, 1]
    assert len(await store.find_calls(ALL)) == 2

    store.record_call(stage.call())
    assert (await store.call_figures(NAMESPACE, [UID]))[UID].total == 1


# --------------------------------------------------------------------------- audit


async def test_an_audit_entry_is_found_as_it_was_recorded(stage: Stage) -> None:
    entry = stage.audit(detail="POST /tickets")
    stage.store.record_audit(entry)
    (found,) = await stage.store.find_audit(AuditQuery(NAMESPACE))
    assert found.id
    assert replace(found, id="") == entry


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (AuditQuery(NAMESPACE), ["3", "2", "1"]),
        (AuditQuery(NAMESPACE, name="crm"), ["2", "1"]),
        (AuditQuery(NAMESPACE, actor="ann"), ["3", "2"]),
        (AuditQuery(NAMESPACE, name="crm", actor="ann"), ["2"]),
        (AuditQuery(NAMESPACE, limit=1), ["3"]),
        (AuditQuery("team-b"), ["theirs"]),
    ],
)
async def test_audit_entries_are_found_by(stage: Stage, query: AuditQuery, expected: list[str]) -> None:
    for other in (
        {"detail": "1", "actor": "bob"},
        {"detail": "2", "actor": "ann"},
        {"detail": "3", "actor": "ann", "name": "mail"},
        {"detail": "theirs", "namespace": "team-b"},
    ):
        stage.store.record_audit(stage.audit(**other))
    assert [entry.detail for entry in await stage.store.find_audit(query)] == expected


async def test_audit_pages_and_times(stage: Stage) -> None:
    stage.store.record_audit(stage.audit(detail="old"))
    since = stage.clock.move(minutes=1)
    for detail in ("a", "b", "c"):
        stage.store.record_audit(stage.audit(detail=detail))
    first = await stage.store.find_audit(AuditQuery(NAMESPACE, since=since, limit=2))
    rest = await stage.store.find_audit(AuditQuery(NAMESPACE, since=since, before=first[-1].id))
    assert [entry.detail for entry in (*first, *rest)] == ["c", "b", "a"]


# --------------------------------------------------------------------------- health


async def test_a_health_window_counts_checks_and_keeps_the_last_answer(stage: Stage) -> None:
    since = stage.clock.now()
    assert await stage.store.health_windows([UID], since=since) == {}
    stage.store.record_health(stage.check(milliseconds=80.5))
    stage.clock.move(minutes=1)
    stage.store.record_health(stage.check(milliseconds=41.25))
    last = stage.clock.move(minutes=1)
    stage.store.record_health(stage.check(success=False, milliseconds=None))
    stage.store.record_health(stage.check(uid="another"))
    assert await stage.store.health_windows([UID, "unseen"], since=since) == {
        UID: HealthWindow(checks=3, failures=1, milliseconds=41.25, last_check=last)
    }
    assert await stage.store.health_windows([], since=since) == {}


async def test_a_health_window_leaves_out_what_is_older(stage: Stage) -> None:
    stage.store.record_health(stage.check(success=False, milliseconds=None))
    since = stage.clock.move(hours=1)
    assert await stage.store.health_windows([UID], since=since) == {}
    stage.store.record_health(stage.check(success=False, milliseconds=None))
    assert await stage.store.health_windows([UID], since=since) == {
        UID: HealthWindow(checks=1, failures=1, milliseconds=None, last_check=since)
    }


# --------------------------------------------------------------------------- windows


async def _takes(stage: Stage, limits: Sequence[WindowLimit], times: int, key: str = UID) -> list[float]:
    return [await stage.store.take(key, limits, stage.clock.now()) for _ in range(times)]


async def test_a_window_lets_through_so_many_and_says_when_the_next(stage: Stage) -> None:
    limits = [WindowLimit(3, 60)]
    assert await _takes(stage, limits, 1) == [0]
    stage.clock.move(seconds=10)
    assert await _takes(stage, limits, 4) == [0, 0, 50, 50]
    stage.clock.move(seconds=49.999)
    assert await _takes(stage, limits, 1) == [0.001]
    stage.clock.move(seconds=0.001)
    assert await _takes(stage, limits, 2) == [0, 10]
    assert await stage.store.used(UID, 60, stage.clock.now()) == 3


async def test_no_limit_lets_everything_through_and_counts_nothing(stage: Stage) -> None:
    assert await _takes(stage, [], 5) == [0] * 5
    assert await stage.store.used(UID, 60, stage.clock.now()) == 0


async def test_a_limit_of_nothing_lets_nothing_through(stage: Stage) -> None:
    assert await _takes(stage, [WindowLimit(0, 60)], 2) == [60, 60]


async def test_the_strictest_of_several_limits_decides(stage: Stage) -> None:
    limits = [WindowLimit(2, 1), WindowLimit(3, 3600)]
    assert await _takes(stage, limits, 3) == [0, 0, 1]
    stage.clock.move(seconds=1)
    assert await _takes(stage, limits, 2) == [0, 3599]
    assert await stage.store.used(UID, 1, stage.clock.now()) == 1
    assert await stage.store.used(UID, 3600, stage.clock.now()) == 3


async def test_keys_have_windows_of_their_own(stage: Stage) -> None:
    limits = [WindowLimit(1, 60)]
    assert await _takes(stage, limits, 1, "a") == await _takes(stage, limits, 1, "b") == [0]
    assert await _takes(stage, limits, 1, "a") == [60]


async def test_a_short_limit_forgets_nothing_that_a_long_one_counts(stage: Stage) -> None:
    year, second = [WindowLimit(2, 31_536_000)], [WindowLimit(5, 1)]
    assert await _takes(stage, year, 1) == [0]
    stage.clock.move(days=100)
    assert await _takes(stage, second, 1) == [0]
    assert await _takes(stage, year, 1) == [265 * 86_400]


async def test_of_all_who_take_at_once_as_many_pass_as_may(stage: Stage) -> None:
    now = stage.clock.now()
    waits = await asyncio.gather(*(stage.store.take(UID, [WindowLimit(7, 60)], now) for _ in range(40)))
    assert sorted(waits) == [0] * 7 + [60] * 33


async def test_a_hold_lets_nothing_through_until_then(stage: Stage) -> None:
    store = stage.store
    await store.hold(UID, stage.clock.now() + timedelta(seconds=30))
    await store.hold(UID, stage.clock.now() + timedelta(seconds=10))
    assert await _takes(stage, [WindowLimit(5, 1)], 1) == [30]
    assert await _takes(stage, [], 1) == [30]
    stage.clock.move(seconds=30)
    assert await _takes(stage, [WindowLimit(5, 1)], 1) == [0]


async def test_windows_and_holds_outlive_the_process(durable: Stage) -> None:
    assert await _takes(durable, [WindowLimit(2, 3600)], 2) == [0, 0]
    await durable.store.hold("held", durable.clock.now() + timedelta(seconds=30))
    await durable.restart()
    assert await _takes(durable, [WindowLimit(2, 3600)], 1) == [3600]
    assert await _takes(durable, [], 1, "held") == [30]


async def test_a_clock_that_was_set_back_holds_nobody_up_for_longer_than_the_window(durable: Stage) -> None:
    assert await _takes(durable, [WindowLimit(1, 60)], 1) == [0]
    durable.clock.set_wall(durable.clock.now() - timedelta(days=1))
    (wait,) = await _takes(durable, [WindowLimit(1, 60)], 1)
    assert 0 < wait <= 60


# --------------------------------------------------------------------------- breakers


async def test_a_breaker_is_saved_by_compare_and_swap(stage: Stage) -> None:
    store, now = stage.store, stage.clock.now()
    assert await store.load_breakers() == {}
    opened = BreakerRow("open", 5, 0, now, now + timedelta(seconds=30))
    first = await store.save_breaker(UID, opened)
    assert first == replace(opened, version=1)
    assert await store.save_breaker(UID, BreakerRow("closed")) == first, "somebody else was faster"
    half = await store.save_breaker(UID, replace(first, state="halfOpen", successes=1))
    assert (half.state, half.version) == ("halfOpen", 2)
    assert await store.load_breakers() == {UID: half}


async def test_a_breaker_that_closed_and_is_untouched_needs_not_be_loaded(stage: Stage) -> None:
    store = stage.store
    first = await store.save_breaker(UID, BreakerRow("open", failures=5))
    closed = await store.save_breaker(UID, BreakerRow("closed", version=first.version))
    assert await store.load_breakers() == {}
    assert await store.save_breaker(UID, BreakerRow(failures=1)) == closed, "but its version goes on"
    assert (await store.save_breaker(UID, replace(closed, failures=1))).version == 3


async def test_of_all_who_save_one_version_one_wins(stage: Stage) -> None:
    rows = [BreakerRow("open", failures=number) for number in range(1, 21)]
    stands = await asyncio.gather(*(stage.store.save_breaker(UID, row) for row in rows))
    assert {row.version for row in stands} == {1}
    assert len({row.failures for row in stands}) == 1


# --------------------------------------------------------------------------- locks


async def test_a_lock_is_one_holders_until_it_lets_go(stage: Stage) -> None:
    store = stage.store
    first = await store.try_lock("refresh", "ann", 30)
    assert first > 0
    assert await store.try_lock("refresh", "bob", 30) == 0
    assert await store.try_lock("refresh", "ann", 30) == first, "still ours"
    assert await store.try_lock("another", "bob", 30) > 0
    await store.unlock("refresh", "bob")
    assert await store.try_lock("refresh", "bob", 30) == 0, "not his to let go"
    await store.unlock("refresh", "ann")
    assert await store.try_lock("refresh", "bob", 30) > first


async def test_a_lock_runs_out_and_its_number_grows(stage: Stage) -> None:
    store = stage.store
    first = await store.try_lock("refresh", "ann", 30)
    stage.clock.move(seconds=29)
    assert await store.try_lock("refresh", "bob", 30) == 0
    stage.clock.move(seconds=1)
    second = await store.try_lock("refresh", "bob", 30)
    assert second > first
    assert await store.try_lock("refresh", "ann", 30) == 0
    await store.unlock("refresh", "ann")
    assert await store.try_lock("refresh", "carl", 30) == 0, "she let go too late"
    stage.clock.move(seconds=31)
    assert await store.try_lock("refresh", "bob", 30) > second, "somebody else may have had it meanwhile"


async def test_a_lock_that_is_taken_again_lasts_longer(stage: Stage) -> None:
    store = stage.store
    await store.try_lock("refresh", "ann", 30)
    stage.clock.move(seconds=20)
    await store.try_lock("refresh", "ann", 30)
    stage.clock.move(seconds=20)
    assert await store.try_lock("refresh", "bob", 30) == 0


async def test_of_all_who_want_a_lock_one_gets_it(stage: Stage) -> None:
    numbers = await asyncio.gather(*(stage.store.try_lock("x", f"holder-{n}", 30) for n in range(20)))
    assert sum(number > 0 for number in numbers) == 1


# --------------------------------------------------------------------------- one-time values


async def test_a_value_is_taken_once(stage: Stage) -> None:
    store, now = stage.store, stage.clock.now()
    await store.put_once("digest", "value", now + timedelta(minutes=10))
    assert await store.take_once("unknown", now) is None
    assert await store.take_once("digest", now) == "value"
    assert await store.take_once("digest", now) is None


async def test_a_value_that_expired_is_not_given_out(stage: Stage) -> None:
    store, expires = stage.store, stage.clock.now() + timedelta(minutes=10)
    await store.put_once("digest", "value", expires)
    assert await store.take_once("digest", expires) is None
    assert await store.take_once("digest", expires - timedelta(minutes=5)) is None, "and gone"


async def test_of_all_who_take_a_value_at_once_one_gets_it(stage: Stage) -> None:
    now = stage.clock.now()
    await stage.store.put_once("digest", "value", now + timedelta(minutes=10))
    taken = await asyncio.gather(*(stage.store.take_once("digest", now) for _ in range(20)))
    assert sorted(value or "" for value in taken) == [""] * 19 + ["value"]


async def test_a_value_outlives_the_process(durable: Stage) -> None:
    now = durable.clock.now()
    await durable.store.put_once("digest", "value", now + timedelta(minutes=10))
    await durable.restart()
    assert await durable.store.take_once("digest", now) == "value"


# --------------------------------------------------------------------------- idempotency keys

ANSWER = KeptAnswer("fingerprint", 201, b'{"ok": true, "\x00\xff": 1}')


async def _begin(stage: Stage, caller: str = "ann", key: str = "k-1", **other: Any) -> object:
    expires = stage.clock.now() + timedelta(hours=24)
    return await stage.store.begin(caller, key, other.get("fingerprint", "fingerprint"), expires)


async def test_a_request_is_done_once_and_its_answer_kept(stage: Stage) -> None:
    assert await _begin(stage) == "new"
    assert await _begin(stage) == "running"
    await stage.store.finish("ann", "k-1", ANSWER)
    assert await _begin(stage) == ANSWER
    assert await _begin(stage, fingerprint="of another body") == ANSWER


async def test_keys_are_the_callers_own(stage: Stage) -> None:
    assert await _begin(stage, "ann") == await _begin(stage, "bob") == await _begin(stage, key="k-2") == "new"


async def test_a_request_that_was_abandoned_may_be_sent_again(stage: Stage) -> None:
    await _begin(stage)
    await stage.store.abandon("ann", "k-1")
    assert await _begin(stage) == "new"
    await stage.store.finish("ann", "k-1", ANSWER)
    await stage.store.abandon("ann", "k-1")
    assert await _begin(stage) == ANSWER, "what was finished is finished"


async def test_a_key_expires(stage: Stage) -> None:
    await _begin(stage)
    await stage.store.finish("ann", "k-1", ANSWER)
    stage.clock.move(hours=24, seconds=1)
    assert await _begin(stage) == "new"
    assert await _begin(stage) == "running", "the old answer is gone"


async def test_a_request_that_runs_for_too_long_is_taken_for_dead(stage: Stage) -> None:
    await _begin(stage)
    stage.clock.move(seconds=290)
    assert await _begin(stage) == "running"
    stage.clock.move(seconds=20)
    assert await _begin(stage) == "new"


async def test_of_all_who_begin_at_once_one_is_new(stage: Stage) -> None:
    begun = await asyncio.gather(*(_begin(stage) for _ in range(20)))
    assert sorted(map(str, begun)) == ["new"] + ["running"] * 19


# --------------------------------------------------------------------------- wakeups


async def test_wakeups_are_drained_once_and_one_per_object(stage: Stage) -> None:
    store = stage.store
    assert list(await store.drain()) == []
    for name, reason in (("a", "Called"), ("b", "Called"), ("a", "BreakerOpened")):
        await store.wake(Wakeup("Integration", NAMESPACE, name, reason))
    await store.wake(Wakeup("Integration", "team-b", "a", "Called"))
    drained = await store.drain()
    assert sorted((each.namespace, each.name, each.reason) for each in drained) == [
        (NAMESPACE, "a", "BreakerOpened"),
        (NAMESPACE, "b", "Called"),
        ("team-b", "a", "Called"),
    ]
    assert list(await store.drain()) == []


async def test_wakeups_are_drained_in_portions(stage: Stage) -> None:
    for name in "abc":
        await stage.store.wake(Wakeup("Integration", NAMESPACE, name, "Called"))
    portions = [await stage.store.drain(2) for _ in range(3)]
    assert [len(portion) for portion in portions] == [2, 1, 0]
    assert sorted(each.name for portion in portions for each in portion) == ["a", "b", "c"]


async def test_who_waits_is_woken(stage: Stage) -> None:
    store = stage.store
    await store.wait(60)  # after a start there may be something: at once
    await store.drain()
    waiting = asyncio.create_task(store.wait(60))
    await asyncio.sleep(0)
    assert not waiting.done()
    await store.wake(Wakeup("Integration", NAMESPACE, "a", "Called"))
    async with asyncio.timeout(30):
        await waiting
    assert len(await store.drain()) == 1


async def test_who_waits_for_nothing_waits_so_long(stage: Stage) -> None:
    await stage.store.drain()
    await stage.store.wait(0.01)
    assert list(await stage.store.drain()) == []


async def test_what_was_not_drained_is_there_after_a_restart(durable: Stage) -> None:
    await durable.store.wake(Wakeup("Integration", NAMESPACE, "a", "Called"))
    await durable.restart()
    await durable.store.wait(60)
    assert await durable.store.drain() == [Wakeup("Integration", NAMESPACE, "a", "Called")]


# --------------------------------------------------------------------------- the whole


async def test_a_store_that_works_is_ready(stage: Stage) -> None:
    assert await stage.store.ready() == ""


async def test_a_closed_store_says_so(stage: Stage) -> None:
    await stage.store.close()
    with pytest.raises(StoreError, match="closed"):
        await stage.store.find_calls(ALL)
    with pytest.raises(StoreError, match="closed"):
        await stage.store.take(UID, [WindowLimit(1, 1)], stage.clock.now())
    stage.store.record_call(stage.call())
    await stage.store.close()


async def test_what_was_recorded_before_the_end_is_there_after_it(durable: Stage) -> None:
    durable.store.record_call(durable.call())
    durable.store.record_audit(durable.audit())
    durable.store.record_health(durable.check())
    since = durable.clock.now()
    store = await durable.restart()
    assert len(await store.find_calls(ALL)) == 1
    assert len(await store.find_audit(AuditQuery(NAMESPACE))) == 1
    assert (await store.call_figures(NAMESPACE, [UID]))[UID].total == 1
    assert (await store.health_windows([UID], since=since))[UID].checks == 1
