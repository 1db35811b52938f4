"""Calls over HTTP: by path and by name, rehearsed, side by side, in the provider's own batches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_stage import ALICE, BOB, NAMESPACE, OTHER, GatewayStage
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import Access, CallRequest
from memory_calls import said, silence

HUB = "/api/integration-hub"
EXECUTE = f"{HUB}/gh/execute"
BATCH = f"{HUB}/gh/batch-execute"
ISSUES = "/repos/owner/repo/issues"
ENDPOINTS: list[dict[str, Any]] = [
    {
        "name": "Get Projects",
        "path": "/projects/{{ params.owner }}",
        "parameters": [
            {"name": "owner", "in": "path"},
            {"name": "status", "schema": {"enum": ["open", "closed"]}},
        ],
        "responseSchema": {"type": "array", "items": {"type": "object"}},
    },
    {
        "name": "Create Project",
        "method": "POST",
        "path": "/projects",
        "requestBody": {"name": "string", "size": "integer"},
    },
    {
        "name": "viewer",
        "kind": "graphql",
        "path": "/graphql",
        "document": "query($first: Int!) { viewer { issues(first: $first) { id } } }",
        "parameters": [{"name": "first", "type": "integer", "required": True}],
        "readOnly": True,
    },
]


def ready(stage: GatewayStage, **provider: Any) -> GatewayStage:
    stage.provider(**provider)
    stage.integration()
    return stage


# --------------------------------------------------------------------------- one call by path


@pytest.mark.req("EXE-01", "EXE-03", "EXE-04")
async def test_data_of_a_get_goes_into_the_query_and_the_answer_comes_back_decoded() -> None:
    async with GatewayStage() as stage:
        ready(stage).calls.behave = lambda _: said(200, [{"number": 7}], etag='"x"')
        body = {"method": "GET", "endpoint": ISSUES, "data": {"state": "open", "labels": "bug"}}
        answer = await stage.ask("POST", EXECUTE, body)
        assert answer.status_code == 200
        assert answer.json() == {
            "result": {
                "status": 200,
                "headers": {"content-type": "application/json", "etag": '"x"'},
                "data": [{"number": 7}],
                "encoding": "json",
                "truncated": False,
                "duration": 150,
                "attempts": 1,
                "cached": False,
            }
        }
        [request] = stage.calls.requests
        assert (request.method, request.path, request.body) == ("GET", ISSUES, b"")
        assert list(request.query) == [("state", "open"), ("labels", "bug")]
        assert (request.caller, request.purpose) == (ALICE, "call")


@pytest.mark.req("EXE-03")
async def test_data_of_a_post_is_the_body() -> None:
    async with GatewayStage() as stage:
        ready(stage).calls.behave = lambda _: said(201, {"number": 8})
        data = {"title": "New Issue", "body": "Issue description"}
        answer = await stage.ask("POST", EXECUTE, {"method": "POST", "endpoint": ISSUES, "data": data})
        assert answer.json()["result"]["status"] == 201
        assert json.loads(stage.calls.requests[0].body) == data


async def test_the_integration_is_found_by_its_id_too() -> None:
    async with GatewayStage() as stage:
        found = ready(stage).integrations_uid("gh")
        answer = await stage.ask("POST", f"{HUB}/{found}/execute", {"endpoint": "/user"})
        assert answer.status_code == 200
        assert stage.calls.links[0].key.name == "gh"


@pytest.mark.parametrize(
    ("raw", "kind", "encoding", "data"),
    [
        pytest.param(b"plain", "text/plain", "text", "plain", id="text"),
        pytest.param(b"\x89PNG\xff", "image/png", "base64", "iVBOR/8=", id="bytes"),
        pytest.param(b"", "application/json", "none", None, id="nothing"),
        pytest.param(
            b'{"a": 1e999, "b": 12345678901234567890123}', "text/x", "text", None, id="text as it came"
        ),
    ],
)
async def test_an_answer_that_is_no_json_says_so(raw: bytes, kind: str, encoding: str, data: Any) -> None:
    async with GatewayStage() as stage:
        ready(stage).calls.behave = lambda _: said(raw=raw, content_type=kind)
        result = (await stage.ask("POST", EXECUTE, {"endpoint": "/x"})).json()["result"]
        assert result["encoding"] == encoding
        assert result["data"] == (data if data is not None or encoding == "none" else raw.decode())


async def test_half_a_character_in_an_answer_breaks_nothing() -> None:
    async with GatewayStage() as stage:
        ready(stage).calls.behave = lambda _: said(raw=b'{"name": "\\ud800"}')
        answer = await stage.ask("POST", EXECUTE, {"endpoint": "/x"})
        assert answer.json()["result"]["data"] == '{"name": "\\ud800"}'


async def test_what_follows_a_request_goes_along() -> None:
    async with GatewayStage() as stage:
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        await ready(stage).ask(
            "POST",
            EXECUTE,
            {"method": "POST", "endpoint": "/x", "headers": {"X-Extra": "1"}},
            traceparent=parent,
            x_correlation_id="order-7",
            idempotency_key="once-1",
        )
        [request] = stage.calls.requests
        assert request.trace == {"traceparent": parent}
        assert (request.correlation_id, request.idempotency_key) == ("order-7", "once-1")
        assert request.headers["X-Extra"] == "1"


async def test_the_same_key_sent_again_calls_once() -> None:
    async with GatewayStage() as stage:
        body = {"method": "POST", "endpoint": "/x", "data": {"a": 1}}
        first = await ready(stage).ask("POST", EXECUTE, body, idempotency_key="once-2")
        second = await stage.ask("POST", EXECUTE, body, idempotency_key="once-2")
        assert (first.json(), first.status_code) == (second.json(), second.status_code)
        assert len(stage.calls.requests) == 1


# --------------------------------------------------------------------------- failures


@pytest.mark.req("ERR-09", "ERR-03", "RES-11")
async def test_a_call_that_took_too_long_is_told_as_the_seed_has_it() -> None:
    async with GatewayStage() as stage:
        ready(stage).calls.behave = lambda _: silence(
            ErrorCode.CONNECTION_TIMEOUT, "Connection timeout after 30000ms"
        )
        answer = await stage.ask("POST", EXECUTE, {"endpoint": "/slow"})
        assert answer.status_code == 504
        assert answer.json() == {
            "error": "Failed to execute API call",
            "details": "Connection timeout after 30000ms",
            "code": "CONNECTION_TIMEOUT",
            "timestamp": "2026-11-21T10:30:00Z",
            "retryable": True,
        }


async def test_a_refusal_of_the_far_end_comes_with_what_it_said() -> None:
    async with GatewayStage() as stage:
        ready(stage).calls.behave = lambda _: said(404, {"message": "Not Found"})
        answer = await stage.ask("POST", EXECUTE, {"endpoint": "/nobody"})
        told = answer.json()
        assert (answer.status_code, told["code"]) == (502, "UPSTREAM_ERROR")
        assert told["upstream"]["status"] == 404
        assert told["upstream"]["data"] == {"message": "Not Found"}


@pytest.mark.req("RES-09", "ERR-04")
async def test_a_full_budget_says_when_to_come_back() -> None:
    async with GatewayStage() as stage:
        ready(stage).calls.behave = lambda _: silence(ErrorCode.RATE_LIMIT_EXCEEDED, "Slower.", 12.2)
        answer = await stage.ask("POST", EXECUTE, {"endpoint": "/x"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "13")
        assert answer.json()["retryable"] is True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"endpoint": "https://evil.example/x"}, "endpoint", id="an absolute address"),
        pytest.param({"endpoint": "//evil.example"}, "endpoint", id="another host"),
        pytest.param({"endpoint": "/a/../b"}, "endpoint", id="upwards"),
        pytest.param({"endpoint": "/a\r\nX: y"}, "endpoint", id="a line break"),
        pytest.param({}, "endpoint", id="nothing"),
        pytest.param({"endpoint": "/x", "method": "CONNECT"}, "method", id="a method that nobody may use"),
        pytest.param({"endpoint": "/x", "headers": {"Authorization": "x"}}, "headers", id="credentials"),
        pytest.param({"endpoint": "/x", "data": [1]}, "data", id="a query that is a list"),
        pytest.param({"endpoint": "/x", "url": "y"}, "url", id="a field that nobody knows"),
    ],
)
async def test_a_call_that_cannot_be_meant_is_refused_and_nothing_is_sent(body: Any, field: str) -> None:
    async with GatewayStage() as stage:
        answer = await ready(stage).ask("POST", EXECUTE, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
        assert answer.json()["details"].startswith(field)
        assert stage.calls.requests == []


@pytest.mark.req("INT-38", "ERR-01")
async def test_a_missing_integration_is_told_as_that() -> None:
    async with GatewayStage() as stage:
        answer = await ready(stage).ask("POST", f"{HUB}/nobody/execute", {"endpoint": "/x"})
        assert (answer.status_code, answer.json()["code"]) == (404, "INTEGRATION_NOT_FOUND")


@pytest.mark.req("INT-37")
async def test_a_disabled_integration_makes_no_calls() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration(enabled=False)
        for path, body in ((EXECUTE, {"endpoint": "/x"}), (BATCH, {"calls": [{"endpoint": "/x"}]})):
            answer = await stage.ask("POST", path, body)
            assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_CONFIGURATION")
        assert stage.calls.requests == []


# --------------------------------------------------------------------------- who may


async def test_calling_needs_its_own_right_and_every_try_is_audited() -> None:
    async with GatewayStage() as stage:
        ready(stage)
        stage.authenticator.introduce("reader", NAMESPACE)
        stage.authorizer.grant("reader", "get", "integrations", NAMESPACE)
        answer = await stage.ask("POST", EXECUTE, {"endpoint": "/x"}, user="reader")
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        await stage.ask("POST", EXECUTE, {"endpoint": "/x"})
        assert ("reader", Access("create", "integrations", NAMESPACE, "gh", "call")) in stage.authorizer.asked
        told = [(each.actor, each.resource, each.name, each.outcome) for each in stage.store.audit]
        assert told == [
            ("reader", "integrations/call", "gh", "denied"),
            (ALICE, "integrations/call", "gh", "allowed"),
        ]
        assert len(stage.calls.requests) == 1


async def test_who_may_not_call_does_not_learn_what_there_is() -> None:
    async with GatewayStage() as stage:
        ready(stage)
        stage.authenticator.introduce("nobody", NAMESPACE)
        answers = [
            await stage.ask("POST", f"{HUB}/{name}/execute", {"endpoint": "/x"}, user="nobody")
            for name in ("gh", "no-such-thing")
        ]
        assert [answer.status_code for answer in answers] == [403, 403]


async def test_no_id_leads_into_another_namespace() -> None:
    async with GatewayStage() as stage:
        uid = ready(stage).integrations_uid("gh")
        for path in (f"{HUB}/{uid}/execute", f"{HUB}/gh/execute"):
            answer = await stage.ask("POST", path, {"endpoint": "/x"}, user=BOB)
            assert (answer.status_code, answer.json()["code"]) == (404, "INTEGRATION_NOT_FOUND")
            answer = await stage.ask("POST", path, {"endpoint": "/x"}, user=BOB, x_tenant=NAMESPACE)
            assert answer.status_code == 403
        assert stage.calls.requests == []
        assert OTHER != NAMESPACE


# --------------------------------------------------------------------------- by name


@pytest.mark.req("CUS-05", "CUS-06")
async def test_a_named_endpoint_takes_values_by_name() -> None:
    async with GatewayStage() as stage:
        ready(stage, endpoints=ENDPOINTS).calls.behave = lambda _: said(200, [{"id": 1}])
        body = {"endpoint": "Get Projects", "data": {"owner": "a/b", "status": "open"}}
        answer = await stage.ask("POST", EXECUTE, body)
        assert answer.json()["result"]["data"] == [{"id": 1}]
        [request] = stage.calls.requests
        assert (request.method, request.path) == ("GET", "/projects/a%2Fb")
        assert list(request.query) == [("status", "open")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param({}, "owner", id="a required one is missing"),
        pytest.param({"owner": "a", "status": "lost"}, "status", id="one is none of the choices"),
        pytest.param({"owner": "a", "stauts": "open"}, "stauts", id="one is misspelt"),
        pytest.param(["a"], "data", id="no names at all"),
    ],
)
async def test_values_are_checked_before_the_call(data: Any, told: str) -> None:
    async with GatewayStage() as stage:
        answer = await ready(stage, endpoints=ENDPOINTS).ask(
            "POST", EXECUTE, {"endpoint": "Get Projects", "data": data}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
        assert told in answer.json()["details"]
        assert stage.calls.requests == []


async def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    async with GatewayStage() as stage:
        answer = await ready(stage, endpoints=ENDPOINTS).ask("POST", EXECUTE, {"endpoint": "get project"})
        assert answer.status_code == 404
        assert "Get Projects, Create Project, viewer); a path begins with a slash" in answer.json()["details"]


@pytest.mark.req("CUS-05")
async def test_an_answer_that_breaks_its_schema_is_an_error_that_shows_it() -> None:
    async with GatewayStage() as stage:
        ready(stage, endpoints=ENDPOINTS).calls.behave = lambda _: said(200, {"error": "odd"})
        answer = await stage.ask("POST", EXECUTE, {"endpoint": "Get Projects", "data": {"owner": "a"}})
        assert (answer.status_code, answer.json()["code"]) == (502, "RESPONSE_INVALID")
        assert answer.json()["upstream"]["data"] == {"error": "odd"}


async def test_the_body_of_a_named_endpoint_is_checked_by_its_fields() -> None:
    async with GatewayStage() as stage:
        ready(stage, endpoints=ENDPOINTS)
        wrong = await stage.ask("POST", EXECUTE, {"endpoint": "Create Project", "data": {"size": "big"}})
        assert (wrong.status_code, "size" in wrong.json()["details"]) == (422, True)
        right = await stage.ask(
            "POST", EXECUTE, {"endpoint": "create project", "data": {"name": "x", "size": 2}}
        )
        assert right.status_code == 200
        [request] = stage.calls.requests
        assert (request.method, json.loads(request.body)) == ("POST", {"name": "x", "size": 2})


async def test_another_method_than_the_endpoints_own_is_refused() -> None:
    async with GatewayStage() as stage:
        answer = await ready(stage, endpoints=ENDPOINTS).ask(
            "POST", EXECUTE, {"endpoint": "Create Project", "method": "DELETE"}
        )
        assert answer.json()["details"].startswith("method")


@pytest.mark.req("FUT-09")
async def test_a_graphql_endpoint_sends_its_document_with_the_values_as_variables() -> None:
    async with GatewayStage() as stage:
        await ready(stage, endpoints=ENDPOINTS).ask(
            "POST", EXECUTE, {"endpoint": "viewer", "parameters": {"first": 3}}
        )
        [request] = stage.calls.requests
        sent = json.loads(request.body)
        assert (request.method, request.path, request.repeatable) == ("POST", "/graphql", True)
        assert (sent["query"], sent["variables"]) == (ENDPOINTS[2]["document"], {"first": 3})


# --------------------------------------------------------------------------- rehearsed


async def test_a_rehearsal_shows_the_final_address_and_sends_nothing() -> None:
    async with GatewayStage() as stage:
        stage.provider(baseUrl="https://erp.company.com/api")
        stage.integration()
        answer = await stage.ask(
            "POST",
            EXECUTE,
            {"endpoint": "/api/projects?x=1", "data": {"department": "R & D"}, "dryRun": True},
        )
        assert answer.json() == {
            "dryRun": {
                "method": "GET",
                "url": "https://erp.company.com/api/api/projects?x=1&department=R%20%26%20D",
                "headers": {"Accept": "application/vnd.github+json"},
                "data": None,
                "encoding": "none",
                "authentication": "bearer",
            }
        }
        assert stage.calls.requests == []


async def test_a_rehearsal_needs_the_right_to_call() -> None:
    async with GatewayStage() as stage:
        ready(stage).authorizer.revoke(ALICE)
        answer = await stage.ask("POST", EXECUTE, {"endpoint": "/x", "dryRun": True})
        assert answer.status_code == 403


# --------------------------------------------------------------------------- batches


@pytest.mark.req("EXE-02", "EXE-05", "PERF-08")
async def test_a_batch_answers_in_order_each_for_itself() -> None:
    def far_end(request: CallRequest) -> Any:
        if request.path.endswith("/pulls"):
            return said(500, {"message": "boom"})
        return said(200, {"path": request.path, "sent": request.body.decode()})

    async with GatewayStage() as stage:
        ready(stage).calls.behave = far_end
        calls = [
            {"method": "GET", "endpoint": ISSUES},
            {"method": "GET", "endpoint": "/repos/owner/repo/pulls"},
            {
                "method": "POST",
                "endpoint": ISSUES,
                "data": {"title": "New Issue", "body": "Issue description"},
            },
            {"endpoint": "https://evil.example"},
        ]
        answer = await stage.ask("POST", BATCH, {"calls": calls})
        told = answer.json()
        assert (answer.status_code, told["successful"], told["failed"]) == (200, 2, 2)
        first, second, third, fourth = told["results"]
        assert first["success"] is True
        assert first["result"]["data"]["path"] == ISSUES
        assert second["error"]["code"] == "UPSTREAM_ERROR"
        assert second["error"]["upstream"]["data"] == {"message": "boom"}
        assert json.loads(third["result"]["data"]["sent"])["title"] == "New Issue"
        assert (fourth["error"]["code"], fourth["result"]) == ("INVALID_REQUEST", None)
        assert set(fourth["error"]) == {"error", "details", "code", "timestamp", "retryable", "upstream"}


async def test_a_batch_has_so_many_calls_under_way_as_its_integration_allows() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration(batch={"maxCalls": 20, "parallelism": 3})
        answer = await stage.ask("POST", BATCH, {"calls": [{"endpoint": f"/{n}"} for n in range(20)]})
        assert answer.json()["successful"] == 20
        assert stage.calls.most_under_way == 3
        too_many = await stage.ask("POST", BATCH, {"calls": [{"endpoint": "/x"}] * 21})
        assert too_many.status_code == 422
        assert "spec.batch.maxCalls" in too_many.json()["details"]
        assert len(stage.calls.requests) == 20


async def test_each_call_of_a_batch_has_an_idempotency_key_of_its_own() -> None:
    async with GatewayStage() as stage:
        calls = [{"method": "POST", "endpoint": "/x"}, {"method": "POST", "endpoint": "/y"}]
        await ready(stage).ask("POST", BATCH, {"calls": calls}, idempotency_key="b")
        keys = {request.path: request.idempotency_key for request in stage.calls.requests}
        assert keys == {"/x": "b-0", "/y": "b-1"}


async def test_what_was_done_is_answered_though_the_store_fails_meanwhile() -> None:
    async with GatewayStage() as stage:

        def failing(_request: CallRequest) -> Any:
            stage.store.broken = "no space left on device"
            return said(201, {"charged": True})

        ready(stage).calls.behave = failing
        call = {"method": "POST", "endpoint": "/charges", "data": {"amount": 7}}
        answer = await stage.ask("POST", EXECUTE, call, idempotency_key="k")
        assert answer.json()["result"]["data"] == {"charged": True}
        stage.store.broken = ""
        again = await stage.ask("POST", EXECUTE, call, idempotency_key="k")
        assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
        assert len(stage.calls.requests) == 1


NATIVE = {
    "supports": {"batch": True},
    "batch": {
        "path": "/$batch",
        "maxCalls": 2,
        "callsAt": "requests",
        "callFields": {"id": "id", "method": "method", "path": "url", "body": "body", "headers": "headers"},
        "answersAt": "responses",
        "answerFields": {"id": "id", "status": "status", "body": "body"},
    },
}


def native_far_end(request: CallRequest) -> Any:
    if request.path != "/$batch":
        return said(200, {"alone": request.path})
    calls = json.loads(request.body)["requests"]
    answers = [
        {"id": each["id"], "status": 404 if "nobody" in each["url"] else 200, "body": {"saw": each["url"]}}
        for each in reversed(calls)
    ]
    return said(200, {"responses": answers})


@pytest.mark.req("EXE-06")
async def test_a_provider_that_takes_batches_gets_them_and_order_is_kept() -> None:
    async with GatewayStage() as stage:
        ready(stage, **NATIVE).calls.behave = native_far_end
        calls: list[dict[str, Any]] = [
            {"endpoint": "/a", "data": {"x": 1}},
            {"endpoint": "/nobody"},
            {"endpoint": "/c", "headers": {"X-Own": "1"}},
            {"method": "POST", "endpoint": "/d", "data": {"y": 2}},
        ]
        results = (await stage.ask("POST", BATCH, {"calls": calls})).json()["results"]
        assert results[0]["result"]["data"] == {"saw": "/a?x=1"}
        assert (results[1]["error"]["code"], results[1]["error"]["upstream"]["status"]) == (
            "INVALID_REQUEST",
            404,
        )
        assert results[2]["result"]["data"] == {"alone": "/c"}
        assert results[3]["result"]["data"] == {"saw": "/d"}
        assert sorted(request.path for request in stage.calls.requests) == ["/$batch", "/$batch", "/c"]


async def test_each_of_a_providers_batches_has_an_idempotency_key_of_its_own() -> None:
    async with GatewayStage() as stage:
        ready(stage, **NATIVE).calls.behave = native_far_end
        calls = [{"method": "POST", "endpoint": f"/{each}", "data": {}} for each in "abc"]
        calls.append({"endpoint": "/d", "headers": {"X-Own": "1"}})
        await stage.ask("POST", BATCH, {"calls": calls}, idempotency_key="b")
        keys = [request.idempotency_key for request in stage.calls.requests]
        assert sorted(keys) == ["b-0", "b-2", "b-3"]


async def test_a_batch_that_failed_as_a_whole_failed_for_each() -> None:
    async with GatewayStage() as stage:
        ready(stage, **NATIVE).calls.behave = lambda _: silence(ErrorCode.CIRCUIT_OPEN, "Open.", 5)
        answer = await stage.ask("POST", BATCH, {"calls": [{"endpoint": "/a"}, {"endpoint": "/b"}]})
        assert [each["error"]["code"] for each in answer.json()["results"]] == ["CIRCUIT_OPEN"] * 2
        assert len(stage.calls.requests) == 1


async def test_a_call_that_the_providers_batch_left_out_is_no_success() -> None:
    async with GatewayStage() as stage:
        ready(stage, **NATIVE).calls.behave = lambda _: said(200, {"responses": [{"id": "0", "status": 200}]})
        answer = await stage.ask("POST", BATCH, {"calls": [{"endpoint": "/a"}, {"endpoint": "/b"}]})
        assert [each["success"] for each in answer.json()["results"]] == [True, False]


async def test_native_batches_can_be_declined() -> None:
    async with GatewayStage() as stage:
        ready(stage, **NATIVE).calls.behave = native_far_end
        body = {"calls": [{"endpoint": "/a"}, {"endpoint": "/b"}], "native": False}
        await stage.ask("POST", BATCH, body)
        assert [request.path for request in stage.calls.requests] == ["/a", "/b"]


# --------------------------------------------------------------------------- kept answers


@pytest.mark.req("PERF-02", "PERF-03")
async def test_a_named_read_is_kept_for_its_time_and_forgotten_by_command() -> None:
    async with GatewayStage() as stage:
        cached = [{"name": "all", "path": "/all", "cacheTtlSeconds": 60}]
        ready(stage, endpoints=cached)
        for _ in range(2):
            answer = await stage.ask("POST", EXECUTE, {"endpoint": "all"})
        assert answer.json()["result"]["cached"] is True
        assert len(stage.calls.requests) == 1
        cleared = await stage.ask("DELETE", "/api/v1/integrations/gh/cache")
        assert cleared.status_code == 204
        answer = await stage.ask("POST", EXECUTE, {"endpoint": "all"})
        assert answer.json()["result"]["cached"] is False
