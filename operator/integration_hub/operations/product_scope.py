"""What a product may do by its own key: a few things with its own registration, and nothing else.

RBAC is not asked: it knows no products. Whatever is not listed here is refused, so that a route which
somebody adds tomorrow is closed to products until it is listed.
"""

from __future__ import annotations

from integration_hub.api.errors import ErrorCode
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.ports import Access, Authorizer, Caller, Problem

OWN = frozenset({("get", "")})
"""Verb and subresource of what a product may do with its own registration."""


class ProductScope:
    """ports.Authorizer: answers for products itself, and asks another one about everybody else."""

    def __init__(self, others: Authorizer) -> None:
        self._others = others

    async def refusal(self, caller: Caller, access: Access) -> Problem | None:
        if caller.kind != "product":
            return await self._others.refusal(caller, access)
        return None if _own(caller, access) else Problem(ErrorCode.FORBIDDEN, _lacking(caller))


def _own(caller: Caller, access: Access) -> bool:
    return (
        bool(caller.registration)
        and access.resource == PRODUCT_REGISTRATION.plural
        and (access.namespace, access.name) == (caller.namespace, caller.registration)
        and (access.verb, access.subresource) in OWN
    )


def _lacking(caller: Caller) -> str:
    return f"{caller.user} may use its key for its own registration only."
