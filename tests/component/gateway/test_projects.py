"""002's integrations over HTTP: its worked examples to the letter, and what it leaves open."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stage import ALICE, BOB, NAMESPACE, OTHER, GatewayStage
from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.ports import AuditQuery, Json
from integration_hub.runtime.status import resource_of
from memory_calls import said, silence

HUB = "/api/integration-hub"
RESOURCE = resource_of(INTEGRATION)
CONFIGURATION: dict[str, Any] = {
    "enabled": True,
    "autoSync": True,
    "syncInterval": 30,
    "apiEndpoint": "https://api.github.com",
    "retryAttempts": 3,
    "timeout": 30000,
}
REGISTER: dict[str, Any] = {
    "projectId": "project-123",
    "name": "GitHub Integration",
    "type": "version-control",
    "provider": "github",
    "configuration": CONFIGURATION,
    "credentials": {
        "type": "oauth",
        "accessToken": "ghp_xxxxxxxxxxxx",
        "refreshToken": "ghr_xxxxxxxxxxxx",
        "tokenExpiry": "2024-12-31T23:59:59Z",
    },
}


def stored(stage: GatewayStage, name: str = "github-integration") -> Json:
    found = stage.cluster.read(RESOURCE, NAMESPACE, name)
    assert found is not None
    return found


async def registered(stage: GatewayStage, **changes: Any) -> dict[str, Any]:
    stage.provider()
    answer = await stage.ask("POST", f"{HUB}/register", {**REGISTER, **changes})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()["integration"]
    return told


# --------------------------------------------------------------------------- registered


@pytest.mark.req("INT-16", "INT-17", "INT-27", "INT-40", "SEC-03")
async def test_the_worked_example_is_registered_to_the_letter() -> None:
    async with GatewayStage() as stage:
        told = await registered(stage)
        assert stored(stage)["spec"] == {
            "displayName": "GitHub Integration",
            "providerRef": {"kind": "ClusterIntegrationProvider", "name": "github"},
            "instance": "github-integration",
            "config": {"apiEndpoint": "https://api.github.com"},
            "enabled": True,
            "timeoutSeconds": 30,
            "retry": {"maxRetries": 3},
            "sync": {"auto": True, "schedule": "30m"},
            "authType": "OAUTH2",
        }
        assert stage.intake.kept[told["id"]] == {
            "accessToken": "ghp_xxxxxxxxxxxx",
            "refreshToken": "ghr_xxxxxxxxxxxx",
            "tokenExpiry": "2024-12-31T23:59:59Z",
        }
        assert told["configuration"] == CONFIGURATION
        assert (told["projectId"], told["type"], told["provider"]) == (NAMESPACE, "version-control", "github")
        assert (told["status"], told["credentials"]) == ("disconnected", {"type": "oauth", "expiresAt": None})


@pytest.mark.req("INT-40")
async def test_the_second_example_has_no_expiry_and_stands_beside_the_first() -> None:
    async with GatewayStage() as stage:
        first = await registered(stage)
        second = await registered(
            stage,
            name="GitHub Repository",
            credentials={"type": "oauth", "accessToken": "a", "refreshToken": "r"},
        )
        assert first["id"] != second["id"]
        assert stage.intake.kept[second["id"]] == {"accessToken": "a", "refreshToken": "r"}


@pytest.mark.req("INT-30")
async def test_no_answer_and_no_record_ever_shows_a_credential() -> None:
    async with GatewayStage() as stage:
        told = await registered(stage)
        seen = [str(told), str(stored(stage)), str(await stage.store.find_audit(AuditQuery(NAMESPACE)))]
        seen += [(await stage.ask("GET", f"{HUB}/{told['id']}")).text]
        seen += [(await stage.ask("GET", f"{HUB}/projects/{NAMESPACE}")).text]
        assert not any("ghp_" in text or "ghr_" in text for text in seen)


async def test_a_key_and_other_names_reach_the_intake_as_they_were_given() -> None:
    async with GatewayStage() as stage:
        given = {"type": "api-key", "apiKey": "k", "erpKey": "e", "username": ""}
        told = await registered(stage, credentials=given)
        assert stage.intake.kept[told["id"]] == {"apiKey": "k", "erpKey": "e"}


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        pytest.param({"type": "cad"}, "INVALID_CONFIGURATION", "type", id="another type than its provider's"),
        pytest.param({"type": "sofa"}, "INVALID_REQUEST", "type", id="a type that is none"),
        pytest.param({"provider": "nobody"}, "INVALID_CONFIGURATION", "provider", id="no such provider"),
        pytest.param({"provider": None}, "INVALID_REQUEST", "provider", id="no provider at all"),
        pytest.param({"projectId": "No Project"}, "INVALID_REQUEST", "projectId", id="no namespace"),
        pytest.param(
            {"configuration": {"timeout": 0}}, "INVALID_CONFIGURATION", "configuration.timeout", id="no time"
        ),
        pytest.param(
            {"configuration": {"syncInterval": "now and then"}},
            "INVALID_CONFIGURATION",
            "configuration.syncInterval",
            id="no interval",
        ),
        pytest.param(
            {"configuration": {"apiEndpoit": "x"}}, "INVALID_CONFIGURATION", "config", id="a misspelt setting"
        ),
        pytest.param(
            {"configuration": {"autoSync": True}},
            "INVALID_CONFIGURATION",
            "configuration.autoSync",
            id="a sync without an interval",
        ),
        pytest.param(
            {"credentials": {"type": "magic"}}, "INVALID_REQUEST", "credentials.type", id="no scheme"
        ),
        pytest.param(
            {"credentials": {"tokenExpiry": "soon"}},
            "INVALID_REQUEST",
            "credentials.tokenExpiry",
            id="no time",
        ),
        pytest.param(
            {"credentials": {"tokenExpiry": 1735689599}},
            "INVALID_REQUEST",
            "credentials.tokenExpiry: must be a time such as 2024-01-15T10:30:00Z",
            id="seconds since 1970",
        ),
        pytest.param(
            {"credentials": {"apiKey": 7}},
            "INVALID_REQUEST",
            "credentials.apiKey",
            id="a key that is no text",
        ),
        pytest.param({"credential": {}}, "INVALID_REQUEST", "credential", id="a misspelt field"),
        pytest.param({"name": "register"}, "INVALID_REQUEST", "name", id="a word of the API"),
    ],
)
async def test_what_cannot_be_registered_is_told_by_its_field(changes: Any, code: str, field: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        body = {name: value for name, value in {**REGISTER, **changes}.items() if value is not None}
        answer = await stage.ask("POST", f"{HUB}/register", body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
        assert answer.json()["details"].startswith(field), answer.text
        assert (stage.cluster.all(RESOURCE), stage.intake.kept) == ([], {})


async def test_registering_in_another_project_needs_rights_there_and_no_contradiction() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        body = {**REGISTER, "projectId": OTHER}
        refused = await stage.ask("POST", f"{HUB}/register", body)
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        stage.authorizer.grant(ALICE, namespace=OTHER)
        crossed = await stage.ask("POST", f"{HUB}/register", body, x_tenant=NAMESPACE)
        assert (crossed.status_code, crossed.json()["details"][:9]) == (422, "projectId")
        assert (await stage.ask("POST", f"{HUB}/register", body)).status_code == 201


async def test_the_same_name_twice_is_a_conflict_unless_it_is_the_same_request() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        first = await stage.ask("POST", f"{HUB}/register", REGISTER, idempotency_key="r1")
        again = await stage.ask("POST", f"{HUB}/register", REGISTER, idempotency_key="r1")
        twice = await stage.ask("POST", f"{HUB}/register", REGISTER)
        assert first.json() == again.json()
        assert (twice.status_code, twice.json()["code"]) == (409, "CONFLICT")


# --------------------------------------------------------------------------- updated


@pytest.mark.req("INT-28")
async def test_a_flat_update_changes_what_it_names_and_nothing_else() -> None:
    async with GatewayStage() as stage:
        before = await registered(stage)
        answer = await stage.ask("PUT", f"{HUB}/{before['id']}", {"enabled": False, "syncInterval": 60})
        told = answer.json()["integration"]
        assert told["configuration"] == {**CONFIGURATION, "enabled": False, "syncInterval": 60}
        assert stored(stage)["spec"]["sync"] == {"auto": True, "schedule": "60m"}
        assert stored(stage)["spec"]["displayName"] == "GitHub Integration"


async def test_the_wrapped_form_says_the_same() -> None:
    async with GatewayStage() as stage:
        told = await registered(stage)
        body = {
            "configuration": {"timeout": 1500, "apiEndpoint": "https://git.example.com/api/v3"},
            "name": "New",
        }
        answer = await stage.ask("PUT", f"{HUB}/{told['id']}", body)
        assert answer.json()["integration"]["name"] == "New"
        assert stored(stage)["spec"]["timeoutSeconds"] == 2
        assert stored(stage)["spec"]["config"] == {"apiEndpoint": "https://git.example.com/api/v3"}


@pytest.mark.req("ERR-05")
async def test_one_key_in_both_forms_with_two_values_is_refused() -> None:
    async with GatewayStage() as stage:
        told = await registered(stage)
        version = stored(stage)["metadata"]["resourceVersion"]
        answer = await stage.ask(
            "PUT", f"{HUB}/{told['id']}", {"enabled": False, "configuration": {"enabled": True}}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_CONFIGURATION")
        assert answer.json()["details"].startswith("enabled")
        same = await stage.ask(
            "PUT", f"{HUB}/{told['id']}", {"enabled": True, "configuration": {"enabled": True}}
        )
        assert same.status_code == 200
        assert stored(stage)["metadata"]["resourceVersion"] >= version


async def test_a_setting_that_nobody_declares_is_refused_and_nothing_changes() -> None:
    async with GatewayStage() as stage:
        told = await registered(stage)
        before = stored(stage)
        answer = await stage.ask("PUT", f"{HUB}/{told['id']}", {"colour": "red"})
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_CONFIGURATION")
        assert stored(stage) == before


async def test_a_sync_can_be_switched_off_and_on_again_by_itself() -> None:
    async with GatewayStage() as stage:
        told = await registered(stage)
        for auto in (False, True):
            await stage.ask("PUT", f"{HUB}/{told['id']}", {"autoSync": auto})
            assert stored(stage)["spec"]["sync"] == {"auto": auto, "schedule": "30m"}


async def test_new_credentials_take_the_place_of_the_old() -> None:
    async with GatewayStage() as stage:
        told = await registered(stage)
        await stage.ask("PUT", f"{HUB}/{told['id']}", {"credentials": {"accessToken": "new"}})
        assert stage.intake.kept[told["id"]] == {"accessToken": "new"}


async def test_what_gitops_keeps_is_left_alone_unless_forced() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.put(
            INTEGRATION,
            "kept",
            {"providerRef": {"name": "github"}},
            namespace=NAMESPACE,
            labels={"argocd.argoproj.io/instance": "shop"},
        )
        for method, body in (("PUT", {"enabled": False}), ("DELETE", None)):
            answer = await stage.ask(method, f"{HUB}/kept", body)
            assert (answer.status_code, answer.json()["code"]) == (409, "MANAGED_BY_GITOPS")
        assert (await stage.ask("PUT", f"{HUB}/kept?force=true", {"enabled": False})).status_code == 200


# --------------------------------------------------------------------------- seen, tried, removed


@pytest.mark.req("INT-31", "INT-18")
async def test_a_projects_integrations_are_listed_by_type() -> None:
    async with GatewayStage() as stage:
        stage.provider("github")
        stage.provider("onshape", category="cad")
        stage.integration("a")
        stage.integration("b", providerRef={"name": "onshape"})
        stage.integration("c", namespace=OTHER)
        every = (await stage.ask("GET", f"{HUB}/projects/{NAMESPACE}")).json()
        assert [each["name"] for each in every["integrations"]] == ["a", "b"]
        cad = (await stage.ask("GET", f"{HUB}/projects/{NAMESPACE}?type=cad")).json()
        assert [(each["name"], each["type"]) for each in cad["integrations"]] == [("b", "cad")]
        assert (await stage.ask("GET", f"{HUB}/projects/{NAMESPACE}?type=sofa")).status_code == 422


async def test_a_long_list_comes_in_pages() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        for number in range(5):
            stage.integration(f"i{number}", instance=f"i{number}")
        seen, cursor = [], ""
        for _ in range(3):
            path = f"{HUB}/projects/{NAMESPACE}?limit=2" + (f"&cursor={cursor}" if cursor else "")
            page = (await stage.ask("GET", path)).json()
            seen += [each["name"] for each in page["integrations"]]
            cursor = page["nextCursor"] or ""
        assert (seen, cursor, page["total"]) == (["i0", "i1", "i2", "i3", "i4"], "", 5)


@pytest.mark.req("INT-32")
async def test_a_connection_is_tried_at_once_and_its_health_is_the_answer() -> None:
    async with GatewayStage() as stage:
        stage.provider(probe={"path": "/user"})
        stage.integration()
        stage.calls.behave = lambda _: said(200, {"login": "octocat"})
        told = (await stage.ask("POST", f"{HUB}/gh/test")).json()["health"]
        assert (told["status"], told["responseTime"], told["lastError"]) == ("healthy", 150, None)
        stage.calls.behave = lambda _: silence(
            ErrorCode.CONNECTION_TIMEOUT, "Connection timeout after 30000ms"
        )
        told = (await stage.ask("POST", f"{HUB}/gh/test")).json()["health"]
        assert (told["status"], told["lastError"]) == ("unhealthy", "Connection timeout after 30000ms")
        assert [(request.path, request.purpose) for request in stage.calls.requests] == [
            ("/user", "test")
        ] * 2


@pytest.mark.req("INT-29")
async def test_one_is_removed_and_gone() -> None:
    async with GatewayStage() as stage:
        told = await registered(stage)
        assert (await stage.ask("DELETE", f"{HUB}/{told['id']}")).status_code == 204
        assert stage.cluster.all(RESOURCE) == []


@pytest.mark.req("INT-38")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{HUB}/nobody", None),
        ("PUT", f"{HUB}/nobody", {"enabled": False}),
        ("DELETE", f"{HUB}/nobody", None),
        ("POST", f"{HUB}/nobody/test", None),
    ],
)
async def test_what_is_not_there_is_told_as_that(method: str, path: str, body: Any) -> None:
    async with GatewayStage() as stage:
        answer = await stage.ask(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "INTEGRATION_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{HUB}/register", REGISTER),
        ("GET", f"{HUB}/projects/{NAMESPACE}", None),
        ("GET", f"{HUB}/gh", None),
        ("PUT", f"{HUB}/gh", {"enabled": False}),
        ("DELETE", f"{HUB}/gh", None),
        ("POST", f"{HUB}/gh/test", None),
    ],
)
async def test_a_neighbour_and_a_stranger_may_do_nothing(method: str, path: str, body: Any) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration()
        before = stage.cluster.all(RESOURCE)
        stranger = await stage.client.request(method, path, json=body)
        assert stranger.status_code == 401
        neighbour = await stage.ask(method, path, body, user=BOB, x_tenant=NAMESPACE)
        assert (neighbour.status_code, neighbour.json()["code"]) == (403, "FORBIDDEN")
        assert stage.cluster.all(RESOURCE) == before
        assert stage.calls.requests == []
