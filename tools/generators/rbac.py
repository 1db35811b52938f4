"""RBAC rules from `integration_hub.permissions`, one file per role, included by the chart."""

from __future__ import annotations

from typing import Any

from integration_hub import permissions
from integration_hub.permissions import Permission


def rule_sets() -> dict[str, list[dict[str, Any]]]:
    """Role name to its rules, in the API server's shape."""
    return {
        name: [_rule(permission) for permission in rules]
        for name, rules in (
            ("operator", permissions.OPERATOR),
            ("operator-namespaced", permissions.WATCH_NAMESPACED),
            ("own-namespace", permissions.OWN_NAMESPACE),
            ("tenant", permissions.TENANT),
            ("view", permissions.VIEW),
            ("edit", permissions.EDIT),
            ("admin", permissions.ADMIN),
            ("installer", permissions.INSTALLER),
        )
    }


def _rule(permission: Permission) -> dict[str, Any]:
    rule: dict[str, Any] = {"apiGroups": list(permission.groups), "resources": list(permission.resources)}
    if permission.names:
        rule["resourceNames"] = list(permission.names)
    rule["verbs"] = list(permission.verbs)
    return rule
