"""What is recorded without waiting: gathered in memory, written together within a second.

Nothing here stops or fails a caller. Where the database is away, as much is kept as the limits allow, what
is beyond that is counted as dropped, and the writing is tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from integration_hub.ports import AuditRecord, CallRecord, Clock, Entropy, HealthPoint, StoreError
from integration_hub.store.batch import Batch
from integration_hub.store.engine import Engine, RefusedError, Tx
from integration_hub.store.ids import GrowingIds
from integration_hub.store.limits import StoreLimits

_log = logging.getLogger(__name__)

_LONGEST_PAUSE = 15.0

WriteBatch = Callable[[Tx, Batch], Awaitable[None]]


class Recorder:
    """Belongs to one event loop. `write` is the work that writes a batch; `flush` where it is wanted now."""

    def __init__(
        self, engine: Engine, write: WriteBatch, limits: StoreLimits, clock: Clock, entropy: Entropy
    ) -> None:
        self._engine = engine
        self._write = write
        self._limits = limits
        self._clock = clock
        self._entropy = entropy
        self._ids = GrowingIds(clock, entropy)
        self._filling = self._fresh()
        self._writing: Batch | None = None
        self._turn = asyncio.Lock()
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self.dropped = 0
        self.written = 0
        self.flush_seconds = 0.0

    # ------------------------------------------------------------------ recording

    def call(self, record: CallRecord) -> None:
        self._kept(self._filling.add_call(record, self._ids.next()))

    def audit(self, record: AuditRecord) -> None:
        self._kept(self._filling.add_audit(record, self._ids.next()))

    def health(self, point: HealthPoint) -> None:
        self._kept(self._filling.add_health(point))

    def _kept(self, whole: bool) -> None:
        if not whole:
            self.dropped += 1
        self._some.set()
        if self._filling.entries >= self._limits.flush_rows:
            self._many.set()

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        return self._filling.entries + (self._writing.entries if self._writing is not None else 0)

    # ------------------------------------------------------------------ writing

    async def flush(self, *, durable: bool = False) -> None:
        """Write what was recorded so far. Raises StoreError; then it is kept and tried again."""
        async with self._turn:
            if self._writing is None:
                if not self._filling:
                    return
                self._writing, self._filling = self._filling, self._fresh()
            began, batch = self._clock.monotonic(), self._writing
            try:
                await self._commit(batch, durable=durable)
                self.written += batch.entries
            except RefusedError as error:
                # Trying again would keep all that follows from being written.
                _log.error("Records were refused and are lost", extra={"cause": str(error)})
                self.dropped += batch.entries
            self._writing = None
            self.flush_seconds = self._clock.monotonic() - began

    async def _commit(self, batch: Batch, *, durable: bool) -> None:
        async def work(tx: Tx) -> None:
            await self._write(tx, batch)

        await self._engine.write(work, durable=durable)

    async def run(self) -> None:
        """Write until cancelled."""
        pause, trouble = self._limits.flush_seconds, ""
        while True:
            await self._some.wait()
            await self._soon(self._limits.flush_seconds)
            self._some.clear()
            self._many.clear()
            try:
                await self.flush(durable=True)
            except StoreError as error:
                if str(error) != trouble:
                    _log.warning("Records cannot be written, will retry", extra={"cause": str(error)})
                trouble = str(error)
                self._some.set()
                await asyncio.sleep(pause * (1 + 0.2 * self._entropy.random()))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if trouble:
                    _log.info("Records are written again", extra={"dropped": self.dropped})
                pause, trouble = self._limits.flush_seconds, ""

    async def _soon(self, seconds: float) -> None:
        """Wait so long, or until many have come together."""
        try:
            async with asyncio.timeout(seconds):
                await self._many.wait()
        except TimeoutError:
            return

    def _fresh(self) -> Batch:
        return Batch(self._ids.next(), self._limits)
