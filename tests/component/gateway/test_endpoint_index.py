"""The endpoints that were asked for, exactly as written: each is served, and by a route of its own."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Match

from gateway_stage import GatewayStage

INDEX = """
GET    /api/v1/hub/products/:product_id/status
POST   /api/integration-hub/register
PUT    /api/integration-hub/:integrationId
DELETE /api/integration-hub/:integrationId
GET    /api/integration-hub/:integrationId
GET    /api/integration-hub/projects/:projectId
POST   /api/integration-hub/:integrationId/test
GET    /api/integration-hub/:integrationId/health
GET    /api/integration-hub/:integrationId/metrics
GET    /api/integration-hub/:integrationId/logs
POST   /api/integration-hub/:integrationId/execute
POST   /api/integration-hub/:integrationId/batch-execute
POST   /api/integration-hub/custom/create
GET    /api/integration-hub/custom/:customId
GET    /api/integration-hub/custom
POST   /api/integration-hub/custom/:customId/deploy
GET    /api/integration-hub/projects/:projectId/statistics
GET    /integrations
GET    /integrations/:slug
POST   /workspaces/:workspaceId/integrations/:slug/connect
GET    /oauth/callback/:slug
POST   /workspaces/:workspaceId/integrations/:integrationId/disconnect
GET    /workspaces/:workspaceId/integrations
GET    /workspaces/:workspaceId/integrations/:integrationId/widgets/:widgetId/data
GET    /api/v1/integrations/providers
GET    /api/v1/integrations/providers/:id
GET    /api/v1/integrations/providers/:id/schema
GET    /api/v1/integrations/providers/categories
GET    /api/v1/integrations
POST   /api/v1/integrations
GET    /api/v1/integrations/:id
PUT    /api/v1/integrations/:id
DELETE /api/v1/integrations/:id
POST   /api/v1/integrations/:id/test
PATCH  /api/v1/integrations/:id/status
POST   /api/v1/integrations/:id/oauth/authorize
POST   /api/v1/integrations/:id/oauth/callback
GET    /api/v1/integrations/:id/health
GET    /api/v1/integrations/health
GET    /api/v1/integrations/:id/logs
GET    /api/v1/integrations/stats
"""
ENDPOINTS = [tuple(line.split()) for line in INDEX.strip().splitlines()]


@pytest.fixture(scope="module")
def stage() -> GatewayStage:
    """Nothing is asked of it but its routes, so one does for all."""
    return GatewayStage()


@pytest.mark.req("HUB-17", part="the paths of connections, calls, OAuth and widgets")
@pytest.mark.req("HUB-20", part="providers, integrations, logs")
@pytest.mark.req("TST-17", part="sealed integrations, the endpoints of connections, calls and logs")
@pytest.mark.parametrize(("method", "path"), ENDPOINTS, ids=[" ".join(each) for each in ENDPOINTS])
def test_every_endpoint_is_served_as_written(stage: GatewayStage, method: str, path: str) -> None:
    """The first route that takes a request of this path is the one declared for it: no id swallows a word."""
    scope = {
        "type": "http", "method": method, "path": re.sub(r":\w+", "some-name", path), "headers": [],
        "root_path": "",
    }  # fmt: skip
    taken = next(route for route in stage.app.routes if route.matches(scope)[0] is Match.FULL)
    declared = re.sub(r"\{[^}]+\}", "*", getattr(taken, "path", ""))
    assert declared == re.sub(r":\w+", "*", path)
