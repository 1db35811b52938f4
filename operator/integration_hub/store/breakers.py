"""Breakers' states, changed by compare-and-swap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from integration_hub.ports import BreakerRow
from integration_hub.store.engine import Row, Tx
from integration_hub.store.moments import from_ms, to_ms
from integration_hub.store.subject import Subject

_COLUMNS = "state, failures, successes, opened_at, retry_at, version"
_TOUCHED = f"""
    SELECT uid, {_COLUMNS} FROM breakers WHERE state <> 'closed' OR failures > 0 OR successes > 0
"""  # noqa: S608 - our own column names
_LOAD = f"SELECT {_COLUMNS} FROM breakers WHERE uid = $1"  # noqa: S608
_SAVE = f"""
    INSERT INTO breakers (uid, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (uid) DO UPDATE SET
      state = excluded.state, failures = excluded.failures, successes = excluded.successes,
      opened_at = excluded.opened_at, retry_at = excluded.retry_at, version = excluded.version
"""  # noqa: S608


class BreakerTable(Subject):
    """ports.Breakers."""

    async def load_breakers(self) -> Mapping[str, BreakerRow]:
        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(_TOUCHED)

        return {row[0]: _breaker(row[1:]) for row in await self.engine.read(work)}

    async def save_breaker(self, uid: str, row: BreakerRow) -> BreakerRow:
        async def work(tx: Tx) -> BreakerRow:
            found = await tx.rows(_LOAD, uid)
            stands = _breaker(found[0]) if found else BreakerRow()
            if stands.version != row.version:
                return stands
            new = replace(row, version=row.version + 1)
            times = (_ms(new.opened_at), _ms(new.retry_at))
            await tx.run(_SAVE, uid, new.state, new.failures, new.successes, *times, new.version)
            return new

        return await self.engine.write(work, durable=False, alone=f"breaker {uid}")


def _breaker(row: Row) -> BreakerRow:
    state, failures, successes, opened_at, retry_at, version = row
    return BreakerRow(state, failures, successes, _time(opened_at), _time(retry_at), version)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)
