"""Databases that are full, damaged, locked, away or newer: clear words, and no caller that is held up."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from integration_hub.adapters.clock import SystemClock, SystemEntropy
from integration_hub.ports import CallQuery, StoreError, Wakeup, WindowLimit
from integration_hub.store import DatabaseStore, StoreLimits, open_store
from integration_hub.store.engine import Tx
from integration_hub.store.migration import load_migrations
from postgresql_server import PostgresqlServer
from store_stage import NAMESPACE, UID, MovableClock, Stage

ALL = CallQuery(NAMESPACE, limit=1_000)
HASTY = StoreLimits(open_seconds=0.1, lock_seconds=0.1, flush_seconds=0.01)


@dataclass
class File:
    """A SQLite store on `path`."""

    path: Path
    store: DatabaseStore
    stage: Stage

    async def pragma(self, words: str) -> None:
        async def work(tx: Tx) -> None:
            await tx.rows(f"PRAGMA {words}")

        await self.store.engine.write(work)


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[File]:
    path = tmp_path / "hub.db"
    store = await _open(f"sqlite://{path}", HASTY)
    yield File(path, store, Stage(None))
    await store.close()


async def _open(url: str, limits: StoreLimits = HASTY) -> DatabaseStore:
    return await open_store(url, SystemClock(), SystemEntropy(), limits=limits)


# --------------------------------------------------------------------------- SQLite


async def test_a_full_disk_is_told_and_what_was_recorded_is_written_once_there_is_room(file: File) -> None:
    store, stage = file.store, file.stage
    store.record_call(stage.call())
    await store.recorder.flush()
    await file.pragma("max_page_count = 1")
    for _ in range(200):
        store.record_call(stage.call(request_body="x" * 10_000))
    with pytest.raises(StoreError, match=r"hub\.db: the disk is full"):
        await store.put_once("digest", "v" * 1_000_000, stage.clock.now())
    with pytest.raises(StoreError, match="the disk is full"):
        await store.recorder.flush()
    assert len(await store.engine.read(lambda tx: tx.rows("SELECT id FROM call_log"))) == 1
    await file.pragma("max_page_count = 1000000")
    assert await store.ready() == ""
    assert len(await store.find_calls(ALL)) == 201
    assert store.stats().dropped == 0


async def test_of_too_much_to_keep_the_entries_are_dropped_and_counted_but_still_add_up(
    tmp_path: Path,
) -> None:
    limits = StoreLimits(buffer_rows=10, flush_rows=1_000, flush_seconds=3600)
    store = await _open(f"sqlite://{tmp_path}/hub.db", limits)
    stage = Stage()
    for _ in range(25):
        store.record_call(stage.call())
    assert store.stats().waiting == 10
    assert store.stats().dropped == 15
    assert (await store.call_figures(NAMESPACE, [UID]))[UID].total == 25
    assert len(await store.find_calls(ALL)) == 10
    await store.close()


async def test_the_lock_of_another_program_is_told_and_outlived(file: File) -> None:
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another process holds its lock"):
        await file.store.put_once("digest", "value", file.stage.clock.now())
    assert "another process holds its lock" in await file.store.ready()
    file.store.record_call(file.stage.call())
    assert await file.store.used(UID, 60, file.stage.clock.now()) == 0, "reading goes on"
    other.execute("ROLLBACK")
    other.close()
    assert await file.store.ready() == ""
    assert len(await file.store.find_calls(ALL)) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"no database at all" * 100), "it is no SQLite database"),
        (lambda path: path.parent.joinpath("hub.db.lock").mkdir(), "Is a directory"),
    ],
    ids=["a folder", "another file", "a lock that is a folder"],
)
async def test_what_is_no_database_is_refused(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    path = tmp_path / "hub.db"
    make(path)
    with pytest.raises(StoreError, match=message):
        await _open(f"sqlite://{path}")


async def test_a_folder_that_cannot_be_is_refused() -> None:
    with pytest.raises(StoreError, match=r"cannot use /proc/nowhere/hub\.db"):
        await _open("sqlite:///proc/nowhere/hub.db")


async def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    store = await _open(f"sqlite://{path}")
    for _ in range(500):
        store.record_call(Stage().call(request_body="x" * 1_000))
    await store.close()
    raw = bytearray(path.read_bytes())
    raw[4096 : len(raw) // 2] = b"\xa5" * (len(raw) // 2 - 4096)
    path.write_bytes(bytes(raw))
    with pytest.raises(StoreError, match=r"hub\.db: it is damaged; restore a backup"):
        await _look(f"sqlite://{path}")


async def _look(url: str) -> None:
    store = await _open(url)
    try:
        await store.find_calls(ALL)
    finally:
        await store.close()


async def test_only_we_may_read_the_files(file: File) -> None:
    await file.store.put_once("digest", "value", file.stage.clock.now())
    modes = {each.name: each.stat().st_mode & 0o777 for each in file.path.parent.iterdir()}
    assert modes == dict.fromkeys(("hub.db", "hub.db-wal", "hub.db-shm", "hub.db.lock"), 0o600)


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.touch(0o666)
    store = await _open(f"sqlite://{path}")
    assert path.stat().st_mode & 0o777 == 0o600
    await store.close()


async def test_a_caller_who_gives_up_harms_nobody(file: File) -> None:
    now = file.stage.clock.now()
    tasks = [asyncio.create_task(file.store.take(UID, [WindowLimit(100, 60)], now)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    waits = await asyncio.gather(*tasks, return_exceptions=True)
    assert waits[1::2] == [0] * 10
    assert await file.store.take(UID, [WindowLimit(100, 60)], now) == 0


async def test_one_callers_mistake_is_its_own(file: File) -> None:
    """They share a commit."""
    expires = file.stage.clock.now() + timedelta(hours=1)
    outcomes = await asyncio.gather(
        file.store.put_once("a", "value", expires),
        file.store.put_once("b", 2**70, expires),  # type: ignore[arg-type]
        file.store.put_once("c", "value", expires),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes[::2]] == [type(None)] * 2
    assert isinstance(outcomes[1], StoreError)
    assert [await file.store.take_once(each, file.stage.clock.now()) for each in "abc"] == [
        *("value", None),
        "value",
    ]


# --------------------------------------------------------------------------- schemas


async def _set_version(store: DatabaseStore, version: int) -> None:
    async def work(tx: Tx) -> None:
        await tx.run("INSERT INTO schema_versions VALUES ($1, 'of_the_future', 0)", version)

    await store.engine.write(work)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/hub.db"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.url()


async def test_the_next_versions_schema_is_used_a_later_one_refused(url: str) -> None:
    known = len(load_migrations())
    store = await _open(url)
    await _set_version(store, known + 1)
    await store.close()
    store = await _open(url)
    assert await store.ready() == ""
    await _set_version(store, known + 2)
    await store.close()
    with pytest.raises(StoreError, match=f"has schema {known + 2}, this program knows {known}"):
        await _open(url)


async def test_texts_that_databases_dislike_are_kept_as_far_as_can_be(url: str) -> None:
    store, stage = await _open(url), Stage()
    odd = "nul \0, half a pair \ud83d, a whole one 😀, " + "x" * 100_000
    store.record_call(stage.call(path=odd, response_body=odd, request_headers={odd[:20]: odd[:60]}))
    store.record_call(stage.call(milliseconds=float("nan"), bytes_sent=2**80, status=-1))
    store.record_audit(stage.audit(detail=odd))
    await store.recorder.flush()
    assert store.stats().dropped == 0
    strange, plain = await store.find_calls(ALL)
    assert plain.path.startswith("nul \ufffd, half a pair ?, a whole one 😀, xxx")
    assert len(plain.path) == 2_048
    assert len(plain.response_body) == 65_536
    assert (strange.milliseconds, strange.bytes_sent, strange.status) == (0, 2**47, 0)
    await store.close()


# --------------------------------------------------------------------------- PostgreSQL


async def test_the_password_stands_in_no_error(postgresql: PostgresqlServer) -> None:
    wrong = postgresql.url().replace(postgresql.password, "not-the-password")
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        await _open(wrong)
    assert "not-the-password" not in f"{caught.value!r} {caught.value.__cause__!r}"
    nowhere = f"postgresql://hub:{postgresql.password}@127.0.0.1:1/hub"
    with pytest.raises(StoreError, match=r"postgresql://127\.0\.0\.1:1/hub: .*Connect call failed") as caught:
        await _open(nowhere)
    assert postgresql.password not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_a_server_that_restarts_is_outlived(postgresql: PostgresqlServer) -> None:
    url, stage = postgresql.url(), Stage()
    store = await _open(url, StoreLimits(flush_seconds=0.01))
    store.record_call(stage.call())
    await store.recorder.flush(durable=True)
    postgresql.stop()
    try:
        with pytest.raises(StoreError, match=r"^postgresql://") as caught:
            await store.take(UID, [WindowLimit(1, 60)], stage.clock.now())
        assert postgresql.password not in str(caught.value)
        assert (await store.ready()).startswith("postgresql://")
        for _ in range(10):
            store.record_call(stage.call())
    finally:
        postgresql.start()
    assert len(await store.find_calls(ALL)) == 11
    assert await store.take(UID, [WindowLimit(1, 60)], stage.clock.now()) == 0
    assert await store.ready() == ""
    await store.drain()
    waiting = asyncio.create_task(store.wait(120))
    another = await _open(url)
    await another.wake(Wakeup("Integration", NAMESPACE, "crm", "Called"))
    await waiting  # heard, or told on connecting anew that there may be something
    assert [wakeup.name for wakeup in await store.drain()] == ["crm"]
    await another.close()
    await store.close()


async def test_a_start_waits_for_a_database_that_comes_up(postgresql: PostgresqlServer) -> None:
    postgresql.stop()
    opening = asyncio.create_task(_open(postgresql.url(), StoreLimits(open_seconds=60)))
    await asyncio.sleep(0.1)
    assert not opening.done()
    postgresql.start()
    store = await opening
    assert await store.ready() == ""
    await store.close()


async def test_another_process_is_heard(postgresql: PostgresqlServer) -> None:
    url = postgresql.url()
    mine, yours = await _open(url), await _open(url)
    await mine.wait(60)
    assert list(await mine.drain()) == []
    waiting = asyncio.create_task(mine.wait(60))
    await yours.wake(Wakeup("Integration", NAMESPACE, "crm", "Called"))
    async with asyncio.timeout(30):
        await waiting
    assert [wakeup.name for wakeup in await mine.drain()] == ["crm"]
    assert list(await yours.drain()) == []
    await mine.close()
    await yours.close()


async def test_leases_go_by_the_databases_clock(postgresql: PostgresqlServer) -> None:
    url, skewed = postgresql.url(), MovableClock()
    skewed.move(hours=1)
    ahead = await open_store(url, skewed, SystemEntropy())
    store = await _open(url)
    assert await store.try_lock("refresh", "we", 60)
    assert await ahead.try_lock("refresh", "they, whose clock is wrong", 60) == 0
    await store.close()
    await ahead.close()


async def test_without_its_library_postgresql_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.delitem(sys.modules, "integration_hub.store.postgresql", raising=False)
    with pytest.raises(StoreError, match="needs the extra `postgresql`"):
        await _open("postgresql://hub@127.0.0.1:1/hub")
