"""Integrations as callers name them, and the way to one: authorised, found, usable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.operations.admission import Admission
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Access, Caller, Json, Key, Link, NoLink, Problem
from integration_hub.providers.linking import Linker
from integration_hub.runtime.cache import CachedObject, ObjectCache

_TURN = 128


class Integrations:
    """The Integrations of the watch-fed cache, one namespace at a time: no id leads into another one."""

    def __init__(self, cache: ObjectCache, admission: Admission, linker: Linker) -> None:
        self._cache = cache
        self._admission = admission
        self._linker = linker

    def find(self, namespace: str, wanted: str) -> CachedObject | None:
        """By object name or uid, within the namespace."""
        named = self._cache.get(Key(INTEGRATION.kind, namespace, wanted))
        if named is not None:
            return named
        siblings = self._cache.objects(INTEGRATION.kind, namespace)
        return next((each for each in siblings if each.uid == wanted), None)

    def all(self, namespace: str) -> list[CachedObject]:
        """Those of a namespace, by name."""
        return sorted(self._cache.objects(INTEGRATION.kind, namespace), key=lambda each: each.key.name)

    async def open(
        self,
        caller: Caller,
        namespace: str,
        wanted: str,
        *,
        verb: str = "get",
        subresource: str = "",
        trail: Trail = NO_TRAIL,
    ) -> CachedObject | Problem:
        """The Integration, if the caller may do this with it.

        Who may not is refused before they can learn whether it exists.
        """
        found = self.find(namespace, wanted)
        name = found.key.name if found is not None else wanted
        access = Access(verb, INTEGRATION.plural, namespace, name, subresource)
        refusal = await self._admission.refusal(caller, access, trail)
        if refusal is not None:
            return refusal
        return found if found is not None else not_found(namespace, wanted)

    async def link(
        self,
        caller: Caller,
        namespace: str,
        wanted: str,
        *,
        subresource: str,
        verb: str = "create",
        trail: Trail = NO_TRAIL,
    ) -> Link | Problem:
        """The same, ready to be called through."""
        found = await self.open(caller, namespace, wanted, verb=verb, subresource=subresource, trail=trail)
        if isinstance(found, Problem):
            return found
        link = self._linker.link(found)
        return link.problem if isinstance(link, NoLink) else link


async def decoded(found: Iterable[CachedObject]) -> AsyncIterator[tuple[CachedObject, Json]]:
    """Each with its decoded object; others get their turn in between, however many there are."""
    for number, each in enumerate(found, start=1):
        if number % _TURN == 0:
            await asyncio.sleep(0)
        yield each, each.load()


def not_found(namespace: str, wanted: str) -> Problem:
    return Problem(
        ErrorCode.INTEGRATION_NOT_FOUND, f"There is no Integration {wanted!r} in namespace {namespace}."
    )
