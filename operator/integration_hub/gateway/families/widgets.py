"""003's widget data (WDG-01)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from integration_hub.gateway.errors import told
from integration_hub.gateway.families.calls import IntegrationId, trail_of
from integration_hub.gateway.families.models.call import WidgetAnswer
from integration_hub.gateway.identity import Asking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route
from integration_hub.operations.widget import WidgetInput

WorkspaceId = Annotated[str, Path(alias="workspaceId", max_length=63, description="The namespace.")]
WidgetId = Annotated[str, Path(alias="widgetId", max_length=128, description="The provider's id of it.")]


class WidgetRoutes:
    """Dashboards' data. Query parameters are the widget's own."""

    def __init__(self, parts: GatewayParts) -> None:
        self._widget = parts.operations.widget

    def router(self) -> APIRouter:
        router = APIRouter(
            prefix="/workspaces/{workspaceId}/integrations", tags=["widgets"], route_class=api_route(None)
        )
        router.add_api_route(
            "/{integrationId}/widgets/{widgetId}/data", self.data, methods=["GET"], summary="Get widget data"
        )
        return router

    async def data(
        self,
        *,
        request: Request,
        response: Response,
        asking: Asking,
        workspace_id: WorkspaceId,
        integration_id: IntegrationId,
        widget_id: WidgetId,
    ) -> WidgetAnswer:
        del workspace_id  # it is asking.namespace
        shown = told(
            await self._widget(
                asking.caller,
                WidgetInput(
                    namespace=asking.namespace,
                    integration=integration_id,
                    widget=widget_id,
                    arguments=dict(request.query_params),
                    trail=trail_of(asking),
                ),
            )
        )
        response.headers["Cache-Control"] = f"private, max-age={shown.ttl_seconds}"
        return WidgetAnswer.of(shown)
