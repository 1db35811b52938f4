"""The chart and the manifests on a real API server: what they install, and what stays behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import hub_chart
import samples
from controlplane import ControlPlane
from eventually import eventually
from hub_chart import HelmError, helm
from integration_hub.api.kinds import KINDS

pytestmark = pytest.mark.control_plane

RELEASE = ("integration-hub", str(hub_chart.CHART), "--namespace", "integration-hub")


@pytest.fixture(scope="module")
def own_plane() -> Iterator[ControlPlane]:
    """A control plane with the chart installed, for this module alone: uninstalling touches all of it."""
    with ControlPlane.start() as plane:
        helm("install", *RELEASE, "--create-namespace", kubeconfig=plane.kubeconfig)
        yield plane


@pytest.mark.req("PLT-03")
def test_helm_installs_the_chart_into_an_empty_cluster(own_plane: ControlPlane) -> None:
    said = helm("get", "notes", RELEASE[0], *RELEASE[2:], kubeconfig=own_plane.kubeconfig)
    assert "kubectl --namespace integration-hub rollout status deployment/integration-hub" in said
    assert "--serviceaccount=integration-hub:integration-hub" in said
    for info in KINDS:
        own_plane.kubectl("wait", "--for=condition=Established", f"crd/{info.crd_name}", "--timeout=30s")
    own_plane.kubectl("get", "hub", "--all-namespaces")


def test_its_pod_passes_the_strictest_pod_security_level(own_plane: ControlPlane) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    own_plane.kubectl("label", "namespace", "integration-hub", label)
    own_plane.kubectl("--namespace", "integration-hub", "delete", "pod", "--all", "--wait=false")
    pods = ("--namespace", "integration-hub", "get", "pods", "--output=name")
    eventually(lambda: "pod/" in own_plane.kubectl(*pods).stdout, "a pod under the restricted level")


def test_more_replicas_and_back_is_an_upgrade(own_plane: ControlPlane) -> None:
    strategy = (
        *("--namespace", "integration-hub", "get", "deployment", "integration-hub"),
        "--output=jsonpath={.spec.strategy.type}/{.spec.replicas}",
    )
    budget = ("--namespace", "integration-hub", "get", "pdb", "--output=name")
    for replicas, expected, budgets in ((2, "RollingUpdate/2", 1), (1, "Recreate/1", 0)):
        store = "postgresql" if replicas > 1 else "sqlite"
        values = f"replicas={replicas},store.type={store},store.postgresql.existingSecret=hub-store"
        helm("upgrade", *RELEASE, "--set", values, kubeconfig=own_plane.kubeconfig)
        assert own_plane.kubectl(*strategy).stdout == expected
        assert own_plane.kubectl(*budget).stdout.count("/") == budgets


@pytest.mark.req("PLT-08")
def test_helm_waits_for_an_integration_until_the_hub_has_spoken(
    own_plane: ControlPlane, tmp_path: Path
) -> None:
    """No hub runs here. The status that the CRD gives at birth keeps `--wait` from seeing green."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: connections\nversion: 1.0.0\n")
    (tmp_path / "templates" / "slack.yaml").write_text(
        "apiVersion: integrationhub.io/v1alpha1\nkind: Integration\nmetadata: {name: slack}\n"
        "spec: {providerRef: {name: slack}}\n"
    )
    waiting = ("upgrade", "--install", "connections", str(tmp_path), "--wait", "--timeout")
    with pytest.raises(HelmError, match=r"(?is)slack.*not ready|deadline|InProgress"):
        helm(*waiting, "3s", kubeconfig=own_plane.kubeconfig)
    ready = {
        "observedGeneration": 1,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Succeeded",
                "message": "Spoken by the test in the hub's place.",
                "lastTransitionTime": "2026-11-21T00:00:00Z",
                "observedGeneration": 1,
            }
        ],
    }
    own_plane.kubectl(
        *("patch", "integration", "slack", "--subresource=status", "--type=merge"),
        *("--patch", json.dumps({"status": ready})),
    )
    helm(*waiting, "60s", kubeconfig=own_plane.kubeconfig)
    helm("uninstall", "connections", kubeconfig=own_plane.kubeconfig)


