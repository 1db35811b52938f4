"""The runtime's API side on a real API server: what a test double would only repeat from hearsay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import hub_chart
from controlplane import ControlPlane
from integration_hub.adapters.clock import SystemClock, SystemEntropy
from integration_hub.adapters.kubernetes import (
    Connection,
    EventRecorder,
    KubernetesCluster,
    KubernetesSecrets,
)
from integration_hub.ports import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    LEASES,
    SECRETS,
    ApiError,
    EventNote,
    Json,
    Key,
    PatchType,
    Resource,
    SecretState,
)
from integration_hub.runtime.budget import ApiBudget
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.leader import Elector
from integration_hub.runtime.reflector import Reflector, Service
from integration_hub.runtime.relist import Relist
from integration_hub.runtime.status import StatusWriter, WriteOutcome

pytestmark = pytest.mark.control_plane

MANAGER = "integration-hub-operator"


class Probe:
    """A kind of this test's own, with the traits that the hub's kinds have."""

    group, version, plural, kind, namespaced = "runtime.test", "v1", "probes", "Probe", True
    riders = frozenset({"checkedAt"})


PROBES = Resource(Probe.group, Probe.version, Probe.plural, Probe.kind)

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "probes.runtime.test"},
    "spec": {
        "group": Probe.group,
        "scope": "Namespaced",
        "names": {"plural": Probe.plural, "singular": "probe", "kind": Probe.kind},
        "versions": [
            {
                "name": Probe.version,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
                            "status": {
                                "type": "object",
                                "default": {"phase": "Pending"},
                                "properties": {
                                    name: {"type": "string"} for name in ("phase", "detail", "checkedAt")
                                },
                            },
                        },
                    }
                },
            }
        ],
    },
}


class Leading:
    """A ports.Leadership that always leads."""

    fencing = 1

    def require(self) -> None:
        return


@pytest.fixture(scope="module")
def probes(control_plane: ControlPlane) -> None:
    """The kind of this test is there."""
    control_plane.kubectl("apply", "--server-side", "--filename", "-", input=json.dumps(CRD))
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/probes.runtime.test")


Connect = Callable[[Path], Awaitable[KubernetesCluster]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Clusters by kubeconfig, closed after the test."""
    connections: list[Connection] = []

    async def open_(kubeconfig: Path) -> KubernetesCluster:
        clock = SystemClock()
        connections.append(await Connection.open(clock, user_agent="test", kubeconfig=kubeconfig))
        return KubernetesCluster(
            connections[-1],
            field_manager=MANAGER,
            budget=ApiBudget(clock, SystemEntropy()),
            leadership=Leading(),
        )

    yield open_
    for connection in connections:
        await connection.close()


@pytest.fixture
async def cluster(control_plane: ControlPlane, connect: Connect) -> KubernetesCluster:
    return await connect(control_plane.kubeconfig)


async def _eventually(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"never came true within {seconds} s: {what}")


async def _create_probe(cluster: KubernetesCluster, namespace: str, name: str = "one", size: int = 1) -> Json:
    return await cluster.create(PROBES, namespace, {"metadata": {"name": name}, "spec": {"size": size}})


# --------------------------------------------------------------------------- reads


async def test_an_object_that_is_not_there_is_none(cluster: KubernetesCluster, namespace: str) -> None:
    assert await cluster.get(CONFIG_MAPS, namespace, "absent") is None


async def test_lists_are_paged_and_metadata_lists_carry_no_content(
    cluster: KubernetesCluster, namespace: str
) -> None:
    for number in range(5):
        body = {
            "metadata": {"name": f"c{number}", "labels": {"n": str(number)}},
            "data": {"secret": "hunter2"},
        }
        await cluster.create(CONFIG_MAPS, namespace, body)
    pages = [page async for page in cluster.list_metadata(CONFIG_MAPS, namespace, page_size=2)]
    assert len(pages) >= 3
    assert len({page.resource_version for page in pages}) == 1
    metas = {meta.name: meta for page in pages for meta in page.items}
    assert metas["c3"].labels == {"n": "3"}
    assert metas["c3"].namespace == namespace
    assert "hunter2" not in repr(pages)
    found = await cluster.list(CONFIG_MAPS, namespace, label_selector="n in (1,2)")
    assert sorted(item["metadata"]["name"] for item in found) == ["c1", "c2"]


