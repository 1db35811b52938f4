"""Integrations over HTTP against a real API server: its tokens, its rights, its field managers, its rules."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

import hub_chart
from caller import ApiCaller
from controlplane import ControlPlane
from eventually import eventually
from far_end import Asked, Reply
from hub_process import HubProcess
from tenant import SOON, Tenant

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]

V1 = "/api/v1/integrations"


@pytest.fixture
def editor(tenant: Tenant, hub: HubProcess) -> ApiCaller:
    """Somebody who may work in the tenant's namespace."""
    return ApiCaller(tenant.plane, hub.api, tenant.namespace, "editor").given("edit")


def body_for(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    body = {"providerId": tenant.provider_name, "name": "Team Chat", "config": {"channel": "general"}}
    return body | {"apiKey": "right"} | changes


def keyed(asked: Asked) -> Reply:
    return Reply(200, {}) if asked.headers.get("authorization") == "Bearer right" else Reply(401, {})


@pytest.mark.req(
    "INT-21",
    "INT-22",
    "INT-25",
    "INT-24",
    "INT-34",
    "TST-01",
    "TST-02",
    "SEC-01",
    "HUB-13",
)
@pytest.mark.req("HUB-15", part="all but webhooks")
@pytest.mark.req("HUB-16", part="OAuth and integration services")
@pytest.mark.req("TST-17", part="sealed integrations, the endpoints of connections, calls and logs")
def test_a_service_makes_tries_and_removes_a_connection_over_http(tenant: Tenant, editor: ApiCaller) -> None:
    tenant.corner.behave = keyed
    tenant.provider()
    made = editor.ask("POST", V1, body_for(tenant))
    assert made.status == 201, made.body
    assert (made.json["resourceName"], made.json["tenantId"]) == ("team-chat", tenant.namespace)
    assert b"right" not in made.body
    assert editor.ask("GET", f"{V1}/{made.json['id']}").json["name"] == "Team Chat"

    tenant.becomes("True", "Succeeded", name="team-chat")
    shown = editor.ask("GET", f"{V1}/team-chat").json
    assert (shown["status"], shown["ready"], shown["health"]["status"]) == ("ACTIVE", True, "healthy")
    tried = editor.ask("POST", f"{V1}/team-chat/test").json["health"]
    assert (tried["status"], tried["lastError"]) == ("healthy", None)

    obj = tenant.get("team-chat")
    assert obj["metadata"]["annotations"]["integrationhub.io/created-by"] == (
        f"system:serviceaccount:{tenant.namespace}:editor"
    )
    owned = tenant.get("intg-team-chat-hub", "secret")
    assert owned["metadata"]["ownerReferences"][0]["uid"] == obj["metadata"]["uid"]
    assert "cmlnaHQ=" not in json.dumps(obj)
    managers = {
        each["manager"]: each["operation"]
        for each in json.loads(
            tenant.plane.kubectl(
                *("get", "intg", "team-chat", "-n", tenant.namespace, "-o", "json", "--show-managed-fields")
            ).stdout
        )["metadata"]["managedFields"]
    }
    assert managers["integration-hub-gateway"] == "Apply"

    assert editor.ask("DELETE", f"{V1}/team-chat").status == 204
    eventually(lambda: editor.ask("GET", f"{V1}/team-chat").status == 404, "it is gone", seconds=SOON)


@pytest.mark.req("TST-04", "INT-35", "ERR-02")
def test_a_try_tells_at_once_what_is_wrong(tenant: Tenant, editor: ApiCaller) -> None:
    tenant.corner.behave = keyed
    tenant.provider()
    assert editor.ask("POST", V1, body_for(tenant, apiKey="wrong")).status == 201
    tried = editor.ask("POST", f"{V1}/team-chat/test")
    assert tried.status == 200
    assert tried.json["health"]["status"] == "unhealthy"
    assert tried.json["health"]["lastError"]
    assert b"wrong" not in tried.body


@pytest.mark.req("INT-23", "INT-26", "INT-15")
def test_changes_go_by_server_side_apply_and_lose_nothing(tenant: Tenant, editor: ApiCaller) -> None:
    tenant.corner.behave = keyed
    tenant.connected(description="made by kubectl", timeoutSeconds=7)
    off = editor.ask("PATCH", f"{V1}/chat/status", {"isEnabled": False})
    assert (off.status, off.json["status"]) == (200, "PAUSED"), off.body
    tenant.becomes("False", "Paused")
    spec = tenant.get()["spec"]
    assert (spec["enabled"], spec["description"], spec["timeoutSeconds"]) == (False, "made by kubectl", 7)
    on = editor.ask("PATCH", f"{V1}/chat/status")
    assert on.json["isEnabled"] is True
    tenant.becomes("True", "Succeeded")

    twin = editor.ask("POST", V1, body_for(tenant))
    assert (twin.status, twin.json["code"]) == (409, "CONFLICT")
    renamed = editor.ask("PUT", f"{V1}/chat", body_for(tenant, name="Renamed", apiKey="right"))
    assert (renamed.status, renamed.json["name"]) == (200, "Renamed"), renamed.body
    assert tenant.get()["spec"]["displayName"] == "Renamed"


@pytest.mark.req("INT-23")
def test_what_gitops_keeps_is_left_to_it_unless_forced(tenant: Tenant, editor: ApiCaller) -> None:
    tenant.corner.behave = keyed
    tenant.connected()
    mark = "argocd.argoproj.io/tracking-id=app:integrationhub.io/Integration:x/chat"
    tenant.plane.kubectl("annotate", "intg", "chat", "-n", tenant.namespace, mark)
    # ACTIVE is what it is already: nothing changes until the hub has seen who keeps the object.
    eventually(
        lambda: editor.ask("PATCH", f"{V1}/chat/status", {"status": "ACTIVE"}).status == 409,
        "the hub has seen who keeps it",
        seconds=SOON,
    )
    refused = editor.ask("DELETE", f"{V1}/chat")
    assert (refused.status, refused.json["code"]) == (409, "MANAGED_BY_GITOPS")
    assert "Argo CD" in refused.json["details"]
    forced = editor.ask("PATCH", f"{V1}/chat/status?force=true", {"isEnabled": False})
    assert (forced.status, forced.json["isEnabled"]) == (200, False)


@pytest.mark.req("HUB-23", "ERR-05", "SEC-11")
@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"config": {}}, "INVALID_CONFIGURATION", "config.channel"),
        ({"config": {"channel": 7}}, "INVALID_CONFIGURATION", "config.channel"),
        ({"syncFrequency": "x" * 65}, "INVALID_REQUEST", "syncFrequency"),
        ({"providerId": "no-such"}, "INVALID_CONFIGURATION", "provider"),
    ],
)
def test_what_is_wrong_never_reaches_the_api_server(
    tenant: Tenant, editor: ApiCaller, changes: dict[str, Any], code: str, told: str
) -> None:
    tenant.provider()
    eventually(
        lambda: editor.ask("GET", f"{V1}/providers/{tenant.provider_name}").status == 200,
        "the hub knows the provider",
        seconds=SOON,
    )
    answer = editor.ask("POST", V1, body_for(tenant) | changes)
    assert (answer.status, answer.json["code"]) == (422, code), answer.body
    assert told in answer.json["details"]
    listed = tenant.plane.kubectl("get", "intg", "-n", tenant.namespace, "-o", "name").stdout
    assert listed.strip() == ""


