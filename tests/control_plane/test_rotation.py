"""A key is replaced from end to end, at the vendor, in its Secrets and in the workloads; or not at all."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from caller import ApiCaller
from eventually import eventually
from far_end import Asked, Reply
from hub_process import HubProcess
from integration_hub.api.integration import RESTART_ON, ROTATION_REQUESTED
from integration_hub.api.meta import format_time
from tenant import SOON, Tenant

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub"), pytest.mark.req("SEC-04")]

BOUND = "chat-binding"
PATIENCE = 120.0
"""The hub looks after restarted workloads every ten seconds."""
ROTATION = {
    "request": {"url": "/keys", "encoding": "json"},
    "values": {"apiKey": "body.key"},
    "revoke": {"url": "/keys/revoke", "encoding": "json", "fields": {"key": "{{ secret.apiKey }}"}},
}


class KeyVendor:
    """Makes keys, takes them back, and lets in who has a valid one. `story`: what it was asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.valid = {"key-1"}
        self.story: list[tuple[str, str]] = []

    def __call__(self, asked: Asked) -> Reply:
        with self._lock:
            key = asked.headers.get("x-key", "")
            if key not in self.valid:
                self.story.append(("refused", key))
                return Reply(401, {})
            if asked.path == "/keys":
                made = f"key-{len(self.did('made')) + 2}"
                self.valid.add(made)
                self.story.append(("made", made))
                return Reply(200, {"key": made})
            if asked.path == "/keys/revoke":
                ended = json.loads(asked.body)["key"]
                self.valid.discard(ended)
                self.story.append(("ended", ended))
                return Reply(200, {})
            self.story.append(("used", key))
            return Reply(200, {"ok": True})

    def did(self, what: str) -> list[str]:
        return [key for act, key in self.story if act == what]


@pytest.fixture
def vendor(tenant: Tenant) -> KeyVendor:
    """An Integration on the vendor's first key, and the Secret for workloads that holds it."""
    vendor = tenant.corner.behave = KeyVendor()
    tenant.provider(
        authModes=[{"type": "API_KEY", "apiKey": {"name": "X-Key"}, "rotation": ROTATION}],
        probe={"path": "/me", "intervalSeconds": 3600},
    )
    tenant.secret(apiKey="key-1")
    credentials = {
        "secretRef": {"name": "token"},
        "rotation": {"strategy": "Manual", "writeBack": True},
        "project": {"secretName": BOUND},
    }
    tenant.integration(credentials=credentials)
    tenant.becomes("True", "Succeeded")
    eventually(lambda: key_in(tenant, BOUND) == "key-1", "workloads have the first key", seconds=SOON)
    return vendor


@pytest.fixture
def place(tenant: Tenant) -> Iterator[Place]:
    """The one node that this test's workloads may run on, while its label is there."""
    name = tenant.plane.kubectl("get", "nodes", "-o", "name").stdout.split()[0]
    made = Place(tenant, name, f"{tenant.namespace}.example.com/runs")
    made.open()
    yield made
    made.close()


class Place:
    def __init__(self, tenant: Tenant, node: str, label: str) -> None:
        self._tenant = tenant
        self._node = node
        self.label = label

    def open(self) -> None:
        self._tenant.plane.kubectl("label", self._node, f"{self.label}=yes", "--overwrite")

    def close(self) -> None:
        """What runs goes on; what is new finds no node."""
        self._tenant.plane.kubectl("label", self._node, f"{self.label}-")


def deploy(tenant: Tenant, name: str, place: Place, *, restarted: bool) -> None:
    """A Deployment that runs on the Secret for workloads."""
    container = {"name": "app", "image": "example.com/app:1", "envFrom": [{"secretRef": {"name": BOUND}}]}
    annotations = {RESTART_ON: BOUND} if restarted else {}
    tenant.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": tenant.namespace, "annotations": annotations},
            "spec": {
                "replicas": 1,
                "progressDeadlineSeconds": 15,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"nodeSelector": {place.label: "yes"}, "containers": [container]},
                },
            },
        }
    )
    eventually(lambda: rolled_out(tenant, name), f"{name} runs", seconds=PATIENCE)


def rolled_out(tenant: Tenant, name: str) -> bool:
    """Whether the template's pods run, and no others."""
    found = tenant.get(name, "deployment")
    status = found.get("status") or {}
    whole = (1, 1, 1)
    return bool(
        status.get("observedGeneration") == found["metadata"]["generation"]
        and (status.get("replicas"), status.get("updatedReplicas"), status.get("availableReplicas")) == whole
    )


