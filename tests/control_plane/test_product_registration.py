"""Products as a user meets them: YAML in by kubectl, a verdict out by kubectl, Deployments healed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

import hub_chart
from controlplane import ControlPlane
from eventually import eventually
from far_end import Corner, Reply
from hub_process import HubProcess
from products import QUICK, QUICK_HEAL, Products

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]

WELL = {"status": "healthy", "version": "1.0.0", "uptime": 3600, "metrics": {"cpu": 45.2, "memory": 62.8}}


@pytest.fixture
def products(control_plane: ControlPlane, namespace: str, hub: HubProcess) -> Iterator[Products]:
    """A namespace that the hub serves. Its products end with the test: several in trouble are a storm."""
    assert hub.process.poll() is None
    hub_chart.serve(control_plane, namespace)
    yield Products(control_plane, namespace)
    control_plane.kubectl("-n", namespace, "delete", "prodreg", "--all", "--timeout=30s")


@pytest.fixture
def process(corner: Corner) -> Corner:
    """The product's own process: well, until a test says otherwise."""
    corner.always(200, WELL)
    return corner


def running(products: Products, process: Corner, **changes: Any) -> None:
    """The usual beginning: a product that runs, and all is well."""
    products.deploy("dataflow")
    products.register("dataflow", process, **changes)
    products.becomes("dataflow", "True", "Succeeded")


@pytest.mark.req("PRD-01", "PRD-09", "PRD-10", "PRD-12", "PRD-17", "PRD-21", "PLT-06")
def test_a_registered_product_is_probed_and_its_health_can_be_read(
    products: Products, process: Corner
) -> None:
    running(products, process, capabilities=["data_pipeline", "etl", "streaming"])
    assert [(each.method, each.path) for each in process.asked[:1]] == [("GET", "/health")]
    status = products.status("dataflow")
    assert status["health"]["status"] == "healthy"
    assert status["health"]["metrics"] == {"cpu_usage": 45.2, "memory_usage": 62.8}
    assert status["health"]["reportedVersion"] == "1.0.0"
    assert products.condition("dataflow", "WorkloadAvailable") == ("True", "WorkloadAvailable")
    header, row = products.kubectl("get", "productregistrations").splitlines()
    assert header.split() == ["NAME", "PRODUCT", "VERSION", "HEALTH", "SINCE", "HEALED", "AGE"]
    assert row.split()[:4] == ["dataflow", "dataflow", "1.0.0", "healthy"]
    assert row.split()[5] == "0"
    assert "LAST-SEEN" in products.kubectl("get", "prodreg", "-o", "wide")
    healthy = products.kubectl("get", "prodreg", "--field-selector", "status.health.status=healthy")
    assert "dataflow" in healthy
    products.kubectl("wait", "--for=condition=Ready", "prodreg/dataflow", "--timeout=5s")
    eventually(
        lambda: ("Normal", "ProductRegistered") in products.events("dataflow"), "an Event of the registration"
    )


@pytest.mark.req("PRD-06")
def test_each_word_for_health_can_be_seen(products: Products, process: Corner) -> None:
    products.register("pulse", process, workload=False)
    products.becomes("pulse", "True", "Succeeded")
    process.always(200, {"status": "degraded"})
    products.until("pulse", lambda: products.verdict("pulse") == "degraded")
    process.always(503)
    products.until("pulse", lambda: products.verdict("pulse") == "unhealthy")
    assert products.condition("pulse") == ("False", "ProbeFailed")
    products.register("pulse", process, workload=False, probe="Disabled")
    products.until("pulse", lambda: products.verdict("pulse") == "unknown")
    products.deploy("idle", replicas=0)
    products.register("idle", process, probe="Disabled")
    products.until("idle", lambda: products.verdict("idle") == "offline")


@pytest.mark.req("PRD-21", "PLT-06")
def test_a_healthy_product_costs_nothing_once_all_is_told(products: Products, process: Corner) -> None:
    running(products, process)
    products.becomes("dataflow", "True", "KeyIssued", condition="ApiKeyReady")
    path = "productregistrations/dataflow"
    writes = products.audited("patch", f"{path}/status")
    asked = len(process.asked)
    eventually(lambda: len(process.asked) >= asked + 10, "ten more probes", seconds=60)
    assert products.audited("patch", f"{path}/status") == writes


