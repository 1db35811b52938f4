"""The samples that people start from, as tests use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

import hub_chart

if TYPE_CHECKING:
    from controlplane import ControlPlane

FOLDER = hub_chart.ROOT / "manifests" / "samples"


def documents() -> list[dict[str, Any]]:
    """Every object of every sample, in the order in which kustomize lists the files."""
    files = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    return [part for name in files for part in of_file(name)]


def of_file(name: str) -> list[dict[str, Any]]:
    """The objects of one sample file."""
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def product(namespace: str, *, workload: str | None = None, **changes: Any) -> dict[str, Any]:
    """The sample product itechsmart-dataflow in `namespace`, with a Deployment or without."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "itechsmart-dataflow.yaml").read_text())
    found["metadata"]["namespace"] = namespace
    found["spec"] |= changes
    if workload:
        found["spec"]["workloadRef"] = {"name": workload}
    return found


def apply_one(plane: ControlPlane, name: str) -> None:
    """Apply one sample file as the administrator; its namespace has to exist."""
    plane.kubectl("apply", "--server-side", "--filename", str(FOLDER / name))
