"""Calls, widgets, figures and custom integrations over HTTP, through the hub's own process."""

from __future__ import annotations

import json
from typing import Any

import pytest

import hub_chart
from caller import ApiCaller
from controlplane import ControlPlane
from eventually import eventually
from far_end import Asked, Reply
from hub_process import HubProcess
from tenant import SOON, Tenant, gate

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]

HUB = "/api/integration-hub"


@pytest.fixture
def editor(tenant: Tenant, hub: HubProcess) -> ApiCaller:
    """Somebody who may work in the tenant's namespace."""
    return ApiCaller(tenant.plane, hub.api, tenant.namespace, "editor").given("edit")


def github(asked: Asked) -> Reply:
    """Lets in who says `right`; an echo of what was asked."""
    if asked.headers.get("authorization") != "Bearer right":
        return Reply(401, {"message": "Requires authentication"})
    if asked.path.startswith("/nobody"):
        return Reply(404, {"message": "Not Found"})
    body = json.loads(asked.body) if asked.body else None
    return Reply(200, {"asked": f"{asked.method} {asked.path}", "body": body})


@pytest.mark.req("EXE-01", "EXE-02", "EXE-03", "EXE-07", "EXE-08")
@pytest.mark.req("HUB-14", part="gateway to outside systems")
def test_a_service_calls_the_outside_without_ever_seeing_the_secret(
    tenant: Tenant, editor: ApiCaller
) -> None:
    tenant.corner.behave = github
    tenant.connected()
    body = {"method": "GET", "endpoint": "/repos/owner/repo/issues", "data": {"state": "open"}}
    answer = editor.ask("POST", f"{HUB}/chat/execute", body)
    assert answer.status == 200, answer.body
    assert answer.json["result"]["data"]["asked"] == "GET /repos/owner/repo/issues?state=open"
    assert b"right" not in answer.body
    calls = [{"method": "POST", "endpoint": "/x", "data": {"a": 1}}, {"endpoint": "/nobody"}]
    batch = editor.ask("POST", f"{HUB}/chat/batch-execute", {"calls": calls}).json
    assert batch["results"][0]["result"]["data"]["body"] == {"a": 1}
    assert batch["results"][1]["error"]["upstream"]["status"] == 404
    passed = editor.ask("GET", "/api/v1/integrations/chat/proxy/a%2Fb?c=d")
    assert (passed.status, passed.headers["x-upstream-status"]) == (200, "200")
    assert passed.json["asked"] == "GET /a%2Fb?c=d"


@pytest.mark.req("OBS-10", "OBS-12", "OBS-18", "SEC-20", "SEC-08")
def test_what_was_called_is_seen_in_figures_logs_and_audit(tenant: Tenant, editor: ApiCaller) -> None:
    tenant.corner.behave = github
    tenant.connected()
    editor.ask("POST", f"{HUB}/chat/execute", {"endpoint": "/mine"})
    editor.ask("POST", f"{HUB}/chat/execute", {"endpoint": "/nobody"})

    def logged() -> bool:
        logs = editor.ask("GET", f"{HUB}/chat/logs?limit=50").json["logs"]
        seen = {
            (each["path"].rsplit("/", 1)[-1], each["status"]) for each in logs if each["purpose"] == "call"
        }
        return seen == {("mine", 200), ("nobody", 404)}

    eventually(logged, "both calls are in the log", seconds=SOON)
    metrics = editor.ask("GET", f"{HUB}/chat/metrics").json["metrics"]
    assert metrics["totalRequests"] == metrics["successfulRequests"] + metrics["failedRequests"]
    assert metrics["failedRequests"] >= 1
    told = editor.ask("GET", f"{HUB}/projects/{tenant.namespace}/statistics").json["statistics"]
    assert (told["total"], told["byStatus"]["connected"], told["healthyCount"]) == (1, 1, 1)
    health = editor.ask("GET", f"{HUB}/chat/health").json["health"]
    assert health["status"] == "healthy"
    assert editor.ask("GET", "/api/v1/audit").status == 403
    admin = ApiCaller(tenant.plane, editor.api, tenant.namespace, "admin").given("admin")

    def audited() -> bool:
        entries = admin.ask("GET", "/api/v1/audit?limit=1000").json["entries"]
        actor = f"system:serviceaccount:{tenant.namespace}:editor"
        return any(
            each["actor"] == actor and each["resource"] == "integrations/call" for each in entries
        ) and any("credential" in each["resource"] or "secret" in each["resource"] for each in entries)

    eventually(audited, "the calls and the use of the credential are audited", seconds=SOON)


