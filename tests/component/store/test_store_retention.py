"""What is old or too much goes; what it added up to stays."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from integration_hub.ports import (
    AuditQuery,
    BreakerRow,
    CallQuery,
    KeptAnswer,
    WindowLimit,
)
from integration_hub.store import DatabaseStore, StoreLimits
from store_stage import NAMESPACE, UID, Stage

ALL = CallQuery(NAMESPACE, limit=1_000)


def _store(stage: Stage) -> DatabaseStore:
    assert isinstance(stage.store, DatabaseStore)
    return stage.store


async def _count(stage: Stage, table: str) -> int:
    rows = await _store(stage).engine.read(lambda tx: tx.rows(f"SELECT count(*) FROM {table}"))
    return int(rows[0][0])


async def _sizes(stage: Stage, log: str) -> dict[str, int]:
    """Entries by namespace as the store believes, checked against those that are there."""
    engine = _store(stage).engine
    kept = await engine.read(
        lambda tx: tx.rows("SELECT namespace, entries, bytes FROM log_sizes WHERE log = $1", log)
    )
    real = await engine.read(
        lambda tx: tx.rows(f"SELECT namespace, count(*), sum(size) FROM {log} GROUP BY namespace")
    )
    counted = {name: (int(entries), int(size)) for name, entries, size in kept if entries}
    assert counted == {name: (int(entries), int(size)) for name, entries, size in real}
    return {name: entries for name, (entries, _) in counted.items()}


async def test_entries_past_their_age_go_and_the_sums_stay(durable: Stage) -> None:
    store = _store(durable)
    for _ in range(3):
        store.record_call(durable.failed_call())
        store.record_audit(durable.audit())
    durable.clock.move(days=13)
    store.record_call(durable.call())
    before = await store.call_figures(NAMESPACE, [UID])
    durable.clock.move(days=2)
    await store.tend(durable.clock.now())
    assert len(await store.find_calls(ALL)) == 1
    assert len(await store.find_audit(AuditQuery(NAMESPACE))) == 3, "an audit lasts longer"
    assert await store.call_figures(NAMESPACE, [UID]) == before
    assert await _sizes(durable, "call_log") == {NAMESPACE: 1}
    durable.clock.move(days=360)
    await store.tend(durable.clock.now())
    assert list(await store.find_audit(AuditQuery(NAMESPACE))) == []
    assert await _sizes(durable, "audit_log") == {}
    assert await store.call_figures(NAMESPACE, [UID]) == before


async def test_many_entries_past_their_age_go_too(durable: Stage) -> None:
    for number in range(2_500):
        _store(durable).record_call(durable.call(namespace=f"team-{number % 3}"))
    durable.clock.move(days=15)
    _store(durable).record_call(durable.call())
    await _store(durable).recorder.flush()
    await _store(durable).tend(durable.clock.now())
    assert await _sizes(durable, "call_log") == {NAMESPACE: 1}


@pytest.fixture
def limits() -> StoreLimits:
    """Little room. (The fixture `stage` opens its stores with these.)"""
    return StoreLimits(call_rows=100, audit_rows=10, call_bytes=1_000_000, buffer_rows=50_000)


async def test_of_a_log_with_too_many_entries_the_largest_namespace_gives_way(durable: Stage) -> None:
    store = _store(durable)
    for namespace, calls in (("quiet", 20), ("noisy", 3_000), ("busy", 70)):
        for number in range(calls):
            call = durable.call(namespace=namespace, integration_uid=f"of-{namespace}", message=str(number))
            store.record_call(call)
    for number in range(15):
        store.record_audit(durable.audit(detail=str(number)))
    await store.recorder.flush()
    await store.tend(durable.clock.now())
    assert await _sizes(durable, "audit_log") == {NAMESPACE: 10}
    sizes = await _sizes(durable, "call_log")
    assert sum(sizes.values()) == 100
    assert sizes["quiet"] == 20
    assert abs(sizes["noisy"] - sizes["busy"]) <= 1
    newest = (await store.find_calls(CallQuery("noisy", limit=1)))[0]
    assert newest.message == "2999", "the oldest go first"
    assert (await store.call_figures("noisy", []))["of-noisy"].total == 3_000


async def test_of_a_log_that_takes_too_many_bytes_the_largest_namespace_gives_way(durable: Stage) -> None:
    store = _store(durable)
    for number in range(40):
        store.record_call(durable.call(namespace="large", request_body="x" * 60_000, message=str(number)))
        store.record_call(durable.call(namespace="small"))
    await store.recorder.flush()
    await store.tend(durable.clock.now())
    sizes = await _sizes(durable, "call_log")
    assert sizes["small"] == 40
    assert 0 < sizes["large"] < 17


async def test_sizes_that_were_lost_do_not_hang_the_tending(durable: Stage) -> None:
    store = _store(durable)
    store.record_call(durable.call())
    await store.recorder.flush()

    async def lie(tx: object) -> None:
        await tx.run("INSERT INTO log_sizes VALUES ('call_log', 'ghost', 1000, 1000)")  # type: ignore[attr-defined]

    await store.engine.write(lie)
    await store.tend(durable.clock.now())
    assert await _sizes(durable, "call_log") == {NAMESPACE: 1}


async def test_minutes_go_after_their_time(durable: Stage) -> None:
    store, first = _store(durable), durable.clock.now()
    store.record_call(durable.call())
    store.record_health(durable.check())
    durable.clock.move(hours=30)
    store.record_call(durable.call())
    store.record_health(durable.check())
    await store.recorder.flush()
    await store.tend(durable.clock.now())
    assert len(await store.call_series(UID, since=first)) == 2
    assert (await store.health_windows([UID], since=first))[UID].checks == 1
    durable.clock.move(hours=20)
    await store.tend(durable.clock.now())
    assert len(await store.call_series(UID, since=first)) == 1
    assert (await store.call_figures(NAMESPACE, [UID]))[UID].total == 2


async def test_what_expired_goes(durable: Stage) -> None:
    store, now = _store(durable), durable.clock.now()
    soon, late = now + timedelta(minutes=10), now + timedelta(days=30)
    for expires, name in ((soon, "soon"), (late, "late")):
        await store.put_once(name, "value", expires)
        await store.begin("ann", name, "fingerprint", expires)
        await store.finish("ann", name, KeptAnswer("fingerprint", 200, b""))
        await store.hold(name, expires)
    await store.take("minute", [WindowLimit(5, 60)], now)
    await store.take("year", [WindowLimit(5, 31_536_000)], now)
    await store.save_breaker(UID, BreakerRow("open"))
    store.record_call(durable.call())
    await store.recorder.flush()
    durable.clock.move(hours=2)
    await store.tend(durable.clock.now())
    tables = ("one_time_values", "idempotency_keys", "call_windows", "batches", "breakers")
    assert {table: await _count(durable, table) for table in tables} == {
        "one_time_values": 1,
        "idempotency_keys": 1,
        "call_windows": 2,  # the year's, and the one that is held for long
        "batches": 0,
        "breakers": 1,
    }


async def test_a_lock_that_was_forgotten_counts_on_from_where_it_was(durable: Stage) -> None:
    store = _store(durable)
    fences = []
    for _ in range(3):
        fences.append(await store.try_lock("refresh", "ann", 1))
        durable.clock.move(days=15)
        await store.tend(durable.clock.now())
        assert await _count(durable, "locks WHERE name = 'refresh'") == 0
    assert fences == sorted(set(fences))


async def test_one_of_several_processes_tends(durable: Stage) -> None:
    store = _store(durable)
    store.record_call(durable.call())
    await store.recorder.flush()
    durable.clock.move(days=15)
    assert await store.try_lock("retention", "another process", 60)
    await store.tend(durable.clock.now())
    assert await _count(durable, "call_log") == 1
    await store.unlock("retention", "another process")
    await store.tend(durable.clock.now())
    assert await _count(durable, "call_log") == 0


async def test_the_size_is_known_and_space_is_given_back(durable: Stage) -> None:
    store = _store(durable)
    for number in range(300):
        store.record_call(durable.call(request_body=random.Random(number).randbytes(20_000).hex()))
    await store.recorder.flush()
    stats = store.stats()
    assert (stats.written, stats.waiting, stats.dropped) == (300, 0, 0)
    await store.tend(durable.clock.now())
    full = store.stats().database_bytes
    assert full > 300_000
    durable.clock.move(days=15)
    await store.tend(durable.clock.now())
    if not store.shared:  # PostgreSQL gives back when it vacuums
        (pages,) = (await store.engine.read(lambda tx: tx.rows("PRAGMA page_count")))[0]
        assert pages * 4096 < full / 2
