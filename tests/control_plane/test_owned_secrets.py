"""The hub's own Secrets on a real API server: rights, owners, compare-and-swap, and their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import hub_chart
from controlplane import ControlPlane
from integration_hub.adapters.clock import SystemClock
from integration_hub.adapters.kubernetes import Connection, KubernetesCluster, KubernetesOwnedSecrets
from integration_hub.ports import SecretDraft, SecretState, SecretText, SecretWrite, SecretWriteState

pytestmark = pytest.mark.control_plane
TYPE = "integrationhub.io/credentials"


@pytest.fixture
async def secrets(
    control_plane: ControlPlane, operator_kubeconfig: Path, namespace: str
) -> AsyncIterator[KubernetesOwnedSecrets]:
    """As the hub, with the tenant's rights in this namespace and no others."""
    await asyncio.to_thread(hub_chart.serve, control_plane, namespace)
    connection = await Connection.open(SystemClock(), user_agent="test", kubeconfig=operator_kubeconfig)
    cluster = KubernetesCluster(connection, field_manager="hub", budget=None, leadership=None)
    yield KubernetesOwnedSecrets(cluster)
    await connection.close()


@pytest.fixture
def owner(control_plane: ControlPlane, namespace: str, operator_kubeconfig: Path) -> str:
    """Uid of an Integration."""
    body = {
        "apiVersion": "integrationhub.io/v1alpha1",
        "kind": "Integration",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {"providerRef": {"name": "nowhere"}},
    }
    made = control_plane.kubectl("create", "--filename", "-", "--output", "json", input=json.dumps(body))
    return str(json.loads(made.stdout)["metadata"]["uid"])


def draft(namespace: str, owner: str, **data: str) -> SecretDraft:
    values = {name: SecretText(value) for name, value in data.items()}
    return SecretDraft(namespace, "intg-chat-hub", TYPE, values, "Integration", "chat", owner)


async def test_it_is_written_as_it_was_read_or_not_at_all(
    secrets: KubernetesOwnedSecrets, namespace: str, owner: str
) -> None:
    first = await secrets.create(draft(namespace, owner, grant="ü\n1"))
    assert first.state is SecretWriteState.WRITTEN
    assert (await secrets.create(draft(namespace, owner))).state is SecretWriteState.CONFLICT
    read = await secrets.read(namespace, "intg-chat-hub")
    assert (read.state, read.type, read.owners) == (SecretState.FOUND, TYPE, (owner,))
    assert read.data == {"grant": SecretText("ü\n1")}
    assert (read.uid, read.resource_version) == (first.uid, first.resource_version)

    second = await secrets.replace(
        draft(namespace, owner, grant="2"), uid=first.uid, resource_version=first.resource_version
    )
    assert second.state is SecretWriteState.WRITTEN
    late = await secrets.replace(
        draft(namespace, owner, grant="3"), uid=first.uid, resource_version=first.resource_version
    )
    assert late == SecretWrite(SecretWriteState.CONFLICT)
    other = await secrets.replace(
        draft(namespace, owner, grant="4"), uid="another", resource_version=second.resource_version
    )
    assert other == SecretWrite(SecretWriteState.CONFLICT)
    assert (await secrets.read(namespace, "intg-chat-hub")).data == {"grant": SecretText("2")}

    assert await secrets.delete(namespace, "intg-chat-hub", uid="another") is SecretWriteState.WRITTEN
    assert (await secrets.read(namespace, "intg-chat-hub")).state is SecretState.FOUND
    assert await secrets.delete(namespace, "intg-chat-hub", uid=first.uid) is SecretWriteState.WRITTEN
    assert (await secrets.read(namespace, "intg-chat-hub")).state is SecretState.MISSING
    gone = await secrets.replace(
        draft(namespace, owner), uid=first.uid, resource_version=second.resource_version
    )
    assert gone == SecretWrite(SecretWriteState.CONFLICT)


async def test_of_a_users_secret_only_the_named_keys_are_replaced(
    secrets: KubernetesOwnedSecrets, control_plane: ControlPlane, namespace: str
) -> None:
    literals = ("--from-literal=apiKey=old", "--from-literal=other=stays")
    control_plane.kubectl("create", "secret", "generic", "key", *literals, "--namespace", namespace)
    control_plane.kubectl("label", "secret", "key", "team=a", "--namespace", namespace)
    read = await secrets.read(namespace, "key")
    written = await secrets.write_back(
        namespace,
        "key",
        {"apiKey": SecretText("new")},
        uid=read.uid,
        resource_version=read.resource_version,
    )
    assert written.state is SecretWriteState.WRITTEN
    after = await secrets.read(namespace, "key")
    assert after.data == {"apiKey": SecretText("new"), "other": SecretText("stays")}
    assert after.uid == read.uid
    shown = control_plane.kubectl("get", "secret", "key", "--show-labels", "--namespace", namespace).stdout
    assert "team=a" in shown
    late = await secrets.write_back(
        namespace, "key", {"apiKey": SecretText("x")}, uid=read.uid, resource_version=read.resource_version
    )
    assert late.state is SecretWriteState.CONFLICT


async def test_where_the_namespace_does_not_let_the_hub_it_is_a_state_and_no_error(
    secrets: KubernetesOwnedSecrets, control_plane: ControlPlane, namespace: str, owner: str
) -> None:
    control_plane.kubectl("delete", "rolebinding", "--all", "--namespace", namespace)
    async with asyncio.timeout(30):
        while (await secrets.read(namespace, "any")).state is not SecretState.DENIED:
            await asyncio.sleep(0.1)
    assert (await secrets.create(draft(namespace, owner))).state is SecretWriteState.DENIED
    replaced = await secrets.replace(draft(namespace, owner), uid="u", resource_version="1")
    assert replaced.state is SecretWriteState.DENIED
    assert await secrets.delete(namespace, "intg-chat-hub", uid="u") is SecretWriteState.DENIED


async def test_it_goes_with_the_integration_that_owns_it(
    secrets: KubernetesOwnedSecrets, control_plane: ControlPlane, namespace: str, owner: str
) -> None:
    await secrets.create(draft(namespace, owner, grant="1"))
    control_plane.kubectl("delete", "integration", "chat", "--namespace", namespace)
    async with asyncio.timeout(60):
        while (await secrets.read(namespace, "intg-chat-hub")).state is not SecretState.MISSING:
            await asyncio.sleep(0.2)
