"""The families of paths, each with the spelling that its seed gave it."""

from __future__ import annotations

from fastapi import APIRouter

from integration_hub.gateway.families.browser import BrowserRoutes
from integration_hub.gateway.families.calls import CallRoutes
from integration_hub.gateway.families.custom import CustomRoutes
from integration_hub.gateway.families.discovery import DiscoveryRoutes
from integration_hub.gateway.families.integrations import IntegrationRoutes
from integration_hub.gateway.families.oauth import OAuthRoutes
from integration_hub.gateway.families.observation import ObservationRoutes
from integration_hub.gateway.families.passage import PassageRoutes
from integration_hub.gateway.families.products import ProductRoutes
from integration_hub.gateway.families.projects import ProjectRoutes
from integration_hub.gateway.families.providers import ProviderRoutes
from integration_hub.gateway.families.widgets import WidgetRoutes
from integration_hub.gateway.families.workspaces import WorkspaceRoutes
from integration_hub.gateway.parts import GatewayParts


def routers(parts: GatewayParts) -> list[APIRouter]:
    """All routers: the busiest first, since routes are tried in turn; static paths before ids (C-03)."""
    return [
        CallRoutes(parts).router(),
        PassageRoutes(parts).router(),
        ProviderRoutes(parts).router(),
        ObservationRoutes(parts).router(),
        IntegrationRoutes(parts).router(),
        DiscoveryRoutes(parts).router(),
        CustomRoutes(parts).router(),
        ProductRoutes(parts).router(),
        ProjectRoutes(parts).router(),
        WidgetRoutes(parts).router(),
        WorkspaceRoutes(parts).router(),
        OAuthRoutes(parts).router(),
        BrowserRoutes(parts).router(),
    ]
