"""A namespace that is deleted under the hub: nothing is wrong with that, and nothing is said to be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import hub_chart
from eventually import eventually
from far_end import Asked, Corner, Reply
from hub_process import HubProcess
from products import Products
from tenant import SOON, Tenant

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]

MANY = 4
HOLD = "example.com/hold"


@pytest.fixture
def doomed(tenant: Tenant, corner: Corner) -> Iterator[Tenant]:
    """A namespace that the test deletes, full of what the hub works on all the time."""
    corner.behave = vendor
    plane, name = tenant.plane, f"{tenant.namespace}-d"
    plane.create_namespace(name)
    hub_chart.serve(plane, name)
    made = Tenant(plane, name, corner)
    made.provider(
        authModes=[{"type": "OAUTH2_CLIENT_CREDENTIALS"}],
        oauth={"tokenUrl": f"{corner.url}/token", "revokeUrl": f"{corner.url}/revoke"},
        configSchema={},
    )
    made.secret(clientId="me", clientSecret="secret-of-mine")
    for number in range(MANY):
        credentials = {
            "secretRef": {"name": "token"},
            "refreshBeforeSeconds": 10,
            "project": {"secretName": f"projected-{number}"},
        }
        made.integration(f"chat-{number}", config={}, instance=f"i{number}", credentials=credentials)
    products = Products(plane, name)
    products.deploy("flow")
    products.register("flow", corner)
    for number in range(MANY):
        made.becomes("True", "Succeeded", name=f"chat-{number}")
    products.becomes("flow", "True", "Succeeded")
    yield made
    plane.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")
    plane.kubectl("delete", "ciprov", made.provider_name, "--ignore-not-found", "--wait=false")


def vendor(asked: Asked) -> Reply:
    """Grants tokens that end soon, so that there is always something to renew and to write."""
    if asked.path == "/token":
        return Reply(200, {"access_token": f"at-{id(asked)}", "token_type": "bearer", "expires_in": 12})
    return Reply(200, {"status": "healthy"})


def complaints(hub: HubProcess, namespace: str, since: int) -> list[dict[str, Any]]:
    """What the hub said about this namespace that would wake somebody."""
    return [
        entry
        for entry in hub.entries()[since:]
        if entry["level"] not in ("debug", "info") and namespace in json.dumps(entry)
    ]


def test_it_goes_without_a_complaint(doomed: Tenant, hub: HubProcess) -> None:
    since, asked = len(hub.entries()), {"namespace": doomed.namespace}
    doomed.plane.kubectl("delete", "namespace", doomed.namespace, "--timeout=180s")

    def forgotten() -> bool:
        names = ("integration_ready_status", "product_health")
        return all(hub.metric(f"integration_hub_{name}", **asked) is None for name in names)

    eventually(forgotten, "the hub has forgotten it", seconds=SOON)
    assert complaints(hub, doomed.namespace, since) == []


def test_what_somebody_holds_back_in_it_is_left_alone(doomed: Tenant, hub: HubProcess) -> None:
    """Secrets and consent are gone while Integrations and products are still there, about to go."""
    plane, name = doomed.plane, doomed.namespace
    held = [f"integration/chat-{number}" for number in range(MANY)] + ["productregistration/flow"]
    for each in held:
        plane.kubectl(*("patch", each, "-n", name, "--type=merge", "-p"), finalizers(HOLD))
    since = len(hub.entries())
    plane.kubectl("delete", "namespace", name, "--wait=false")

    def only_they_are_left() -> bool:
        kinds = "secrets,rolebindings,integrations,productregistrations"
        return set(plane.kubectl("get", kinds, "-n", name, "-o", "name").stdout.split()) == {
            each.replace("/", ".integrationhub.io/") for each in held
        }

    eventually(only_they_are_left, "all that nobody holds is gone", seconds=120)
    eventually(
        lambda: hub.metric("integration_hub_product_health", namespace=name) is None, "given up", seconds=SOON
    )
    plane.kubectl("annotate", *held, "-n", name, "integrationhub.io/test-requested=now")
    for each in held:
        plane.kubectl(*("patch", each, "-n", name, "--type=merge", "-p"), finalizers())
    plane.kubectl("wait", "--for=delete", f"namespace/{name}", "--timeout=180s")
    assert complaints(hub, name, since) == []


def finalizers(*names: str) -> str:
    return json.dumps({"metadata": {"finalizers": list(names)}})