@pytest.mark.req("PLT-08")
def test_uninstalling_keeps_the_kinds_and_their_objects_and_installing_again_takes_them_over(
    own_plane: ControlPlane,
) -> None:
    own_plane.create_namespace("project-123")
    samples.apply_one(own_plane, "itechsmart-dataflow.yaml")
    product = ("--namespace", "project-123", "get", "prodreg", "itechsmart-dataflow")
    helm("uninstall", RELEASE[0], *RELEASE[2:], kubeconfig=own_plane.kubeconfig)
    kept = own_plane.kubectl("get", "crd", "--output=name").stdout
    assert {line.partition("/")[2] for line in kept.splitlines()} == {info.crd_name for info in KINDS}
    own_plane.kubectl(*product)
    gone = own_plane.kubectl("get", "clusterrole,validatingadmissionpolicy", "--output=name").stdout
    assert "integration-hub" not in gone
    helm("install", *RELEASE, kubeconfig=own_plane.kubeconfig)
    own_plane.kubectl(*product)


@pytest.mark.req("SEC-07")
def test_a_namespaced_hub_may_nothing_outside_its_namespaces(own_plane: ControlPlane, tmp_path: Path) -> None:
    for name in ("team-x", "hub-x"):
        own_plane.create_namespace(name)
    chosen = {"watchNamespaces": ["team-x"], "tenants": ["team-x"], "crds": {"install": False}}
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(chosen))
    install = ("install", "x", str(hub_chart.CHART), "--namespace", "hub-x", "--values", str(values))
    helm(*install, kubeconfig=own_plane.kubeconfig)
    hub = own_plane.service_account_kubeconfig("hub-x", "x-integration-hub")

    def may(verb: str, resource: str, *where: str) -> bool:
        ran = own_plane.kubectl("auth", "can-i", verb, resource, *where, as_kubeconfig=hub, check=False)
        return ran.stdout.strip() == "yes"

    assert may("watch", "integrations.integrationhub.io", "--namespace=team-x")
    assert may("get", "secrets", "--namespace=team-x")
    assert not may("watch", "integrations.integrationhub.io", "--namespace=project-123")
    assert not may("watch", "integrations.integrationhub.io", "--all-namespaces")
    assert not may("list", "clusterintegrationproviders.integrationhub.io")
    assert not may("get", "secrets", "--namespace=project-123")


@pytest.mark.req("PLT-08", "PRD-01", "PRD-17", "INT-01", "INT-12", "PRV-01", "PRV-04", "PRV-06")
def test_every_sample_is_taken_server_side_and_settles(
    control_plane: ControlPlane, operator_kubeconfig: Path
) -> None:
    folder = ("--kustomize", str(samples.FOLDER))
    ours = ("get", *folder, "--output=jsonpath={range .items[*]}{.metadata.generation}{.spec}{'\\n'}{end}")
    control_plane.kubectl("apply", "--server-side", *folder)
    before = control_plane.kubectl(*ours).stdout
    control_plane.kubectl("apply", "--server-side", *folder)
    assert control_plane.kubectl(*ours).stdout == before
    assert before.count("\n") == len(samples.documents())


@pytest.mark.req("PRD-01", "PRD-17")
def test_the_dataflow_sample_is_the_registration_of_the_products_own_documentation() -> None:
    (dataflow,) = [body for body in samples.documents() if body["metadata"]["name"] == "itechsmart-dataflow"]
    assert dataflow["spec"] == {
        "productId": "itechsmart-dataflow",
        "productName": "iTechSmart DataFlow",
        "version": "1.0.0",
        "apiEndpoint": "http://dataflow:8080",
        "healthEndpoint": "http://dataflow:8080/health",
        "capabilities": ["data_pipeline", "etl", "streaming"],
    }


def test_kubectl_applies_the_kustomize_base(control_plane: ControlPlane, operator_kubeconfig: Path) -> None:
    base = str(hub_chart.ROOT / "manifests" / "base")
    control_plane.kubectl(
        "apply", "--server-side", "--dry-run=server", "--force-conflicts", "--kustomize", base
    )
