"""003's discovery: `/integrations` lists what can be connected (PRV-15, PRV-16; C-04)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from integration_hub.gateway.errors import told
from integration_hub.gateway.families.models import Listed
from integration_hub.gateway.families.models.provider import ProviderAnswer, ProviderQuery, listed
from integration_hub.gateway.families.spelling import UPPER
from integration_hub.gateway.identity import MaybeAsking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route


class DiscoveryRoutes:
    """The catalogue as executives' workspaces browse it."""

    def __init__(self, parts: GatewayParts) -> None:
        self._providers = parts.operations.providers

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/integrations", tags=["discovery"], route_class=api_route(None))
        router.add_api_route("", self.browse, methods=["GET"], summary="List available integrations")
        router.add_api_route("/{slug}", self.get, methods=["GET"], summary="Get integration details")
        return router

    async def browse(
        self, asking: MaybeAsking, query: Annotated[ProviderQuery, Query()]
    ) -> Listed[ProviderAnswer]:
        page = told(await self._providers.list(asking.caller, query.filter(asking.namespace)))
        return listed(page, UPPER)

    async def get(self, asking: MaybeAsking, slug: str) -> ProviderAnswer:
        return ProviderAnswer.of(
            told(await self._providers.get(asking.caller, asking.namespace, slug)), UPPER
        )
