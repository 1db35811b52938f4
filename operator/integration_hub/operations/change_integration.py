"""Change an Integration: replace it, edit parts of it, switch it on and off (INT-23, INT-26, INT-28)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from integration_hub.operations.find_integrations import FindIntegrations
from integration_hub.operations.integration_draft import IntegrationDraft, Judge
from integration_hub.operations.integration_view import IntegrationView
from integration_hub.operations.integration_writer import Edit, IntegrationWriter
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Caller, Json, Problem, SecretText
from integration_hub.runtime.cache import CachedObject

Change = Callable[[dict[str, Json]], "dict[str, Json] | Problem"]
"""From the whole spec as it stands to the whole spec as it shall be. Called anew if it moved on meanwhile."""


@dataclass(frozen=True, slots=True)
class ReplaceInput:
    """`integration` is a name or uid; `draft` all that it shall be."""

    namespace: str
    integration: str
    draft: IntegrationDraft
    force: bool = False
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class EditInput:
    """`change` is given a copy of the spec, in the CRD's own shape."""

    namespace: str
    integration: str
    change: Change
    credentials: Mapping[str, SecretText] = field(default_factory=dict, repr=False)
    force: bool = False
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class ToggleInput:
    """`enabled` None: the other way round than now (C-45)."""

    namespace: str
    integration: str
    enabled: bool | None = None
    force: bool = False
    trail: Trail = NO_TRAIL


class ChangeIntegration:
    """All three ways. 409 MANAGED_BY_GITOPS where a tool would undo it, unless forced."""

    def __init__(
        self, integrations: Integrations, judge: Judge, writer: IntegrationWriter, finder: FindIntegrations
    ) -> None:
        self._integrations = integrations
        self._judge = judge
        self._writer = writer
        self._finder = finder

    async def replace(self, caller: Caller, asked: ReplaceInput) -> IntegrationView | Problem:
        """What the draft leaves out goes back to its default. Needs: update integrations."""
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, verb="update", trail=asked.trail
        )
        if isinstance(found, Problem):
            return found
        spec = self._judge.spec_of(asked.namespace, asked.draft)
        if isinstance(spec, Problem):
            return spec
        wanted = dict(spec)
        return await self._write(
            caller, found, lambda _: wanted, credentials=asked.draft.credentials, force=asked.force
        )

    async def edit(self, caller: Caller, asked: EditInput) -> IntegrationView | Problem:
        """What is not named stays as it is. Needs: patch integrations."""
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, verb="patch", trail=asked.trail
        )
        if isinstance(found, Problem):
            return found
        return await self._write(
            caller,
            found,
            lambda obj: asked.change(copy.deepcopy(obj.get("spec") or {})),
            credentials=asked.credentials,
            force=asked.force,
        )

    async def toggle(self, caller: Caller, asked: ToggleInput) -> IntegrationView | Problem:
        """Switch it on or off. Needs: patch integrations."""
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, verb="patch", trail=asked.trail
        )
        if isinstance(found, Problem):
            return found
        enabled = asked.enabled
        if enabled is None:  # decided once, so that trying again after a conflict does not turn it back
            enabled = (found.load().get("spec") or {}).get("enabled") is False

        def switched(obj: Json) -> dict[str, Json]:
            return {**(obj.get("spec") or {}), "enabled": enabled}

        # Not judged: what is wrong with an Integration is no reason to go on calling through it.
        changed = await self._writer.edit(found, switched, force=asked.force)
        return changed if isinstance(changed, Problem) else self._finder.show(changed)

    async def _write(
        self,
        caller: Caller,
        found: CachedObject,
        edit: Edit,
        *,
        credentials: Mapping[str, SecretText],
        force: bool,
    ) -> IntegrationView | Problem:
        def judged(obj: Json) -> dict[str, Json] | Problem:
            spec = edit(obj)
            if isinstance(spec, Problem):
                return spec
            key = found.key
            return self._judge.problem(key.namespace, key.name, spec, uid=found.uid) or spec

        changed = await self._writer.edit(found, judged, force=force)
        if isinstance(changed, Problem):
            return changed
        problem = await self._writer.keep_credentials(caller, changed, credentials)
        return problem or self._finder.show(changed)
