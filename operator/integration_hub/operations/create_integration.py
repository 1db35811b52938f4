"""Create an Integration on a caller's behalf (INT-21, INT-27)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION, Environment
from integration_hub.domain import naming
from integration_hub.operations.admission import Admission
from integration_hub.operations.find_integrations import FindIntegrations
from integration_hub.operations.integration_draft import IntegrationDraft, Judge
from integration_hub.operations.integration_view import IntegrationView
from integration_hub.operations.integration_writer import IntegrationWriter, taken
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Access, Caller, Entropy, Json, Key, Locks, Problem
from integration_hub.runtime.cache import ObjectCache

_LOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class CreateInput:
    namespace: str
    draft: IntegrationDraft
    trail: Trail = NO_TRAIL


class CreateIntegration:
    """Judge, lock, apply, then keep the credentials.

    In that order: the Secret belongs to the Integration and needs its uid. A crash between the two leaves
    an Integration without credentials, which says so itself and takes them by an update.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        judge: Judge,
        writer: IntegrationWriter,
        finder: FindIntegrations,
        cache: ObjectCache,
        locks: Locks,
        entropy: Entropy,
    ) -> None:
        self._admission = admission
        self._judge = judge
        self._writer = writer
        self._finder = finder
        self._cache = cache
        self._locks = locks
        self._entropy = entropy

    async def __call__(self, caller: Caller, asked: CreateInput) -> IntegrationView | Problem:
        """Needs: create integrations. CONFLICT where the name or the claim is taken (INT-15)."""
        namespace, draft = asked.namespace, asked.draft
        access = Access("create", INTEGRATION.plural, namespace)
        refusal = await self._admission.refusal(caller, access, asked.trail)
        if refusal is not None:
            return refusal
        spec = self._judge.spec_of(namespace, draft)
        if isinstance(spec, Problem):
            return spec
        # Two at once would both find the name and the claim free: one after the other, on all replicas.
        lock = f"create-integration/{hashlib.sha256(namespace.encode()).hexdigest()[:32]}"
        holder = self._entropy.uuid()
        if not await self._locks.try_lock(lock, holder, _LOCK_SECONDS):
            return Problem(ErrorCode.OVERLOADED, "Another one is being created in this namespace.", 1.0)
        try:
            return await self._create(caller, namespace, draft, spec)
        finally:
            await self._locks.unlock(lock, holder)

    async def _create(
        self, caller: Caller, namespace: str, draft: IntegrationDraft, spec: dict[str, Json]
    ) -> IntegrationView | Problem:
        name = self._free_name(namespace, draft.display_name, spec)
        if isinstance(name, Problem):
            return name
        problem = self._judge.problem(namespace, name, spec)
        if problem is not None:
            return problem
        found = await self._writer.create(caller, namespace, name, spec)
        if isinstance(found, Problem):
            return found
        problem = await self._writer.keep_credentials(caller, found, draft.credentials)
        if problem is not None:
            await self._writer.delete(found)  # it was asked for with credentials or not at all
            return problem
        return self._finder.show(found)

    def _free_name(self, namespace: str, called: str, spec: dict[str, Json]) -> str | Problem:
        """The object's name: what it is called; where that is taken, with environment and instance."""
        base = naming.object_name(called)
        if not base:
            return Problem(ErrorCode.INVALID_REQUEST, "name: needs a letter or a digit (a-z, 0-9)")
        if base in naming.RESERVED:
            return Problem(
                ErrorCode.INVALID_REQUEST, f"name: {base!r} is a word of the API; choose another name"
            )
        environment = str(spec.get("environment") or Environment.PRODUCTION.value).lower()
        instance = str(spec.get("instance") or "")
        suffix = environment if environment != Environment.PRODUCTION.value.lower() else ""
        names = [base, naming.suffixed(base, suffix), naming.suffixed(base, suffix, instance)]
        free = (name for name in names if self._cache.get(Key(INTEGRATION.kind, namespace, name)) is None)
        return next(free, None) or taken(names[-1])
