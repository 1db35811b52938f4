"""000's and 001's products: `/api/v1/hub/products…`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from integration_hub.api.meta import DNS_LABEL
from integration_hub.gateway.errors import told
from integration_hub.gateway.families.calls import trail_of
from integration_hub.gateway.families.models.product import ProductStatusAnswer
from integration_hub.gateway.identity import Asking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route
from integration_hub.operations.product_status import ProductStatusInput

PREFIX = "/api/v1/hub/products"
FOR_PRODUCTS: dict[str, Any] = {"security": [{"bearer": []}, {"productKey": []}]}
"""A route that a product's key opens, too, as /openapi.json says it."""
ProductId = Annotated[
    str, Path(min_length=1, max_length=63, pattern=DNS_LABEL, description="Id of the product.")
]


class ProductRoutes:
    """What products and those who look after them ask for. A product's own key is enough for its own."""

    def __init__(self, parts: GatewayParts) -> None:
        self._status = parts.operations.product_status

    def router(self) -> APIRouter:
        router = APIRouter(prefix=PREFIX, tags=["products"], route_class=api_route(None))
        router.add_api_route(
            "/{product_id}/status",
            self.status,
            methods=["GET"],
            summary="Get product status",
            openapi_extra=FOR_PRODUCTS,
        )
        return router

    async def status(self, asking: Asking, product_id: ProductId) -> ProductStatusAnswer:
        asked = ProductStatusInput(asking.namespace, product_id, trail_of(asking))
        return ProductStatusAnswer.of(told(await self._status(asking.caller, asked)))