def test_a_viewer_sees_and_does_not_call_and_a_neighbour_sees_nothing(
    control_plane: ControlPlane, tenant: Tenant, editor: ApiCaller
) -> None:
    tenant.corner.behave = gate
    tenant.connected()
    viewer = ApiCaller(tenant.plane, editor.api, tenant.namespace, "viewer").given("view")
    assert viewer.ask("GET", f"{HUB}/chat/health").status == 200
    assert viewer.ask("GET", f"{HUB}/chat/logs").status == 200
    assert viewer.ask("POST", f"{HUB}/chat/execute", {"endpoint": "/x"}).json["code"] == "FORBIDDEN"
    elsewhere = f"{tenant.namespace}-b"
    control_plane.create_namespace(elsewhere)
    neighbour = ApiCaller(control_plane, editor.api, elsewhere, "editor").given("edit")
    own = neighbour.ask("POST", f"{HUB}/chat/execute", {"endpoint": "/x"})
    assert own.json["code"] == "INTEGRATION_NOT_FOUND"
    crossed = neighbour.ask("POST", f"{HUB}/chat/execute", {"endpoint": "/x"}, X_Tenant=tenant.namespace)
    assert crossed.json["code"] == "FORBIDDEN"
    control_plane.delete_namespace(elsewhere)


@pytest.mark.req("WDG-01", "WDG-02", "INT-33")
def test_a_widget_is_kept_until_the_spec_changes(tenant: Tenant, editor: ApiCaller) -> None:
    tenant.corner.behave = github
    tenant.provider(
        widgets=[
            {"id": "w", "title": "W", "path": "/w", "transform": "{'saw': body.asked}", "ttlSeconds": 3600}
        ]
    )
    tenant.secret(token="right")
    tenant.integration()
    tenant.becomes("True", "Succeeded")
    path = f"/workspaces/{tenant.namespace}/integrations"
    first, second = (editor.ask("GET", f"{path}/chat/widgets/w/data").json for _ in range(2))
    assert (first["data"], first["cached"], second["cached"]) == ({"saw": "GET /w"}, False, True)
    listed = editor.ask("GET", path).json
    assert [each["name"] for each in listed["items"]] == ["chat"]
    tenant.integration(description="changed")
    eventually(
        lambda: editor.ask("GET", f"{path}/chat/widgets/w/data").json.get("cached") is False,
        "asked anew",
        seconds=SOON,
    )


