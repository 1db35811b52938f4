"""Custom integrations: the namespaced providers of a project, and those that others share with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from integration_hub.api.errors import ErrorCode
from integration_hub.api.meta import GROUP
from integration_hub.api.provider import INTEGRATION_PROVIDER, ProviderSpec
from integration_hub.domain.config_schema import ConfigSchema
from integration_hub.domain.provider import may_use
from integration_hub.operations.admission import Admission
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Access, Caller, Json, Key, Problem
from integration_hub.providers.reading import ProviderReader
from integration_hub.runtime.cache import CachedObject, ObjectCache

CALLED = f"{GROUP}/custom-name"
ABOUT = f"{GROUP}/custom-description"
"""Annotations with what a custom integration was called when it was made over HTTP: its template has a name
and a description of its own, which are those of the provider.
"""


@dataclass(frozen=True, slots=True)
class CustomIntegration:
    """`raw_spec` is the provider's spec as it stands in the cluster, `spec` the same as it is read."""

    key: Key
    uid: str
    name: str
    description: str
    spec: ProviderSpec
    raw_spec: Mapping[str, Json] = field(repr=False)
    config_schema: ConfigSchema | None = field(repr=False)
    created: str
    problem: str
    """Why it cannot be used; empty if it can."""


class FindCustom:
    """From the watch-fed cache."""

    def __init__(self, cache: ObjectCache, reader: ProviderReader, admission: Admission) -> None:
        self._cache = cache
        self._reader = reader
        self._admission = admission

    async def get(
        self, caller: Caller, namespace: str, wanted: str, trail: Trail = NO_TRAIL
    ) -> CustomIntegration | Problem:
        """By uid, or by name within the namespace. Needs: get integrationproviders, there or where it is.

        One of another namespace that is neither shared with this one nor open to the caller is not there.
        """
        found = self.find(namespace, wanted)
        place = found.key.namespace if found is not None else namespace
        if found is not None and place != namespace and may_use(found.spec, place, namespace):
            place = namespace
        access = Access(
            "get", INTEGRATION_PROVIDER.plural, place, wanted if found is None else found.key.name
        )
        refusal = await self._admission.refusal(caller, access, trail)
        if refusal is not None:
            hidden = place != namespace and refusal.code is ErrorCode.FORBIDDEN
            return not_found(wanted) if hidden else refusal
        return found or not_found(wanted)

    async def list(
        self, caller: Caller, namespace: str, trail: Trail = NO_TRAIL
    ) -> Sequence[CustomIntegration] | Problem:
        """The namespace's own and those shared with it, by name. Needs: list integrationproviders."""
        access = Access("list", INTEGRATION_PROVIDER.plural, namespace)
        refusal = await self._admission.refusal(caller, access, trail)
        if refusal is not None:
            return refusal
        found = [each for each in self._all() if may_use(each.spec, each.key.namespace, namespace)]
        return sorted(found, key=lambda each: (each.name, each.key))

    def find(self, namespace: str, wanted: str) -> CustomIntegration | None:
        """Whoever it belongs to: for operations that ask for rights of their own."""
        named = self._cache.get(Key(INTEGRATION_PROVIDER.kind, namespace, wanted))
        if named is not None:
            return self.show(named)
        by_uid = (each for each in self._cache.objects(INTEGRATION_PROVIDER.kind) if each.uid == wanted)
        return self.show(found) if (found := next(by_uid, None)) is not None else None

    def show(self, found: CachedObject) -> CustomIntegration | None:
        """What there is to tell of it; None if it is going away."""
        known = self._reader.read(found.key)
        if known is None or found.deleting:
            return None
        obj = found.load()
        annotations = obj["metadata"].get("annotations") or {}
        examined = known.examined
        return CustomIntegration(
            key=found.key,
            uid=found.uid,
            name=annotations.get(CALLED) or examined.spec.display_name,
            description=annotations.get(ABOUT) or examined.spec.description,
            spec=examined.spec,
            raw_spec=obj.get("spec") or {},
            config_schema=examined.config_schema,
            created=found.created,
            problem="; ".join(each.message for each in examined.problems),
        )

    def _all(self) -> Iterator[CustomIntegration]:
        for each in self._cache.objects(INTEGRATION_PROVIDER.kind):
            shown = self.show(each)
            if shown is not None:
                yield shown


def not_found(wanted: str) -> Problem:
    return Problem(ErrorCode.NOT_FOUND, f"There is no custom integration {wanted[:253]!r} here.")
