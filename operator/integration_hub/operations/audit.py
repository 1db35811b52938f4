"""Who did what in a namespace, and every use of a credential; newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integration_hub.api.integration import INTEGRATION
from integration_hub.operations.admission import Admission
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Access, AuditLog, AuditQuery, AuditRecord, Caller, Problem

AUDIT = "audit"
"""The virtual subresource of integrations that lets somebody read a namespace's audit (verb list)."""
MOST = 1000


@dataclass(frozen=True, slots=True)
class AuditInput:
    """`name` and `actor` empty: any. `before`: `next` of the page before."""

    namespace: str
    name: str = ""
    actor: str = ""
    since: datetime | None = None
    limit: int = 100
    before: str = ""
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class AuditPage:
    """`next` leads to older entries; empty where there are none."""

    entries: Sequence[AuditRecord]
    next: str


class ReadAudit:
    """Of one namespace."""

    def __init__(self, admission: Admission, audit: AuditLog) -> None:
        self._admission = admission
        self._audit = audit

    async def __call__(self, caller: Caller, asked: AuditInput) -> AuditPage | Problem:
        """At most MOST entries. That somebody reads the audit is audited as well."""
        access = Access("list", INTEGRATION.plural, asked.namespace, subresource=AUDIT)
        refusal = await self._admission.refusal(caller, access, asked.trail)
        if refusal is not None:
            return refusal
        limit = min(max(asked.limit, 1), MOST)
        entries = await self._audit.find_audit(
            AuditQuery(
                namespace=asked.namespace,
                name=asked.name,
                actor=asked.actor,
                since=asked.since,
                before=asked.before,
                limit=limit + 1,
            )
        )
        page = entries[:limit]
        return AuditPage(page, page[-1].id if len(entries) > limit else "")
