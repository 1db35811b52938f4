"""A tenant of the hub on a real API server: a namespace, an outside system, kubectl, and nothing else."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import yaml

from eventually import eventually
from far_end import Asked, Corner, Reply

if TYPE_CHECKING:
    from controlplane import ControlPlane

SOON = 15.0
"""Seconds until what the hub does at once is there, on a machine that is busy with other tests."""


class Tenant:
    """A namespace, its outside system, and hands to apply and to look with."""

    def __init__(self, plane: ControlPlane, namespace: str, corner: Corner) -> None:
        self.plane = plane
        self.namespace = namespace
        self.corner = corner
        self.provider_name = f"far-{uuid.uuid4().hex[:8]}"

    def apply(self, *documents: dict[str, Any]) -> None:
        text = yaml.safe_dump_all(documents)
        self.plane.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", input=text)

    def provider(self, **changes: Any) -> None:
        spec = {
            "displayName": "Far End",
            "category": "communication",
            "baseUrl": self.corner.url,
            "authModes": [{"type": "BEARER"}],
            "probe": {"path": "/me", "intervalSeconds": 5},
            "configSchema": {"channel": {"type": "string", "required": True, "description": "Where to post"}},
            **changes,
        }
        kind = "ClusterIntegrationProvider"
        self.apply({**head_of(kind, self.provider_name), "spec": spec})

    def secret(self, name: str = "token", **data: str) -> None:
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": self.namespace}}
        self.apply({**head, "stringData": data})

    def integration(self, name: str = "chat", **changes: Any) -> None:
        spec = {
            "providerRef": {"name": self.provider_name},
            "config": {"channel": "general"},
            "credentials": {"secretRef": {"name": "token"}},
            **changes,
        }
        self.apply({**head_of("Integration", name, self.namespace), "spec": spec})

    def get(self, name: str = "chat", kind: str = "integration") -> Any:
        answer = self.plane.kubectl("get", kind, name, "-n", self.namespace, "-o", "json").stdout
        return json.loads(answer)

    def status(self, name: str = "chat") -> Any:
        return self.get(name).get("status") or {}

    def condition(self, name: str = "chat", condition: str = "Ready") -> tuple[str, str]:
        found = [each for each in self.status(name).get("conditions", ()) if each["type"] == condition]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def message(self, name: str = "chat", condition: str = "Ready") -> str:
        return str(next(e["message"] for e in self.status(name)["conditions"] if e["type"] == condition))

    def becomes(
        self, status: str, reason: str, *, name: str = "chat", condition: str = "Ready", seconds: float = SOON
    ) -> None:
        """Wait until a condition says this."""
        wanted = (status, reason)
        try:
            eventually(
                lambda: self.condition(name, condition) == wanted, f"{condition}={wanted}", seconds=seconds
            )
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {json.dumps(self.status(name), indent=1)}") from None

    def connected(self, **changes: Any) -> None:
        """The usual beginning."""
        self.provider()
        self.secret(token="right")
        self.integration(**changes)
        self.becomes("True", "Succeeded")

    def writes(self, name: str = "chat") -> int:
        """How often the hub wrote this object's status, by the API server's own audit log."""
        path = f"/namespaces/{self.namespace}/integrations/{name}/status"
        lines = self.plane.audit_log.read_text().splitlines()
        return sum(path in line and '"verb":"patch"' in line for line in lines)

    def events(self, name: str = "chat") -> list[tuple[str, str]]:
        """`(type, reason)` of the Events about an object, oldest first.

        Their timestamps have whole seconds; two of the same second are told apart by resourceVersion.
        """
        answer = self.plane.kubectl(
            "get", "events", "-n", self.namespace, "-o", "json",
            "--field-selector", f"involvedObject.name={name}",
        ).stdout  # fmt: skip
        found = sorted(
            (each["metadata"] | each for each in json.loads(answer)["items"]),
            key=lambda each: (each["creationTimestamp"], int(each["resourceVersion"])),
        )
        return [(each["type"], each["reason"]) for each in found]


def head_of(kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "integrationhub.io/v1alpha1", "kind": kind, "metadata": metadata}


def gate(asked: Asked) -> Reply:
    """Lets in who says `right`."""
    right = asked.headers.get("authorization") == "Bearer right"
    return Reply(200, {"ok": True}) if right else Reply(401, {"ok": False})
