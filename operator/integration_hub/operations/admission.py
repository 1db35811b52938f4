"""Whether a caller may do something here, and the row of the audit that is left either way."""

from __future__ import annotations

from integration_hub.api.errors import ErrorCode
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Access, AuditLog, AuditRecord, Authorizer, Caller, Clock, Problem


class Admission:
    """The first step of every operation."""

    def __init__(self, authorizer: Authorizer, audit: AuditLog, clock: Clock) -> None:
        self._authorizer = authorizer
        self._audit = audit
        self._clock = clock

    async def refusal(self, caller: Caller, access: Access, trail: Trail = NO_TRAIL) -> Problem | None:
        """None if they may. Audited as allowed or denied; as failed where nobody could tell."""
        problem = await self._authorizer.refusal(caller, access)
        outcome = "allowed" if problem is None else _outcome(problem)
        resource = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
        self._audit.record_audit(
            AuditRecord(
                at=self._clock.now(),
                namespace=access.namespace,
                actor=caller.user,
                action=access.verb,
                resource=resource,
                name=access.name,
                outcome=outcome,
                detail=problem.details if problem is not None else "",
                correlation_id=trail.correlation_id,
            )
        )
        return problem

    async def allows(self, caller: Caller, access: Access) -> bool:
        """Whether they may, asked for their own information (what to show them): not audited."""
        return await self._authorizer.refusal(caller, access) is None


def _outcome(problem: Problem) -> str:
    return "denied" if problem.code is ErrorCode.FORBIDDEN else "failed"
