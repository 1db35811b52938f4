"""SQLite: one thread writes, a few read, and those who wait for a commit share one.

Readers see the last commit and never wait for the writer (WAL). The writer takes all work that has come
together, runs each piece within a savepoint of its own, and commits once: syncing the disk is what is dear.
Work that need not outlive a power failure is committed without a sync; the disk has it within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

from integration_hub.ports import StoreError
from integration_hub.store.engine import Dialect, RefusedError, Row, Value, Work
from integration_hub.store.limits import StoreLimits
from integration_hub.store.sqlite_file import SqliteFile, explain

T = TypeVar("T")

READERS = 2
_MOST_TOGETHER = 512
_MOST_WAITING = 20_000
_SYNC_SECONDS = 1.0
_PROGRESS_STEPS = 10_000
_FREE_PAGES = 2_000
_VALUE = re.compile(r"\$(\d+)")

_DIALECT = Dialect("sqlite", among="IN (SELECT value FROM json_each({}))", skip_locked="")


class _Tx:
    """engine.Tx on a connection. None of it waits, so that `_run` can drive what is written over it."""

    def __init__(self, connection: sqlite3.Connection, rung: Callable[[], None]) -> None:
        self._connection = connection
        self._rung = rung

    async def rows(self, sql: str, *values: Value) -> Sequence[Row]:
        return cast("list[Row]", self._connection.execute(_numbered(sql), values).fetchall())

    async def run(self, sql: str, *values: Value) -> None:
        self._connection.execute(_numbered(sql), values)

    async def run_many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        self._connection.executemany(_numbered(sql), rows)

    async def ring(self) -> None:
        self._rung()


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[_Tx], Coroutine[Any, Any, Any]]
    durable: bool
    done: asyncio.Future[Any]


_Outcome = tuple[_Job, Any, BaseException | None]


class SqliteEngine:
    """engine.Engine on one file, which this process has for itself."""

    dialect = _DIALECT
    shared = False

    def __init__(self, path: Path, limits: StoreLimits) -> None:
        self._file = SqliteFile(path, limits)
        self._limits = limits
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._write_on, name="store-writer", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._free: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._closed = False
        self._ring: Callable[[], None] = lambda: None

    async def open(self, rung: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = rung
        self._writer = await asyncio.to_thread(self._file.open)
        for _ in range(READERS):
            self._free.put(self._file.connect(reader=True))
        self._thread.start()

    async def read(self, work: Work[T]) -> T:
        if self._closed:
            raise StoreError("the store is closed")
        return await self._loop.run_in_executor(self._readers, self._read, work)

    async def write(
        self,
        work: Work[T],
        *,
        durable: bool = True,
        alone: str = "",  # noqa: ARG002 - there is one writer: it always is
        patient: bool = False,  # noqa: ARG002
    ) -> T:
        if self._closed:
            raise StoreError("the store is closed")
        done: asyncio.Future[T] = self._loop.create_future()
        try:
            self._jobs.put_nowait(_Job(cast("Any", work), durable, done))
        except queue.Full:
            raise StoreError(f"{_MOST_WAITING} writes wait for the disk already") from None
        return await done

    async def now(self) -> datetime:
        return datetime.now(UTC)

    async def give_back(self) -> None:
        async def work(tx: _Tx) -> None:
            await tx.rows(f"PRAGMA incremental_vacuum({_FREE_PAGES})")

        await self.write(cast("Work[None]", work), durable=False)

    async def measure(self) -> int:
        return await asyncio.to_thread(self._file.size)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()
        self._readers.shutdown()
        with contextlib.suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()
        self._file.close()

    # ------------------------------------------------------------------ in a reader's thread

    def _read(self, work: Work[T]) -> T:
        connection = self._free.get()
        deadline = time.monotonic() + self._limits.statement_seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _PROGRESS_STEPS)
        try:
            return cast("T", _run(work, _Tx(connection, lambda: None)))
        except sqlite3.Error as error:
            raise explain(error, self._file.path) from None
        finally:
            self._free.put(connection)

    # ------------------------------------------------------------------ in the writer's thread

    def _write_on(self) -> None:
        unsynced_since: float | None = None
        with contextlib.closing(self._writer):
            while True:
                jobs, ending = self._next(unsynced_since)
                late = unsynced_since is not None and time.monotonic() - unsynced_since >= _SYNC_SECONDS
                durable = ending or late or any(job.durable for job in jobs)
                if jobs or (durable and unsynced_since is not None):
                    self._together(jobs, durable=durable)
                    unsynced_since = None if durable else unsynced_since or time.monotonic()
                if ending:
                    return

    def _next(self, unsynced_since: float | None) -> tuple[list[_Job], bool]:
        """Wait for work and take all there is; none when it is time to sync. True: it is the last."""
        jobs: list[_Job] = []
        patience = None
        if unsynced_since is not None:
            patience = max(unsynced_since + _SYNC_SECONDS - time.monotonic(), 0.001)
        try:
            job = self._jobs.get(timeout=patience)
            while job is not None:
                jobs.append(job)
                if len(jobs) == _MOST_TOGETHER:
                    return jobs, False
                job = self._jobs.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True

    def _together(self, jobs: Sequence[_Job], *, durable: bool) -> None:
        """Run all, commit once, tell everybody. What fails for one fails for it alone."""
        connection = self._writer
        bells: list[Callable[[], None]] = []
        tx = _Tx(connection, lambda: bells.append(self._ring))
        outcomes: list[_Outcome]
        try:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [(job, *self._attempt(job, tx)) for job in jobs]
            if not jobs:
                connection.execute(f"PRAGMA user_version = {time.time_ns() // 10**9 % 2**31}")
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - this thread goes on whatever happens
            reason = self._explained(error)
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            outcomes, bells = [(job, None, reason) for job in jobs], []
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(partial(_tell, outcomes, bells[:1]))

    def _attempt(self, job: _Job, tx: _Tx) -> tuple[Any, BaseException | None]:
        """One piece of work within a savepoint: its outcome, or what went wrong."""
        connection = self._writer
        connection.execute("SAVEPOINT job")
        try:
            outcome = _run(job.work, tx)
        except Exception as error:
            if not connection.in_transaction:
                raise  # a full disk, or the like: it was rolled back as a whole
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
            return None, self._explained(error)
        connection.execute("RELEASE job")
        return outcome, None

    def _explained(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error):
            return explain(error, self._file.path)
        if isinstance(error, OverflowError | UnicodeError):
            return RefusedError(f"{self._file.path}: {error}")
        return error


def _run(work: Callable[[Any], Any], tx: _Tx) -> Any:
    """Drive work to its end at once."""
    try:
        work(tx).send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("work on SQLite waited for something else than the database")


def _tell(outcomes: Sequence[_Outcome], bells: Sequence[Callable[[], None]]) -> None:
    for job, outcome, error in outcomes:
        if job.done.done():
            continue  # whoever asked was cancelled meanwhile
        if error is not None:
            job.done.set_exception(error)
        else:
            job.done.set_result(outcome)
    for bell in bells:
        bell()


@cache
def _numbered(sql: str) -> str:
    """SQLite's way to number values."""
    return _VALUE.sub(r"?\1", sql)
