"""Requests, and what they add up to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from integration_hub.ports import CallFigures, CallQuery, CallRecord, FiguresPoint
from integration_hub.store.batch import Batch
from integration_hub.store.clipping import headers_of
from integration_hub.store.engine import Row, Tx
from integration_hub.store.ids import floor_of
from integration_hub.store.moments import from_ms, minute_of, to_ms
from integration_hub.store.subject import Conditions, Subject

MOST_ENTRIES = 1_000
"""Of one page."""

_COLUMNS = (
    "id, at, namespace, integration, integration_uid, provider, purpose, caller, correlation_id, method, "
    "path, status, outcome, success, microseconds, attempt, bytes_sent, bytes_received, message, level, "
    "request_headers, response_headers, request_body, response_body"
)
_INSERT = f"""
    INSERT INTO call_log ({_COLUMNS}, size)
    VALUES ({", ".join(f"${number}" for number in range(1, 26))})
"""  # noqa: S608 - our own column names
_ADD_TOTALS = """
    INSERT INTO call_totals AS known
      (integration_uid, namespace, total, successful, microseconds, bytes_sent, bytes_received, last_activity,
       untimed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (integration_uid) DO UPDATE SET
      total = known.total + excluded.total,
      successful = known.successful + excluded.successful,
      microseconds = known.microseconds + excluded.microseconds,
      bytes_sent = known.bytes_sent + excluded.bytes_sent,
      bytes_received = known.bytes_received + excluded.bytes_received,
      last_activity = CASE WHEN excluded.last_activity > known.last_activity
                      THEN excluded.last_activity ELSE known.last_activity END,
      untimed = known.untimed + excluded.untimed
"""
_ADD_MINUTES = """
    INSERT INTO call_minutes AS known
      (integration_uid, minute, namespace, total, successful, microseconds, bytes_sent, bytes_received,
       last_activity, untimed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (integration_uid, minute) DO UPDATE SET
      total = known.total + excluded.total,
      successful = known.successful + excluded.successful,
      microseconds = known.microseconds + excluded.microseconds,
      bytes_sent = known.bytes_sent + excluded.bytes_sent,
      bytes_received = known.bytes_received + excluded.bytes_received,
      last_activity = CASE WHEN excluded.last_activity > known.last_activity
                      THEN excluded.last_activity ELSE known.last_activity END,
      untimed = known.untimed + excluded.untimed
"""
_SUMS = "total, successful, microseconds, bytes_sent, bytes_received, last_activity, untimed"
_SUMMED = (
    "sum(total), sum(successful), sum(microseconds), sum(bytes_sent), sum(bytes_received), "
    "max(last_activity), sum(untimed)"
)
_SERIES = f"""
    SELECT minute, {_SUMS} FROM call_minutes
    WHERE integration_uid = $1 AND minute >= $2 ORDER BY minute
"""  # noqa: S608


async def write_calls(tx: Tx, batch: Batch) -> None:
    """The entries of a batch and their sums, in the transaction of `tx`."""
    await tx.run_many(_INSERT, batch.calls)
    await tx.run_many(_ADD_TOTALS, batch.totals())
    await tx.run_many(_ADD_MINUTES, batch.minutes())


class CallTables(Subject):
    """ports.CallLog."""

    def record_call(self, record: CallRecord) -> None:
        self.recorder.call(record)

    async def find_calls(self, query: CallQuery) -> Sequence[CallRecord]:
        await self.recorder.flush()
        where = Conditions()
        where.require(f"namespace = {where.value(query.namespace)}")
        if query.integration_uid:
            where.require(f"integration_uid = {where.value(query.integration_uid)}")
        if query.levels:
            where.require(f"level {self._among(where.value(json.dumps([*query.levels])))}")
            if set(query.levels) <= {"warn", "error"}:
                where.require("level IN ('warn', 'error')")  # in these words there is an index
        if query.since is not None:
            where.require(f"at >= {where.value(to_ms(query.since))}")
            where.require(
                f"id >= {where.value(floor_of(query.since))}"
            )  # an entry is made after its call began
        if query.before:
            where.require(f"id < {where.value(query.before)}")
        limit = where.value(max(0, min(query.limit, MOST_ENTRIES)))
        sql = f"SELECT {_COLUMNS} FROM call_log WHERE {where} ORDER BY id DESC LIMIT {limit}"  # noqa: S608

        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(sql, *where.values)

        return [_record(row) for row in await self.engine.read(work)]

    async def call_figures(
        self, namespace: str, uids: Sequence[str], *, since: datetime | None = None
    ) -> Mapping[str, CallFigures]:
        await self.recorder.flush()
        where = Conditions()
        where.require(f"namespace = {where.value(namespace)}")
        if uids:
            where.require(f"integration_uid {self._among(where.value(json.dumps([*uids])))}")
        if since is None:
            sql = f"SELECT integration_uid, {_SUMS} FROM call_totals WHERE {where}"  # noqa: S608
        else:
            where.require(f"minute >= {where.value(minute_of(to_ms(since)))}")
            sql = f"SELECT integration_uid, {_SUMMED} FROM call_minutes WHERE {where} GROUP BY 1"  # noqa: S608

        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(sql, *where.values)

        return {row[0]: _figures(row[1:]) for row in await self.engine.read(work)}

    async def call_series(self, uid: str, *, since: datetime) -> Sequence[FiguresPoint]:
        await self.recorder.flush()

        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(_SERIES, uid, minute_of(to_ms(since)))

        return [FiguresPoint(from_ms(row[0]), _figures(row[1:])) for row in await self.engine.read(work)]

    async def forget_integration(self, uid: str) -> None:
        await self.recorder.flush()

        async def work(tx: Tx) -> None:
            await tx.run("DELETE FROM call_totals WHERE integration_uid = $1", uid)
            await tx.run("DELETE FROM call_minutes WHERE integration_uid = $1", uid)
            await tx.run("DELETE FROM health_minutes WHERE uid = $1", uid)
            await tx.run("DELETE FROM breakers WHERE uid = $1", uid)
            await tx.run(
                "DELETE FROM call_windows WHERE key = $1 OR substr(key, 1, length($1) + 1) = $2",
                uid,
                f"{uid}/",
            )

        await self.engine.write(work)


def _record(row: Row) -> CallRecord:
    entry_id, at, namespace, integration, integration_uid, provider, purpose, caller = row[:8]
    correlation_id, method, path, status, outcome, success, microseconds, attempt = row[8:16]
    bytes_sent, bytes_received, message, level, *texts = row[16:]
    request_headers, response_headers, request_body, response_body = texts
    return CallRecord(
        at=from_ms(at),
        namespace=namespace,
        integration=integration,
        integration_uid=integration_uid,
        provider=provider,
        purpose=purpose,
        caller=caller,
        correlation_id=correlation_id,
        method=method,
        path=path,
        status=status,
        outcome=outcome,
        success=bool(success),
        milliseconds=microseconds / 1000,
        attempt=attempt,
        bytes_sent=bytes_sent,
        bytes_received=bytes_received,
        message=message,
        level=level,
        request_headers=headers_of(request_headers),
        response_headers=headers_of(response_headers),
        request_body=request_body,
        response_body=response_body,
        id=entry_id,
    )


def _figures(row: Row) -> CallFigures:
    # PostgreSQL's sums of BIGINT are NUMERIC.
    total, successful, microseconds, sent, received, last, untimed = map(int, row)
    return CallFigures(
        total, successful, total - successful, microseconds / 1000, sent, received, from_ms(last), untimed
    )
