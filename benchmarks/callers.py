"""Who calls through the gateway: a ServiceAccount that may call the Integrations of its namespace."""

from __future__ import annotations

from rig import HUB, OBJECTS, Rig

NAME = "bench-caller"
SETTINGS = {"caller_requests_per_second": "100000", "caller_burst": "100000"}
"""One caller stands for many here, so the limit of a single one is lifted."""


def create(rig: Rig) -> str:
    """Make the account with its role, once for a rig; its token."""
    core, rbac = f"/api/v1/namespaces/{OBJECTS}", "/apis/rbac.authorization.k8s.io/v1"
    rule = {"apiGroups": ["integrationhub.io"], "resources": ["integrations/call"], "verbs": ["create"]}
    binding = {
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": OBJECTS}],
    }
    rig.api("POST", f"{core}/serviceaccounts", {"metadata": {"name": NAME}})
    rig.api("POST", f"{rbac}/namespaces/{OBJECTS}/roles", {"metadata": {"name": NAME}, "rules": [rule]})
    rig.api("POST", f"{rbac}/namespaces/{OBJECTS}/rolebindings", binding)
    return rig.plane.service_account_token(OBJECTS, NAME, audience=HUB)
