"""Tokens, Secrets for workloads and replaced keys as a user meets them: by kubectl, on a real API server."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from eventually import eventually
from far_end import Asked, Reply
from hub_process import HubProcess
from tenant import SOON, Tenant

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]


class TokenEndpoint:
    """Tokens of a chosen life at `/token`; `refusal` is answered instead, if set. All else accepts any."""

    def __init__(self, life: int = 3600) -> None:
        self.life = life
        self.refusal: Reply | None = None
        self.granted: list[str] = []
        self.asked = 0

    def __call__(self, asked: Asked) -> Reply:
        if not asked.path.startswith("/token"):
            return Reply(200, {"ok": True})
        self.asked += 1
        if self.refusal is not None:
            return self.refusal
        self.granted.append(f"at-{len(self.granted) + 1}")
        return Reply(200, {"access_token": self.granted[-1], "expires_in": self.life, "token_type": "bearer"})


def token_provider(
    tenant: Tenant, life: int = 3600, mode: str = "OAUTH2_CLIENT_CREDENTIALS"
) -> TokenEndpoint:
    endpoint = TokenEndpoint(life)
    tenant.corner.behave = endpoint
    tenant.provider(
        authModes=[{"type": mode}], oauth={"tokenUrl": f"{tenant.corner.url}/token"}, configSchema={}
    )
    return endpoint


@pytest.mark.req("OAU-11", "OAU-08", "INT-06")
@pytest.mark.req("HUB-14", part="OAuth tokens")
def test_a_token_is_obtained_shown_and_renewed_ahead_of_its_end(tenant: Tenant) -> None:
    endpoint = token_provider(tenant, life=20)
    tenant.secret(clientId="me", clientSecret="secret-of-mine")
    tenant.integration(config={}, credentials={"secretRef": {"name": "token"}, "refreshBeforeSeconds": 10})
    tenant.becomes("True", "Succeeded")
    tenant.becomes("True", "TokenValid", condition="TokenValid")
    credentials = tenant.status()["credentials"]
    assert credentials["expiresAt"] > credentials["nextRefreshAt"]
    eventually(lambda: len(endpoint.granted) >= 3, "two renewals", seconds=60)
    assert tenant.condition() == ("True", "Succeeded")
    columns = tenant.plane.kubectl("get", "intg", "chat", "-n", tenant.namespace, "-o", "wide").stdout
    header, row = columns.splitlines()
    assert {"EXPIRES", "REFRESH", "ROTATE"} <= set(header.split())
    assert str(tenant.status()["credentials"]["expiresAt"])[:10] in row
    everything = json.dumps(tenant.get())
    assert "secret-of-mine" not in everything
    assert not any(token in everything for token in endpoint.granted)


@pytest.mark.req("OAU-11")
def test_a_refused_client_is_told_by_condition_and_event_and_not_asked_for_ever(tenant: Tenant) -> None:
    endpoint = token_provider(tenant)
    endpoint.refusal = Reply(401, {"error": "invalid_client"})
    tenant.secret(clientId="me", clientSecret="wrong")
    tenant.integration(config={})
    eventually(lambda: tenant.condition(condition="TokenValid")[0] == "False", "TokenValid=False", seconds=30)
    assert tenant.condition()[0] == "False"
    asked = endpoint.asked
    time.sleep(3)
    assert endpoint.asked - asked <= 1
    assert any(kind == "Warning" for kind, _ in tenant.events())
    endpoint.refusal = None
    tenant.secret(clientId="me", clientSecret="right")
    tenant.becomes("True", "Succeeded", seconds=90)


def test_workloads_get_a_secret_that_follows_and_is_never_somebody_elses(tenant: Tenant) -> None:
    tenant.provider()
    tenant.secret(token="right")
    tenant.secret("taken", mine="precious")
    tenant.integration(credentials={"secretRef": {"name": "token"}, "project": {"secretName": "taken"}})
    tenant.becomes("False", "SecretNotOurs")
    assert _data(tenant, "taken") == {"mine": "precious"}
    tenant.integration(credentials={"secretRef": {"name": "token"}, "project": {"secretName": "binding"}})
    tenant.becomes("True", "Succeeded")
    assert tenant.status()["binding"] == {"name": "binding"}
    held = _data(tenant, "binding")
    assert (held["token"], held["type"], held["host"]) == ("right", tenant.provider_name, "127.0.0.1")
    tenant.secret(token="newer")
    eventually(lambda: _data(tenant, "binding").get("token") == "newer", "the newer token", seconds=SOON)
    found = tenant.get("binding", "secret")
    assert found["type"] == "servicebinding.io/integration-hub"
    assert found["metadata"]["ownerReferences"][0]["name"] == "chat"
    tenant.integration()
    eventually(lambda: not _data(tenant, "binding"), "the Secret is gone", seconds=SOON)


@pytest.mark.req("SEC-04")
def test_an_old_key_is_said_to_be_due_and_a_new_one_taken_up_at_once(tenant: Tenant) -> None:
    tenant.provider()
    tenant.secret(token="right")
    tenant.integration(credentials={"secretRef": {"name": "token"}, "rotation": {"interval": "3s"}})
    tenant.becomes("True", "RotationDue", condition="RotationDue", seconds=30)
    assert tenant.condition() == ("True", "Succeeded")
    assert ("Warning", "RotationDue") in tenant.events()
    tenant.integration(credentials={"secretRef": {"name": "token"}, "rotation": {"interval": "90d"}})
    eventually(lambda: tenant.condition(condition="RotationDue") == ("", ""), "no longer due", seconds=SOON)
    tenant.secret(token="fresh")
    eventually(
        lambda: any(asked.headers.get("authorization") == "Bearer fresh" for asked in tenant.corner.asked),
        "a probe with the new key",
        seconds=SOON,
    )
    assert tenant.status()["credentials"]["nextRotationAt"]


@pytest.mark.req("RES-01", "RES-03")
def test_a_far_end_that_goes_on_failing_is_left_alone_for_a_while(tenant: Tenant, hub: HubProcess) -> None:
    tenant.provider()
    tenant.secret(token="right")
    tenant.integration(circuitBreaker={"failureThreshold": 2, "openSeconds": 5, "successThreshold": 1})
    tenant.becomes("True", "Succeeded")
    tenant.corner.always(503)
    eventually(
        lambda: (tenant.status().get("circuit") or {}).get("state") == "open", "an open circuit", seconds=60
    )
    assert tenant.condition(condition="CircuitOpen") == ("True", "CircuitOpen")
    assert tenant.status()["circuit"]["openedAt"]
    assert (hub.metric("integration_hub_circuit_state", namespace=tenant.namespace, name="chat") or 0) >= 1
    tenant.corner.always(200)
    tenant.becomes("True", "Succeeded", seconds=90)
    eventually(lambda: tenant.status()["circuit"]["state"] == "closed", "a closed circuit", seconds=60)
    reasons = [reason for _, reason in tenant.events()]
    assert "CircuitOpen" in reasons
    assert "CircuitClosed" in reasons


def _data(tenant: Tenant, name: str) -> dict[str, Any]:
    answer = tenant.plane.kubectl(
        "get", "secret", name, "-n", tenant.namespace, "-o", "json", "--ignore-not-found"
    ).stdout
    found = json.loads(answer).get("data", {}) if answer.strip() else {}
    return {key: base64.b64decode(value).decode() for key, value in found.items()}