# --------------------------------------------------------------------------- who, and where


@pytest.mark.req("SEC-12", "SEC-21", "HUB-19", "TST-20")
def test_only_a_token_made_for_the_hub_comes_in(tenant: Tenant, hub: HubProcess) -> None:
    plane, namespace = tenant.plane, tenant.namespace
    caller = ApiCaller(plane, hub.api, namespace, "bot").given("view")
    assert caller.ask("GET", V1).status == 200
    for token in (
        plane.service_account_token(namespace, "bot", audience="https://kubernetes.default.svc"),
        "nonsense",
        caller.token[:-4] + "AAAA",
    ):
        stranger = caller.ask("GET", V1, Authorization=f"Bearer {token}")
        assert (stranger.status, stranger.json["code"]) == (401, "UNAUTHENTICATED")
        assert token.encode() not in stranger.body


@pytest.mark.req("SEC-19", "SEC-07")
def test_kubernetes_roles_decide_what_a_caller_may_do(tenant: Tenant, hub: HubProcess) -> None:
    tenant.corner.behave = keyed
    tenant.connected()
    viewer = ApiCaller(tenant.plane, hub.api, tenant.namespace, "viewer").given("view")
    assert viewer.ask("GET", f"{V1}/chat").status == 200
    for method, path, body in (
        ("POST", V1, body_for(tenant)),
        ("PUT", f"{V1}/chat", body_for(tenant)),
        ("DELETE", f"{V1}/chat", None),
        ("PATCH", f"{V1}/chat/status", {}),
        ("POST", f"{V1}/chat/test", None),
        ("POST", f"{V1}/chat/oauth/authorize", None),
        ("POST", "/api/integration-hub/chat/execute", {"endpoint": "/me"}),
        ("GET", "/api/v1/audit", None),
    ):
        refused = viewer.ask(method, path, body)
        assert (refused.status, refused.json["code"]) == (403, "FORBIDDEN"), (method, path)
        assert f"system:serviceaccount:{tenant.namespace}:viewer may not" in refused.json["details"]
    assert tenant.get()["spec"].get("enabled", True)


