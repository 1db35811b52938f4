"""The kinds as people meet them in kubectl: birth, defaults, explanations, columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import hub_chart
import samples
from controlplane import ControlPlane
from integration_hub.api.conditions import PENDING
from integration_hub.api.kinds import KINDS
from integration_hub.api.meta import KindInfo

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("operator_kubeconfig")]


@pytest.mark.req("PLT-08", "INT-07", "INT-13", "PRV-10", "PRD-01")
@pytest.mark.parametrize("info", KINDS, ids=lambda info: info.kind)
def test_a_new_object_is_pending_from_its_first_moment(
    control_plane: ControlPlane, namespace: str, info: KindInfo
) -> None:
    sample = next(body for body in samples.documents() if body["kind"] == info.kind)
    sample["metadata"]["name"] = namespace
    if info.namespaced:
        sample["metadata"]["namespace"] = namespace
    born = created(control_plane, sample)
    assert born["status"] == {"observedGeneration": -1, "conditions": [PENDING]}
    assert born["metadata"]["creationTimestamp"]


@pytest.mark.req("INT-01", "INT-03", "INT-09", "INT-10", "INT-11")
def test_defaults_appear_in_what_people_left_out(control_plane: ControlPlane, namespace: str) -> None:
    body = {
        "apiVersion": "integrationhub.io/v1alpha1",
        "kind": "Integration",
        "metadata": {"name": "slack", "namespace": namespace},
        "spec": {"providerRef": {"name": "slack"}},
    }
    spec = created(control_plane, body)["spec"]
    assert spec["environment"] == "PRODUCTION"
    assert spec["enabled"] is True
    assert spec["timeoutSeconds"] == 30
    assert (spec["retry"]["enabled"], spec["retry"]["maxRetries"]) == (True, 3)
    assert spec["providerRef"]["kind"] == "ClusterIntegrationProvider"


@pytest.mark.req("PRV-01", "PRV-06", "PRV-07", "PRV-09")
def test_a_provider_is_active_and_supports_nothing_unless_it_says_so(
    control_plane: ControlPlane, namespace: str
) -> None:
    sample = next(body for body in samples.documents() if body["metadata"]["name"] == "erp")
    sample["metadata"]["namespace"] = namespace
    spec = created(control_plane, sample)["spec"]
    assert spec["state"] == "ACTIVE"
    assert spec["supports"] == {"webhooks": False, "batch": False, "realtime": False}


@pytest.mark.req("PLT-08")
@pytest.mark.parametrize("info", KINDS, ids=lambda info: info.kind)
def test_kubectl_explains_every_field(control_plane: ControlPlane, info: KindInfo) -> None:
    published = json.loads(
        control_plane.kubectl("get", "--raw", "/openapi/v3/apis/integrationhub.io/v1alpha1").stdout
    )
    schema = published["components"]["schemas"][f"io.integrationhub.v1alpha1.{info.kind}"]
    own = {name: part for name, part in schema["properties"].items() if name != "metadata"}
    fields = list(_fields({"properties": own}))
    assert not [path for path, part in fields if not part.get("description")]
    shown = control_plane.kubectl("explain", info.plural, "--recursive").stdout
    assert "<empty>" not in shown
    for path, _ in fields:
        name = path.rpartition(".")[2]
        assert re.search(rf"^ +{name}\t", shown, re.MULTILINE), f"{path} is not shown"


@pytest.mark.req("PRD-01")
def test_columns_are_those_that_people_ask_for(control_plane: ControlPlane, namespace: str) -> None:
    hub_chart.apply(control_plane, [samples.product(namespace)])
    listed = ("--namespace", namespace, "get", "productregistrations")
    heading, row = control_plane.kubectl(*listed).stdout.splitlines()
    assert heading.split() == ["NAME", "PRODUCT", "VERSION", "HEALTH", "SINCE", "HEALED", "AGE"]
    assert row.split()[:3] == ["itechsmart-dataflow", "itechsmart-dataflow", "1.0.0"]
    assert "LAST-SEEN" in control_plane.kubectl(*listed, "--output=wide").stdout


@pytest.mark.parametrize("info", KINDS, ids=lambda info: info.kind)
def test_a_kind_answers_to_its_short_name_and_its_category(
    control_plane: ControlPlane, info: KindInfo
) -> None:
    listed = control_plane.kubectl("api-resources", "--categories=hub", "--no-headers").stdout
    (row,) = [line.split() for line in listed.splitlines() if line.split()[-1] == info.kind]
    assert row[1] == ",".join(info.short_names)
    assert row[3] == str(info.namespaced).lower()


def created(plane: ControlPlane, body: dict[str, Any]) -> dict[str, Any]:
    """What the API server would store of `body`; nothing is stored."""
    ran = plane.kubectl(
        *("create", "--dry-run=server", "--output=json", "--filename", "-"), input=json.dumps(body)
    )
    stored: dict[str, Any] = json.loads(ran.stdout)
    return stored


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a schema as the API server publishes it, with its dotted path."""
    for name, part in schema.get("properties", {}).items():
        where = f"{path}.{name}".lstrip(".")
        yield where, part
        inner = part.get("items", part.get("additionalProperties", part))
        if isinstance(inner, dict):
            yield from _fields(inner, where)
