"""All subjects over one engine: a `ports.Store`."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

from integration_hub.ports import Clock, Entropy, StoreError
from integration_hub.store.audit import AuditTable, write_audits
from integration_hub.store.batch import Batch
from integration_hub.store.breakers import BreakerTable
from integration_hub.store.calls import CallTables, write_calls
from integration_hub.store.engine import Engine, Tx
from integration_hub.store.health import HealthTable, write_health
from integration_hub.store.idempotency import IdempotencyTable
from integration_hub.store.ids import GrowingIds
from integration_hub.store.limits import StoreLimits
from integration_hub.store.locks import LockTable
from integration_hub.store.migration import migrate
from integration_hub.store.moments import to_ms
from integration_hub.store.one_time import OneTimeTable
from integration_hub.store.recorder import Recorder
from integration_hub.store.retention import Retention, write_sizes
from integration_hub.store.shared_clock import SharedClock
from integration_hub.store.wakeups import WakeupTable
from integration_hub.store.windows import WindowTable

_log = logging.getLogger(__name__)

_READY_SECONDS = 3.0
_LAST_WORDS_SECONDS = 3.0
_TENDING_SECONDS = 600
_MARK_BATCH = "INSERT INTO batches (id, at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING id"
_TOUCH = "UPDATE schema_versions SET applied_at = applied_at WHERE version = 1"


@dataclass(frozen=True, slots=True)
class StoreStats:
    """For metrics. `waiting`, `written` and `dropped` are records; `flush_seconds` of the last batch."""

    engine: str
    waiting: int
    written: int
    dropped: int
    flush_seconds: float
    database_bytes: int


class DatabaseStore(
    CallTables,
    AuditTable,
    HealthTable,
    WindowTable,
    BreakerTable,
    LockTable,
    OneTimeTable,
    IdempotencyTable,
    WakeupTable,
):
    """ports.Store. Belongs to the event loop in which it was opened. `run` keeps its size."""

    def __init__(self, engine: Engine, limits: StoreLimits, clock: Clock, entropy: Entropy) -> None:
        self._common = SharedClock(clock) if engine.shared else None
        recorder = Recorder(engine, self._write_batch, limits, clock, entropy)
        super().__init__(engine, recorder, limits, self._common or clock, asyncio.Event())
        self._entropy = entropy
        self._retention = Retention(engine, limits)
        self._holder = GrowingIds(clock, entropy).next()
        self._flushing: asyncio.Task[None] | None = None
        self._bytes = 0

    async def open(self) -> None:
        """Connect, bring the schema up to date, begin to write records. Raises StoreError."""
        self.bell.set()
        await self.engine.open(self.bell.set)
        await migrate(self.engine, self.clock)
        if self._common is not None:
            await self._common.set(self.engine)
        else:
            await self._forget_the_dead()
        self._bytes = await self.engine.measure()
        self._flushing = asyncio.create_task(self.recorder.run(), name="store-recorder")

    @property
    def shared(self) -> bool:
        return self.engine.shared

    async def ready(self) -> str:
        async def touch(tx: Tx) -> None:
            await tx.run(_TOUCH)

        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self.engine.write(touch, durable=False)
        except TimeoutError:
            return f"the database does not answer within {_READY_SECONDS:g} s"
        except StoreError as error:
            return str(error)
        return ""

    def stats(self) -> StoreStats:
        recorder = self.recorder
        return StoreStats(
            self.engine.dialect.name,
            recorder.waiting,
            recorder.written,
            recorder.dropped,
            recorder.flush_seconds,
            self._bytes,
        )

    # ------------------------------------------------------------------ living

    async def run(self) -> None:
        """Keep the database within its limits until cancelled. Never raises for what the database does."""
        while True:
            await asyncio.sleep(self.limits.tend_seconds * (0.8 + 0.4 * self._entropy.random()))
            try:
                await self.tend(self.clock.now())
            except StoreError as error:
                _log.warning("The store cannot be tended, will retry", extra={"cause": str(error)})

    async def tend(self, now: datetime) -> None:
        """Drop what is old or too much. Of several processes one does it. Raises StoreError."""
        if self._common is not None:
            await self._common.set(self.engine)
        if not await self.try_lock("retention", self._holder, _TENDING_SECONDS):
            return
        try:
            if gone := await self._retention.tend(now):
                _log.info("Old log entries went", extra={"entries": gone})
                await self.engine.give_back()
        finally:
            await self.unlock("retention", self._holder)
        self._bytes = await self.engine.measure()

    async def close(self) -> None:
        """Write what is buffered and let go. Gives a database that is away up after a moment."""
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
            self._flushing = None
            try:
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await self.recorder.flush(durable=True)
            except (StoreError, TimeoutError) as error:
                waiting = self.recorder.waiting
                _log.warning("The last records are lost", extra={"cause": str(error), "records": waiting})
        await self.engine.close()

    async def _write_batch(self, tx: Tx, batch: Batch) -> None:
        if not await tx.rows(_MARK_BATCH, batch.id, to_ms(self.clock.now())):
            return  # written already: only the news of it was lost
        await write_calls(tx, batch)
        await write_audits(tx, batch)
        await write_health(tx, batch)
        await write_sizes(tx, batch)

    async def _forget_the_dead(self) -> None:
        """Nobody else uses this database: whatever was under way or held died with the process before."""

        async def work(tx: Tx) -> None:
            await tx.run("DELETE FROM idempotency_keys WHERE status IS NULL")
            await tx.run("UPDATE locks SET holder = '', expires = 0")

        await self.engine.write(work)
