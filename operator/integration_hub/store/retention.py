"""What is old, or too much, goes: in small pieces, so that nobody waits long for the writer.

Of a log that is too large the namespace that takes most gives way, its oldest entries first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integration_hub.store.batch import Batch, Log, Size
from integration_hub.store.engine import Engine, Row, Tx, Value
from integration_hub.store.ids import floor_of
from integration_hub.store.limits import StoreLimits
from integration_hub.store.moments import MINUTE, to_ms

_PIECE = 1_000
_MINUTES_AT_ONCE = 10 * MINUTE
_BATCHES_MS = 60 * MINUTE

_ADD_SIZE = """
    INSERT INTO log_sizes AS known (log, namespace, entries, bytes) VALUES ($1, $2, $3, $4)
    ON CONFLICT (log, namespace) DO UPDATE SET
      entries = known.entries + excluded.entries, bytes = known.bytes + excluded.bytes
"""
_TAKE_SIZE = """
    UPDATE log_sizes SET entries = entries - $3, bytes = bytes - $4 WHERE log = $1 AND namespace = $2
"""
_SIZES = "SELECT namespace, entries, bytes FROM log_sizes WHERE log = $1"
_OLDER = """
    DELETE FROM {log} WHERE id IN (SELECT id FROM {log} WHERE id < $1 ORDER BY id LIMIT $2)
    RETURNING namespace, size
"""
_OLDEST = """
    DELETE FROM {log} WHERE id IN (SELECT id FROM {log} WHERE namespace = $1 ORDER BY id LIMIT $2)
    RETURNING namespace, size
"""


async def write_sizes(tx: Tx, batch: Batch) -> None:
    """What the entries of a batch add, in the order in which every process does."""
    await tx.run_many(
        _ADD_SIZE, [(*key, size.entries, size.bytes) for key, size in sorted(batch.sizes.items())]
    )


@dataclass(frozen=True, slots=True)
class Retention:
    """One round at a time: `tend`."""

    engine: Engine
    limits: StoreLimits

    async def tend(self, now: datetime) -> int:
        """Drop what is past its time or beyond its room; says how many log entries went.

        Raises StoreError.
        """
        limits = self.limits
        gone = await self._age("call_log", now - timedelta(days=limits.call_days))
        gone += await self._age("audit_log", now - timedelta(days=limits.audit_days))
        gone += await self._shrink("call_log", limits.call_rows, limits.call_bytes)
        gone += await self._shrink("audit_log", limits.audit_rows, limits.audit_bytes)
        await self._age_minutes("call_minutes", now - timedelta(hours=limits.minute_hours))
        await self._age_minutes("health_minutes", now - timedelta(hours=limits.health_hours))
        await self._expire(to_ms(now))
        return gone

    async def _age(self, log: Log, before: datetime) -> int:
        """Entries from before a time. Ids grow with time."""
        gone = 0
        while True:
            piece = await self._drop(log, _OLDER.format(log=log), floor_of(before), _PIECE)
            gone += piece
            if piece < _PIECE:
                return gone

    async def _shrink(self, log: Log, most_entries: int, most_bytes: int) -> int:
        gone = 0
        while True:
            sizes = await self._rows(_SIZES, log)
            excess = _excess(sizes, 1, most_entries) or _excess(sizes, 2, most_bytes)
            if excess is None:
                return gone
            namespace, entries = excess
            piece = await self._drop(log, _OLDEST.format(log=log), namespace, min(entries, _PIECE))
            gone += piece
            if not piece:
                await self._correct(log, namespace)

    async def _drop(self, log: Log, sql: str, *values: Value) -> int:
        """Delete entries and what they added to the sizes, in one transaction."""

        async def work(tx: Tx) -> int:
            dropped = await tx.rows(sql, *values)
            sizes: defaultdict[str, Size] = defaultdict(Size)
            for namespace, size in dropped:
                sizes[namespace].entries += 1
                sizes[namespace].bytes += size
            taken = [(log, namespace, size.entries, size.bytes) for namespace, size in sorted(sizes.items())]
            await tx.run_many(_TAKE_SIZE, taken)
            return len(dropped)

        return await self.engine.write(work, durable=False)

    async def _correct(self, log: Log, namespace: str) -> None:
        """The sizes say that there are entries, and there are none: as after a restore of single tables."""

        async def work(tx: Tx) -> None:
            await tx.run("DELETE FROM log_sizes WHERE log = $1 AND namespace = $2", log, namespace)

        await self.engine.write(work, durable=False)

    async def _age_minutes(self, table: str, before: datetime) -> None:
        """Sums of minutes before a time, a few minutes per transaction."""
        limit = to_ms(before)
        while True:
            (oldest,) = (await self._rows(f"SELECT min(minute) FROM {table}"))[0]  # noqa: S608 - our own names
            if oldest is None or oldest >= limit:
                return
            sql, until = f"DELETE FROM {table} WHERE minute < $1", min(oldest + _MINUTES_AT_ONCE, limit)  # noqa: S608
            await self._run(sql, until)

    async def _expire(self, now: int) -> None:
        for sql, before in (
            ("DELETE FROM one_time_values WHERE expires < $1", now),
            ("DELETE FROM idempotency_keys WHERE expires < $1", now),
            ("DELETE FROM call_windows WHERE forgotten_at < $1", now),
            ("DELETE FROM batches WHERE at < $1", now - _BATCHES_MS),
            ("DELETE FROM locks WHERE expires < $1", now - round(self.limits.lock_days * 24 * 60 * MINUTE)),
        ):
            await self._run(sql, before)

    async def _rows(self, sql: str, *values: Value) -> Sequence[Row]:
        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(sql, *values)

        return await self.engine.read(work)

    async def _run(self, sql: str, *values: Value) -> None:
        async def work(tx: Tx) -> None:
            await tx.run(sql, *values)

        await self.engine.write(work, durable=False)


def fair_share(amounts: Sequence[int], room: int) -> int:
    """The most that each may have so that all have room: who needs less leaves the rest to the others.

    >>> fair_share([20, 3000, 70], 100)
    40
    """
    rest = room
    for place, amount in enumerate(sorted(amounts)):
        share = rest // (len(amounts) - place)
        if amount > share:
            return share
        rest -= amount
    return max(amounts, default=0)


def _excess(sizes: Sequence[Row], place: int, most: int) -> tuple[str, int] | None:
    """The namespace that is furthest over its share, and by about how many entries; None if none is.

    `place` says what is shared: 1 the number of entries, 2 their bytes.
    """
    share = fair_share([int(row[place]) for row in sizes], most)
    largest = max(sizes, key=lambda row: (row[place], row[0]), default=None)
    if largest is None or largest[place] <= share:
        return None
    over = largest[place] - share
    return largest[0], math.ceil(over * max(largest[1], 1) / largest[place])