@pytest.mark.req("HEAL-01", "HEAL-10", "HEAL-19", "PLT-07")
def test_a_dead_product_is_restarted_and_recovers(
    products: Products, process: Corner, hub: HubProcess
) -> None:
    running(products, process, heal=QUICK_HEAL)
    pods = set(products.kubectl("get", "pods", "-l", "app=dataflow", "-o", "name").split())
    process.always(500)
    products.until("dataflow", lambda: products.verdict("dataflow") == "unhealthy")
    products.until("dataflow", lambda: products.healed("dataflow"))
    process.always(200, WELL)  # the new pod's process
    products.until("dataflow", lambda: products.results("dataflow") == ["succeeded"])
    products.becomes("dataflow", "True", "Succeeded")
    template, [record] = products.template("dataflow"), products.status("dataflow")["heal"]["history"]
    assert template["integrationhub.io/heal-id"] == record["id"]
    assert template["kubectl.kubernetes.io/restartedAt"] == record["at"]
    products.kubectl("rollout", "status", "deployment/dataflow", "--timeout=60s")
    eventually(
        lambda: not pods & set(products.kubectl("get", "pods", "-l", "app=dataflow", "-o", "name").split()),
        "the pods of before are gone",
    )
    managers = "jsonpath={.metadata.managedFields[*].manager}"
    owners = products.kubectl("get", "deployment", "dataflow", "--show-managed-fields", "-o", managers)
    assert "integration-hub-heal" in owners.split()
    told = products.kubectl("get", "productregistrations").splitlines()[1].split()
    assert told[5] == "1", told
    eventually(
        lambda: {"HealActionTaken", "HealSucceeded"} <= {reason for _, reason in products.events("dataflow")},
        "Events of the heal",
    )
    taken = hub.metric("integration_hub_heal_actions_total", action="restart", result="verifying")
    assert taken is not None
    assert taken >= 1
    value = hub.metric("integration_hub_product_health", namespace=products.namespace, name="dataflow")
    assert value == 1


@pytest.mark.req("OBS-20")
def test_how_a_product_performs_can_be_seen_in_one_place(
    products: Products, process: Corner, hub: HubProcess
) -> None:
    def told(name: str, **labels: str) -> float | None:
        of_it = {"namespace": products.namespace, "name": "pulse", **labels}
        return hub.metric(f"integration_hub_product_{name}", **of_it)

    begun = time.time()
    body = {**WELL, "metrics": {"cpu": 45.2, "active_connections": 150, "lag": 3, "made_up": 1}}
    process.behave = lambda _: Reply(200, body, seconds=0.05)
    products.register("pulse", process, workload=False, tier="foundation", heal={"thresholds": {"lag": 9}})
    products.becomes("pulse", "True", "Succeeded")
    eventually(lambda: told("response_seconds") is not None, "the time of its answer")
    assert (told("response_seconds") or 0) >= 0.05
    assert told("health") == 1
    assert told("consecutive_failures") == told("heals_total") == 0
    assert told("info", product="pulse", version="1.0.0", tier="foundation") == 1
    assert (told("last_seen_timestamp_seconds") or 0) >= int(begun)
    assert int(begun) <= (told("start_timestamp_seconds") or 0) + 3600 <= time.time()
    measured = {key: told("metric", key=key) for key in ("cpu_usage", "active_connections", "lag", "made_up")}
    assert measured == {"cpu_usage": 45.2, "active_connections": 150, "lag": 3, "made_up": None}
    process.always(503)
    eventually(lambda: (told("consecutive_failures") or 0) >= 2, "failures in a row")
    eventually(lambda: told("health") == 0, "the verdict")
    assert told("metric", key="cpu_usage") is None
    products.kubectl("delete", "prodreg", "pulse", "--timeout=10s")
    eventually(lambda: told("info") is None, "its figures are gone")
    assert told("consecutive_failures") is told("heals_total") is told("health") is None


@pytest.mark.req("HEAL-01")
def test_a_rollout_in_progress_is_left_alone(products: Products, process: Corner) -> None:
    running(products, process, heal=QUICK_HEAL)
    products.deploy("dataflow", minReadySeconds=300)
    products.kubectl("rollout", "restart", "deployment/dataflow")
    process.always(500)
    products.becomes("dataflow", "False", "RolloutInProgress", condition="Healed")
    before = products.template("dataflow")
    time.sleep(10)
    assert products.template("dataflow") == before
    assert products.results("dataflow") == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(["rollout", "pause", "deployment/dataflow"], "HealWorkloadPaused", id="paused"),
        pytest.param(["scale", "deployment/dataflow", "--replicas=0"], "HealScaledToZero", id="zero"),
    ],
)
def test_what_an_operator_of_the_product_did_on_purpose_is_respected(
    products: Products, process: Corner, change: list[str], reason: str
) -> None:
    running(products, process, heal=QUICK_HEAL)
    products.kubectl(*change)
    process.always(500)
    products.becomes("dataflow", "True", reason, condition="HealSuspended")
    assert not products.healed("dataflow")
    eventually(
        lambda: ("Warning", "HealActionSkipped") in products.events("dataflow"),
        "an Event of the skipped heal",
    )


