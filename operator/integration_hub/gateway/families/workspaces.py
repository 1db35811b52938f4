"""003's workspaces: what is connected in one (INT-33)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from integration_hub.api.integration import Phase
from integration_hub.gateway.errors import told
from integration_hub.gateway.families.calls import trail_of
from integration_hub.gateway.families.models import Body, Cursor, Limit, Listed
from integration_hub.gateway.families.models.integration import IntegrationAnswer, listed
from integration_hub.gateway.families.spelling import UPPER
from integration_hub.gateway.families.widgets import WorkspaceId
from integration_hub.gateway.identity import Asking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route
from integration_hub.operations.find_integrations import IntegrationFilter


class WorkspaceQuery(Body):
    """Which of a workspace's connections."""

    provider: str = Field(default="", max_length=253, description="Only of this provider, by slug or id.")
    limit: Limit = 100
    cursor: Cursor = ""


class WorkspaceRoutes:
    """Read only; connecting is OAuth's."""

    def __init__(self, parts: GatewayParts) -> None:
        self._find = parts.operations.find

    def router(self) -> APIRouter:
        router = APIRouter(
            prefix="/workspaces/{workspaceId}/integrations",
            tags=["workspaces"],
            route_class=api_route(None),
        )
        router.add_api_route("", self.browse, methods=["GET"], summary="List connected integrations")
        return router

    async def browse(
        self, asking: Asking, workspace_id: WorkspaceId, query: Annotated[WorkspaceQuery, Query()]
    ) -> Listed[IntegrationAnswer]:
        del workspace_id  # it is asking.namespace
        wanted = IntegrationFilter(
            namespace=asking.namespace,
            provider=query.provider,
            phase=Phase.ACTIVE,
            limit=query.limit,
            cursor=query.cursor,
            trail=trail_of(asking),
        )
        return listed(told(await self._find.list(asking.caller, wanted)), UPPER)
