"""Checks of Integrations, kept by the minute."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from integration_hub.ports import HealthPoint, HealthWindow
from integration_hub.store.batch import Batch
from integration_hub.store.engine import Row, Tx
from integration_hub.store.moments import from_ms, minute_of, to_ms
from integration_hub.store.subject import Subject

_ADD = """
    INSERT INTO health_minutes AS known (uid, minute, checks, failures, microseconds, last_check)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (uid, minute) DO UPDATE SET
      checks = known.checks + excluded.checks,
      failures = known.failures + excluded.failures,
      microseconds = coalesce(excluded.microseconds, known.microseconds),
      last_check = CASE WHEN excluded.last_check > known.last_check
                   THEN excluded.last_check ELSE known.last_check END
"""
_WINDOWS = """
    SELECT uid, sum(checks), sum(failures), max(last_check),
      (SELECT microseconds FROM health_minutes AS answered
       WHERE answered.uid = health_minutes.uid AND minute >= $1 AND microseconds IS NOT NULL
       ORDER BY minute DESC LIMIT 1)
    FROM health_minutes WHERE minute >= $1 AND uid {} GROUP BY uid
"""


async def write_health(tx: Tx, batch: Batch) -> None:
    await tx.run_many(
        _ADD,
        [
            (uid, minute, tally.checks, tally.failures, tally.microseconds, tally.last_check)
            for (uid, minute), tally in sorted(batch.health.items())
        ],
    )


class HealthTable(Subject):
    """ports.HealthLog."""

    def record_health(self, point: HealthPoint) -> None:
        self.recorder.health(point)

    async def health_windows(self, uids: Sequence[str], *, since: datetime) -> Mapping[str, HealthWindow]:
        await self.recorder.flush()
        sql = _WINDOWS.format(self._among("$2"))

        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(sql, minute_of(to_ms(since)), json.dumps([*uids]))

        return {
            uid: HealthWindow(
                int(checks), int(failures), None if answer is None else answer / 1000, from_ms(last)
            )
            for uid, checks, failures, last, answer in await self.engine.read(work)
        }
