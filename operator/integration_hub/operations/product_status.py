"""How a product is: its registration, the verdict that stands, and what was seen of it last (PRD-04)."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from integration_hub.api.conditions import READY, Condition
from integration_hub.api.errors import ErrorCode
from integration_hub.api.product_registration import ProductRegistrationSpec, ProductRegistrationStatus
from integration_hub.domain.product_watch import health_url
from integration_hub.operations.products import Products
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Caller, Key, Problem
from integration_hub.runtime.cache import CachedObject


@dataclass(frozen=True, slots=True)
class ProductStatusInput:
    """`product_id` as in the registration's spec."""

    namespace: str
    product_id: str
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class ProductStatus:
    """`ready` is the condition Ready; None while the hub has not said anything yet."""

    registration: Key
    spec: ProductRegistrationSpec
    status: ProductRegistrationStatus
    health_endpoint: str
    ready: Condition | None


class ReadProductStatus:
    """For whoever may read the registration: people and services by RBAC, the product itself by its key."""

    def __init__(self, products: Products) -> None:
        self._products = products

    async def __call__(self, caller: Caller, asked: ProductStatusInput) -> ProductStatus | Problem:
        """From the watch-fed cache; nobody is asked."""
        found = await self._products.open(caller, asked.namespace, asked.product_id, trail=asked.trail)
        return found if isinstance(found, Problem) else _told(found)


def _told(found: CachedObject) -> ProductStatus | Problem:
    obj = found.load()
    try:
        spec = ProductRegistrationSpec.model_validate(obj.get("spec") or {})
        status = ProductRegistrationStatus.model_validate(obj.get("status") or {})
    except ValidationError:
        return Problem(
            ErrorCode.INVALID_CONFIGURATION,
            f"The registration {found.key.name} cannot be read; its condition Ready says why.",
        )
    ready = next((each for each in status.conditions if each.type == READY), None)
    return ProductStatus(found.key, spec, status, health_url(spec), ready)
