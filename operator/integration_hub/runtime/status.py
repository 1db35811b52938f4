"""The one writer of status: writes whole, on the very object that was decided about, or not at all.

Nothing is written unless a *fact* differs. *Riders* (last check time, counters) travel with a write that
happens anyway and never cause one. What the API server answers goes back into the cache at once, so that
the next reconcile does not decide on what was before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Protocol

from integration_hub.ports import ApiError, Cluster, Json, Resource
from integration_hub.runtime.cache import CachedObject, ObjectCache


class StatusKind(Protocol):
    """What the writer needs to know of a kind; `api.meta.KindInfo` is one."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def namespaced(self) -> bool: ...
    @property
    def riders(self) -> Collection[str]:
        """Dotted status paths that never cause a write; a list on the way stands for each of its items."""
        ...


class WriteOutcome(StrEnum):
    """What became of a status. All but `WRITTEN` left the object as it was."""

    UNCHANGED = "Unchanged"
    WRITTEN = "Written"
    CONFLICT = "Conflict"
    """Somebody changed the object in between; the cache knows its newer state. Decide again."""
    GONE = "Gone"
    """The object was deleted, or is another one under the same name by now."""


Observer = Callable[[str, WriteOutcome], None]
"""Told `(kind, outcome)` of each call, for metrics."""

_RIDER: dict[str, Json] = {}
_Riders = dict[str, Json]


def resource_of(kind: StatusKind) -> Resource:
    """A kind's address in the API."""
    return Resource(kind.group, kind.version, kind.plural, kind.kind, namespaced=kind.namespaced)


class StatusWriter:
    """See the module's text."""

    def __init__(self, cluster: Cluster, cache: ObjectCache, *, observe: Observer | None = None) -> None:
        self._cluster = cluster
        self._cache = cache
        self._observe = observe
        self._kinds: dict[str, tuple[Resource, _Riders]] = {}

    async def write(self, kind: StatusKind, observed: CachedObject, desired: Json) -> WriteOutcome:
        """Make `desired` the status of `observed`, if that is still the object as it is.

        Raises ApiError for what the caller can only retry, NotLeaderError where this process may not write.
        """
        resource, riders = self._known(kind)
        if same_facts(observed.load().get("status"), desired, riders):
            outcome = WriteOutcome.UNCHANGED
        else:
            outcome = await self._write(resource, observed, desired)
        if self._observe is not None:
            self._observe(resource.kind, outcome)
        return outcome

    async def _write(self, resource: Resource, observed: CachedObject, desired: Json) -> WriteOutcome:
        key = observed.key
        present = self._cache.get(key)
        if present is None or present.uid != observed.uid:
            return WriteOutcome.GONE
        if present.resource_version != observed.resource_version:
            return WriteOutcome.CONFLICT  # the API server would say so too
        # The watch may bring our own write back before its answer is here: tell the cache whose it is.
        self._cache.expect_status(key, desired)
        try:
            answer = await self._cluster.apply_status(
                resource, key.namespace, key.name, desired, resource_version=str(observed.resource_version)
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            self._cache.expect_status(key, None)
            return await self._catch_up(resource, observed)
        self._cache.upsert(key.kind, answer, own=True)
        self._cache.expect_status(key, None)
        return WriteOutcome.WRITTEN

    async def _catch_up(self, resource: Resource, observed: CachedObject) -> WriteOutcome:
        """The object moved on and the feed has not said so yet (or is down): look, so that a retry decides
        on what is and not on what was.
        """
        key = observed.key
        fresh = await self._cluster.get(resource, key.namespace, key.name)
        if fresh is None:
            self._cache.remove(key, observed.uid)
            return WriteOutcome.GONE
        self._cache.upsert(key.kind, fresh)
        return WriteOutcome.CONFLICT if fresh["metadata"]["uid"] == observed.uid else WriteOutcome.GONE

    def _known(self, kind: StatusKind) -> tuple[Resource, _Riders]:
        known = self._kinds.get(kind.kind)
        if known is None:
            known = self._kinds[kind.kind] = (resource_of(kind), rider_tree(kind.riders))
        return known


def rider_tree(paths: Iterable[str]) -> _Riders:
    """Dotted paths as nested dicts; a leaf is the empty dict `_RIDER` itself."""
    tree: _Riders = {}
    for path in paths:
        *parents, leaf = path.split(".")
        branch = tree
        for parent in parents:
            if branch.get(parent) is _RIDER:
                break  # a parent is a rider as a whole
            branch = branch.setdefault(parent, {})
        else:
            branch[leaf] = _RIDER
    return tree


def same_facts(current: Json, desired: Json, riders: _Riders) -> bool:
    """Whether two statuses say the same, riders aside. A part that holds only riders equals an absent one."""
    if not riders:
        return bool(current == desired)
    if isinstance(desired, list) and isinstance(current, list):
        return len(current) == len(desired) and all(
            same_facts(was, will, riders) for was, will in zip(current, desired, strict=True)
        )
    current = {} if current is None else current
    desired = {} if desired is None else desired
    if not isinstance(current, dict) or not isinstance(desired, dict):
        return bool(current == desired)
    for name in current.keys() | desired.keys():
        below = riders.get(name)
        if below is _RIDER:
            continue
        if not same_facts(current.get(name), desired.get(name), below or {}):
            return False
    return True
