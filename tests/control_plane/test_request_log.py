"""The log of an Integration's requests: in full where that is asked for, and its own alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from caller import ApiCaller
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


def echo(asked: Asked) -> Reply:
    """Tells what it got, and a secret of its own."""
    return Reply(200, {"got": json.loads(asked.body or b"null"), "access_token": "canary-answered"})


def calls(editor: ApiCaller, integration: str) -> list[dict[str, Any]]:
    answer = editor.ask("GET", f"{V1}/{integration}/logs?limit=1000")
    assert answer.status == 200, answer.body
    return [each for each in answer.json["logs"] if each["purpose"] == "call"]


@pytest.mark.req("OBS-14", "OBS-16", "SEC-08")
@pytest.mark.req("HUB-14", part="full request logs")
def test_requests_and_answers_are_logged_in_full_but_for_their_secrets(
    tenant: Tenant, editor: ApiCaller
) -> None:
    tenant.corner.behave = echo
    tenant.connected(logging={"bodies": "all"}, healthCheck={"intervalSeconds": 86_400})
    sent = {"method": "POST", "endpoint": "/orders", "data": {"item": "tea", "password": "canary-sent"}}
    assert editor.ask("POST", "/api/integration-hub/chat/execute", sent).status == 200
    eventually(lambda: bool(calls(editor, "chat")), "the call is in the log", seconds=SOON)
    [entry] = calls(editor, "chat")
    assert (entry["method"], entry["status"], entry["level"]) == ("POST", 200, "info")
    assert entry["path"].endswith("/orders")
    assert json.loads(entry["requestBody"])["item"] == "tea"
    assert json.loads(entry["responseBody"])["got"]["item"] == "tea"
    assert entry["requestHeaders"]["content-type"] == "application/json"
    assert entry["responseHeaders"]["content-type"] == "application/json"
    assert (entry["caller"], entry["attempt"]) == (
        f"system:serviceaccount:{tenant.namespace}:editor",
        1,
    )
    assert entry["bytesSent"] > 0 < entry["bytesReceived"]
    told = json.dumps(entry)
    assert "canary" not in told
    assert "Bearer right" not in told


@pytest.mark.req("INT-14", part="its request logs")
def test_one_of_the_same_name_does_not_show_the_log_of_the_one_before(
    tenant: Tenant, editor: ApiCaller
) -> None:
    tenant.connected(healthCheck={"intervalSeconds": 86_400})
    before = tenant.get()["metadata"]["uid"]
    assert editor.ask("POST", "/api/integration-hub/chat/execute", {"endpoint": "/first"}).status == 200
    eventually(lambda: bool(calls(editor, before)), "the call is in the log", seconds=SOON)
    tenant.plane.kubectl("delete", "intg", "chat", "-n", tenant.namespace, "--timeout=30s")
    tenant.integration(healthCheck={"intervalSeconds": 86_400})
    tenant.becomes("True", "Succeeded")
    after = tenant.get()["metadata"]["uid"]
    assert after != before
    assert editor.ask("POST", "/api/integration-hub/chat/execute", {"endpoint": "/second"}).status == 200
    eventually(lambda: bool(calls(editor, after)), "the call is in the log", seconds=SOON)
    for named in ("chat", after):
        assert [each["path"].rpartition("/")[2] for each in calls(editor, named)] == ["second"]
    gone = editor.ask("GET", f"{V1}/{before}/logs")
    assert (gone.status, gone.json["code"]) == (404, "INTEGRATION_NOT_FOUND")

    def its_own_figures() -> bool:
        figures = editor.ask("GET", "/api/integration-hub/chat/metrics").json["metrics"]
        every = editor.ask("GET", f"{V1}/chat/logs?limit=1000").json["logs"]
        return bool(figures["totalRequests"] == len(every))

    eventually(its_own_figures, "the figures are its own, too", seconds=SOON)