def restarts(tenant: Tenant, name: str) -> str:
    template = tenant.get(name, "deployment")["spec"]["template"]["metadata"]
    return str((template.get("annotations") or {}).get("kubectl.kubernetes.io/restartedAt", ""))


def key_in(tenant: Tenant, secret: str) -> str:
    found = tenant.plane.kubectl("get", "secret", secret, "-n", tenant.namespace, "-o", "json", check=False)
    data = json.loads(found.stdout)["data"] if found.stdout else {}
    return base64.b64decode(data.get("apiKey", "")).decode()


def rotate(tenant: Tenant) -> None:
    moment = format_time(datetime.now(UTC))
    tenant.plane.kubectl("annotate", "intg/chat", "-n", tenant.namespace, f"{ROTATION_REQUESTED}={moment}")


def told(tenant: Tenant, reason: str) -> bool:
    return any(each == reason for _, each in tenant.events("chat"))


def test_a_new_key_is_tried_put_in_use_everywhere_and_only_then_the_old_one_ends(
    tenant: Tenant, vendor: KeyVendor, place: Place, hub: HubProcess
) -> None:
    deploy(tenant, "worker", place, restarted=True)
    deploy(tenant, "bystander", place, restarted=False)
    caller = ApiCaller(tenant.plane, hub.api, tenant.namespace, "service").given("edit")
    place.close()
    rotate(tenant)
    eventually(lambda: bool(restarts(tenant, "worker")), "the worker is restarted", seconds=PATIENCE)
    assert not rolled_out(tenant, "worker")
    assert vendor.did("ended") == [], "nobody runs on the new key yet"
    assert key_in(tenant, "token") == key_in(tenant, BOUND) == "key-2"
    place.open()
    eventually(lambda: vendor.did("ended") == ["key-1"], "the old key ends", seconds=PATIENCE)
    assert rolled_out(tenant, "worker")
    eventually(lambda: told(tenant, "CredentialsRotated"), "an Event says so", seconds=SOON)
    acts = vendor.story
    assert vendor.did("made") == ["key-2"]
    assert acts.index(("made", "key-2")) < acts.index(("used", "key-2")) < acts.index(("ended", "key-1"))
    assert vendor.did("refused") == []
    assert not restarts(tenant, "bystander")
    answer = caller.ask("POST", "/api/integration-hub/chat/execute", {"endpoint": "/call"})
    assert answer.status == 200, answer.body
    assert acts[-1] == ("used", "key-2")
    status = tenant.status()
    assert "rotation" not in status["credentials"]
    assert status["credentials"]["lastRotatedAt"]
    assert_no_key_is_told(tenant, hub)


def test_a_workload_that_does_not_come_up_puts_the_old_key_back(
    tenant: Tenant, vendor: KeyVendor, place: Place, hub: HubProcess
) -> None:
    deploy(tenant, "worker", place, restarted=True)
    place.close()
    rotate(tenant)
    eventually(lambda: vendor.did("ended") == ["key-2"], "the new key is ended", seconds=PATIENCE)
    eventually(lambda: told(tenant, "RotationFailed"), "an Event says so", seconds=SOON)
    eventually(
        lambda: key_in(tenant, "token") == key_in(tenant, BOUND) == "key-1",
        "the old key is back everywhere",
        seconds=SOON,
    )
    assert vendor.valid == {"key-1"}
    assert "rotation" not in tenant.status()["credentials"]
    place.open()
    eventually(lambda: rolled_out(tenant, "worker"), "the worker comes up again", seconds=PATIENCE)
    caller = ApiCaller(tenant.plane, hub.api, tenant.namespace, "service").given("edit")
    answer = caller.ask("POST", "/api/integration-hub/chat/execute", {"endpoint": "/call"})
    assert answer.status == 200, answer.body
    assert vendor.story[-1] == ("used", "key-1")
    assert tenant.condition() == ("True", "Succeeded")
    assert vendor.did("made") == ["key-2"], "the next try is an hour away"
    assert_no_key_is_told(tenant, hub)


def assert_no_key_is_told(tenant: Tenant, hub: HubProcess) -> None:
    """Neither by objects nor by the log."""
    shown: list[Any] = [tenant.get(), tenant.get("worker", "deployment")]
    everything = json.dumps(shown) + hub.log.read_text()
    for key in ("key-1", "key-2"):
        assert f'"{key}"' not in everything
        assert f" {key}" not in everything
