"""The recorder: nothing is lost while the database is away, nothing written twice, nobody held up."""

from __future__ import annotations

import asyncio

import pytest

from integration_hub.ports import StoreError
from integration_hub.store import StoreLimits
from integration_hub.store.batch import Batch
from integration_hub.store.engine import Dialect, RefusedError, Tx, Work
from integration_hub.store.recorder import Recorder
from store_stage import Stage
from virtual_time import FixedEntropy, VirtualClock, run_virtual


class Database:
    """engine.Engine as far as a recorder needs one. `trouble` is raised instead of committing."""

    dialect = Dialect("none", "", "")
    shared = False

    def __init__(self) -> None:
        self.trouble: StoreError | None = None
        self.batches: list[tuple[str, int, bool]] = []
        self.attempts = 0

    async def write(
        self, work: Work[object], *, durable: bool = True, alone: str = "", patient: bool = False
    ) -> object:
        self.attempts += 1
        await asyncio.sleep(0.001)
        if self.trouble is not None:
            raise self.trouble
        self._durable = durable
        return await work(None)  # type: ignore[arg-type]

    async def record(self, _: Tx, batch: Batch) -> None:
        self.batches.append((batch.id, batch.entries, self._durable))


def _recorder(database: Database, clock: VirtualClock, **limits: float) -> Recorder:
    return Recorder(
        database,  # type: ignore[arg-type]
        database.record,
        StoreLimits(**limits),  # type: ignore[arg-type]
        clock,
        FixedEntropy(),
    )


def test_records_are_written_together_within_the_time() -> None:
    async def story(clock: VirtualClock) -> None:
        database, stage = Database(), Stage()
        recorder = _recorder(database, clock, flush_seconds=0.5)
        running = asyncio.create_task(recorder.run())
        for _ in range(3):
            recorder.call(stage.call())
            recorder.audit(stage.audit())
        await asyncio.sleep(0.4)
        assert (recorder.waiting, database.batches) == (6, [])
        await asyncio.sleep(0.2)
        assert [(entries, durable) for _, entries, durable in database.batches] == [(6, True)]
        assert (recorder.waiting, recorder.written, recorder.dropped) == (0, 6, 0)
        running.cancel()

    run_virtual(story)


def test_many_records_do_not_wait() -> None:
    async def story(clock: VirtualClock) -> None:
        database, stage = Database(), Stage()
        recorder = _recorder(database, clock, flush_seconds=60, flush_rows=10)
        running = asyncio.create_task(recorder.run())
        for _ in range(10):
            recorder.call(stage.call())
        await asyncio.sleep(0.1)
        assert recorder.written == 10
        running.cancel()

    run_virtual(story)


def test_a_database_that_is_away_is_tried_again_more_and_more_seldom() -> None:
    async def story(clock: VirtualClock) -> None:
        database, stage = Database(), Stage()
        database.trouble = StoreError("away")
        recorder = _recorder(database, clock, flush_rows=5)
        running = asyncio.create_task(recorder.run())
        for _ in range(20):
            recorder.call(stage.call())
        await asyncio.sleep(600)
        assert 20 < database.attempts < 60
        assert recorder.waiting == 20
        database.trouble = None
        await asyncio.sleep(20)
        assert recorder.written == 20
        assert sum(entries for _, entries, _ in database.batches) == 20
        running.cancel()

    run_virtual(story)


def test_a_batch_that_is_tried_again_is_the_same_batch() -> None:
    async def story(clock: VirtualClock) -> None:
        database, stage = Database(), Stage()
        recorder = _recorder(database, clock)
        recorder.call(stage.call())
        database.trouble = StoreError("away")
        for _ in range(2):
            with pytest.raises(StoreError, match="away"):
                await recorder.flush()
        recorder.call(stage.call())
        database.trouble = None
        await recorder.flush()
        await recorder.flush()
        assert [entries for _, entries, _ in database.batches] == [1, 1]
        assert len({batch for batch, _, _ in database.batches}) == 2

    run_virtual(story)


def test_records_that_the_database_refuses_do_not_keep_others_back() -> None:
    async def story(clock: VirtualClock) -> None:
        database, stage = Database(), Stage()
        recorder = _recorder(database, clock)
        recorder.call(stage.call())
        database.trouble = RefusedError("a value that it does not take")
        await recorder.flush()
        assert (recorder.dropped, recorder.waiting) == (1, 0)
        database.trouble = None
        recorder.call(stage.call())
        await recorder.flush()
        assert recorder.written == 1

    run_virtual(story)


def test_a_caller_who_gives_up_waiting_takes_no_record_along() -> None:
    async def story(clock: VirtualClock) -> None:
        database, stage = Database(), Stage()
        recorder = _recorder(database, clock)
        recorder.call(stage.call())
        impatient = asyncio.create_task(recorder.flush())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        await recorder.flush()
        assert recorder.written == 1

    run_virtual(story)
