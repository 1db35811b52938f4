"""Wrong YAML is refused by the API server, and the message names the field and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import hub_chart
import wrong_yaml
from controlplane import ControlPlane
from controlplane.api import ApiError
from wrong_yaml import ABSENT

DEFINITIONS = {
    document["spec"]["names"]["kind"]: document
    for document in yaml.safe_load_all((hub_chart.ROOT / "crds" / "crds.yaml").read_text())
}
_MODE = ("spec", "authModes", 0)
COMPANIONS: dict[str, dict[tuple[str | int, ...], Any]] = {
    "spec.providerRef.namespace": {("spec", "providerRef", "kind"): "IntegrationProvider"},
    "spec.retry.maxDelayMilliseconds": {("spec", "retry", "baseDelayMilliseconds"): 10},
    "spec.sync.auto": {("spec", "sync", "schedule"): "30m"},
}
OF_PROVIDERS: dict[str, dict[tuple[str | int, ...], Any]] = {
    "spec.authModes[0].jwt": {(*_MODE, "type"): "JWT_BEARER", (*_MODE, "jwt", "exchange"): "none"},
    "spec.authModes[0].jwt.exchange": {(*_MODE, "jwt", "exchange"): "none"},
    "spec.authModes[0].login": {(*_MODE, "type"): "TWO_STEP"},
    "spec.authModes[0].aws": {(*_MODE, "type"): "AWS_SIGV4"},
    "spec.batch": {("spec", "batch", "callsAt"): "calls"},
    "spec.batch.callsParameter": {("spec", "batch", "callsAt"): ABSENT},
    "spec.endpoints[0].document": {("spec", "endpoints", 0, "kind"): "graphql"},
    "spec.endpoints[0].requestBody": {("spec", "endpoints", 0, "method"): "POST"},
    "spec.entities[0]": {("spec", "entities", 0, "readPath"): "/"},
    "spec.entities[0].endpoint": {("spec", "entities", 0, "readPath"): ABSENT},
    "spec.widgets[0]": {("spec", "widgets", 0, "path"): "/"},
    "spec.widgets[0].endpoint": {("spec", "widgets", 0, "path"): ABSENT},
}
HAND_WRITTEN = sorted((hub_chart.ROOT / "tests" / "golden" / "wrong").glob("*.yaml"))

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("operator_kubeconfig")]


@pytest.mark.req(
    "SEC-11", "INT-02", "INT-03", "INT-04", "INT-09", "INT-10", "INT-11", "PRV-02", "PRV-03", "PRV-08"
)
@pytest.mark.parametrize("kind", DEFINITIONS)
def test_every_field_wrong_in_every_way_is_refused_by_name(
    control_plane: ControlPlane, namespace: str, kind: str
) -> None:
    accepted, unnamed, controls, count = [], [], {}, 0
    companions = COMPANIONS | (OF_PROVIDERS if kind.endswith("IntegrationProvider") else {})
    for case in wrong_yaml.cases(DEFINITIONS[kind], companions):
        count += 1
        control = repr(case.right)
        if control not in controls:
            controls[control] = _refusal(control_plane, namespace, case.right)
        assert controls[control] is None, f"{case.name}: the control is refused: {controls[control]}"
        message = _refusal(control_plane, namespace, case.wrong)
        if message is None:
            accepted.append(case.name)
        elif case.field not in message:
            unnamed.append(f"{case.name}: {message[:300]}")
    assert not accepted, "taken though wrong:\n" + "\n".join(accepted)
    assert not unnamed, "refused without naming the field:\n" + "\n".join(unnamed)
    assert count > 100, "the corpus has shrunk: it should cover every field"


@pytest.mark.req("SEC-11")
@pytest.mark.parametrize("path", HAND_WRITTEN, ids=[path.stem for path in HAND_WRITTEN])
def test_a_mistake_across_fields_is_refused_with_the_way_out(
    control_plane: ControlPlane, namespace: str, path: Path
) -> None:
    """Each file begins with `# refused: TEXT`, and the API server's message has to hold that text."""
    first, _, body = path.read_text().partition("\n")
    expected = first.removeprefix("# refused: ")
    assert expected != first, "the first line says what the message must hold"
    ran = control_plane.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--namespace",
        namespace,
        "--filename",
        "-",
        input=body,
        check=False,
    )
    assert ran.returncode, "taken though wrong"
    assert expected in " ".join(ran.stderr.split())


@pytest.mark.req("PRD-17")
def test_a_product_cannot_change_its_id(control_plane: ControlPlane, namespace: str) -> None:
    product = yaml.safe_load((hub_chart.ROOT / "manifests/samples/itechsmart-dataflow.yaml").read_text())
    product["metadata"]["namespace"] = namespace
    hub_chart.apply(control_plane, [product])
    patch = '{"spec":{"productId":"itechsmart-pulse"}}'
    ran = control_plane.kubectl(
        "--namespace",
        namespace,
        "patch",
        "prodreg",
        "itechsmart-dataflow",
        "--type=merge",
        "--patch",
        patch,
        check=False,
    )
    assert "spec.productId" in ran.stderr
    assert "productId cannot change: delete this object and register the product anew" in ran.stderr


def _refusal(plane: ControlPlane, namespace: str, body: dict[str, Any]) -> str | None:
    """The API server's message, None if it took the object. Nothing is stored."""
    names = DEFINITIONS[body["kind"]]["spec"]
    scope = f"/namespaces/{namespace}" if names["scope"] == "Namespaced" else ""
    path = f"/apis/{body['apiVersion']}{scope}/{names['names']['plural']}?dryRun=All&fieldValidation=Strict"
    try:
        plane.api.request("POST", path, body)
    except ApiError as error:
        if error.status not in {400, 422}:
            raise
        return str(error)
    return None
