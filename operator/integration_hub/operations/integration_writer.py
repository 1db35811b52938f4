"""Writes Integrations on callers' behalf: by server-side apply, not past GitOps, not over what is newer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.api.reasons import Reason
from integration_hub.domain import gitops
from integration_hub.operations.integration_view import CREATED_BY
from integration_hub.operations.integrations import not_found
from integration_hub.ports import (
    ApiError,
    Caller,
    Cluster,
    CredentialIntake,
    CredentialProblem,
    Json,
    Key,
    PatchType,
    Problem,
    SecretText,
)
from integration_hub.runtime.cache import CachedObject, ObjectCache
from integration_hub.runtime.status import resource_of

MANAGER = "integration-hub-gateway"
_TRIES = 3
_RESOURCE = resource_of(INTEGRATION)

Edit = Callable[[Json], dict[str, Json] | Problem]
"""From the object as it is to the whole spec as it shall be."""


class IntegrationWriter:
    """The last step of every operation that changes one. `cluster` is not gated by leadership."""

    def __init__(self, cluster: Cluster, cache: ObjectCache, intake: CredentialIntake) -> None:
        self._cluster = cluster
        self._cache = cache
        self._intake = intake

    async def create(
        self, caller: Caller, namespace: str, name: str, spec: Mapping[str, Json]
    ) -> CachedObject | Problem:
        """Apply what is not there yet. CONFLICT where it is: hold a lock on the name meanwhile."""
        try:
            if await self._cluster.get(_RESOURCE, namespace, name) is not None:
                return taken(name)
            metadata = {"name": name, "annotations": {CREATED_BY: caller.user}}
            answer = await self._apply(namespace, name, metadata, spec, force=False)
        except ApiError as error:
            return refused(error, namespace)
        return self._remember(answer)

    async def edit(self, found: CachedObject, edit: Edit, *, force: bool) -> CachedObject | Problem:
        """Apply the edited spec on the object as it was read, and begin anew if it moved on meanwhile.

        The whole spec is applied: of a partial one, the API server would drop what it leaves out.
        """
        namespace, name = found.key.namespace, found.key.name
        obj: Json = found.load()
        for last in (*(False,) * (_TRIES - 1), True):
            kept = self.kept_by_gitops(obj, force=force)
            spec = kept or edit(obj)
            if isinstance(spec, Problem):
                return spec
            try:
                answer = await self._apply(namespace, name, _same(obj), spec, force=True)
            except ApiError as error:
                if error.status != 409 or last:
                    return refused(error, namespace)
                fresh = await self._reread(namespace, name, found.uid)
                if isinstance(fresh, Problem):
                    return fresh
                obj = fresh
            else:
                return self._remember(answer)
        raise AssertionError("the last try returns")

    async def delete(self, found: CachedObject) -> Problem | None:
        """Delete this very object; fine where it is gone already."""
        try:
            await self._cluster.delete(_RESOURCE, found.key.namespace, found.key.name, uid=found.uid)
        except ApiError as error:
            return refused(error, found.key.namespace)
        return None

    async def keep_credentials(
        self, caller: Caller, found: CachedObject, given: Mapping[str, SecretText]
    ) -> Problem | None:
        """Put given credentials into the Secret that belongs to it."""
        if not given:
            return None
        trouble = await self._intake.keep(found.key, found.uid, given, caller=caller.user)
        return None if trouble is None else _credential_problem(trouble)

    def kept_by_gitops(self, obj: Json, *, force: bool) -> Problem | None:
        """MANAGED_BY_GITOPS where a tool keeps it and nobody insists."""
        metadata = obj["metadata"]
        tool = gitops.keeper(metadata.get("labels") or {}, metadata.get("annotations") or {})
        if not tool or force:
            return None
        return Problem(
            ErrorCode.MANAGED_BY_GITOPS,
            f"{metadata['name']} is kept by {tool}, which would undo this: change it in its repository, "
            "or insist with force=true.",
        )

    # ------------------------------------------------------------------ inside

    async def _apply(
        self, namespace: str, name: str, metadata: Json, spec: Mapping[str, Json], *, force: bool
    ) -> Json:
        body = {"metadata": {**metadata, "namespace": namespace}, "spec": dict(spec)}
        return await self._cluster.patch(
            _RESOURCE, namespace, name, body, PatchType.APPLY, force=force, manager=MANAGER
        )

    async def _reread(self, namespace: str, name: str, uid: str) -> Json | Problem:
        fresh = await self._cluster.get(_RESOURCE, namespace, name)
        if fresh is None or fresh["metadata"]["uid"] != uid:
            return not_found(namespace, name)
        return fresh

    def _remember(self, answer: Json) -> CachedObject:
        """So that the caller's next request sees what this one did, however late the watch is."""
        self._cache.upsert(INTEGRATION.kind, answer)
        metadata = answer["metadata"]
        key = Key(INTEGRATION.kind, metadata["namespace"], metadata["name"])
        found = self._cache.get(key)
        if found is None:
            raise LookupError(f"{key} was written and is deleted already")
        return found


def taken(name: str) -> Problem:
    return Problem(ErrorCode.CONFLICT, f"name: an Integration called {name} is there already")


def _same(obj: Json) -> dict[str, Json]:
    """Metadata by which only this object, as it was read, is meant; what we once set stays set."""
    metadata = obj["metadata"]
    named = {part: metadata[part] for part in ("name", "uid", "resourceVersion")}
    creator = (metadata.get("annotations") or {}).get(CREATED_BY)
    return {**named, "annotations": {CREATED_BY: creator}} if creator else named


def refused(error: ApiError, namespace: str) -> Problem:
    """What the API server said, where a caller can act on it. Raises where nobody can."""
    if error.status == 409:
        return Problem(ErrorCode.CONFLICT, error.message)
    if error.status in {400, 422}:
        return Problem(ErrorCode.INVALID_REQUEST, error.message)
    if error.status == 404:
        return Problem(ErrorCode.NOT_FOUND, f"There is no namespace {namespace}.")
    if error.status == 403:
        return Problem(ErrorCode.FORBIDDEN, f"The API server refuses this to the hub: {error.message}")
    raise error


def _credential_problem(trouble: CredentialProblem) -> Problem:
    code = {
        Reason.ENCRYPTION_ERROR: ErrorCode.ENCRYPTION_ERROR,
        Reason.SECRET_ACCESS_DENIED: ErrorCode.FORBIDDEN,
    }.get(trouble.reason, ErrorCode.INVALID_CREDENTIALS if trouble.lasting else ErrorCode.NOT_READY)
    return Problem(code, trouble.message, trouble.retry_after)
