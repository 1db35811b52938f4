"""Whom an Integration names and what it claims, read from its raw spec as the cache holds it."""

from __future__ import annotations

from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER
from integration_hub.ports import Json, Key

BY_IDENTITY = "identity"
"""Name of the cache's index of Integrations by `identity`."""


def provider_key(spec: Json, namespace: str) -> Key | None:
    """The provider that an Integration of `namespace` names; None where it names none."""
    reference = spec.get("providerRef") or {}
    name = reference.get("name")
    if not name:
        return None
    kind = reference.get("kind") or CLUSTER_INTEGRATION_PROVIDER.kind
    if kind == CLUSTER_INTEGRATION_PROVIDER.kind:
        return Key(kind, "", name)
    return Key(kind, reference.get("namespace") or namespace, name)


def identity(spec: Json, namespace: str) -> str:
    """What only one Integration may claim: provider, environment and instance within a namespace."""
    environment = spec.get("environment") or "PRODUCTION"
    return f"{namespace}|{provider_key(spec, namespace)}|{environment}|{spec.get('instance') or ''}"
