"""004's providers: `/api/v1/integrations/providers…` (PRV-11 to PRV-14)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from integration_hub.gateway.errors import told
from integration_hub.gateway.families.models import Listed
from integration_hub.gateway.families.models.provider import (
    CategoryAnswer,
    ProviderAnswer,
    ProviderQuery,
    SchemaAnswer,
    listed,
)
from integration_hub.gateway.families.spelling import UPPER
from integration_hub.gateway.identity import MaybeAsking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route

PREFIX = "/api/v1/integrations/providers"


class ProviderRoutes:
    """Which providers there are, and what each wants to know."""

    def __init__(self, parts: GatewayParts) -> None:
        self._providers = parts.operations.providers

    def router(self) -> APIRouter:
        router = APIRouter(prefix=PREFIX, tags=["providers"], route_class=api_route(None))
        router.add_api_route("", self.browse, methods=["GET"], summary="List providers")
        router.add_api_route("/categories", self.categories, methods=["GET"], summary="List categories")
        router.add_api_route("/{id}", self.get, methods=["GET"], summary="Get provider")
        router.add_api_route("/{id}/schema", self.schema, methods=["GET"], summary="Get provider's schema")
        return router

    async def browse(
        self, asking: MaybeAsking, query: Annotated[ProviderQuery, Query()]
    ) -> Listed[ProviderAnswer]:
        page = told(await self._providers.list(asking.caller, query.filter(asking.namespace)))
        return listed(page, UPPER)

    async def categories(self, asking: MaybeAsking) -> list[CategoryAnswer]:
        counts = told(await self._providers.categories(asking.caller, asking.namespace))
        return [CategoryAnswer(category=UPPER.word(each), providers=n) for each, n in counts.items()]

    async def get(self, asking: MaybeAsking, id: str) -> ProviderAnswer:  # noqa: A002 - the seed's name
        found = told(await self._providers.get(asking.caller, asking.namespace, id))
        return ProviderAnswer.of(found, UPPER)

    async def schema(self, asking: MaybeAsking, id: str) -> SchemaAnswer:  # noqa: A002
        found = told(await self._providers.get(asking.caller, asking.namespace, id))
        return SchemaAnswer(
            provider=found.key.name,
            config_schema=dict(found.schema),
            credentials_schema=dict(found.spec.credentials_schema),
        )