async def test_a_metadata_watch_brings_every_change(cluster: KubernetesCluster, namespace: str) -> None:
    [page] = [page async for page in cluster.list_metadata(SECRETS, namespace)]
    seen: list[tuple[str, str]] = []

    async def follow() -> None:
        changes = cluster.watch_metadata(SECRETS, namespace, page.resource_version)
        async for change in changes:
            seen.append((change.type, change.meta.name))  # noqa: PERF401 - it never ends by itself

    watch = asyncio.create_task(follow())
    secret = {"metadata": {"name": "token"}, "stringData": {"a": "b"}}
    await cluster.create(SECRETS, namespace, secret)
    await cluster.patch(SECRETS, namespace, "token", {"stringData": {"a": "c"}}, PatchType.MERGE)
    await cluster.delete(SECRETS, namespace, "token")
    expected = [("ADDED", "token"), ("MODIFIED", "token"), ("DELETED", "token")]
    await _eventually(lambda: seen == expected, f"{seen}")
    watch.cancel()


# --------------------------------------------------------------------------- writes


async def test_a_status_is_applied_whole_and_only_on_what_was_decided_about(
    cluster: KubernetesCluster, namespace: str, probes: None
) -> None:
    first = await _create_probe(cluster, namespace)
    version = first["metadata"]["resourceVersion"]
    second = await cluster.apply_status(
        PROBES, namespace, "one", {"phase": "Active", "detail": "fine"}, resource_version=version
    )
    with pytest.raises(ApiError) as caught:
        await cluster.apply_status(PROBES, namespace, "one", {"phase": "Error"}, resource_version=version)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    version = second["metadata"]["resourceVersion"]
    third = await cluster.apply_status(
        PROBES, namespace, "one", {"phase": "Active"}, resource_version=version
    )
    assert third["status"] == {"phase": "Active"}, "what is not named any more is gone"
    assert {entry["manager"] for entry in third["metadata"]["managedFields"] if "subresource" in entry} == {
        MANAGER
    }


async def test_a_status_that_somebody_edited_is_taken_back(
    control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, probes: None
) -> None:
    await _create_probe(cluster, namespace)
    control_plane.kubectl(
        "patch",
        "probe",
        "one",
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{"phase":"Hacked"}}',
    )
    edited = await cluster.get(PROBES, namespace, "one")
    assert edited is not None
    taken = await cluster.apply_status(
        PROBES, namespace, "one", {"phase": "Active"}, resource_version=edited["metadata"]["resourceVersion"]
    )
    assert taken["status"] == {"phase": "Active"}


async def test_no_status_for_an_object_that_is_gone_or_replaced(
    cluster: KubernetesCluster, namespace: str, probes: None
) -> None:
    first = await _create_probe(cluster, namespace)
    await cluster.delete(PROBES, namespace, "one")
    version = first["metadata"]["resourceVersion"]
    with pytest.raises(ApiError) as caught:
        await cluster.apply_status(PROBES, namespace, "one", {"phase": "Active"}, resource_version=version)
    assert caught.value.status in (404, 409)
    await _create_probe(cluster, namespace)
    with pytest.raises(ApiError) as caught:
        await cluster.apply_status(PROBES, namespace, "one", {"phase": "Active"}, resource_version=version)
    assert caught.value.status == 409


async def test_a_delete_with_a_uid_spares_the_successor(cluster: KubernetesCluster, namespace: str) -> None:
    body = {"metadata": {"name": "one"}}
    first = await cluster.create(CONFIG_MAPS, namespace, body)
    with pytest.raises(ApiError) as caught:
        await cluster.create(CONFIG_MAPS, namespace, body)
    assert (caught.value.status, caught.value.reason) == (409, "AlreadyExists")
    await cluster.delete(CONFIG_MAPS, namespace, "one", uid=first["metadata"]["uid"])
    await cluster.delete(CONFIG_MAPS, namespace, "one", uid=first["metadata"]["uid"])
    await cluster.create(CONFIG_MAPS, namespace, body)
    await cluster.delete(CONFIG_MAPS, namespace, "one", uid=first["metadata"]["uid"])
    assert await cluster.get(CONFIG_MAPS, namespace, "one") is not None


