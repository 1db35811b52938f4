"""Providers that a namespace may connect: the catalogue, its own, and what others share with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from integration_hub.api.errors import ErrorCode
from integration_hub.api.provider import (
    CLUSTER_INTEGRATION_PROVIDER,
    INTEGRATION_PROVIDER,
    AuthType,
    Category,
    ProviderSpec,
)
from integration_hub.operations.admission import Admission
from integration_hub.operations.paging import Page, page_of
from integration_hub.ports import Access, Caller, Json, Key, Problem
from integration_hub.providers.reading import ProviderReader
from integration_hub.runtime.cache import CachedObject, ObjectCache

COMMON = "common"
"""The audience that every other one includes: what suits all (003: Common, All Executive Types)."""


@dataclass(frozen=True, slots=True)
class ProviderFilter:
    """Which ones; None and empty: any. `namespace` empty: the catalogue alone."""

    namespace: str = ""
    category: Category | None = None
    audience: str = ""
    auth_type: AuthType | None = None
    limit: int = 100
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class FoundProvider:
    """One provider as it is now. `schema` is its configSchema as full JSON Schema."""

    key: Key
    uid: str
    spec: ProviderSpec
    schema: Mapping[str, Json]
    created: str
    updated: str


ProviderPage = Page[FoundProvider]


class Providers:
    """Reads providers from the watch-fed cache. Needs: list or get on integrationproviders of the namespace,
    or, without a namespace, on clusterintegrationproviders.
    """

    def __init__(self, cache: ObjectCache, reader: ProviderReader, admission: Admission) -> None:
        self._cache = cache
        self._reader = reader
        self._admission = admission

    async def list(self, caller: Caller, wanted: ProviderFilter) -> ProviderPage | Problem:
        """One page, by name."""
        problem = await self._refusal(caller, "list", wanted.namespace)
        if problem is not None:
            return problem
        found = [each for each in self._visible(wanted.namespace) if _fits(each.spec, wanted)]
        found.sort(key=lambda each: (each.key.name, each.uid))
        return page_of(found, lambda each: (each.key.name, each.uid), wanted.limit, wanted.cursor)

    async def get(self, caller: Caller, namespace: str, name_or_uid: str) -> FoundProvider | Problem:
        """By name or uid. A name means the catalogue's provider first, then the namespace's own."""
        problem = await self._refusal(caller, "get", namespace)
        if problem is not None:
            return problem
        return self.find(namespace, name_or_uid) or Problem(
            ErrorCode.NOT_FOUND,
            f"There is no provider {name_or_uid[:253]} here{self.guess(namespace, name_or_uid)}.",
        )

    async def categories(self, caller: Caller, namespace: str) -> Mapping[Category, int] | Problem:
        """Every category, with how many visible providers it has."""
        problem = await self._refusal(caller, "list", namespace)
        if problem is not None:
            return problem
        counts = dict.fromkeys(Category, 0)
        for each in self._visible(namespace):
            counts[each.spec.category] += 1
        return counts

    def find(self, namespace: str, name_or_uid: str) -> FoundProvider | None:
        """As `get`, for operations that have asked for rights of their own."""
        for kind, place in ((CLUSTER_INTEGRATION_PROVIDER.kind, ""), (INTEGRATION_PROVIDER.kind, namespace)):
            observed = self._cache.get(Key(kind, place, name_or_uid))
            if observed is not None and not observed.deleting:
                return self._found(observed)
        for observed in self._candidates(namespace):
            if observed.uid == name_or_uid:
                found = self._found(observed)
                return found if found is not None and _usable_from(found, namespace) else None
        return None

    def guess(self, namespace: str, misspelt: str) -> str:
        """Which visible provider was probably meant, for the end of a sentence; empty if none is like it."""
        names = {each.key.name for each in self._visible(namespace)}
        near = get_close_matches(misspelt[:64].lower(), sorted(names), n=2)
        return f" (did you mean {' or '.join(near)}?)" if near else ""

    # ------------------------------------------------------------------ inside

    async def _refusal(self, caller: Caller, verb: str, namespace: str) -> Problem | None:
        info = INTEGRATION_PROVIDER if namespace else CLUSTER_INTEGRATION_PROVIDER
        return await self._admission.refusal(caller, Access(verb, info.plural, namespace))

    def _visible(self, namespace: str) -> Iterator[FoundProvider]:
        for observed in self._candidates(namespace):
            found = self._found(observed)
            if found is not None and _usable_from(found, namespace):
                yield found

    def _candidates(self, namespace: str) -> Iterator[CachedObject]:
        yield from self._cache.objects(CLUSTER_INTEGRATION_PROVIDER.kind)
        if namespace:
            yield from self._cache.objects(INTEGRATION_PROVIDER.kind)

    def _found(self, observed: CachedObject) -> FoundProvider | None:
        known = self._reader.read(observed.key)
        if known is None or observed.deleting:
            return None
        examined = known.examined
        return FoundProvider(
            key=observed.key,
            uid=observed.uid,
            spec=examined.spec,
            schema=examined.config_schema.schema if examined.config_schema is not None else {},
            created=observed.created,
            updated=(observed.load().get("status") or {}).get("updatedAt") or observed.created,
        )


def _usable_from(found: FoundProvider, namespace: str) -> bool:
    if found.key.namespace in {"", namespace}:
        return True
    return bool(namespace) and not {"*", namespace}.isdisjoint(found.spec.shared_with)


def _fits(spec: ProviderSpec, wanted: ProviderFilter) -> bool:
    return (
        (wanted.category is None or spec.category is wanted.category)
        and (not wanted.audience or not {COMMON, wanted.audience}.isdisjoint(spec.audiences))
        and (wanted.auth_type is None or any(mode.type is wanted.auth_type for mode in spec.auth_modes))
    )
