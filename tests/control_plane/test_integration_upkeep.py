"""What the hub does to objects beside statuses, with its own rights on a real API server.

On a control plane of its own: the hub of the other tests would have a hand in these objects too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

import hub_chart
from controlplane import ControlPlane
from integration_hub.adapters.clock import SystemClock
from integration_hub.adapters.kubernetes import Connection, KubernetesCluster
from integration_hub.api.integration import INTEGRATION, RESTART_ON
from integration_hub.api.meta import format_time
from integration_hub.ports import Key
from integration_hub.reconcilers.consumers import REVISION_NOTE, Consumers
from integration_hub.reconcilers.departing import FINALIZER, Departures
from integration_hub.runtime.cache import CachedObject, ObjectCache
from integration_hub.runtime.status import resource_of
from memory import MemoryEvents

pytestmark = pytest.mark.control_plane


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    with ControlPlane.start(kwok_nodes=1) as plane:
        yield plane


@pytest.fixture(scope="module")
def operator_kubeconfig(control_plane: ControlPlane) -> Path:
    return hub_chart.install_rights(control_plane)


@pytest.fixture
async def cluster(
    control_plane: ControlPlane, operator_kubeconfig: Path, namespace: str
) -> AsyncIterator[KubernetesCluster]:
    """As the hub, with the tenant's rights in this namespace and no others."""
    await asyncio.to_thread(hub_chart.serve, control_plane, namespace)
    connection = await Connection.open(SystemClock(), user_agent="test", kubeconfig=operator_kubeconfig)
    yield KubernetesCluster(connection, field_manager="hub", budget=None, leadership=None)
    await connection.close()


async def kubectl(plane: ControlPlane, *arguments: str, body: Any = None) -> Any:
    text = yaml.safe_dump(body) if body is not None else None
    done = await asyncio.to_thread(plane.kubectl, *arguments, "-o", "json", input=text)
    return json.loads(done.stdout)


async def test_the_finalizer_goes_on_and_off_and_holds_the_object_meanwhile(
    cluster: KubernetesCluster, control_plane: ControlPlane, namespace: str
) -> None:
    made = await kubectl(
        control_plane,
        *("create", "-f", "-"),
        body={
            "apiVersion": "integrationhub.io/v1alpha1",
            "kind": "Integration",
            "metadata": {"name": "chat", "namespace": namespace, "finalizers": ["example.com/other"]},
            "spec": {"providerRef": {"name": "nowhere"}},
        },
    )
    cache, events = ObjectCache(), MemoryEvents()
    departures = Departures(cluster, cache, None, events, SystemClock())  # type: ignore[arg-type]
    cache.upsert(INTEGRATION.kind, made)

    def observed() -> CachedObject:
        found = cache.get(Key(INTEGRATION.kind, namespace, "chat"))
        assert found is not None
        return found

    assert await departures.mark(observed(), observed().load(), wanted=True)
    assert not await departures.mark(observed(), observed().load(), wanted=True)
    assert observed().load()["metadata"]["finalizers"] == ["example.com/other", FINALIZER]
    await asyncio.to_thread(control_plane.kubectl, "delete", "intg", "chat", "-n", namespace, "--wait=false")
    going = await cluster.get(resource_of(INTEGRATION), namespace, "chat")
    assert going is not None
    cache.upsert(INTEGRATION.kind, going)
    assert observed().deleting
    await departures.release(observed(), observed().load(), "It does not answer.")
    left = await cluster.get(resource_of(INTEGRATION), namespace, "chat")
    assert left is not None
    assert left["metadata"]["finalizers"] == ["example.com/other"], "only our own was taken off"
    assert [note.reason for note in events.notes] == ["CleanupAbandoned"]
    patch = json.dumps({"metadata": {"finalizers": []}})
    await asyncio.to_thread(
        control_plane.kubectl, "patch", "intg", "chat", "-n", namespace, "--type=merge", "-p", patch
    )
    assert await cluster.get(resource_of(INTEGRATION), namespace, "chat") is None
    assert not await departures.mark(observed(), {"metadata": {}}, wanted=False)


async def test_who_asked_for_it_is_restarted_once_by_one_patch(
    cluster: KubernetesCluster, control_plane: ControlPlane, namespace: str
) -> None:
    for name, asks in (("shop", {RESTART_ON: "binding"}), ("other", {})):
        labels = {"app": name}
        container = {"name": "main", "image": "registry.invalid/shop"}
        await kubectl(
            control_plane,
            *("create", "-f", "-"),
            body={
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": namespace, "annotations": asks},
                "spec": {
                    "replicas": 0,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                },
            },
        )
    clock = SystemClock()
    consumers = Consumers(cluster, clock)
    revision = format_time(clock.now() + timedelta(seconds=2))  # times of objects have whole seconds
    assert (await consumers.bring_to(namespace, "binding", revision)).rolling == ("shop",)
    assert (await consumers.bring_to(namespace, "binding", revision)).settled
    shop = await kubectl(control_plane, "get", "deployment", "shop", "-n", namespace)
    assert shop["metadata"]["annotations"][REVISION_NOTE] == revision
    assert shop["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]
    other = await kubectl(control_plane, "get", "deployment", "other", "-n", namespace)
    assert "annotations" not in other["spec"]["template"]["metadata"]