async def test_a_patch_carries_its_manager_its_precondition_and_can_be_a_trial(
    cluster: KubernetesCluster, namespace: str
) -> None:
    one = await cluster.create(CONFIG_MAPS, namespace, {"metadata": {"name": "one"}, "data": {"a": "1"}})
    trial = await cluster.patch(
        CONFIG_MAPS, namespace, "one", {"data": {"a": "2"}}, PatchType.MERGE, dry_run=True
    )
    assert trial["data"] == {"a": "2"}
    present = await cluster.get(CONFIG_MAPS, namespace, "one")
    assert present is not None
    assert present["data"] == {"a": "1"}
    guarded = {"metadata": {"uid": one["metadata"]["uid"], "resourceVersion": "1"}, "data": {"a": "3"}}
    with pytest.raises(ApiError) as caught:
        await cluster.patch(CONFIG_MAPS, namespace, "one", guarded, PatchType.MERGE)
    assert caught.value.status == 409
    applied = await cluster.patch(
        CONFIG_MAPS,
        namespace,
        "one",
        {"metadata": {"name": "one"}, "data": {"b": "1"}},
        PatchType.APPLY,
        manager="integration-hub-heal",
    )
    assert "integration-hub-heal" in {entry["manager"] for entry in applied["metadata"]["managedFields"]}


# --------------------------------------------------------------------------- status writer and relist


async def test_the_status_writer_writes_facts_once_and_riders_never(
    cluster: KubernetesCluster, namespace: str, probes: None
) -> None:
    cache = ObjectCache()
    cache.upsert("Probe", await _create_probe(cluster, namespace))
    key = Key("Probe", namespace, "one")
    writer = StatusWriter(cluster, cache)

    async def write(status: Json) -> tuple[WriteOutcome, int]:
        observed = cache.get(key)
        assert observed is not None
        outcome = await writer.write(Probe, observed, status)
        now = await cluster.get(PROBES, namespace, "one")
        assert now is not None
        return outcome, int(now["metadata"]["resourceVersion"])

    _, untouched = await write({"phase": "Pending"})
    assert await write({"phase": "Pending", "checkedAt": "12:00"}) == (WriteOutcome.UNCHANGED, untouched)
    outcome, written = await write({"phase": "Active", "checkedAt": "12:01"})
    assert outcome is WriteOutcome.WRITTEN
    assert written > untouched
    assert await write({"phase": "Active", "checkedAt": "12:02"}) == (WriteOutcome.UNCHANGED, written)
    await cluster.patch(PROBES, namespace, "one", {"spec": {"size": 2}}, PatchType.MERGE)
    assert (await write({"phase": "Error"}))[0] is WriteOutcome.CONFLICT
    assert (await write({"phase": "Error"}))[0] is WriteOutcome.WRITTEN
    await cluster.delete(PROBES, namespace, "one")
    observed = cache.get(key)
    assert observed is not None
    assert await writer.write(Probe, observed, {"phase": "Active"}) is WriteOutcome.GONE
    assert cache.get(key) is None


async def test_the_relist_finds_what_no_feed_brought(
    cluster: KubernetesCluster, namespace: str, probes: None
) -> None:
    cache = ObjectCache()
    relist = Relist(
        cluster,
        cache,
        SystemClock(),
        SystemEntropy(),
        resources=[PROBES],
        namespaces=[namespace],
        patience_seconds=0.1,
    )
    for name in ("ghost", "stale", "same"):
        cache.upsert("Probe", await _create_probe(cluster, namespace, name))
    await cluster.delete(PROBES, namespace, "ghost")
    await cluster.delete(PROBES, namespace, "same")
    await cluster.patch(PROBES, namespace, "stale", {"spec": {"size": 2}}, PatchType.MERGE)
    real = {
        probe["metadata"]["name"]: probe["metadata"]["uid"]
        for probe in (
            await cluster.get(PROBES, namespace, "stale"),
            await _create_probe(cluster, namespace, "same"),
            await _create_probe(cluster, namespace, "new"),
        )
        if probe is not None
    }
    assert await relist.round()
    assert {cached.key.name: cached.uid for cached in cache.objects("Probe")} == real
    stale = cache.get(Key("Probe", namespace, "stale"))
    assert stale is not None
    assert stale.load()["spec"] == {"size": 2}
    state = relist.state()
    assert (state.complete, state.lag_seconds, state.deleted, state.fetched) == (True, 0.0, 2, 3)


# --------------------------------------------------------------------------- with the rights of the chart


