"""Delete an Integration (INT-24, INT-29); its finalizer undoes what lies outside."""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.operations.integration_writer import IntegrationWriter
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Caller, Problem


@dataclass(frozen=True, slots=True)
class DeleteInput:
    """`integration` is a name or uid."""

    namespace: str
    integration: str
    force: bool = False
    trail: Trail = NO_TRAIL


class DeleteIntegration:
    """Needs: delete integrations. 409 MANAGED_BY_GITOPS where a tool would make it anew, unless forced."""

    def __init__(self, integrations: Integrations, writer: IntegrationWriter) -> None:
        self._integrations = integrations
        self._writer = writer

    async def __call__(self, caller: Caller, asked: DeleteInput) -> Problem | None:
        """None: it is gone, or on its way."""
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, verb="delete", trail=asked.trail
        )
        if isinstance(found, Problem):
            return found
        kept = self._writer.kept_by_gitops(found.load(), force=asked.force)
        return kept or await self._writer.delete(found)
