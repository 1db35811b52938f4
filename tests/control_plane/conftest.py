"""What every test against a real API server may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

import hub_chart
from controlplane import ControlPlane


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ControlPlane) -> Path:
    """Kubeconfig of the hub's own ServiceAccount, with the CRDs and the RBAC of the chart in place.

    The hub's namespace is `hub_chart.NAMESPACE`; `hub_chart.serve` lets it into another one. A test that
    runs its own operator calls `hub_chart.install_rights(control_plane, its_namespace)` instead.
    """
    return hub_chart.install_rights(control_plane)