@pytest.mark.req("SEC-24")
@pytest.mark.req("TST-19", part="tenants do not reach each other")
def test_tenants_do_not_reach_each_other(
    tenant: Tenant, hub: HubProcess, control_plane: ControlPlane, editor: ApiCaller
) -> None:
    tenant.corner.behave = keyed
    tenant.connected()
    other = f"{tenant.namespace}-other"
    control_plane.kubectl("create", "namespace", other)
    try:
        hub_chart.serve(control_plane, other)
        neighbour = ApiCaller(control_plane, hub.api, other, "editor").given("edit")
        for wanted in ("chat", tenant.get()["metadata"]["uid"]):
            for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("PATCH", "/status")):
                at_home = neighbour.ask(method, f"{V1}/{wanted}{path}")
                assert (at_home.status, at_home.json["code"]) == (404, "INTEGRATION_NOT_FOUND")
                reaching = neighbour.ask(method, f"{V1}/{wanted}{path}", X_Tenant=tenant.namespace)
                assert (reaching.status, reaching.json["code"]) == (403, "FORBIDDEN")
        crossing = neighbour.ask("GET", f"/workspaces/{tenant.namespace}/integrations")
        assert crossing.status == 403
        both = editor.ask("GET", f"/workspaces/{tenant.namespace}/integrations", X_Tenant=other)
        assert both.status == 422
        assert tenant.get()["spec"].get("enabled", True)
    finally:
        control_plane.delete_namespace(other)


@pytest.mark.req("SEC-07")
def test_a_namespace_that_is_not_served_is_not_written_to(
    tenant: Tenant, hub: HubProcess, control_plane: ControlPlane
) -> None:
    tenant.provider()
    other = f"{tenant.namespace}-alone"
    control_plane.kubectl("create", "namespace", other)
    try:
        owner = ApiCaller(control_plane, hub.api, other, "owner").given("admin")
        eventually(
            lambda: owner.ask("GET", f"{V1}/providers/{tenant.provider_name}").status == 200,
            "the hub knows the provider",
            seconds=SOON,
        )
        refused = owner.ask("POST", V1, body_for(tenant))
        assert (refused.status, refused.json["code"]) == (403, "FORBIDDEN")
        assert "refuses this to the hub" in refused.json["details"]
    finally:
        control_plane.delete_namespace(other)


# --------------------------------------------------------------------------- what is cut


@pytest.mark.req("SEC-11", "ENV-03")
def test_the_process_cuts_what_is_large_or_slow_and_serves_on(tenant: Tenant, hub: HubProcess) -> None:
    host, port = hub.api.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: hub\r\nX-Sl")
        with socket.create_connection((host, int(port)), timeout=60) as large:
            large.sendall(b"GET / HTTP/1.1\r\nHost: hub\r\nX-Big: " + b"a" * 100_000)
            assert large.recv(12) == b"HTTP/1.1 431"
        assert slow.recv(12) == b"HTTP/1.1 408"
    caller = ApiCaller(tenant.plane, hub.api, tenant.namespace, "big").given("edit")
    for path, length in ((V1, 10 * 1024**2 + 1), (f"{V1}/chat/proxy/upload", 5 * 1024**3 + 1)):
        with socket.create_connection((host, int(port)), timeout=60) as announced:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {caller.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            )
            announced.sendall(head.encode())
            assert announced.recv(12) == b"HTTP/1.1 413"
    assert caller.ask("GET", V1).status == 200
