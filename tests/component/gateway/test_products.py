"""Products at the door: their keys, what these open, and how a product is."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest

from gateway_stage import ALICE, BOB, NAMESPACE, OTHER, GatewayStage
from integration_hub.domain import product_key

HUB = "/api/v1/hub/products"
OWN = f"{HUB}/itechsmart-dataflow/status"


def made(seed: str) -> str:
    """A key that is well formed."""
    chance = hashlib.sha512(seed.encode()).digest()
    return product_key.compose(chance[: product_key.CHANCE_BYTES])


KEY, OTHER_KEY, OLD = made("dataflow"), made("pulse"), made("old")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def x_api_key(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


async def get(stage: GatewayStage, path: str, headers: dict[str, str]) -> Any:
    return await stage.client.get(path, headers=headers)


@pytest.mark.parametrize("sent", [bearer, x_api_key], ids=["Authorization", "X-API-Key"])
async def test_a_product_reads_its_own_status_by_its_key(sent: Any) -> None:
    async with GatewayStage() as stage:
        stage.product(keys=[KEY])
        answer = await get(stage, OWN, sent(KEY))
        assert answer.status_code == 200, answer.text
        assert answer.json()["product_id"] == "itechsmart-dataflow"
        assert stage.authorizer.asked == [], "RBAC knows no products"
        assert stage.figures.requests[-1][0] == "product"


async def test_the_status_is_told_in_the_words_of_the_registration() -> None:
    health = {
        "status": "degraded",
        "since": "2026-11-21T09:00:00Z",
        "signal": "probe",
        "lastSeen": "2026-11-21T09:59:00Z",
        "responseTime": 12,
        "metrics": {"cpu_usage": 45.2},
    }
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "ReportedDegraded",
        "message": "It says so.",
        "lastTransitionTime": "2026-11-21T09:00:00Z",
    }
    async with GatewayStage() as stage:
        stage.product(
            status={"health": health, "conditions": [ready], "heal": {"count": 2, "lastAction": "restart"}},
            capabilities=["etl"],
        )
        assert (await stage.ask("GET", OWN)).json() == {
            "product_id": "itechsmart-dataflow",
            "product_name": "Dataflow",
            "version": "1.0.0",
            "api_endpoint": "http://dataflow:8080",
            "health_endpoint": "http://dataflow:8080/health",
            "capabilities": ["etl"],
            "status": "degraded",
            "since": "2026-11-21T09:00:00Z",
            "signal": "probe",
            "ready": "False",
            "reason": "ReportedDegraded",
            "message": "It says so.",
            "reported_version": None,
            "started_at": None,
            "last_seen": "2026-11-21T09:59:00Z",
            "response_time": 12,
            "consecutive_failures": 0,
            "last_error": None,
            "metrics": {"cpu_usage": 45.2},
            "heal": {"count": 2, "last_action": "restart", "last_action_at": None},
            "api_key": {
                "last_rotated_at": "2026-11-21T10:00:00Z",
                "next_rotation_at": None,
                "previous_valid_until": None,
            },
            "namespace": NAMESPACE,
            "name": "dataflow",
        }


async def test_before_the_hub_has_looked_the_answer_says_so() -> None:
    async with GatewayStage() as stage:
        stage.product(status={"conditions": []})
        told = (await stage.ask("GET", OWN)).json()
        assert (told["status"], told["ready"], told["reason"]) == ("unknown", "Unknown", "Pending")


# --------------------------------------------------------------------------- what a key does not open


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", f"{HUB}/itechsmart-pulse/status", id="another product"),
        pytest.param("GET", f"{HUB}/itechsmart-nothing/status", id="one that is not there"),
        pytest.param("GET", f"{HUB}/itechsmart-foreign/status", id="one of another namespace"),
        pytest.param("GET", "/api/v1/integrations", id="integrations"),
        pytest.param("GET", "/api/v1/integrations/gh", id="an integration"),
        pytest.param("POST", "/api/integration-hub/gh/execute", id="calls"),
        pytest.param("GET", "/api/v1/integrations/health", id="health"),
        pytest.param("GET", "/api/v1/integrations/stats", id="figures"),
        pytest.param("GET", "/api/v1/audit", id="the audit"),
        pytest.param("GET", "/api/integration-hub/custom", id="custom integrations"),
        pytest.param("DELETE", "/api/v1/integrations/gh", id="deleting"),
        pytest.param("POST", "/api/v1/integrations/gh/test", id="testing"),
    ],
)
async def test_a_key_opens_its_own_registration_and_nothing_else(method: str, path: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration()
        stage.product(keys=[KEY])
        stage.product("pulse", keys=[OTHER_KEY])
        stage.product("foreign", namespace=OTHER)
        body = {"endpoint": "/user", "method": "GET"} if path.endswith("execute") else None
        answer = await stage.client.request(method, path, headers=bearer(KEY), json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), answer.text
        assert stage.authorizer.asked == []
        assert stage.calls.requests == []


async def test_every_route_but_its_own_is_closed_to_a_product() -> None:
    """Whatever is added: what is not listed for products is refused, or tells nothing of anybody."""
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration()
        stage.product(keys=[KEY])
        document = (await stage.ask("GET", "/openapi.json")).json()
        opened = []
        for path, methods in document["paths"].items():
            for method in methods:
                if not method.isalpha() or path.startswith(("/oauth/callback", "/connect/")):
                    continue
                filled = re.sub(r"\{(workspaceId|projectId)\}", NAMESPACE, path)
                filled = re.sub(r"\{product_id\}", "itechsmart-dataflow", filled)
                filled = re.sub(r"\{[^}]+\}", "gh", filled)
                answer = await stage.client.request(method.upper(), filled, headers=bearer(KEY))
                if answer.status_code < 300:
                    opened.append(f"{method.upper()} {path}")
        assert "GET /api/v1/hub/products/{product_id}/status" in opened
        assert set(opened) <= {
            "GET /api/v1/hub/products/{product_id}/status",
            *(each for each in opened if "/products/{product_id}" in each),
        }
        assert {user for user, _ in stage.authorizer.asked} <= {ALICE}


async def test_another_namespace_in_the_request_leads_a_product_nowhere() -> None:
    async with GatewayStage() as stage:
        stage.product(keys=[KEY])
        stage.product(namespace=OTHER)
        answer = await get(stage, OWN, {**bearer(KEY), "X-Tenant": OTHER})
        assert answer.status_code == 403


# --------------------------------------------------------------------------- which keys work


@pytest.mark.parametrize(
    ("key", "says"),
    [
        pytest.param(made("nobody"), "not known", id="never issued"),
        pytest.param(KEY[:-1] + ("a" if KEY[-1] != "a" else "b"), "mistyped", id="a letter wrong"),
        pytest.param(KEY[:-4], "cut off", id="cut off"),
        pytest.param("ihp_", "cut off", id="only the beginning"),
    ],
)
@pytest.mark.parametrize("sent", [bearer, x_api_key], ids=["Authorization", "X-API-Key"])
async def test_a_key_that_does_not_work_is_told_what_is_wrong_with_it(key: str, says: str, sent: Any) -> None:
    async with GatewayStage() as stage:
        stage.authenticator.introduce(key, NAMESPACE)  # were it shown to Kubernetes, it would be taken
        stage.product(keys=[KEY])
        answer = await get(stage, OWN, sent(key))
        assert answer.status_code == 401
        assert says in answer.json()["details"]
        assert key not in answer.text


async def test_the_right_id_with_another_secret_does_not_work() -> None:
    forged = product_key.compose(
        hashlib.sha512(b"dataflow").digest()[:8] + hashlib.sha256(b"a guess").digest()
    )
    assert product_key.read(forged) == product_key.read(KEY)
    async with GatewayStage() as stage:
        stage.product(keys=[KEY])
        assert (await get(stage, OWN, bearer(forged))).status_code == 401


async def test_a_previous_key_works_until_its_end_and_not_a_moment_longer() -> None:
    async with GatewayStage() as stage:
        stage.product(keys=[KEY, OLD], until=stage.clock.now() + timedelta(hours=1))
        assert (await get(stage, OWN, bearer(OLD))).status_code == 200
        stage.clock.pass_by(seconds=3600)
        assert (await get(stage, OWN, bearer(OLD))).status_code == 401
        assert (await get(stage, OWN, bearer(KEY))).status_code == 200


async def test_a_fingerprint_copied_to_another_registration_is_worth_nothing_there() -> None:
    async with GatewayStage() as stage:
        found = stage.product(keys=[KEY]).load()
        stage.product("thief", status={"apiKey": found["status"]["apiKey"]})
        answer = await get(stage, f"{HUB}/itechsmart-thief/status", bearer(KEY))
        assert answer.status_code == 403
        assert (await get(stage, OWN, bearer(KEY))).status_code == 200


async def test_a_registration_that_is_gone_takes_its_key_with_it() -> None:
    async with GatewayStage() as stage:
        found = stage.product(keys=[KEY])
        stage.cache.remove(found.key, found.uid)
        assert (await get(stage, OWN, bearer(KEY))).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({**bearer(ALICE), **x_api_key(KEY)}, id="beside a token"),
        pytest.param({**bearer(KEY), **x_api_key(KEY)}, id="twice"),
        pytest.param(x_api_key(ALICE), id="a token in its place"),
        pytest.param(x_api_key(""), id="empty"),
        pytest.param(x_api_key(f"{KEY}, {KEY}"), id="two of them"),
    ],
)
async def test_what_is_in_x_api_key_is_one_product_key_and_comes_alone(headers: dict[str, str]) -> None:
    async with GatewayStage() as stage:
        stage.product(keys=[KEY])
        assert (await get(stage, OWN, headers)).status_code == 401


async def test_keys_that_are_guessed_use_up_the_patience_for_strangers() -> None:
    async with GatewayStage() as stage:
        stage.product(keys=[KEY])
        answers = [(await get(stage, OWN, bearer(made(str(n))))).status_code for n in range(60)]
        assert answers[0] == 401
        assert answers[-1] == 429


# --------------------------------------------------------------------------- everybody else


@pytest.mark.parametrize(("user", "status"), [(ALICE, 200), (BOB, 403)], ids=["may read it", "may not"])
async def test_who_may_read_the_registration_may_read_the_status(user: str, status: int) -> None:
    async with GatewayStage() as stage:
        stage.product()
        answer = await stage.ask("GET", OWN, user=user, X_Tenant=NAMESPACE)
        assert answer.status_code == status
        asked = [access for _, access in stage.authorizer.asked]
        assert [(each.verb, each.resource, each.name) for each in asked] == [
            ("get", "productregistrations", "dataflow")
        ]


async def test_a_product_that_is_not_registered_is_not_found() -> None:
    async with GatewayStage() as stage:
        stage.product(namespace=OTHER)
        answer = await stage.ask("GET", OWN)
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_of_two_registrations_under_one_id_the_oldest_speaks_and_a_product_means_its_own() -> None:
    async with GatewayStage() as stage:
        stage.product("first", productId="twin")
        stage.product("second", productId="twin", keys=[KEY])
        path = f"{HUB}/twin/status"
        assert (await stage.ask("GET", path)).json()["name"] == "first"
        assert (await get(stage, path, bearer(KEY))).json()["name"] == "second"


async def test_the_audit_tells_which_product_asked() -> None:
    async with GatewayStage() as stage:
        stage.product(keys=[KEY])
        await get(stage, OWN, bearer(KEY))
        row = stage.store.audit[-1]
        assert (row.actor, row.resource, row.outcome) == (
            f"product:{NAMESPACE}/dataflow",
            "productregistrations",
            "allowed",
        )
        assert KEY not in repr(stage.store.audit)


async def test_the_description_says_that_a_key_will_do() -> None:
    async with GatewayStage() as stage:
        document = (await stage.ask("GET", "/openapi.json")).json()
        route = document["paths"]["/api/v1/hub/products/{product_id}/status"]["get"]
        assert route["security"] == [{"bearer": []}, {"productKey": []}]
        assert document["components"]["securitySchemes"]["productKey"]["name"] == "X-API-Key"