def test_a_dry_run_writes_nothing_on_the_deployment(products: Products, process: Corner) -> None:
    running(products, process, heal={**QUICK_HEAL, "mode": "DryRun"})
    version = products.get("dataflow", "deployment")["metadata"]["resourceVersion"]
    process.always(500)
    products.becomes("dataflow", "True", "HealDryRun", condition="HealSuspended")
    assert products.results("dataflow") == ["dryRun"]
    assert products.get("dataflow", "deployment")["metadata"]["resourceVersion"] == version


def test_a_proposal_is_carried_out_once_a_person_approves_it(products: Products, process: Corner) -> None:
    running(products, process, heal={**QUICK_HEAL, "mode": "Propose"})
    process.always(500)
    products.becomes("dataflow", "True", "HealProposed", condition="HealSuspended")
    assert not products.healed("dataflow")
    command = products.message("dataflow", "HealSuspended").partition("kubectl ")[2]
    products.kubectl(*command.split())
    products.until("dataflow", lambda: products.healed("dataflow"))
    process.always(200, WELL)
    products.until("dataflow", lambda: products.results("dataflow") == ["succeeded"])


def test_a_namespace_that_does_not_let_the_hub_in_is_told_the_command_that_does(
    control_plane: ControlPlane, namespace: str, process: Corner, hub: HubProcess
) -> None:
    products = Products(control_plane, namespace)
    products.deploy("dataflow")
    products.register("dataflow", process)
    products.becomes("dataflow", "False", "WorkloadAccessDenied", condition="WorkloadAvailable")
    assert products.verdict("dataflow") == "healthy"
    command = products.message("dataflow", "WorkloadAvailable").partition("kubectl ")[2]
    control_plane.kubectl(*command.split())
    products.becomes("dataflow", "True", "Succeeded", seconds=90)


def test_a_deployment_that_changes_is_noticed_at_once(products: Products, process: Corner) -> None:
    running(products, process, healthIntervalSeconds=600, heal={"enabled": False})
    products.kubectl("delete", "deployment", "dataflow")
    products.becomes("dataflow", "False", "WorkloadNotFound")
    products.deploy("dataflow")
    products.becomes("dataflow", "True", "Succeeded")


@pytest.mark.req("PRD-01")
def test_a_new_version_is_recorded(products: Products, process: Corner) -> None:
    running(products, process)
    products.register("dataflow", process, version="1.1.0")
    products.until("dataflow", lambda: products.status("dataflow").get("observedVersion") == "1.1.0")
    assert products.status("dataflow")["previousVersion"] == "1.0.0"
    eventually(lambda: ("Normal", "ProductUpdated") in products.events("dataflow"), "an Event of the update")


def test_a_slow_product_is_told_from_a_dead_one(products: Products, process: Corner) -> None:
    products.register("pulse", process, workload=False)
    products.becomes("pulse", "True", "Succeeded")
    process.behave = lambda _: Reply(200, WELL, seconds=3)
    products.becomes("pulse", "False", "Timeout")


@pytest.mark.req("SEC-07")
def test_a_product_cannot_have_the_hub_call_the_api_server(
    products: Products, process: Corner, control_plane: ControlPlane
) -> None:
    products.register("evil", process, workload=False, healthEndpoint=f"{control_plane.url}/healthz")
    products.becomes("evil", "False", "AddressBlocked", condition="Healthy")
    assert products.condition("evil", "Stalled") == ("True", "AddressBlocked")


def test_deleting_a_product_leaves_nothing_behind(
    products: Products, process: Corner, hub: HubProcess
) -> None:
    products.register("pulse", process, workload=False, **QUICK)
    products.becomes("pulse", "True", "Succeeded")
    products.kubectl("delete", "prodreg", "pulse", "--timeout=10s")
    eventually(
        lambda: (
            hub.metric("integration_hub_product_health", namespace=products.namespace, name="pulse") is None
        ),
        "its figures are gone",
    )
    asked = len(process.asked)
    time.sleep(4)
    assert len(process.asked) <= asked + 1
