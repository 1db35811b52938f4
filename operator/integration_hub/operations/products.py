"""Products as callers name them, and the way to one's registration: authorised, found."""

from __future__ import annotations

from integration_hub.api.errors import ErrorCode
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.operations.admission import Admission
from integration_hub.operations.integrations import decoded
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Access, Caller, Key, Problem
from integration_hub.runtime.cache import CachedObject, ObjectCache

KIND = PRODUCT_REGISTRATION.kind


class Products:
    """The registrations of the watch-fed cache, one namespace at a time: no id leads into another one."""

    def __init__(self, cache: ObjectCache, admission: Admission) -> None:
        self._cache = cache
        self._admission = admission

    async def find(self, namespace: str, product_id: str, *, prefer: str = "") -> CachedObject | None:
        """By `spec.productId`. Of several: `prefer`, else the one that is called so, else the oldest."""
        likely = dict.fromkeys(each for each in (prefer, product_id) if each)
        for name in likely:
            named = self._cache.get(Key(KIND, namespace, name))
            if named is not None and _product_id(named) == product_id:
                return named
        siblings = self._cache.objects(KIND, namespace)
        found = [each async for each, obj in decoded(list(siblings)) if _id_in(obj) == product_id]
        return min(found, key=lambda each: each.age, default=None)

    async def open(
        self,
        caller: Caller,
        namespace: str,
        product_id: str,
        *,
        verb: str = "get",
        subresource: str = "",
        trail: Trail = NO_TRAIL,
    ) -> CachedObject | Problem:
        """The registration, if the caller may do this with it.

        Who may not is refused before they can learn whether it exists.
        """
        prefer = caller.registration if namespace == caller.namespace else ""
        found = await self.find(namespace, product_id, prefer=prefer)
        name = found.key.name if found is not None else product_id
        access = Access(verb, PRODUCT_REGISTRATION.plural, namespace, name, subresource)
        refusal = await self._admission.refusal(caller, access, trail)
        if refusal is not None:
            return refusal
        return found if found is not None else not_found(namespace, product_id)


def not_found(namespace: str, product_id: str) -> Problem:
    return Problem(
        ErrorCode.NOT_FOUND, f"No product is registered as {product_id!r} in namespace {namespace}."
    )


def _product_id(found: CachedObject) -> str:
    return _id_in(found.load())


def _id_in(obj: object) -> str:
    spec = obj.get("spec") if isinstance(obj, dict) else None
    return str((spec or {}).get("productId") or "")
