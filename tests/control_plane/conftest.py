"""What every test against a real API server may ask for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub_chart
from controlplane import ControlPlane
from far_end import Corner, FarEnd, far_end
from hub_process import HubProcess, running_hub
from tenant import Tenant
from threat_stage import Siege, siege


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ControlPlane) -> Path:
    """Kubeconfig of the hub's own ServiceAccount, with the CRDs and the RBAC of the chart in place.

    The hub's namespace is `hub_chart.NAMESPACE`; `hub_chart.serve` lets it into another one. A test that
    runs its own operator calls `hub_chart.install_rights(control_plane, its_namespace)` instead.
    """
    return hub_chart.install_rights(control_plane)


@pytest.fixture(scope="session")
def outside() -> Iterator[FarEnd]:
    """The outside system of a run: a real HTTP server that the hub of `hub` may call."""
    with far_end() as server:
        yield server


@pytest.fixture
def corner(outside: FarEnd) -> Corner:
    """This test's own part of the outside system."""
    return outside.corner(uuid.uuid4().hex[:8])


@pytest.fixture(scope="session")
def hub(
    control_plane: ControlPlane,
    operator_kubeconfig: Path,
    outside: FarEnd,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[HubProcess]:
    """The hub at work for all namespaces of the control plane, with the chart's rights and no others.

    There must be one only: modules that use it carry `pytest.mark.xdist_group("hub")`, so that one
    worker runs them all. A test that wants a hub of its own starts it on a control plane of its own.
    """
    settings = {
        "namespace": hub_chart.NAMESPACE,
        "egress_allow": f"127.0.0.1/32:{outside.port}",
        "relist_seconds": "60",
    }
    with running_hub(tmp_path_factory.mktemp("hub"), operator_kubeconfig, settings) as running:
        yield running


@pytest.fixture
def tenant(control_plane: ControlPlane, namespace: str, corner: Corner, hub: HubProcess) -> Iterator[Tenant]:
    """A tenant whose namespace the hub serves."""
    assert hub.process.poll() is None
    hub_chart.serve(control_plane, namespace)
    made = Tenant(control_plane, namespace, corner)
    before = hub.log.stat().st_size
    yield made
    with hub.log.open() as log:  # what the hub said meanwhile, shown if the test fails
        log.seek(before)
        print(log.read()[-4000:])
    control_plane.kubectl("delete", "ciprov", made.provider_name, "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="session")
def under_siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """A hub to attack. Modules that use it carry `pytest.mark.xdist_group("threats")`."""
    with siege(tmp_path_factory.mktemp("siege")) as made:
        yield made