@pytest.mark.req("CUS-02", "CUS-10", "CUS-13", "CUS-15")
def test_a_custom_integration_is_made_deployed_elsewhere_and_called_by_name(
    control_plane: ControlPlane, tenant: Tenant, editor: ApiCaller
) -> None:
    def erp(asked: Asked) -> Reply:
        known = asked.headers.get("x-api-key") == "company-key"
        return Reply(200, [{"path": asked.path}]) if known else Reply(401, {})

    tenant.corner.behave = erp
    target = f"{tenant.namespace}-t"
    control_plane.create_namespace(target)
    hub_chart.serve(control_plane, target)
    editor.given("edit", target)
    template: dict[str, Any] = {
        "name": "ERP Integration",
        "type": "custom",
        "configurationSchema": {"erpEndpoint": {"type": "string", "required": True}},
        "credentialsSchema": {"apiKey": {"type": "string", "required": True}},
        "endpoints": [
            {
                "name": "Get Projects",
                "method": "GET",
                "path": "/api/projects",
                "parameters": [{"name": "department", "type": "string"}],
            }
        ],
    }
    made = editor.ask(
        "POST",
        f"{HUB}/custom/create",
        {"projectId": tenant.namespace, "name": "Internal ERP System", "template": template},
    )
    assert made.status == 201, made.body
    custom = made.json["customIntegration"]["id"]
    deployed = editor.ask(
        "POST",
        f"{HUB}/custom/{custom}/deploy",
        {
            "projectId": target,
            "configuration": {"enabled": True, "erpEndpoint": f"{tenant.corner.url}/api"},
            "credentials": {"type": "api-key", "apiKey": "company-key"},
        },
    )
    assert deployed.status == 201, deployed.body
    identity = deployed.json["deployment"]["id"]
    other = Tenant(control_plane, target, tenant.corner)
    other.becomes("True", "Succeeded", name="internal-erp-system")
    body = {"endpoint": "Get Projects", "data": {"department": "ENGINEERING"}}
    answer = editor.ask("POST", f"{HUB}/{identity}/execute", body, X_Tenant=target)
    assert answer.json["result"]["data"] == [{"path": "/api/api/projects?department=ENGINEERING"}]
    shared = tenant.get("internal-erp-system", "iprov")["spec"]["sharedWith"]
    assert shared == [target]
    control_plane.delete_namespace(target)


@pytest.mark.req("INT-27", "INT-28", "INT-29", "INT-32")
def test_one_is_registered_tried_changed_and_removed_over_http(tenant: Tenant, editor: ApiCaller) -> None:
    tenant.corner.behave = gate
    tenant.provider()
    body = {
        "projectId": tenant.namespace,
        "name": "Chat",
        "type": "communication",
        "provider": tenant.provider_name,
        "configuration": {"enabled": True, "channel": "general", "retryAttempts": 1, "timeout": 1500},
        "credentials": {"type": "bearer", "accessToken": "right"},
    }
    eventually(
        lambda: editor.ask("GET", f"/integrations/{tenant.provider_name}").status == 200,
        "the gateway knows the provider",
        seconds=SOON,
    )
    made = editor.ask("POST", f"{HUB}/register", body)
    assert made.status == 201, made.body
    path = f"{HUB}/{made.json['integration']['id']}"
    tenant.becomes("True", "Succeeded")
    assert tenant.get()["spec"]["timeoutSeconds"] == 2
    tried = editor.ask("POST", f"{path}/test")
    assert tried.json["health"]["status"] == "healthy", tried.body
    changed = editor.ask("PUT", path, {"enabled": False})
    assert changed.json["integration"]["configuration"]["enabled"] is False
    tenant.becomes("False", "Paused")
    assert tenant.get()["spec"]["config"] == {"channel": "general"}
    assert editor.ask("DELETE", path).status == 204
    eventually(lambda: editor.ask("GET", path).status == 404, "gone", seconds=SOON)


@pytest.mark.req("PERF-01")
def test_calls_read_nothing_of_the_api_server_once_they_are_under_way(
    tenant: Tenant, editor: ApiCaller
) -> None:
    """Integration, provider and Secret are known by the watch; who asks, and their rights, for a while."""
    tenant.corner.behave = github
    tenant.connected(healthCheck={"intervalSeconds": 86_400})
    assert editor.ask("POST", f"{HUB}/chat/execute", {"endpoint": "/warm"}).status == 200

    def reads() -> int:
        lines = tenant.plane.audit_log.read_text().splitlines()
        return sum(
            f"/namespaces/{tenant.namespace}/" in line
            and '"verb":"get"' in line
            and "serviceaccount:integration-hub:integration-hub" in line
            for line in lines
        )

    before = reads()
    for _ in range(10):
        assert editor.ask("POST", f"{HUB}/chat/execute", {"endpoint": "/mine"}).status == 200
    assert reads() == before
