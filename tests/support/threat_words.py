"""What to ask of every route of the gateway's description: a refusal is about who asks, and not how."""

from __future__ import annotations

import re
from typing import Any

PROVIDER = "far-end"
CUSTOM = "erp"
"""Name of the custom integration that paths name."""
_CALL = {"method": "POST", "endpoint": "/work", "data": {"x": 1}}
_TEMPLATE = {
    "name": "New",
    "configurationSchema": {},
    "endpoints": [{"name": "Work", "method": "GET", "path": "/work"}],
}


def address_of(template: str, namespace: str, identity: str) -> str:
    """A path of the description with these in it; `identity` wherever something of a namespace is named."""
    named = {
        "workspaceId": namespace,
        "projectId": namespace,
        "path": "work",
        "widgetId": "w",
        "customId": CUSTOM,
    }
    return re.sub(r"\{(\w+)\}", lambda found: named.get(found[1], identity), template)


def body_for(method: str, template: str, namespace: str) -> Any:
    """A body that the route takes, or None. Raises KeyError for a route nobody thought of."""
    if method in ("GET", "HEAD", "DELETE"):
        return None
    return {**_BODIES, **_project_bodies(namespace)}[method, template]


def _project_bodies(namespace: str) -> dict[tuple[str, str], Any]:
    """Those that name the namespace themselves."""
    hub = "/api/integration-hub"
    return {
        ("POST", f"{hub}/register"): {"projectId": namespace, "name": "New", "provider": PROVIDER},
        ("POST", f"{hub}/custom/create"): {"projectId": namespace, "name": "New", "template": _TEMPLATE},
        ("POST", f"{hub}/custom/{{customId}}/deploy"): {"projectId": namespace, "configuration": {}},
    }


_INTEGRATION = {"providerId": PROVIDER, "name": "New", "config": {}}
_BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/v1/integrations"): _INTEGRATION,
    ("PUT", "/api/v1/integrations/{id}"): _INTEGRATION,
    ("POST", "/api/v1/integrations/{id}/test"): None,
    ("PATCH", "/api/v1/integrations/{id}/status"): {"isEnabled": False},
    ("PUT", "/api/integration-hub/{integrationId}"): {"configuration": {"enabled": False}},
    ("POST", "/api/integration-hub/{integrationId}/test"): None,
    ("POST", "/api/integration-hub/{integrationId}/execute"): _CALL,
    ("POST", "/api/integration-hub/{integrationId}/batch-execute"): {"calls": [_CALL]},
    ("POST", "/api/v1/integrations/{integrationId}/proxy/{path}"): _CALL,
    ("PUT", "/api/v1/integrations/{integrationId}/proxy/{path}"): _CALL,
    ("PATCH", "/api/v1/integrations/{integrationId}/proxy/{path}"): _CALL,
    ("POST", "/workspaces/{workspaceId}/integrations/{slug}/connect"): {},
    ("POST", "/workspaces/{workspaceId}/integrations/{integrationId}/disconnect"): None,
    ("POST", "/api/v1/integrations/{id}/oauth/authorize"): None,
    ("POST", "/api/v1/integrations/{id}/oauth/callback"): {"state": "a-state", "code": "a-code"},
}
