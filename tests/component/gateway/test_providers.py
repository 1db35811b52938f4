"""What can be connected, as 004 and 003 ask for it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stage import ALICE, BOB, GITHUB, NAMESPACE, OTHER, GatewayStage

V1 = "/api/v1/integrations/providers"
STRIPE: dict[str, Any] = {
    **GITHUB,
    "displayName": "Stripe",
    "category": "PAYMENT",
    "authModes": [{"type": "API_KEY"}],
    "oauth": None,
    "audiences": ["cfo"],
    "configSchema": {},
}


@pytest.mark.req("PRV-11")
async def test_the_list_has_the_catalogue_and_the_namespaces_own() -> None:
    async with GatewayStage() as stage:
        stage.provider("github")
        stage.own_provider("erp", {**GITHUB, "displayName": "ERP", "category": "custom"})
        stage.own_provider("hidden", GITHUB, namespace=OTHER)
        stage.own_provider("shared", {**GITHUB, "sharedWith": [NAMESPACE]}, namespace=OTHER)
        answer = (await stage.ask("GET", V1)).json()
        assert [each["code"] for each in answer["items"]] == ["erp", "github", "shared"]
        assert answer["total"] == 3
        assert answer["nextCursor"] is None
        shown = answer["items"][1]
        assert shown["category"] == "VERSION_CONTROL"
        assert shown["authType"] == "BEARER"
        assert shown["configSchema"]["properties"]["apiEndpoint"]["type"] == "string"
        assert shown["createdAt"] == "2026-11-21T10:00:00Z"


@pytest.mark.req("PRV-11")
@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("category=PAYMENT", ["stripe"]),
        ("category=version-control", ["github"]),
        ("audience=cfo", ["stripe"]),
        ("authType=OAUTH2", ["github"]),
        ("authType=api-key", ["stripe"]),
        ("category=PAYMENT&audience=cto", []),
    ],
)
async def test_the_list_is_filtered(query: str, codes: list[str]) -> None:
    async with GatewayStage() as stage:
        stage.provider("github")
        stage.provider("stripe", **STRIPE)
        answer = await stage.ask("GET", f"{V1}?{query}")
        assert [each["code"] for each in answer.json()["items"]] == codes


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("category=cars", "category"),
        ("authType=magic", "authType"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("cursor=%21%21", "cursor"),
        ("cursor=bm8", "cursor"),
        ("colour=red", "colour"),
    ],
)
async def test_a_query_that_means_nothing_is_refused_by_field(query: str, field: str) -> None:
    async with GatewayStage() as stage:
        answer = await stage.ask("GET", f"{V1}?{query}")
        assert answer.status_code == 422
        assert answer.json()["code"] == "INVALID_REQUEST"
        assert answer.json()["details"].startswith(f"{field}: ")


async def test_pages_follow_each_other_and_nothing_is_doubled_when_one_goes() -> None:
    async with GatewayStage() as stage:
        for number in range(5):
            stage.provider(f"p{number}")
        first = (await stage.ask("GET", f"{V1}?limit=2")).json()
        assert [each["code"] for each in first["items"]] == ["p0", "p1"]
        gone = stage.cache.keys("ClusterIntegrationProvider")[1]
        stage.cache.remove(gone)
        second = (await stage.ask("GET", f"{V1}?limit=2&cursor={first['nextCursor']}")).json()
        assert [each["code"] for each in second["items"]] == ["p2", "p3"]
        third = (await stage.ask("GET", f"{V1}?limit=2&cursor={second['nextCursor']}")).json()
        assert [each["code"] for each in third["items"]] == ["p4"]
        assert third["nextCursor"] is None


@pytest.mark.req("PRV-12", "PRV-13")
async def test_one_is_found_by_code_and_by_id_and_tells_its_schema() -> None:
    async with GatewayStage() as stage:
        stage.provider("github")
        by_code = await stage.ask("GET", f"{V1}/github")
        by_id = await stage.ask("GET", f"{V1}/uid-cluster-github")
        assert by_code.status_code == by_id.status_code == 200
        assert by_code.json() == by_id.json()
        schema = (await stage.ask("GET", f"{V1}/github/schema")).json()
        assert schema["configSchema"]["properties"]["apiEndpoint"]["default"] == "https://api.github.com"


@pytest.mark.req("PRV-14")
async def test_categories_are_a_static_route_before_ids() -> None:
    async with GatewayStage() as stage:
        stage.provider("categories")  # a provider of that name must not take the route
        answer = (await stage.ask("GET", f"{V1}/categories")).json()
        assert {"category": "VERSION_CONTROL", "providers": 1} in answer
        assert len(answer) == 19


@pytest.mark.req("PRV-15", "PRV-16")
async def test_executives_discover_what_can_be_connected_not_what_is() -> None:
    async with GatewayStage() as stage:
        stage.provider("github")
        stage.integration("gh")
        listed = (await stage.ask("GET", "/integrations")).json()
        assert [each["code"] for each in listed["items"]] == ["github"]
        assert (await stage.ask("GET", "/integrations/github")).json()["name"] == "GitHub"
        assert (await stage.ask("GET", "/integrations/gh")).status_code == 404


@pytest.mark.req("SEC-24")
async def test_what_another_namespace_keeps_to_itself_cannot_be_found() -> None:
    async with GatewayStage() as stage:
        stage.own_provider("erp", GITHUB, namespace=OTHER)
        for wanted in ("erp", f"uid-{OTHER}-erp"):
            answer = await stage.ask("GET", f"{V1}/{wanted}")
            assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
        assert (await stage.ask("GET", f"{V1}/erp", user=BOB)).status_code == 200


async def test_without_a_namespace_the_catalogue_alone_is_shown() -> None:
    async with GatewayStage() as stage:
        stage.provider("github")
        stage.own_provider("erp", GITHUB)
        stage.authenticator.introduce("carol")
        stage.authorizer.grant("carol", "list", "clusterintegrationproviders", "")
        answer = await stage.ask("GET", V1, user="carol")
        assert [each["code"] for each in answer.json()["items"]] == ["github"]
        stage.authorizer.revoke("carol")
        refused = await stage.ask("GET", V1, user="carol")
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")


async def test_a_namespace_is_named_by_header_and_must_be_one() -> None:
    async with GatewayStage() as stage:
        stage.authorizer.grant(ALICE, "list", "integrationproviders", OTHER)
        stage.own_provider("erp", GITHUB, namespace=OTHER)
        answer = await stage.ask("GET", V1, X_Tenant=OTHER)
        assert [each["code"] for each in answer.json()["items"]] == ["erp"]
        bad = await stage.ask("GET", V1, X_Tenant="../kube-system")
        assert (bad.status_code, bad.json()["code"]) == (422, "INVALID_REQUEST")