@pytest.mark.req("SEC-07")
async def test_secrets_are_read_and_followed_only_where_the_tenant_lets_the_hub_in(
    control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, connect: Connect
) -> None:
    hub = f"{namespace}-hub"
    kubeconfig = await asyncio.to_thread(hub_chart.install_rights, control_plane, hub)
    as_hub = await connect(kubeconfig)
    secret = {"metadata": {"name": "token"}, "stringData": {"apiKey": "hunter2"}}
    await cluster.create(SECRETS, namespace, secret)
    secrets = KubernetesSecrets(as_hub)
    assert (await secrets.read(namespace, "token")).state is SecretState.DENIED

    told: list[str] = []
    reflector = Reflector(as_hub, SystemClock(), SystemEntropy(), SECRETS, lambda _, name: told.append(name))
    task = asyncio.create_task(reflector.run())
    try:
        reflector.serve([namespace])
        await _eventually(lambda: reflector.service(namespace) is Service.DENIED, "denied")
        await asyncio.to_thread(hub_chart.serve, control_plane, namespace, hub=hub)
        await _eventually(lambda: reflector.service(namespace) is Service.SERVED, "served", 40)
        await _eventually(lambda: "token" in told, "the Secret was told")
        read = await secrets.read(namespace, "token")
        assert read.data["apiKey"].reveal() == "hunter2"
        version = reflector.version(namespace, "token")
        assert version is not None
        assert version[1] == read.resource_version
        told.clear()
        await cluster.patch(SECRETS, namespace, "token", {"stringData": {"apiKey": "new"}}, PatchType.MERGE)
        await _eventually(lambda: told == ["token"], "the edit was told", 5)
        assert (await secrets.read(namespace, "absent")).state is SecretState.MISSING
        assert await as_hub.list(DEPLOYMENTS, namespace) == []
    finally:
        task.cancel()
        await asyncio.to_thread(control_plane.delete_namespace, hub)


async def test_events_show_in_kubectl_and_are_counted(
    control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, probes: None
) -> None:
    probe = await _create_probe(cluster, namespace)
    recorder = EventRecorder(
        cluster,
        SystemClock(),
        SystemEntropy(),
        resources=[PROBES],
        component="integration-hub",
        instance="hub-1",
    )
    task = asyncio.create_task(recorder.run())
    note = EventNote(
        Key("Probe", namespace, "one"),
        probe["metadata"]["uid"],
        "Warning",
        "Unreachable",
        "no answer from the far end",
    )
    recorder.record(note)
    await recorder.drain(10)
    recorder.record(note)
    recorder.record(note)
    await recorder.drain(10)
    task.cancel()
    shown = await asyncio.to_thread(
        control_plane.kubectl, "events", "-n", namespace, "--for", "probe/one", "-o", "json"
    )
    [event] = json.loads(shown.stdout)["items"]
    assert (event["count"], event["reason"], event["type"]) == (3, "Unreachable", "Warning")
    assert event["involvedObject"]["apiVersion"] == "runtime.test/v1"


async def test_the_lease_is_held_counted_and_released_with_the_rights_of_the_chart(
    control_plane: ControlPlane, namespace: str, connect: Connect
) -> None:
    hub = f"{namespace}-hub"
    kubeconfig = await asyncio.to_thread(hub_chart.install_rights, control_plane, hub)
    as_hub = await connect(kubeconfig)

    def elector(identity: str) -> Elector:
        return Elector(
            as_hub, SystemClock(), SystemEntropy(), namespace=hub, name="integration-hub", identity=identity
        )

    async def lease() -> dict[str, Any]:
        found = await as_hub.get(LEASES, hub, "integration-hub")
        assert found is not None
        spec: dict[str, Any] = found["spec"]
        return spec

    first, second = elector("first"), elector("second")
    tasks = [asyncio.create_task(first.run())]
    try:
        await _eventually(lambda: first.leading, "the first leads", 5)
        assert (await lease())["leaseTransitions"] == first.fencing == 1
        renewed = (await lease())["renewTime"]
        tasks.append(asyncio.create_task(second.run()))
        await asyncio.sleep(3)
        assert (await lease())["renewTime"] > renewed
        assert not second.leading
        await first.release()
        assert (await lease()).get("holderIdentity", "") == ""
        await _eventually(lambda: second.leading, "the second leads", 5)
        assert (await lease())["holderIdentity"] == "second"
        assert second.fencing == 2
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.to_thread(control_plane.delete_namespace, hub)
