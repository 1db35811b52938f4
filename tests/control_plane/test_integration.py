"""Integrations as a user meets them: YAML in by kubectl, a verdict out by kubectl."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from controlplane import ControlPlane
from eventually import eventually
from far_end import Corner, Reply
from hub_process import HubProcess
from tenant import SOON, Tenant, gate

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]

# --------------------------------------------------------------------------- connected


@pytest.mark.req(
    "INT-01", "INT-02", "INT-03", "INT-04", "INT-07", "INT-36", "PRV-01", "PRV-04", "PRV-06", "OBS-05"
)
def test_kubectl_wait_sees_an_integration_become_ready(tenant: Tenant) -> None:
    tenant.corner.behave = gate
    tenant.provider()
    tenant.secret(token="right")
    tenant.integration(displayName="Chat", description="Where we talk", environment="SANDBOX")
    tenant.plane.kubectl(
        "wait", "--for=condition=Ready", "intg/chat", "-n", tenant.namespace, f"--timeout={SOON:.0f}s"
    )
    status = tenant.status()
    assert status["phase"] == "ACTIVE"
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "True",
        "Accepted": "True",
        "ConfigValid": "True",
        "CredentialsReady": "True",
        "Connected": "True",
    }
    assert status["observedGeneration"] == 1
    assert status["credentials"]["authType"] == "BEARER"
    asked = tenant.corner.asked[0]
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("GET", "/me", "Bearer right")


@pytest.mark.req("OBS-05", "OBS-06", "OBS-07", "OBS-08", "INT-08", "INT-11", "INT-13", "PLT-06")
def test_health_is_in_the_status_and_on_the_metrics_page(tenant: Tenant, hub: HubProcess) -> None:
    tenant.connected()
    status = tenant.status()
    health = status["health"]
    assert (health["status"], health["uptime"], health["errorRate"]) == ("healthy", 100, 0)
    assert health["responseTime"] >= 0
    assert health["consecutiveFailures"] == 0
    assert status["lastSuccessfulCall"] == health["lastCheck"]
    assert status["errorCount"] == 0
    assert status["updatedAt"]
    assert tenant.get()["metadata"]["creationTimestamp"] <= status["updatedAt"]
    ready = hub.metric("integration_hub_integration_ready_status", namespace=tenant.namespace, name="chat")
    assert ready == 1
    assert (
        hub.metric("integration_hub_probe_total", provider=tenant.provider_name, outcome="Connected") or 0
    ) >= 1
    timed = hub.metric("integration_hub_request_duration_seconds_count", provider=tenant.provider_name)
    assert (timed or 0) >= 1


@pytest.mark.req("INT-07", "PLT-08")
def test_kubectl_get_shows_at_a_glance_what_is_what(tenant: Tenant) -> None:
    tenant.connected()
    lines = tenant.plane.kubectl("get", "intg", "-n", tenant.namespace).stdout.splitlines()
    assert lines[0].split() == ["NAME", "PROVIDER", "ENV", "PHASE", "READY", "REASON", "AGE"]
    assert lines[1].split()[:6] == ["chat", tenant.provider_name, "PRODUCTION", "ACTIVE", "True", "Succeeded"]


@pytest.mark.req("PLT-06")
def test_a_healthy_connection_is_probed_again_and_again_and_written_once(tenant: Tenant) -> None:
    tenant.connected()
    eventually(lambda: len(tenant.corner.asked) >= 4, "four probes", seconds=40)
    assert tenant.writes() == 1
    assert tenant.events() == [("Normal", "Connected")]


# --------------------------------------------------------------------------- what a person can get wrong


@pytest.mark.req("INT-35", "INT-08")
def test_a_wrong_key_becomes_a_clear_condition_and_a_right_one_mends_it(tenant: Tenant) -> None:
    tenant.corner.behave = gate
    tenant.provider()
    tenant.secret(token="wrong")
    tenant.integration()
    tenant.becomes("False", "InvalidCredentials")
    status = tenant.status()
    assert (status["phase"], status["health"]["status"], status["errorCount"]) == ("ERROR", "unhealthy", 1)
    assert "Secret token" in tenant.message()
    assert "wrong" not in json.dumps(status)
    tenant.secret(token="right")
    started = time.monotonic()
    tenant.becomes("True", "Succeeded")
    assert time.monotonic() - started < SOON
    assert tenant.status()["phase"] == "ACTIVE"
    eventually(
        lambda: tenant.events() == [("Warning", "InvalidCredentials"), ("Normal", "Connected")], "both Events"
    )


@pytest.mark.req("INT-02", "PRV-04", "SEC-11")
def test_a_config_that_the_provider_does_not_take_is_refused_by_field(tenant: Tenant) -> None:
    tenant.provider()
    tenant.secret(token="right")
    tenant.integration(config={"chanel": "general"})
    tenant.becomes("False", "ConfigInvalid")
    assert "spec.config" in tenant.message()
    assert "channel" in tenant.message()
    assert tenant.corner.asked == []
    tenant.integration()
    tenant.becomes("True", "Succeeded")


@pytest.mark.req("SEC-11", "INT-02")
def test_a_secret_in_the_config_is_called_one_and_sent_nowhere(tenant: Tenant) -> None:
    tenant.provider(configSchema={})
    tenant.integration(config={"apiToken": "xoxb-0123456789"})
    tenant.becomes("False", "SecretInConfig")
    assert "replace it at the vendor" in tenant.message()
    assert "xoxb-0123456789" not in json.dumps(tenant.status())
    assert tenant.corner.asked == []


@pytest.mark.req("SEC-07", "PLT-05")
def test_a_namespace_must_let_the_hub_in_and_is_told_how(
    control_plane: ControlPlane, namespace: str, corner: Corner, hub: HubProcess
) -> None:
    tenant = Tenant(control_plane, namespace, corner)
    tenant.provider()
    tenant.secret(token="right")
    tenant.integration()
    tenant.becomes("False", "SecretAccessDenied")
    command = tenant.message().split("To change that: kubectl ")[1]
    control_plane.kubectl(*command.split())
    tenant.becomes("True", "Succeeded", seconds=90)
    control_plane.kubectl("delete", "ciprov", tenant.provider_name, "--wait=false")


@pytest.mark.req("PRV-04", "PRV-01")
def test_a_provider_that_is_not_there_yet_may_come_later(tenant: Tenant) -> None:
    tenant.secret(token="right")
    tenant.integration()
    tenant.becomes("False", "ProviderNotFound")
    assert "kubectl get ciprov" in tenant.message()
    tenant.provider()
    tenant.becomes("True", "Succeeded")


# --------------------------------------------------------------------------- authentication


@pytest.mark.req("PRV-03", "INT-04", "OAU-07")
@pytest.mark.parametrize(
    ("mode", "secret", "expected"),
    [
        pytest.param({"type": "BEARER"}, {"token": "t1"}, ("authorization", "Bearer t1"), id="bearer"),
        pytest.param(
            {"type": "BASIC"}, {"username": "u", "password": "p"}, ("authorization", "Basic dTpw"), id="basic"
        ),
        pytest.param(
            {"type": "API_KEY", "apiKey": {"in": "header", "name": "X-Key", "prefix": "k "}},
            {"apiKey": "t1"},
            ("x-key", "k t1"),
            id="key-in-header",
        ),
        pytest.param(
            {"type": "API_KEY", "apiKey": {"in": "query", "name": "key"}},
            {"apiKey": "t&1"},
            ("path", "/me?key=t%261"),
            id="key-in-query",
        ),
        pytest.param({"type": "NONE"}, {}, ("path", "/me"), id="none"),
        pytest.param(
            {"type": "OAUTH2"},
            {"accessToken": "at"},
            ("authorization", "Bearer at"),
            id="oauth-token",
        ),
    ],
)
def test_each_mode_puts_its_credentials_where_the_provider_wants_them(
    tenant: Tenant, mode: dict[str, Any], secret: dict[str, str], expected: tuple[str, str]
) -> None:
    oauth = {"oauth": {"tokenUrl": f"{tenant.corner.url}/token"}} if mode["type"] == "OAUTH2" else {}
    first = {"type": "AWS_SIGV4", "aws": {"service": "s3", "region": "eu-central-1"}}
    tenant.provider(authModes=[first, mode], **oauth)
    if secret:
        tenant.secret(**secret)
    tenant.integration(authType=mode["type"])
    tenant.becomes("True", "Succeeded")
    asked = tenant.corner.asked[0]
    where, value = expected
    assert {**asked.headers, "path": asked.path}[where] == value
    assert tenant.status()["credentials"]["authType"] == mode["type"]


@pytest.mark.req("INT-07", "PRV-05")
def test_an_oauth_integration_without_a_token_waits_for_authorisation(tenant: Tenant) -> None:
    tenant.provider(authModes=[{"type": "OAUTH2"}], oauth={"tokenUrl": f"{tenant.corner.url}/token"})
    tenant.integration(credentials={})
    tenant.becomes("False", "PendingAuthorization")
    assert tenant.status()["phase"] == "PENDING_AUTH"
    assert tenant.corner.asked == []


# --------------------------------------------------------------------------- the hub itself


@pytest.mark.req("SEC-07")
def test_the_hub_touches_the_status_and_nothing_else_of_an_integration(tenant: Tenant) -> None:
    tenant.connected()
    found = json.loads(
        tenant.plane.kubectl(
            "get", "intg", "chat", "-n", tenant.namespace, "-o", "json", "--show-managed-fields"
        ).stdout
    )
    managers = {each["manager"]: each.get("subresource", "") for each in found["metadata"]["managedFields"]}
    assert managers == {"kubectl": "", "integration-hub-operator": "status"}
    assert "annotations" not in found["metadata"]


def test_no_secret_value_is_in_the_log_the_metrics_or_the_status(tenant: Tenant, hub: HubProcess) -> None:
    marker = f"s3cr3t-{uuid.uuid4().hex}"
    tenant.corner.behave = lambda asked: Reply(401, {"echo": asked.headers.get("authorization")})
    tenant.provider(
        classes=[{"when": "status == 401", "result": "expired", "message": "It says {{ body.echo }}"}]
    )
    tenant.secret(token=marker)
    tenant.integration()
    tenant.becomes("False", "InvalidCredentials")
    assert any(marker in str(asked.headers) for asked in tenant.corner.asked)
    everywhere: list[Callable[[], str]] = [
        hub.log.read_text,
        lambda: hub.page("/metrics")[1],
        lambda: json.dumps(tenant.get()),
        lambda: tenant.plane.kubectl("get", "events", "-n", tenant.namespace, "-o", "json").stdout,
    ]
    assert all(marker not in place() for place in everywhere)
