"""Who used which credential, and who did what."""

from __future__ import annotations

from collections.abc import Sequence

from integration_hub.ports import AuditQuery, AuditRecord
from integration_hub.store.batch import Batch
from integration_hub.store.calls import MOST_ENTRIES
from integration_hub.store.engine import Row, Tx
from integration_hub.store.ids import floor_of
from integration_hub.store.moments import from_ms, to_ms
from integration_hub.store.subject import Conditions, Subject

_COLUMNS = "id, at, namespace, actor, action, resource, name, outcome, detail, correlation_id"
_INSERT = f"""
    INSERT INTO audit_log ({_COLUMNS}, size) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""  # noqa: S608 - our own column names


async def write_audits(tx: Tx, batch: Batch) -> None:
    await tx.run_many(_INSERT, batch.audits)


class AuditTable(Subject):
    """ports.AuditLog."""

    def record_audit(self, record: AuditRecord) -> None:
        self.recorder.audit(record)

    async def find_audit(self, query: AuditQuery) -> Sequence[AuditRecord]:
        await self.recorder.flush()
        where = Conditions()
        where.require(f"namespace = {where.value(query.namespace)}")
        if query.name:
            where.require(f"name = {where.value(query.name)}")
        if query.actor:
            where.require(f"actor = {where.value(query.actor)}")
        if query.since is not None:
            where.require(f"at >= {where.value(to_ms(query.since))}")
            where.require(f"id >= {where.value(floor_of(query.since))}")
        if query.before:
            where.require(f"id < {where.value(query.before)}")
        limit = where.value(max(0, min(query.limit, MOST_ENTRIES)))
        sql = f"SELECT {_COLUMNS} FROM audit_log WHERE {where} ORDER BY id DESC LIMIT {limit}"  # noqa: S608

        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(sql, *where.values)

        return [_record(row) for row in await self.engine.read(work)]


def _record(row: Row) -> AuditRecord:
    entry_id, at, namespace, actor, action, resource, name, outcome, detail, correlation_id = row
    return AuditRecord(
        at=from_ms(at),
        namespace=namespace,
        actor=actor,
        action=action,
        resource=resource,
        name=name,
        outcome=outcome,
        detail=detail,
        correlation_id=correlation_id,
        id=entry_id,
    )
