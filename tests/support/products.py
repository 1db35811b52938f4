"""A product on a real API server: its registration, its Deployment (on kwok nodes), its process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import yaml

from controlplane import ControlPlane
from eventually import eventually
from far_end import Corner

HEAL_ID = "integrationhub.io/heal-id"
SOON = 20.0
"""Seconds until what the hub does at once is there, on a machine that is busy with other tests."""
QUICK = {"healthIntervalSeconds": 1, "healthTimeoutSeconds": 1, "failureThreshold": 2}
"""Judged within seconds."""
QUICK_HEAL = {"afterSeconds": 1, "verifySeconds": 30, "cooldownSeconds": 10}


class Products:
    """The products of one namespace, and hands to apply and to look with."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.plane.kubectl("-n", self.namespace, *arguments, **options).stdout

    def apply(self, *documents: dict[str, Any]) -> None:
        text = yaml.safe_dump_all(documents)
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)

    def register(self, name: str, corner: Corner, *, workload: bool = True, **changes: Any) -> None:
        """Register a product whose process is `corner`; with a workload, the Deployment of its name."""
        self.apply(registration(self.namespace, name, corner.url, workload=workload, **changes))

    def deploy(self, name: str, *, metadata: dict[str, Any] | None = None, **spec: Any) -> None:
        """Create a Deployment that kwok runs, and wait for its rollout unless it is meant to take long."""
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, **(metadata or {})},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "product", "image": "example.com/product:1"}]},
                },
                **spec,
            },
        }
        self.apply(body)
        if "minReadySeconds" not in spec:
            self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")

    def get(self, name: str, kind: str = "productregistration") -> Any:
        return json.loads(self.kubectl("get", kind, name, "-o", "json"))

    def status(self, name: str) -> Any:
        return self.get(name).get("status") or {}

    def verdict(self, name: str) -> str:
        return str(self.status(name).get("health", {}).get("status", ""))

    def results(self, name: str) -> list[str]:
        """Results of the record of heals, newest first."""
        return [each["result"] for each in self.status(name).get("heal", {}).get("history", ())]

    def condition(self, name: str, condition: str = "Ready") -> tuple[str, str]:
        found = [each for each in self.status(name).get("conditions", ()) if each["type"] == condition]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def message(self, name: str, condition: str = "Ready") -> str:
        return str(next(e["message"] for e in self.status(name)["conditions"] if e["type"] == condition))

    def template(self, name: str) -> dict[str, str]:
        """Annotations of the Deployment's pod template."""
        metadata = self.get(name, "deployment")["spec"]["template"]["metadata"]
        return dict(metadata.get("annotations") or {})

    def healed(self, name: str) -> bool:
        return HEAL_ID in self.template(name)

    def events(self, name: str) -> list[tuple[str, str]]:
        """`(type, reason)` of the Events about a product, oldest first."""
        answer = self.kubectl(
            "get", "events", "-o", "json", "--field-selector", f"involvedObject.name={name}"
        )
        found = sorted(
            json.loads(answer)["items"],
            key=lambda each: (
                each["metadata"]["creationTimestamp"],
                int(each["metadata"]["resourceVersion"]),
            ),
        )
        return [(each["type"], each["reason"]) for each in found]

    def becomes(
        self, name: str, status: str, reason: str, *, condition: str = "Ready", seconds: float = SOON
    ) -> None:
        """Wait until a condition says this."""
        self.until(name, lambda: self.condition(name, condition) == (status, reason), seconds=seconds)

    def until(self, name: str, done: Callable[[], bool], *, seconds: float = SOON) -> None:
        try:
            eventually(done, f"what {name} should become", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {json.dumps(self.status(name), indent=1)}") from None

    def audited(self, verb: str, path: str) -> int:
        """How often the API server saw such a request of the namespace, by its own audit log."""
        ending = f"/namespaces/{self.namespace}/{path}"
        lines = [each for each in self.plane.audit_log.read_text().splitlines() if ending in each]
        entries = [json.loads(each) for each in lines]
        return sum(
            each["verb"] == verb and each["requestURI"].partition("?")[0].endswith(ending) for each in entries
        )


def registration(
    namespace: str, name: str, url: str, *, workload: bool = True, **changes: Any
) -> dict[str, Any]:
    """A ProductRegistration as YAML would have it."""
    spec = {
        "productId": name,
        "productName": name.title(),
        "version": "1.0.0",
        "apiEndpoint": url,
        **QUICK,
        **({"workloadRef": {"name": name}} if workload else {}),
        **changes,
    }
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "integrationhub.io/v1alpha1",
        "kind": "ProductRegistration",
        "metadata": metadata,
        "spec": spec,
    }
