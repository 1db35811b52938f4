"""004's integrations over HTTP: made, seen, changed, tried, switched and removed."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from gateway_stage import ALICE, BOB, GITHUB, NAMESPACE, OTHER, GatewayStage
from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.api.reasons import Reason
from integration_hub.ports import ApiError, AuditQuery, CredentialProblem, Json, Wakeup
from integration_hub.runtime.status import resource_of
from memory_calls import said, silence

V1 = "/api/v1/integrations"
RESOURCE = resource_of(INTEGRATION)
BODY: dict[str, Any] = {"providerId": "github", "name": "GitHub Integration", "config": {}}


def stored(stage: GatewayStage, name: str = "github-integration") -> Json:
    return stage.cluster.read(RESOURCE, NAMESPACE, name)


# --------------------------------------------------------------------------- made


@pytest.mark.req("INT-21", "INT-19")
async def test_creating_one_writes_what_was_said_and_who_said_it() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        body = BODY | {
            "description": "Issues",
            "environment": "SANDBOX",
            "config": {"apiEndpoint": "https://git.example.com/api/v3"},
            "timeoutSeconds": 10,
            "syncFrequency": "daily",
            "apiKey": "ghp_canary",
            "maxRetries": 1,
        }
        answer = await stage.ask("POST", V1, body)
        assert answer.status_code == 201, answer.text
        shown, obj = answer.json(), stored(stage)
        assert answer.headers["Location"] == f"{V1}/github-integration"
        assert (shown["id"], shown["name"]) == (obj["metadata"]["uid"], "GitHub Integration")
        assert shown["tenantId"] == NAMESPACE
        assert (shown["environment"], shown["status"]) == ("SANDBOX", "PENDING_AUTH")
        assert obj["spec"] == {
            "displayName": "GitHub Integration",
            "providerRef": {"kind": "ClusterIntegrationProvider", "name": "github"},
            "config": {"apiEndpoint": "https://git.example.com/api/v3"},
            "description": "Issues",
            "environment": "SANDBOX",
            "timeoutSeconds": 10,
            "sync": {"auto": True, "schedule": "daily"},
            "retry": {"maxRetries": 1},
        }
        assert obj["metadata"]["annotations"] == {"integrationhub.io/created-by": ALICE}
        assert shown["createdBy"] == ALICE


@pytest.mark.req("SEC-01")
async def test_a_key_goes_to_the_intake_and_nowhere_else() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        answer = await stage.ask("POST", V1, BODY | {"apiKey": "ghp_canary"})
        assert stage.intake.kept == {answer.json()["id"]: {"apiKey": "ghp_canary"}}
        seen = [answer.text, str(stored(stage)), str(await stage.store.find_audit(AuditQuery(NAMESPACE)))]
        seen += [(await stage.ask("GET", f"{V1}/github-integration")).text]
        assert not any("ghp_canary" in text for text in seen)


async def test_what_was_made_is_seen_at_once() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        made = (await stage.ask("POST", V1, BODY)).json()
        for wanted in (made["id"], made["resourceName"]):
            assert (await stage.ask("GET", f"{V1}/{wanted}")).json()["id"] == made["id"]
        listed = (await stage.ask("GET", V1)).json()
        assert [each["id"] for each in listed["items"]] == [made["id"]]


@pytest.mark.req("INT-15")
async def test_the_same_provider_and_environment_once_more_is_a_conflict() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        assert (await stage.ask("POST", V1, BODY)).status_code == 201
        again = await stage.ask("POST", V1, BODY | {"name": "Another"})
        assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
        assert "github-integration" in again.json()["details"]
        assert (await stage.ask("POST", V1, BODY | {"environment": "TEST"})).status_code == 201
        assert (await stage.ask("POST", V1, BODY | {"instance": "second"})).status_code == 201
        names = [each["resourceName"] for each in (await stage.ask("GET", V1)).json()["items"]]
        assert names == ["github-integration", "github-integration-second", "github-integration-test"]


@pytest.mark.req("HUB-23", "ERR-05", "SEC-11")
@pytest.mark.parametrize(
    ("change", "status", "code", "said_of"),
    [
        ({"name": None}, 422, "INVALID_REQUEST", "name:"),
        ({"providerId": 7}, 422, "INVALID_REQUEST", "providerId:"),
        ({"config": []}, 422, "INVALID_REQUEST", "config:"),
        ({"timeoutSeconds": "30"}, 422, "INVALID_REQUEST", "timeoutSeconds:"),
        ({"timeoutSeconds": 0}, 422, "INVALID_REQUEST", "timeoutSeconds:"),
        ({"environment": "MOON"}, 422, "INVALID_REQUEST", "environment: must be one of PRODUCTION"),
        ({"colour": "red"}, 422, "INVALID_REQUEST", "colour: is not known here"),
        ({"isEnabled": "yes"}, 422, "INVALID_REQUEST", "isEnabled:"),
        ({"name": "providers"}, 422, "INVALID_REQUEST", "name: 'providers' is a word of the API"),
        ({"name": "***"}, 422, "INVALID_REQUEST", "name:"),
        ({"providerId": "nope"}, 422, "INVALID_CONFIGURATION", "provider:"),
        ({"providerId": "GitHubb"}, 422, "INVALID_CONFIGURATION", "(did you mean github?)"),
        ({"authType": "BASIC"}, 422, "INVALID_CONFIGURATION", "authType:"),
        ({"config": {"apiEndpoint": 5}}, 422, "INVALID_CONFIGURATION", "config.apiEndpoint"),
        ({"config": {"password": "hunter2"}}, 422, "INVALID_CONFIGURATION", "config.password"),
        ({"syncFrequency": "sometimes"}, 422, "INVALID_CONFIGURATION", "syncFrequency must be a duration"),
    ],
)
async def test_what_is_wrong_is_refused_by_field_and_nothing_is_written(
    change: Json, status: int, code: str, said_of: str
) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        body = {name: value for name, value in (BODY | change).items() if value is not None}
        answer = await stage.ask("POST", V1, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.json()["error"] == "Failed to create integration"
        assert said_of in answer.json()["details"]
        assert "hunter2" not in answer.text
        assert stage.cluster.all(RESOURCE) == []


async def test_credentials_that_cannot_be_kept_leave_nothing_behind() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.intake.trouble = CredentialProblem(Reason.ENCRYPTION_ERROR, "The key ring cannot seal.")
        answer = await stage.ask("POST", V1, BODY | {"apiKey": "ghp_x"})
        assert (answer.status_code, answer.json()["code"]) == (500, "ENCRYPTION_ERROR")
        assert stage.cluster.all(RESOURCE) == []


@pytest.mark.parametrize(
    ("given", "scheme"),
    [({"apiKey": "k"}, "API_KEY"), ({}, None)],
)
async def test_the_scheme_follows_the_credentials_that_were_given(given: Json, scheme: str | None) -> None:
    async with GatewayStage() as stage:
        stage.provider("tool", authModes=[{"type": "OAUTH2"}, {"type": "API_KEY"}])
        await stage.ask("POST", V1, BODY | {"providerId": "tool"} | given)
        assert stored(stage)["spec"].get("authType") == scheme


async def test_two_at_once_are_made_one_after_the_other() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        holder = await stage.store.try_lock(lock_of(NAMESPACE), "another replica", 30)
        assert holder
        answer = await stage.ask("POST", V1, BODY)
        assert (answer.status_code, answer.json()["retryable"]) == (503, True)
        assert int(answer.headers["Retry-After"]) >= 1


def lock_of(namespace: str) -> str:
    return f"create-integration/{hashlib.sha256(namespace.encode()).hexdigest()[:32]}"


async def test_one_that_somebody_made_by_kubectl_meanwhile_is_a_conflict() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.cluster.put(RESOURCE, NAMESPACE, "github-integration", spec={"providerRef": {"name": "x"}})
        answer = await stage.ask("POST", V1, BODY)  # the watch has not told of it yet
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")


# --------------------------------------------------------------------------- seen


@pytest.mark.req("INT-20")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a", "b", "c"]),
        ("provider=github", ["a", "b"]),
        ("provider=uid-cluster-github", ["a", "b"]),
        ("category=custom", ["c"]),
        ("environment=TEST", ["b"]),
        ("status=ACTIVE", ["a"]),
        ("status=PAUSED", ["c"]),
        ("status=PENDING_AUTH", ["b"]),
        ("label=team=billing", ["b"]),
        ("label=team=billing,tier=gold", []),
        ("provider=github&environment=PRODUCTION", ["a"]),
    ],
)
async def test_the_list_is_filtered(query: str, names: list[str]) -> None:
    async with GatewayStage() as stage:
        stage.provider("github")
        stage.provider("erp", category="custom")
        stage.integration("a", status={"phase": "ACTIVE"})
        stage.integration("b", environment="TEST", meta={"labels": {"team": "billing"}})
        stage.integration("c", providerRef={"name": "erp"}, enabled=False, status={"phase": "ACTIVE"})
        stage.integration("elsewhere", namespace=OTHER)
        answer = await stage.ask("GET", f"{V1}?{query}")
        assert [each["resourceName"] for each in answer.json()["items"]] == names, answer.text


@pytest.mark.req("INT-22")
async def test_one_is_shown_with_where_it_stands() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration(
            "gh",
            status={
                "observedGeneration": 1,
                "phase": "ERROR",
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "False",
                        "reason": "InvalidCredentials",
                        "message": "GitHub refused the token.",
                        "lastTransitionTime": "2026-11-21T10:00:00Z",
                    }
                ],
                "health": {"status": "unhealthy", "uptime": 90.5},
                "errorCount": 3,
                "lastErrorAt": "2026-11-21T12:00:00+02:00",
            },
        )
        shown = (await stage.ask("GET", f"{V1}/gh")).json()
        assert (shown["status"], shown["ready"], shown["reason"]) == ("ERROR", False, "InvalidCredentials")
        assert (shown["health"]["status"], shown["health"]["uptime"]) == ("unhealthy", 90.5)
        assert (shown["errorCount"], shown["lastErrorAt"]) == (3, "2026-11-21T10:00:00Z")


@pytest.mark.req("INT-38", "ERR-01")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/test"),
        ("PATCH", "/status"),
    ],
)
async def test_one_that_is_not_there_is_integration_not_found(method: str, path: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        answer = await stage.ask(method, f"{V1}/nope{path}", BODY if method == "PUT" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "INTEGRATION_NOT_FOUND")


@pytest.mark.req("SEC-24")
@pytest.mark.parametrize("wanted", ["theirs", f"uid-{OTHER}-theirs"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/test"), ("PATCH", "/status")],
)
async def test_another_namespaces_is_not_found_by_name_or_id(wanted: str, method: str, path: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("theirs", namespace=OTHER)
        answer = await stage.ask(method, f"{V1}/{wanted}{path}", BODY if method == "PUT" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "INTEGRATION_NOT_FOUND")
        assert stage.cluster.requests == []
        assert stage.calls.requests == []


@pytest.mark.req("SEC-19", "SEC-24")
@pytest.mark.parametrize(
    ("method", "path", "verb", "what"),
    [
        ("GET", "", "list", "integrations"),
        ("POST", "", "create", "integrations"),
        ("GET", "/theirs", "get", "integrations"),
        ("PUT", "/theirs", "update", "integrations"),
        ("DELETE", "/theirs", "delete", "integrations"),
        ("POST", "/theirs/test", "create", "integrations/test"),
        ("PATCH", "/theirs/status", "patch", "integrations"),
    ],
)
async def test_each_asks_for_the_right_that_kubectl_would_need(
    method: str, path: str, verb: str, what: str
) -> None:
    """Whether it exists is not told to those who may not see it."""
    async with GatewayStage() as stage:
        stage.provider()
        body = BODY if method in {"POST", "PUT"} and "test" not in path else None
        refused = await stage.ask(method, f"{V1}{path}", body, X_Tenant=OTHER)
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        assert f"may not {verb} {what} in namespace {OTHER}" in refused.json()["details"]
        stage.integration("theirs", namespace=OTHER)
        still = await stage.ask(method, f"{V1}{path}", body, X_Tenant=OTHER)
        assert still.json()["details"] == refused.json()["details"]
        assert stage.cluster.requests == []


# --------------------------------------------------------------------------- changed


@pytest.mark.req("INT-23")
async def test_replacing_one_applies_what_was_said() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("gh")
        body = BODY | {"name": "New name", "config": {"apiEndpoint": "https://git.example.com"}}
        answer = await stage.ask("PUT", f"{V1}/gh", body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"] == "New name"
        applied = [each for each in stage.cluster.requests if each.verb == "patch"]
        assert len(applied) == 1
        assert applied[0].body["spec"]["config"] == {"apiEndpoint": "https://git.example.com"}
        assert applied[0].body["metadata"]["uid"] == f"uid-{NAMESPACE}-gh"


@pytest.mark.req("INT-26", "INT-34")
@pytest.mark.parametrize(
    ("body", "before", "after"),
    [
        ({"isEnabled": False}, True, False),
        ({"isEnabled": True}, False, True),
        ({"status": "PAUSED"}, True, False),
        ({"status": "ACTIVE"}, False, True),
        ({}, True, False),
        ({}, False, True),
        (None, True, False),
    ],
)
async def test_it_is_switched_on_and_off(body: Json, before: bool, after: bool) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("gh", enabled=before, displayName="Kept")
        answer = await stage.ask("PATCH", f"{V1}/gh/status", body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["isEnabled"] is after
        spec = stored(stage, "gh")["spec"]
        assert (spec["enabled"], spec["displayName"]) == (after, "Kept")


async def test_one_just_switched_on_is_not_called_paused_any_more() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("gh", enabled=False, status={"phase": "PAUSED"})
        shown = (await stage.ask("PATCH", f"{V1}/gh/status", {"status": "ACTIVE"})).json()
        assert (shown["isEnabled"], shown["status"]) == (True, "PENDING_AUTH")
        assert (await stage.ask("GET", f"{V1}?status=PAUSED")).json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [{"status": "ERROR"}, {"status": "SLEEPY"}, {"status": "ACTIVE", "isEnabled": False}, {"on": True}],
)
async def test_a_status_that_nobody_can_set_is_refused(body: Json) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("gh")
        answer = await stage.ask("PATCH", f"{V1}/gh/status", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")


async def test_a_partial_change_goes_on_from_what_is_newest() -> None:
    """Somebody else changed the object after the watch last told of it: their change must survive."""
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("gh", displayName="Old")
        known = stored(stage, "gh")
        stage.cluster.put(RESOURCE, NAMESPACE, "gh", spec=known["spec"] | {"displayName": "New"})
        answer = await stage.ask("PATCH", f"{V1}/gh/status", {"isEnabled": False})
        assert answer.status_code == 200, answer.text
        spec = stored(stage, "gh")["spec"]
        assert (spec["displayName"], spec["enabled"]) == ("New", False)


async def test_one_that_was_made_anew_under_its_name_is_left_alone() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("gh")
        stage.cluster.drop(RESOURCE, NAMESPACE, "gh")
        fresh = stage.cluster.put(RESOURCE, NAMESPACE, "gh", spec={"providerRef": {"name": "github"}})
        answer = await stage.ask("PATCH", f"{V1}/gh/status", {"isEnabled": False})
        assert (answer.status_code, answer.json()["code"]) == (404, "INTEGRATION_NOT_FOUND")
        assert stored(stage, "gh")["metadata"]["resourceVersion"] == fresh["metadata"]["resourceVersion"]


GITOPS = [
    pytest.param({"annotations": {"argocd.argoproj.io/tracking-id": "app:x"}}, "Argo CD", id="argo"),
    pytest.param({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux", id="flux"),
    pytest.param({"annotations": {"meta.helm.sh/release-name": "app"}}, "Helm", id="helm"),
]


@pytest.mark.parametrize(("meta", "tool"), GITOPS)
@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("PATCH", "/status"), ("DELETE", "")])
async def test_what_gitops_keeps_is_changed_only_by_force(
    meta: Json, tool: str, method: str, path: str
) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("gh", meta=meta)
        body = BODY if method == "PUT" else None
        refused = await stage.ask(method, f"{V1}/gh{path}", body)
        assert (refused.status_code, refused.json()["code"]) == (409, "MANAGED_BY_GITOPS")
        assert tool in refused.json()["details"]
        assert stage.cluster.requests == []
        forced = await stage.ask(method, f"{V1}/gh{path}?force=true", body)
        assert forced.status_code in {200, 204}, forced.text


@pytest.mark.req("INT-24")
async def test_deleting_one_deletes_this_very_object() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("gh")
        answer = await stage.ask("DELETE", f"{V1}/gh")
        assert (answer.status_code, answer.content) == (204, b"")
        assert stored(stage, "gh") is None


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ApiError(422, "Invalid", "spec.sync.schedule: auto needs a schedule"), 422, "INVALID_REQUEST"),
        (ApiError(404, "NotFound", 'namespaces "x" not found'), 404, "NOT_FOUND"),
        (ApiError(403, "Forbidden", "namespace is being terminated"), 403, "FORBIDDEN"),
        (ApiError(409, "Conflict", "the object has been modified"), 409, "CONFLICT"),
        (ApiError(0, "ConnectionFailed", "cannot connect"), 503, "NOT_READY"),
        (ApiError(429, "TooManyRequests", "slower", retry_after=7), 503, "NOT_READY"),
        (ApiError(500, "InternalError", "etcd"), 503, "NOT_READY"),
    ],
)
async def test_what_the_api_server_says_is_told(error: ApiError, status: int, code: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.cluster.trouble = lambda verb, *_: error if verb == "patch" else None
        answer = await stage.ask("POST", V1, BODY)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        if status == 503:
            assert int(answer.headers["Retry-After"]) == (7 if error.retry_after else 2)


# --------------------------------------------------------------------------- tried


@pytest.mark.req("INT-25", "TST-02")
async def test_a_try_asks_the_far_end_now_and_tells_the_operator() -> None:
    async with GatewayStage() as stage:
        stage.provider(probe={"path": "/user"})
        found = stage.integration("gh")
        answer = await stage.ask("POST", f"{V1}/gh/test", X_Correlation_Id="abc-1")
        assert answer.status_code == 200, answer.text
        health = answer.json()["health"]
        assert (health["status"], health["responseTime"], health["lastError"]) == ("healthy", 150, None)
        assert health["lastCheck"] == "2026-11-21T10:30:00Z"
        sent = stage.calls.requests[0]
        assert (sent.path, sent.purpose, sent.caller, sent.correlation_id) == (
            "/user",
            "test",
            ALICE,
            "abc-1",
        )
        assert await stage.store.drain() == [Wakeup("Integration", NAMESPACE, "gh", "Tested")]
        windows = await stage.store.health_windows([found.uid], since=stage.clock.now())
        assert windows[found.uid].checks == 1
        assert stage.cluster.requests == []


@pytest.mark.req("TST-04")
@pytest.mark.parametrize(
    ("far_end", "status", "told"),
    [
        (said(500), "unhealthy", "It answered 500."),
        (
            silence(ErrorCode.CONNECTION_TIMEOUT, "No answer within 30 s."),
            "unhealthy",
            "No answer within 30 s.",
        ),
    ],
    ids=["error", "silence"],
)
async def test_a_try_that_fails_is_a_finding_not_a_failure(far_end: Any, status: str, told: str) -> None:
    async with GatewayStage() as stage:
        stage.provider(probe={"path": "/user"})
        stage.integration("gh")
        stage.calls.behave = lambda _: far_end
        answer = await stage.ask("POST", f"{V1}/gh/test")
        assert answer.status_code == 200
        assert (answer.json()["health"]["status"], answer.json()["health"]["lastError"]) == (status, told)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [({"enabled": False}, "switched off"), ({"config": {"apiEndpoint": 7}}, "apiEndpoint")],
)
async def test_one_that_cannot_be_used_is_not_tried(changes: Json, detail: str) -> None:
    async with GatewayStage() as stage:
        stage.provider(probe={"path": "/user"})
        stage.integration("gh", **changes)
        answer = await stage.ask("POST", f"{V1}/gh/test")
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_CONFIGURATION")
        assert detail in answer.json()["details"]
        assert stage.calls.requests == []


async def test_a_provider_without_a_probe_says_so() -> None:
    async with GatewayStage() as stage:
        stage.provider(**{key: value for key, value in GITHUB.items() if key != "probe"})
        stage.integration("gh")
        answer = await stage.ask("POST", f"{V1}/gh/test", user=ALICE)
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_CONFIGURATION")
        assert (await stage.ask("POST", f"{V1}/gh/test", user=BOB)).status_code == 404
