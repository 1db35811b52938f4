"""`kubectl hub` as users run it: a plugin of kubectl, on a real API server, with the user's own rights."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from controlplane import ControlPlane
from eventually import eventually
from far_end import Asked, Reply
from hub_process import HubProcess
from kubectl_plugin import SCRIPTS, kubectl_hub
from tenant import Tenant, gate

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]


def run(tenant: Tenant, *arguments: str, status: int = 0) -> str:
    return kubectl_hub(tenant.plane, *arguments, "-n", tenant.namespace, status=status).stdout


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.req("INT-34")
def test_get_shows_what_kubectl_get_shows(tenant: Tenant) -> None:
    tenant.connected()
    heading, row = words(run(tenant, "get"))
    kubectl = words(tenant.plane.kubectl("get", "intg", "-n", tenant.namespace).stdout)
    assert heading == kubectl[0]
    assert row[:-1] == kubectl[1][:-1]
    assert len(words(run(tenant, "get", "chat", "-o", "wide"))[0]) > len(heading)
    assert json.loads(run(tenant, "get", "chat", "-o", "json"))["kind"] == "Integration"
    assert run(tenant, "get", "-o", "name") == "integration.integrationhub.io/chat\n"


def test_an_empty_namespace_is_said_to_be_empty(tenant: Tenant) -> None:
    told = kubectl_hub(tenant.plane, "get", "-n", tenant.namespace)
    assert told.stdout == ""
    assert told.stderr == f"There is no Integration in namespace {tenant.namespace}.\n"


@pytest.mark.req("INT-25")
def test_a_test_is_waited_for_and_its_verdict_is_the_exit_status(tenant: Tenant) -> None:
    tenant.corner.behave = gate
    tenant.connected()
    assert words(run(tenant, "test", "chat"))[1][:2] == ["chat", "healthy"]
    tenant.corner.behave = lambda _: Reply(401, {})
    (told,) = json.loads(run(tenant, "test", "--all", "-o", "json", status=1))
    assert (told["name"], told["result"]) == ("chat", "unhealthy")


@pytest.mark.req("INT-34", "INT-37")
def test_an_integration_is_switched_off_and_on(tenant: Tenant) -> None:
    tenant.connected()
    assert run(tenant, "disable", "chat") == "integration/chat disabled\n"
    tenant.becomes("False", "Paused")
    assert run(tenant, "disable", "chat") == "integration/chat is already disabled\n"
    assert (
        "disabled: run `kubectl hub enable chat`"
        in kubectl_hub(tenant.plane, "test", "chat", "-n", tenant.namespace, status=1).stderr
    )
    run(tenant, "enable", "chat")
    tenant.becomes("True", "Succeeded")


def test_what_gitops_owns_is_not_switched_behind_its_back(tenant: Tenant) -> None:
    tenant.connected()
    tenant.plane.kubectl("label", "intg/chat", "argocd.argoproj.io/instance=team", "-n", tenant.namespace)
    refused = kubectl_hub(tenant.plane, "disable", "chat", "-n", tenant.namespace, status=1)
    assert "belongs to Argo CD" in refused.stderr
    assert "--force" in refused.stderr
    run(tenant, "disable", "chat", "--force")
    assert tenant.get()["spec"]["enabled"] is False


@pytest.mark.req("SEC-04")
def test_a_key_is_replaced_when_somebody_asks_for_it(tenant: Tenant) -> None:
    def vendor(asked: Asked) -> Reply:
        if asked.headers.get("x-key") not in {"old-key", "new-key"}:
            return Reply(401, {})
        return Reply(200, {"key": "new-key", "id": "k2"})

    tenant.corner.behave = vendor
    rotation = {
        "request": {"url": "/keys", "encoding": "json"},
        "values": {"apiKey": "body.key", "keyName": "body.id"},
        "revoke": {"url": "/keys/{{ secret.keyName }}/revoke"},
    }
    mode = {"type": "API_KEY", "apiKey": {"name": "X-Key"}, "rotation": rotation}
    tenant.provider(authModes=[mode])
    tenant.secret(apiKey="old-key", keyName="k1")
    credentials = {"secretRef": {"name": "token"}, "rotation": {"strategy": "Manual", "writeBack": True}}
    tenant.integration(credentials=credentials)
    tenant.becomes("True", "Succeeded")
    assert run(tenant, "rotate", "chat").startswith("integration/chat rotated at 2")
    eventually(
        lambda: any(a.path.endswith("/keys/k1/revoke") for a in tenant.corner.asked), "the old key ends"
    )
    run(tenant, "test", "chat")
    assert tenant.corner.asked[-1].headers["x-key"] == "new-key"


@pytest.mark.req("SEC-04")
def test_credentials_that_the_hub_cannot_replace_are_left_to_a_person(tenant: Tenant) -> None:
    tenant.corner.behave = gate
    tenant.connected()
    refused = kubectl_hub(tenant.plane, "rotate", "chat", "-n", tenant.namespace, status=1)
    assert "put the new ones in place" in refused.stderr
    assert tenant.condition(condition="RotationDue") == ("True", "RotationDue")


def diagnosed(tenant: Tenant, status: int = 1) -> dict[str, tuple[str, str]]:
    told: list[dict[str, Any]] = json.loads(
        run(tenant, "diagnose", "integration", "chat", "-o", "json", status=status)
    )
    return {each["title"]: (each["verdict"], each["way_out"]) for each in told}


@pytest.mark.req("DOC-01")
def test_trouble_is_found_by_five_checks_each_with_its_way_out(tenant: Tenant) -> None:
    tenant.corner.behave = gate
    tenant.connected()
    assert {verdict for verdict, _ in diagnosed(tenant, status=0).values()} == {"ok"}

    tenant.secret(token="wrong")
    verdict, way_out = diagnosed(tenant)["Credentials"]
    assert verdict == "failed"
    assert "put a valid key into the Secret token" in way_out

    tenant.secret(token="right")
    tenant.corner.behave = lambda _: Reply(429, {}, {"Retry-After": "1"})
    assert diagnosed(tenant)["Rate limits"][0] == "failed"

    tenant.corner.behave = lambda _: Reply(500, {})
    found = diagnosed(tenant)
    assert found["Endpoint access"][0] == "failed"
    assert found["Network reach"][0] == "ok"

    tenant.provider(baseUrl="http://169.254.169.254/")
    tenant.integration(providerRef={"name": tenant.provider_name, "acceptedHosts": ["169.254.169.254"]})
    verdict, way_out = diagnosed(tenant)["Firewall and allow-list"]
    assert verdict == "failed"
    assert "egress.allow" in way_out


@pytest.mark.req("DOC-01")
def test_the_diagnosis_is_for_people_first(tenant: Tenant) -> None:
    tenant.provider()
    tenant.integration()
    tenant.becomes("False", "SecretNotFound")
    told = run(tenant, "diagnose", "integration", "chat", "--no-test", status=1).splitlines()
    assert told[0].split() == ["CHECK", "VERDICT", "FOUND"]
    numbered = [line.split()[0] for line in told[1 : told.index("")] if line[:1].isdigit()]
    assert numbered == ["1", "2", "3", "4", "5"]
    assert f"kubectl create secret generic token -n {tenant.namespace}" in told[-1]


@pytest.mark.req("PRV-11", "PRV-13", "PRV-14")
def test_providers_are_browsed(tenant: Tenant) -> None:
    tenant.provider()
    listed = json.loads(run(tenant, "provider", "list", "-o", "json"))["items"]
    assert tenant.provider_name in {each["metadata"]["name"] for each in listed}
    assert "slack" in {each["metadata"]["name"] for each in listed}
    shown = run(tenant, "provider", "get", tenant.provider_name)
    assert "Title:           Far End" in shown
    (_, row) = words(run(tenant, "provider", "schema", tenant.provider_name))
    assert row == ["config", "channel", "string", "yes", "-", "Where", "to", "post"]
    assert "communication" in run(tenant, "provider", "categories")
    tools = json.loads(run(tenant, "provider", "list", "--category", "CI_CD", "-o", "json"))["items"]
    assert "jenkins" in {each["metadata"]["name"] for each in tools}
    missing = kubectl_hub(tenant.plane, "provider", "get", "Slak", "-n", tenant.namespace, status=3)
    assert "did you mean slack?" in missing.stderr
    assert "`kubectl hub provider list` shows what there is" in missing.stderr
    nowhere = kubectl_hub(
        tenant.plane, "provider", "list", "--category", "x", "-n", tenant.namespace, status=3
    )
    assert "`kubectl hub provider categories` lists them" in nowhere.stderr


@pytest.mark.req("SEC-07")
def test_a_tenant_is_let_in_and_out(control_plane: ControlPlane, namespace: str) -> None:
    assert (
        kubectl_hub(control_plane, "tenant", "add", namespace).stdout == f"namespace/{namespace} is served\n"
    )
    again = kubectl_hub(control_plane, "tenant", "add", namespace).stdout
    assert again == f"namespace/{namespace} is already served\n"
    account = "system:serviceaccount:integration-hub:integration-hub"
    may = ("auth", "can-i", "get", "secrets", "-n", namespace, "--as", account)
    assert control_plane.kubectl(*may).stdout.strip() == "yes"
    listed = json.loads(kubectl_hub(control_plane, "tenant", "list", "-o", "json").stdout)
    assert {"namespace": namespace, "hub": "integration-hub/integration-hub"} in listed
    kubectl_hub(control_plane, "tenant", "remove", namespace)
    listed = json.loads(kubectl_hub(control_plane, "tenant", "list", "-o", "json").stdout)
    assert namespace not in {each["namespace"] for each in listed}


# --------------------------------------------------------------------------- asked of the hub


@pytest.fixture
def door(tenant: Tenant, hub: HubProcess, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    """A tenant whose ServiceAccount `default`, as which kubectl hub speaks to the hub, administers it."""
    monkeypatch.setenv("INTEGRATION_HUB_SERVER", f"http://127.0.0.1:{hub.gateway_port}")
    monkeypatch.delenv("INTEGRATION_HUB_TOKEN", raising=False)
    account = f"--serviceaccount={tenant.namespace}:default"
    tenant.plane.kubectl(
        "create", "rolebinding", "cli", "--clusterrole=admin", account, "-n", tenant.namespace
    )
    tenant.connected()
    return tenant


@pytest.mark.req("SDK-30", "OBS-12")
def test_calls_and_figures_are_asked_of_the_hub_with_a_token_made_for_it(door: Tenant) -> None:
    door.corner.behave = lambda asked: Reply(200, {"path": asked.path})
    eventually(
        lambda: json.loads(run(door, "exec", "chat", "GET", "/hello")) == {"path": "/hello"},
        "a call",
        seconds=30,
    )
    assert door.corner.asked[-1].headers["authorization"] == "Bearer right"
    door.corner.behave = lambda _: Reply(404, {"message": "no such thing"})
    failed = kubectl_hub(door.plane, "exec", "chat", "GET", "/missing", "-n", door.namespace, status=1)
    assert json.loads(failed.stdout) == {"message": "no such thing"}

    def logged() -> set[str]:
        entries = json.loads(run(door, "logs", "chat", "-o", "json"))
        return {each["path"].rsplit("/", 1)[1] for each in entries if each["purpose"] == "call"}

    eventually(lambda: {"hello", "missing"} <= logged(), "calls in the log", seconds=30)
    figures = json.loads(run(door, "metrics", "chat", "-o", "json"))
    assert figures["failedRequests"] >= 1
    assert "Success rate:" in run(door, "metrics", "chat")
    (shown,) = words(run(door, "health", "chat"))[1:]
    assert shown[0] == "chat"
    assert shown[1] in {"healthy", "degraded"}  # by how much the call that failed weighs
    assert json.loads(run(door, "stats", "-o", "json"))["total"] == 1
    actors = {each["actor"] for each in json.loads(run(door, "audit", "chat", "-o", "json"))}
    assert f"system:serviceaccount:{door.namespace}:default" in actors
    assert run(door, "cache", "clear", "chat") == "integration/chat has no cached answers any more\n"


def test_whoever_the_hub_does_not_let_is_told_what_they_lack(door: Tenant) -> None:
    door.plane.kubectl("create", "serviceaccount", "guest", "-n", door.namespace)
    asked = ("stats", "--service-account", "guest", "-n", door.namespace)
    refused = kubectl_hub(door.plane, *asked, status=4)
    assert f"system:serviceaccount:{door.namespace}:guest may not" in refused.stderr
    missing = ("stats", "--service-account", "nobody", "-n", door.namespace)
    assert "name a ServiceAccount" in kubectl_hub(door.plane, *missing, status=3).stderr


@pytest.mark.req("SEC-21")
def test_check_finds_the_hub_ready_and_closed_to_strangers(door: Tenant) -> None:
    assert [line[-1] for line in words(kubectl_hub(door.plane, "check").stdout)[1:]] == ["ok", "ok"]


def test_whoever_may_not_is_told_by_the_api_server(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "serviceaccount", "guest", "-n", namespace)
    guest = control_plane.service_account_kubeconfig(namespace, "guest")
    refused = kubectl_hub(control_plane, "get", "-n", namespace, kubeconfig=guest, status=4)
    assert "cannot list resource" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_kubectl_completes_verbs_and_names(tenant: Tenant) -> None:
    tenant.connected()
    environment = {**os.environ, "KUBECONFIG": str(tenant.plane.kubeconfig)}

    def completed(*typed: str) -> list[str]:
        asked = [str(SCRIPTS / "kubectl_complete-hub"), *typed]
        ran = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True, timeout=60)
        return ran.stdout.splitlines()

    assert completed("dia")[0].startswith("diagnose\t")
    assert completed("-n", tenant.namespace, "test", "ch")[-1] == ":4"
    assert completed("test", "-n", tenant.namespace, "ch") == ["chat", ":4"]
