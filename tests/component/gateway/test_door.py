"""The door itself: who comes in, what is refused, and the one shape of every refusal."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from gateway_stage import ALICE, BOB, NAMESPACE, OTHER, GatewayStage
from integration_hub.api.errors import ErrorCode
from integration_hub.gateway.identity import PUBLIC
from integration_hub.gateway.parts import GatewayLimits
from integration_hub.ports import Json

V1 = "/api/v1/integrations"
SHAPE = {"error", "details", "code", "timestamp", "retryable"}


def shape_of(body: Json) -> set[str]:
    return set(body)


# --------------------------------------------------------------------------- errors


@pytest.mark.req("ERR-08", "HUB-21")
@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "NOT_FOUND"),
        ("GET", f"{V1}/", {}, 404, "NOT_FOUND"),
        ("DELETE", V1, {}, 405, "METHOD_NOT_ALLOWED"),
        (
            "POST",
            V1,
            {"content": b"{", "headers": {"content-type": "application/json"}},
            422,
            "INVALID_REQUEST",
        ),
        (
            "POST",
            V1,
            {"content": b"a=b", "headers": {"content-type": "text/plain"}},
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        ("POST", V1, {"content": b"{}"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", V1, {"json": []}, 422, "INVALID_REQUEST"),
        ("POST", V1, {"json": {}}, 422, "INVALID_REQUEST"),
        ("POST", V1, {"json": "x" * 2_000_000}, 413, "PAYLOAD_TOO_LARGE"),
        ("GET", f"{V1}/nope", {}, 404, "INTEGRATION_NOT_FOUND"),
        ("GET", f"{V1}?limit=many", {}, 422, "INVALID_REQUEST"),
    ],
)
async def test_every_error_has_the_one_shape(
    method: str, path: str, sent: dict[str, Any], status: int, code: str
) -> None:
    async with GatewayStage() as stage:
        headers = {"authorization": f"Bearer {ALICE}", **sent.pop("headers", {})}
        answer = await stage.client.request(method, path, headers=headers, **sent)
        body = answer.json()
        assert (answer.status_code, body["code"]) == (status, code), body
        assert shape_of(body) == SHAPE
        assert body["timestamp"] == "2026-11-21T10:30:00Z"
        assert body["retryable"] is ErrorCode[code].retryable
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-correlation-id"]
        assert "Traceback" not in answer.text


async def test_a_method_that_is_not_served_is_told_which_are() -> None:
    async with GatewayStage() as stage:
        answer = await stage.ask("DELETE", V1)
        assert answer.headers["allow"] == "GET, POST"
        answer = await stage.ask("PATCH", f"{V1}/nope")
        assert answer.headers["allow"] == "DELETE, GET, PUT"


@pytest.mark.parametrize("path", ["nope%2Ftest", "nope%2ftest", "nope%2Fproxy/x", "x%2Fnope/test"])
async def test_an_id_that_holds_an_encoded_slash_leads_to_no_other_route(path: str) -> None:
    async with GatewayStage() as stage:
        answer = await stage.ask("POST", f"{V1}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.req("ERR-08")
@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", V1, [], "body: must be an object"),
        ("POST", V1, None, "body: is missing"),
        ("POST", "/api/integration-hub/x/execute", None, "body: is missing"),
        ("PATCH", f"{V1}/x/status", [], "body: must be an object"),
        ("POST", V1, {"providerId": "x", "name": "x", "config": []}, "config: must be an object"),
        ("GET", f"{V1}?label=team", None, "label: must be name=value, with commas between several"),
        ("GET", f"{V1}/stats?window=long", None, "window: must be a duration such as 24h or 90m"),
        ("GET", f"{V1}/x/logs?since=today", None, "since: must be a time such as 2024-01-15T10:30:00Z"),
    ],
)
async def test_a_wrong_field_is_told_in_words_of_the_caller(
    method: str, path: str, body: Any, said: str
) -> None:
    async with GatewayStage() as stage:
        answer = await stage.ask(method, path, body)
        assert (answer.status_code, answer.json()["details"]) == (422, said)


@pytest.mark.req("SEC-11")
async def test_a_bug_is_an_answer_without_a_trace_of_it(caplog: pytest.LogCaptureFixture) -> None:
    async with GatewayStage() as stage:

        async def broken(*_: Any) -> None:
            raise RuntimeError("secret detail of /srv/hub.py")

        stage.authorizer.refusal = broken  # type: ignore[assignment, method-assign]
        answer = await stage.ask("GET", V1, X_Correlation_Id="find-me")
        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
        assert "secret detail" not in answer.text
        assert "find-me" in answer.json()["details"]
        assert "A request met a bug" in caplog.text
        assert stage.figures.requests[-1][3] == 500


async def test_a_database_that_is_away_is_not_ready_and_retryable() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration("gh")
        stage.store.broken = "the disk at /var/lib/hub is full"
        answer = await stage.ask("GET", f"{V1}/gh/logs")
        assert (answer.status_code, answer.json()["code"]) == (503, "NOT_READY")
        assert answer.headers["retry-after"] == "2"
        assert "/var/lib" not in answer.text


# --------------------------------------------------------------------------- correlation, security headers


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-123", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("a b", False),
        ("x\tinjected", False),
        ("", False),
    ],
)
async def test_a_correlation_id_is_kept_if_it_can_be_trusted_in_a_log(given: str, kept: bool) -> None:
    async with GatewayStage() as stage:
        answer = await stage.client.get("/healthz", headers={"X-Correlation-Id": given})
        assert (answer.headers["x-correlation-id"] == given) is kept


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", f"{V1}/providers"])
async def test_every_answer_carries_the_security_headers(path: str) -> None:
    async with GatewayStage() as stage:
        answer = await stage.ask("GET", path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


async def test_no_other_site_is_let_in() -> None:
    async with GatewayStage() as stage:
        answer = await stage.ask("GET", V1, Origin="https://evil.example.com")
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        preflight = await stage.client.options(
            V1, headers={"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
        )
        assert preflight.status_code == 401


# --------------------------------------------------------------------------- default deny


@pytest.mark.req("SEC-21")
async def test_no_route_is_open_without_a_token_but_those_that_prove_themselves() -> None:
    async with GatewayStage(GatewayLimits(address_burst=1000)) as stage:
        routes = [
            (method, each.path)
            for each in stage.app.routes
            if isinstance(each, APIRoute | Route)
            for method in (each.methods or ())
        ]
        assert len(routes) > 30
        for method, path in routes:
            concrete = re.sub(r"\{[^}]+\}", "x", path)
            answer = await stage.client.request(method, concrete)
            public = any(method == each and where.fullmatch(concrete) for each, where in PUBLIC)
            assert public or answer.status_code == 401, f"{method} {path} answered {answer.status_code}"
            if not public:
                assert answer.headers.get("www-authenticate") or method == "HEAD"


def test_what_is_open_is_short_and_has_its_reason() -> None:
    assert sorted({where.pattern for _, where in PUBLIC}) == [
        r"/connect/[^/]+/[^/]+",
        "/healthz|/readyz",
        r"/oauth/callback/[^/]+",
    ]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", "Basic YWxpY2U6eA==")],
        [("authorization", "Bearer stranger")],
        [("authorization", "Bearer alice"), ("authorization", "Bearer bob")],
        [("authorization", f"Bearer {ALICE} and more")],
        [("authorization", "Bearer " + "a" * 20_000)],
    ],
    ids=["none", "empty", "no token", "blank", "basic", "unknown", "two", "two words", "huge"],
)
async def test_who_shows_no_single_valid_token_stays_out(headers: list[tuple[str, str]]) -> None:
    async with GatewayStage() as stage:
        answer = await stage.client.get(V1, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == 'Bearer realm="integration-hub"'
        assert stage.figures.refusals == ["authentication"]
        assert shape_of(answer.json()) == SHAPE


@pytest.mark.req("HUB-19", "TST-20")
async def test_probes_are_open_and_tell_no_more_than_whether() -> None:
    async with GatewayStage() as stage:
        assert (await stage.client.get("/healthz")).json() == {"ok": True}
        assert (await stage.client.get("/readyz")).json() == {"ok": True}
        stage.ready = False
        waiting = await stage.client.get("/readyz")
        assert (waiting.status_code, waiting.json()) == (503, {"ok": False})


# --------------------------------------------------------------------------- namespaces


async def test_a_caller_without_a_namespace_is_asked_to_name_one() -> None:
    async with GatewayStage() as stage:
        stage.authenticator.introduce("carol")
        stage.authorizer.grant("carol")
        answer = await stage.ask("GET", V1, user="carol")
        assert (answer.status_code, answer.json()["code"]) == (400, "NAMESPACE_REQUIRED")
        assert "X-Tenant" in answer.json()["details"]
        assert (await stage.ask("GET", V1, user="carol", X_Tenant=OTHER)).status_code == 200


@pytest.mark.req("SEC-24")
async def test_naming_another_namespace_takes_rights_there() -> None:
    async with GatewayStage() as stage:
        answer = await stage.ask("GET", V1, X_Tenant=OTHER)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        stage.authorizer.grant(ALICE, "list", "integrations", OTHER)
        assert (await stage.ask("GET", V1, X_Tenant=OTHER)).status_code == 200


@pytest.mark.req("SEC-24")
async def test_path_and_header_may_not_disagree() -> None:
    async with GatewayStage() as stage:
        stage.authorizer.grant(ALICE)
        path = f"/workspaces/{NAMESPACE}/integrations"
        assert (await stage.ask("GET", path, X_Tenant=NAMESPACE)).status_code == 200
        refused = await stage.ask("GET", path, X_Tenant=OTHER)
        assert (refused.status_code, refused.json()["code"]) == (422, "INVALID_REQUEST")


@pytest.mark.req("SEC-20", "SEC-23")
async def test_what_was_done_and_what_was_refused_is_in_the_audit() -> None:
    async with GatewayStage() as stage:
        await stage.ask("GET", V1, X_Correlation_Id="c-1")
        await stage.ask("GET", V1, user=BOB, X_Tenant=NAMESPACE)
        entries = (await stage.ask("GET", "/api/v1/audit")).json()["entries"]
        told = {(each["actor"], each["action"], each["resource"], each["outcome"]) for each in entries}
        assert (ALICE, "list", "integrations", "allowed") in told
        assert (BOB, "list", "integrations", "denied") in told
        assert ("kubernetes", V1, "GET", 403) in stage.figures.requests


# --------------------------------------------------------------------------- rates and addresses


@pytest.mark.req("SEC-10", "ERR-04")
async def test_a_caller_who_asks_too_often_is_slowed_down_alone() -> None:
    async with GatewayStage(GatewayLimits(caller_rate=1, caller_burst=3)) as stage:
        told = [(await stage.ask("GET", V1)).status_code for _ in range(4)]
        assert told == [200, 200, 200, 429]
        refused = await stage.ask("GET", V1)
        assert refused.json()["code"] == "RATE_LIMIT_EXCEEDED"
        assert refused.json()["retryable"] is True
        assert refused.headers["retry-after"] == "1"
        assert (await stage.ask("GET", V1, user=BOB)).status_code == 200
        stage.clock.pass_by(seconds=1)
        assert (await stage.ask("GET", V1)).status_code == 200


@pytest.mark.req("SEC-13")
async def test_an_address_that_guesses_tokens_is_stopped_before_they_are_looked_at() -> None:
    async with GatewayStage(GatewayLimits(address_rate=1, address_burst=3)) as stage:
        told = [(await stage.ask("GET", V1, user=f"guess-{n}")).status_code for n in range(5)]
        assert told == [401, 401, 401, 429, 429]
        assert stage.figures.refusals == ["authentication"] * 3 + ["rate"] * 2
        elsewhere = stage.at("10.0.0.8")
        good = await elsewhere.get(V1, headers={"authorization": f"Bearer {ALICE}"})
        assert good.status_code == 200


async def test_good_callers_behind_one_address_are_not_counted_as_strangers() -> None:
    async with GatewayStage(GatewayLimits(address_rate=1, address_burst=2)) as stage:
        assert [(await stage.ask("GET", V1)).status_code for _ in range(20)] == [200] * 20


@pytest.mark.req("SEC-22")
@pytest.mark.parametrize(
    ("address", "forwarded", "status"),
    [
        ("10.1.2.3", "", 200),
        ("192.168.1.1", "", 403),
        ("172.16.0.1", "10.1.2.3", 200),
        ("172.16.0.1", "192.168.1.1", 403),
        ("172.16.0.1", "10.1.2.3, 192.168.1.1", 403),
        ("172.16.0.1", "192.168.1.1, 10.1.2.3", 200),
        ("172.16.0.1", "10.1.2.3, 172.16.0.9", 200),
        ("172.16.0.1", "10.1.2.3, nonsense", 403),
        ("192.168.1.1", "10.1.2.3", 403),
        ("::ffff:10.1.2.3", "", 200),
    ],
)
async def test_only_allowed_networks_come_in_and_only_known_proxies_are_believed(
    address: str, forwarded: str, status: int
) -> None:
    limits = GatewayLimits(
        allowed=(ip_network("10.0.0.0/8"),), trusted_proxies=(ip_network("172.16.0.0/16"),)
    )
    async with GatewayStage(limits) as stage:
        headers = {"authorization": f"Bearer {ALICE}"} | ({"x-forwarded-for": forwarded} if forwarded else {})
        assert (await stage.at(address).get(V1, headers=headers)).status_code == status


@pytest.mark.req("SEC-22")
async def test_a_forwarded_address_of_the_callers_own_making_does_not_hide_the_proxys() -> None:
    limits = GatewayLimits(
        allowed=(ip_network("10.0.0.0/8"),), trusted_proxies=(ip_network("172.16.0.0/16"),)
    )
    async with GatewayStage(limits) as stage:
        # As HAProxy does: it leaves the line that came along, and adds its own.
        forwarded = [("x-forwarded-for", "10.1.2.3"), ("x-forwarded-for", "192.168.1.1")]
        headers = [("authorization", f"Bearer {ALICE}"), *forwarded]
        assert (await stage.at("172.16.0.1").get(V1, headers=headers)).status_code == 403


# --------------------------------------------------------------------------- bodies


@pytest.mark.req("HUB-18")
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_json_is_taken_however_it_is_called(kind: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        body = json.dumps({"providerId": "github", "name": "GH", "config": {}})
        headers = {"authorization": f"Bearer {ALICE}", "content-type": kind}
        assert (await stage.client.post(V1, content=body, headers=headers)).status_code == 201


async def test_a_body_without_an_announced_length_is_capped_as_it_comes() -> None:
    async with GatewayStage(GatewayLimits(body_bytes=1000)) as stage:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 100
                yield b"x" * 100

        headers = {"authorization": f"Bearer {ALICE}", "content-type": "application/json"}
        answer = await stage.client.post(V1, content=endless(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert answer.headers["connection"] == "close"


async def test_a_body_with_two_lengths_is_refused_and_the_connection_ends() -> None:
    """RFC 9112 section 6.1: a proxy that goes by the other one would let a second request slip in."""
    async with GatewayStage() as stage:
        headers = {"authorization": f"Bearer {ALICE}", "content-type": "application/json"}
        both = {"content-length": "2", "transfer-encoding": "chunked"}
        answer = await stage.client.post(V1, content=b"{}", headers=headers | both)
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
        assert answer.headers["connection"] == "close"


# --------------------------------------------------------------------------- idempotency


BODY = {"providerId": "github", "name": "GitHub", "config": {}}


async def test_the_same_key_and_body_is_done_once_and_answered_twice() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        first = await stage.ask("POST", V1, BODY, Idempotency_Key="k-1")
        again = await stage.ask("POST", V1, BODY, Idempotency_Key="k-1")
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert len([each for each in stage.cluster.requests if each.verb == "patch"]) == 1


async def test_a_key_belongs_to_one_request_of_one_caller() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        await stage.ask("POST", V1, BODY, Idempotency_Key="k-1")
        other_body = await stage.ask("POST", V1, BODY | {"name": "Other"}, Idempotency_Key="k-1")
        assert (other_body.status_code, other_body.json()["code"]) == (422, "INVALID_REQUEST")
        bobs = await stage.ask("POST", V1, BODY, user=BOB, Idempotency_Key="k-1")
        assert bobs.status_code == 201
        assert bobs.json()["tenantId"] == OTHER


async def test_what_was_refused_may_be_mended_and_sent_again() -> None:
    async with GatewayStage() as stage:
        refused = await stage.ask("POST", V1, BODY, Idempotency_Key="k-1")
        assert refused.status_code == 422  # there is no such provider yet
        stage.provider()
        assert (await stage.ask("POST", V1, BODY, Idempotency_Key="k-1")).status_code == 201


async def test_one_under_way_is_not_begun_twice() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        await stage.ask("POST", V1, BODY, Idempotency_Key="seen")
        begun = next(iter(stage.store._begun.items()))
        stage.store._begun[ALICE, "k-1"] = begun[1]
        stage.store._begun[ALICE, "k-1"].answer = None
        stage.store._begun[ALICE, "k-1"].running_until = stage.clock.now().replace(year=2100)
        answer = await stage.ask("POST", V1, BODY, Idempotency_Key="k-1")
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("key", ["a" * 256, "a b", "\x7f"])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        answer = await stage.ask("POST", V1, BODY, Idempotency_Key=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")


# --------------------------------------------------------------------------- description


@pytest.mark.req("DOC-05")
async def test_the_description_says_how_to_come_in_and_what_may_be_refused() -> None:
    async with GatewayStage() as stage:
        document = (await stage.ask("GET", "/openapi.json")).json()
        assert document["info"]["version"] == "1.2.3"
        assert document["security"] == [{"bearer": []}]
        create = document["paths"][V1]["post"]
        assert {"201", "401", "403", "409", "413", "415", "422", "429", "503"} <= set(create["responses"])
        refused = document["components"]["responses"]["Refused422"]["content"]["application/json"]
        assert refused["schema"]["$ref"].endswith("/Error")
        names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
        assert len(names) == len(set(names))
