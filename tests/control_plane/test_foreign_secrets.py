"""Secrets that another controller writes (External Secrets and its like): used as they are, and left alone.

The tool is played by kubectl with a field manager of its own. What is held against it is what the API
server keeps: managed fields, and its audit log.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from eventually import eventually
from far_end import Asked, Reply
from tenant import Tenant

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]

MANAGER = "external-secrets"
NAME = "from-the-vault"


def write(tenant: Tenant, token: str, owner_uid: str) -> dict[str, Any]:
    """As External Secrets does: whole, owned, labelled, with a hash of what is in it."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "store", "uid": owner_uid, "controller": True}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": NAME,
            "namespace": tenant.namespace,
            "labels": {"reconcile.external-secrets.io/managed": "true"},
            "annotations": {"reconcile.external-secrets.io/data-hash": str(hash(token))},
            "ownerReferences": [owner],
        },
        "data": {"token": base64.b64encode(token.encode()).decode()},
    }
    command = ("apply", "--server-side", "--field-manager", MANAGER, "-o", "json", "-f", "-")
    found: dict[str, Any] = json.loads(tenant.plane.kubectl(*command, input=json.dumps(body)).stdout)
    return found


@pytest.fixture
def owner(tenant: Tenant) -> str:
    """Uid of what the Secret belongs to."""
    tenant.plane.kubectl("create", "configmap", "store", "-n", tenant.namespace)
    return str(tenant.get("store", "configmap")["metadata"]["uid"])


@pytest.mark.req("SEC-26")
def test_a_secret_of_external_secrets_is_used_followed_and_never_written(tenant: Tenant, owner: str) -> None:
    good = {"first"}

    def gate(asked: Asked) -> Reply:
        carried = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return Reply(200 if carried in good else 401, {"ok": carried in good})

    tenant.corner.behave = gate
    write(tenant, "first", owner)
    tenant.provider()
    rotation = {"interval": "1s", "strategy": "Auto"}
    tenant.integration(
        credentials={"secretRef": {"name": NAME}, "rotation": rotation, "project": {"secretName": "binding"}}
    )
    tenant.becomes("True", "Succeeded")
    good.clear()
    good.add("second")
    written = write(tenant, "second", owner)
    version = written["metadata"]["resourceVersion"]
    eventually(lambda: tenant.status()["credentials"].get("secretVersion") == version, "the edit is seen")
    tenant.becomes("True", "Succeeded")
    tenant.becomes("True", "RotationDue", condition="RotationDue")
    found = tenant.get(NAME, "secret")
    assert found["metadata"]["resourceVersion"] == version
    assert found["metadata"]["labels"] == written["metadata"]["labels"]
    managers = tenant.plane.kubectl(
        "get", "secret", NAME, "-n", tenant.namespace, "-o", "json", "--show-managed-fields"
    ).stdout
    assert {each["manager"] for each in json.loads(managers)["metadata"]["managedFields"]} == {MANAGER}
    assert verbs(tenant) == {"get"}


def verbs(tenant: Tenant) -> set[str]:
    """What the hub's ServiceAccount did to that Secret, by the API server's own audit log."""
    path = f"/namespaces/{tenant.namespace}/secrets/{NAME}"
    done = set()
    for line in tenant.plane.audit_log.read_text().splitlines():
        if path not in line or "system:serviceaccount:integration-hub:" not in line:
            continue
        done.add(json.loads(line)["verb"])
    return done
