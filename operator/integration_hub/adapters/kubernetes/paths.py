"""Addresses of objects in the API, safe to join: what is no Kubernetes name never becomes a path."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from integration_hub.ports import ApiError, Resource

_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]*[A-Za-z0-9])?").fullmatch


def collection(resource: Resource, namespace: str | None) -> str:
    """The path of a kind's objects: in one namespace, or (None, or a cluster-wide kind) all of them."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    if namespace and resource.namespaced:
        return f"{root}/namespaces/{_checked(namespace, 'namespace')}/{resource.plural}"
    return f"{root}/{resource.plural}"


def item(resource: Resource, namespace: str, name: str, subresource: str = "") -> str:
    """The path of one object. Raises ApiError 400 for what cannot be its name."""
    path = f"{collection(resource, namespace)}/{_checked(name, 'name')}"
    return f"{path}/{subresource}" if subresource else path


def query(**parameters: str | int | bool | None) -> str:
    """`?a=1&b=true`, without what is empty, zero or false."""
    present = {name: "true" if value is True else str(value) for name, value in parameters.items() if value}
    return f"?{urlencode(present)}" if present else ""


def _checked(segment: str, what: str) -> str:
    if not _SEGMENT(segment):
        # A reference written by a tenant must not walk to another object's path.
        raise ApiError(400, "BadRequest", f"{segment[:64]!r} is no valid {what}")
    return segment
