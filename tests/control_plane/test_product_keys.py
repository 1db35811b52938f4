"""The keys of products as users meet them: in Secrets, at the HTTP door, by kubectl and its plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hub_chart
from caller import ApiCaller
from controlplane import ControlPlane
from eventually import eventually
from far_end import Corner
from hub_process import HubProcess, running_hub
from kubectl_plugin import kubectl_hub
from product_caller import HUB_KEY, NINJA_KEY, ask, key_of, keys_in_secret
from products import Products

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]

HUB = "/api/v1/hub/products"
OWN = f"{HUB}/dataflow/status"
SECRET = "product-dataflow-hub"
RESTART = {"annotations": {"integrationhub.io/restart-on-rotation": SECRET}}


@pytest.fixture
def products(control_plane: ControlPlane, namespace: str, hub: HubProcess) -> Iterator[Products]:
    """A namespace that the hub serves."""
    assert hub.process.poll() is None
    hub_chart.serve(control_plane, namespace)
    yield Products(control_plane, namespace)
    control_plane.kubectl("-n", namespace, "delete", "prodreg", "--all", "--timeout=30s")


def registered(products: Products, corner: Corner, name: str = "dataflow", **changes: Any) -> str:
    """A product that is well and has its key; returns that."""
    corner.always(200, {"status": "healthy"})
    products.register(name, corner, workload=False, **changes)
    products.becomes(name, "True", "KeyIssued", condition="ApiKeyReady")
    products.becomes(name, "True", "Succeeded")
    return key_of(products, name)


def answers(hub: HubProcess, key: str, status: int) -> None:
    """Wait until the hub answers a request with this key so."""
    eventually(
        lambda: ask(hub.gateway_port, OWN, key).status == status, f"it is answered {status}", seconds=20
    )


def told(products: Products) -> Any:
    return products.status("dataflow").get("apiKey") or {}


@pytest.mark.req("SEC-25", "PRD-04")
def test_a_product_speaks_to_the_hub_by_the_key_in_its_secret_and_about_itself_alone(
    products: Products, corner: Corner, hub: HubProcess
) -> None:
    key = registered(products, corner, productName="iTechSmart DataFlow", capabilities=["etl"])
    registered(products, corner, "pulse")
    assert keys_in_secret(products, "dataflow") == {HUB_KEY: key, NINJA_KEY: key}
    secret, registration = products.get(SECRET, "secret"), products.get("dataflow")
    assert secret["type"] == "integrationhub.io/product-key"
    owner = secret["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("ProductRegistration", registration["metadata"]["uid"])
    assert registration["status"]["apiKeySecretRef"] == {"name": SECRET}
    assert key not in json.dumps(registration)

    for header in ("Authorization", "X-API-Key"):
        answer = ask(hub.gateway_port, OWN, key, header=header)
        assert answer.status == 200, answer.body
        assert (answer.json["product_id"], answer.json["status"]) == ("dataflow", "healthy")
        assert (answer.json["product_name"], answer.json["capabilities"]) == ("iTechSmart DataFlow", ["etl"])
    for path in (f"{HUB}/pulse/status", f"{HUB}/nothing/status", "/api/v1/integrations", "/api/v1/audit"):
        refused = ask(hub.gateway_port, path, key)
        assert (refused.status, refused.json["code"]) == (403, "FORBIDDEN"), path
    assert ask(hub.gateway_port, OWN, key_of(products, "pulse")).status == 403
    mistyped = ask(hub.gateway_port, OWN, key[:-1] + ("x" if key[-1] != "x" else "y"))
    assert (mistyped.status, "mistyped" in mistyped.json["details"]) == (401, True)

    products.kubectl("delete", "prodreg", "dataflow", "--timeout=30s")
    answers(hub, key, 401)
    eventually(lambda: not key_of(products, "dataflow"), "the Secret goes with its owner", seconds=60)


@pytest.mark.req("PRD-04")
def test_people_and_services_read_the_status_by_their_rights_and_by_the_command_line(
    products: Products, corner: Corner, hub: HubProcess
) -> None:
    registered(products, corner)
    reader = ApiCaller(products.plane, hub.api, products.namespace, "reader")
    assert reader.ask("GET", OWN).status == 403
    reader.given("view")
    eventually(lambda: reader.ask("GET", OWN).status == 200, "the right counts", seconds=20)
    assert reader.ask("GET", OWN).json["status"] == "healthy"
    missing = reader.ask("GET", f"{HUB}/nothing/status")
    assert (missing.status, missing.json["code"]) == (404, "NOT_FOUND")

    asked = ("product", "status", "dataflow", "-n", products.namespace)
    door = ("--server", hub.api, "--service-account", "reader")
    shown = kubectl_hub(products.plane, *asked, *door).stdout
    assert "Status:" in shown
    assert "healthy" in shown
    as_json = json.loads(kubectl_hub(products.plane, *asked, *door, "-o", "json").stdout)
    assert as_json == reader.ask("GET", OWN).json
    corner.always(503)
    products.until("dataflow", lambda: products.verdict("dataflow") == "unhealthy")
    kubectl_hub(products.plane, *asked, *door, status=1)


@pytest.mark.req("SEC-25")
@pytest.mark.req("SEC-04", part="products' keys")
def test_a_key_is_replaced_with_an_overlap_and_ended_without_one(
    products: Products, corner: Corner, hub: HubProcess
) -> None:
    def rotate(*more: str) -> str:
        arguments = ("product", "rotate-key", "dataflow", *more, "-n", products.namespace)
        return kubectl_hub(products.plane, *arguments).stdout

    def restarted() -> str:
        return products.template("consumer").get("kubectl.kubernetes.io/restartedAt", "")

    first = registered(products, corner, apiKey={"rotation": {"interval": "30d"}, "overlap": "1h"})
    products.deploy("consumer", metadata=RESTART)
    assert not restarted()

    assert f"has a new key in Secret {SECRET}; the one before works until 2" in rotate()
    second = key_of(products, "dataflow")
    assert second != first
    answers(hub, second, 200)
    answers(hub, first, 200)
    assert restarted()
    times = told(products)
    assert times["lastRotatedAt"] < times["previousValidUntil"] < times["nextRotationAt"]
    wide = products.kubectl("get", "prodreg", "dataflow", "-o", "wide")
    assert "KEY-ROTATED" in wide

    said = rotate("--revoke")
    assert "every earlier key has ended" in said
    third = key_of(products, "dataflow")
    answers(hub, third, 200)
    assert third not in (first, second)
    answers(hub, first, 401)
    answers(hub, second, 401)
    assert "previousValidUntil" not in told(products)
    eventually(
        lambda: {"KeyIssued", "KeyRotated", "KeyRevoked"} <= {why for _, why in products.events("dataflow")},
        "Events of it",
    )


@pytest.mark.req("SEC-25")
def test_a_secret_that_somebody_deletes_is_made_anew_with_another_key(
    products: Products, corner: Corner, hub: HubProcess
) -> None:
    first = registered(products, corner)
    products.kubectl("delete", "secret", SECRET)
    eventually(lambda: key_of(products, "dataflow") not in ("", first), "another key", seconds=20)
    answers(hub, first, 401)
    answers(hub, key_of(products, "dataflow"), 200)
    wrong = {"stringData": {HUB_KEY: "made-up"}}
    second = key_of(products, "dataflow")
    products.kubectl("patch", "secret", SECRET, "--type=merge", "-p", json.dumps(wrong))
    eventually(lambda: key_of(products, "dataflow") not in ("made-up", second), "another key", seconds=20)
    answers(hub, second, 401)
    answers(hub, key_of(products, "dataflow"), 200)


@pytest.mark.req("SEC-25")
def test_a_namespace_that_does_not_let_the_hub_in_is_told_the_command_that_does(
    control_plane: ControlPlane, namespace: str, corner: Corner, hub: HubProcess
) -> None:
    products = Products(control_plane, namespace)
    corner.always(200, {"status": "healthy"})
    products.register("dataflow", corner, workload=False)
    products.becomes("dataflow", "False", "SecretAccessDenied", condition="ApiKeyReady")
    products.becomes("dataflow", "True", "Succeeded")
    message = products.message("dataflow", "ApiKeyReady")
    arguments = message[message.index("kubectl ") :].split()[1:]
    arguments[arguments.index("integration-hub-tenant")] = "let-in"  # as hub_chart names it otherwise
    control_plane.kubectl(*arguments)
    products.becomes("dataflow", "True", "KeyIssued", condition="ApiKeyReady", seconds=120)
    answers(hub, key_of(products, "dataflow"), 200)
    control_plane.kubectl("-n", namespace, "delete", "prodreg", "--all", "--timeout=30s")


@pytest.mark.req("SEC-25")
def test_a_gateway_that_does_not_lead_knows_keys_as_they_come_and_go(
    products: Products, corner: Corner, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    first = registered(products, corner)
    settings = {"namespace": hub_chart.NAMESPACE, "roles": "gateway"}
    with running_hub(tmp_path / "gateway", operator_kubeconfig, settings, leads=False) as gateway:
        answers(gateway, first, 200)
        products.kubectl("annotate", "prodreg", "dataflow", "integrationhub.io/revocation-requested=now")
        answers(gateway, first, 401)
        eventually(lambda: told(products).get("revocationRequested") == "now", "it was heard")
        products.becomes("dataflow", "True", "KeyIssued", condition="ApiKeyReady")
        answers(gateway, key_of(products, "dataflow"), 200)
        assert gateway.metric("integration_hub_leader") == 0


@pytest.mark.req("SEC-25")
def test_a_product_that_shall_have_no_key_has_none(
    products: Products, corner: Corner, hub: HubProcess
) -> None:
    key = registered(products, corner)
    products.register("dataflow", corner, workload=False, apiKey={"enabled": False})
    answers(hub, key, 401)
    eventually(lambda: not key_of(products, "dataflow"), "the Secret is gone")
    products.until("dataflow", lambda: products.condition("dataflow", "ApiKeyReady") == ("", ""))
    refused = kubectl_hub(
        products.plane, "product", "rotate-key", "dataflow", "-n", products.namespace, status=1
    )
    assert "spec.apiKey.enabled is false" in refused.stderr
