"""Connecting accounts over HTTP: programs' routes, and what a person's browser meets."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from credential_stage import PROVIDER
from gateway_stage import ALICE, BOB, NAMESPACE, OTHER, PUBLIC_URL, GatewayStage
from integration_hub.api.integration import INTEGRATION
from integration_hub.ports import Json
from integration_hub.runtime.status import resource_of

V1 = "/api/v1/integrations"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def started(stage: GatewayStage) -> None:
    """A provider that wants a person's consent, and an Integration that waits for it."""
    stage.provider("example", **{**PROVIDER, "configSchema": {}, "defaultHeaders": {}})
    stage.integration("chat", providerRef={"name": "example"}, credentials={})


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def begun(stage: GatewayStage) -> dict[str, str]:
    answer = await stage.ask("POST", f"{V1}/chat/oauth/authorize")
    assert answer.status_code == 200, answer.text
    return query_of(answer.json()["authorizeUrl"])


# --------------------------------------------------------------------------- programs


@pytest.mark.req("OAU-05", "OAU-06", "TST-03")
async def test_a_front_end_starts_and_finishes_for_its_user() -> None:
    async with GatewayStage() as stage:
        started(stage)
        answer = await stage.ask("POST", f"{V1}/chat/oauth/authorize")
        shown = answer.json()
        assert (shown["namespace"], shown["name"]) == (NAMESPACE, "chat")
        assert shown["expiresAt"] == "2026-11-21T10:40:00Z"
        asked = query_of(shown["authorizeUrl"])
        assert asked["redirect_uri"] == f"{PUBLIC_URL}/oauth/callback/example"
        assert asked["code_challenge_method"] == "S256"
        body = {"state": asked["state"], "code": "a-code"}
        done = await stage.ask("POST", f"{V1}/chat/oauth/callback", body)
        assert done.json() == {"namespace": NAMESPACE, "name": "chat", "connected": True, "accountId": None}
        assert stage.vendor.asked[-1]["code"] == "a-code"
        again = await stage.ask("POST", f"{V1}/chat/oauth/callback", body)
        assert (again.status_code, again.json()["code"]) == (422, "INVALID_REQUEST")


async def test_an_answer_with_a_state_in_it_is_not_kept_for_repetitions() -> None:
    async with GatewayStage() as stage:
        started(stage)
        first = await stage.ask("POST", f"{V1}/chat/oauth/authorize", Idempotency_Key="k")
        second = await stage.ask("POST", f"{V1}/chat/oauth/authorize", Idempotency_Key="k")
        assert first.json()["authorizeUrl"] != second.json()["authorizeUrl"]


@pytest.mark.req("SEC-24")
async def test_what_one_began_another_cannot_finish() -> None:
    async with GatewayStage() as stage:
        started(stage)
        state = (await begun(stage))["state"]
        stage.authorizer.grant(BOB)
        body = {"state": state, "code": "a-code"}
        answer = await stage.ask("POST", f"{V1}/chat/oauth/callback", body, user=BOB, X_Tenant=NAMESPACE)
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
        assert stage.vendor.asked == []


@pytest.mark.req("OAU-02", "OAU-09")
async def test_a_workspace_connects_a_provider_it_has_not_had_before() -> None:
    async with GatewayStage() as stage:
        stage.provider("example", **{**PROVIDER, "configSchema": {}, "defaultHeaders": {}})
        path = f"/workspaces/{NAMESPACE}/integrations/example/connect"
        first = await stage.ask("POST", path)
        assert first.status_code == 200, first.text
        assert first.json()["authorizeUrl"].startswith("https://auth.example.com/authorize?")
        obj = stage.cluster.read(resource_of(INTEGRATION), NAMESPACE, first.json()["name"])
        assert obj is not None
        assert obj["spec"]["authType"] == "OAUTH2"
        shown = (await stage.ask("GET", f"{V1}/{first.json()['name']}")).json()
        assert shown["status"] == "PENDING_AUTH"
        second = await stage.ask("POST", path)
        assert second.json()["name"] == first.json()["name"], "the one that is there is used again"
        test = await stage.ask("POST", path, {"environment": "TEST"})
        assert test.json()["name"] != first.json()["name"]


@pytest.mark.parametrize(
    ("slug", "body", "status", "code"),
    [
        ("nope", {}, 404, "NOT_FOUND"),
        ("plain", {}, 422, "INVALID_CONFIGURATION"),
        ("example", {"environment": "MOON"}, 422, "INVALID_REQUEST"),
        ("example", {"colour": "red"}, 422, "INVALID_REQUEST"),
    ],
)
async def test_what_cannot_be_connected_by_consent_is_refused(
    slug: str, body: Json, status: int, code: str
) -> None:
    async with GatewayStage() as stage:
        stage.provider("example", **{**PROVIDER, "configSchema": {}, "defaultHeaders": {}})
        stage.provider("plain", authModes=[{"type": "BEARER"}])
        answer = await stage.ask("POST", f"/workspaces/{NAMESPACE}/integrations/{slug}/connect", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert stage.cluster.all(resource_of(INTEGRATION)) == []


@pytest.mark.req("OAU-04")
async def test_disconnecting_ends_the_grant_at_the_vendor_and_forgets_it() -> None:
    async with GatewayStage() as stage:
        started(stage)
        state = (await begun(stage))["state"]
        await stage.ask("POST", f"{V1}/chat/oauth/callback", {"state": state, "code": "c"})
        assert len(stage.vendor.valid) == 1
        answer = await stage.ask("POST", f"/workspaces/{NAMESPACE}/integrations/chat/disconnect")
        assert answer.json() == {"namespace": NAMESPACE, "name": "chat", "connected": False, "warning": None}
        assert stage.vendor.valid == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"authType": "BEARER"}, "takes its credentials from your Secret mine", id="own-key"),
        pytest.param({"authType": "NONE"}, "needs no credentials", id="no-key"),
    ],
)
async def test_what_goes_on_working_is_not_called_disconnected(changes: Json, said: str) -> None:
    async with GatewayStage() as stage:
        stage.provider("plain", authModes=[{"type": "BEARER"}, {"type": "NONE"}])
        own = {"secretRef": {"name": "mine"}}
        stage.integration("chat", providerRef={"name": "plain"}, credentials=own, **changes)
        answer = await stage.ask("POST", f"/workspaces/{NAMESPACE}/integrations/chat/disconnect")
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_CONFIGURATION")
        assert said in answer.json()["details"]


@pytest.mark.req("SEC-19")
@pytest.mark.parametrize(
    "path",
    [
        f"{V1}/chat/oauth/authorize",
        f"{V1}/chat/oauth/callback",
        f"/workspaces/{NAMESPACE}/integrations/chat/disconnect",
    ],
)
async def test_connecting_takes_the_right_to_connect(path: str) -> None:
    async with GatewayStage() as stage:
        started(stage)
        state = (await begun(stage))["state"]
        stage.authorizer.revoke(ALICE)
        body = {"state": state, "code": "c"} if path.endswith("callback") else None
        answer = await stage.ask("POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        assert "create integrations/connect" in answer.json()["details"]
        assert stage.vendor.asked == []


# --------------------------------------------------------------------------- browsers


def shown(page: httpx2.Response) -> str:
    """The text of a page, after checking that it is a safe one."""
    policy = page.headers["content-security-policy"]
    assert page.headers["content-type"].startswith("text/html")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "<script" not in page.text.lower()
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", "", page.text, flags=re.DOTALL))


async def start(stage: GatewayStage, browser: httpx2.AsyncClient, token: str = ALICE) -> httpx2.Response:
    return await browser.post(f"/connect/{NAMESPACE}/chat", data={"token": token}, headers=FORM)


@pytest.mark.req("OAU-03", "OAU-05", "SEC-21")
async def test_a_person_connects_in_the_browser_and_is_told() -> None:
    async with GatewayStage() as stage:
        started(stage)
        browser = stage.at("10.0.0.9")
        assert "Connect chat in project-123" in shown(await browser.get(f"/connect/{NAMESPACE}/chat"))
        onward = await start(stage, browser)
        assert onward.status_code == 303
        cookie = onward.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "secure", "samesite=lax", "path=/oauth/callback"))
        state = query_of(onward.headers["location"])["state"]
        session = onward.headers["set-cookie"].split(";", 1)[0]
        back = await browser.get(
            f"/oauth/callback/example?state={state}&code=a-code", headers={"cookie": session}
        )
        assert back.status_code == 200
        assert "chat in project-123 is connected" in shown(back)
        assert state not in back.text
        assert len(stage.vendor.valid) == 1


async def test_another_browser_cannot_come_back_in_its_place() -> None:
    """Somebody sends a victim his own link: the victim's account must not be connected for him."""
    async with GatewayStage() as stage:
        started(stage)
        onward = await start(stage, stage.at("10.0.0.9"))
        state = query_of(onward.headers["location"])["state"]
        victim = stage.at("10.0.0.10")
        back = await victim.get(f"/oauth/callback/example?state={state}&code=a-code")
        assert back.status_code == 422
        assert "another browser" in shown(back)
        assert stage.vendor.asked == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "for vendors to come back to"),
        ("code=x", "for vendors to come back to"),
        ("state=unknown&code=x", "start connecting again"),
        ("state=a&state=b&code=x", "for vendors to come back to"),
        ("&".join(f"p{n}=1" for n in range(40)), "for vendors to come back to"),
        ("state=<script>alert(1)</script>", "start connecting again"),
    ],
)
async def test_a_way_back_that_is_none_says_so_in_words(query: str, told: str) -> None:
    async with GatewayStage() as stage:
        started(stage)
        page = await stage.at("10.0.0.9").get(f"/oauth/callback/example?{query}")
        assert page.status_code == 422
        assert told in shown(page)
        assert page.headers["x-correlation-id"] in page.text


async def test_what_the_vendor_says_is_shown_as_text() -> None:
    async with GatewayStage() as stage:
        started(stage)
        state = (await begun(stage))["state"]
        said = "error=access_denied&error_description=%3Cb%3Eno%3C/b%3E"
        page = await stage.at("10.0.0.9").get(f"/oauth/callback/example?state={state}&{said}")
        assert page.status_code == 424
        assert "<b>no</b>" not in page.text
        assert "access_denied" in shown(page)


@pytest.mark.parametrize("token", ["", "stranger", "ä", "x" * 20_000])
async def test_the_start_page_asks_again_where_it_is_shown_no_good_token(token: str) -> None:
    async with GatewayStage() as stage:
        started(stage)
        page = await start(stage, stage.at("10.0.0.9"), token)
        assert page.status_code == 401
        assert "set-cookie" not in page.headers
        assert 'role="alert"' in page.text
        assert token == "" or token not in page.text


@pytest.mark.req("SEC-24")
async def test_the_start_page_tells_strangers_nothing_of_what_there_is() -> None:
    async with GatewayStage() as stage:
        started(stage)
        browser = stage.at("10.0.0.9")
        there = shown(await browser.get(f"/connect/{NAMESPACE}/chat"))
        not_there = shown(await browser.get(f"/connect/{OTHER}/nothing"))
        assert there.replace("chat", "X").replace(NAMESPACE, "Y") == (
            not_there.replace("nothing", "X").replace(OTHER, "Y")
        )
        refused = await browser.post(f"/connect/{NAMESPACE}/chat", data={"token": BOB}, headers=FORM)
        assert refused.status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/connect/A_B/chat", 404),
        (f"/connect/{NAMESPACE}/%3Cb%3E", 404),
        (f"/connect/{'a' * 64}/chat", 404),
        (f"/connect/{NAMESPACE}", 401),
    ],
)
async def test_a_page_for_what_cannot_be_a_name_is_none(path: str, status: int) -> None:
    async with GatewayStage() as stage:
        answer = await stage.at("10.0.0.9").get(path)
        assert answer.status_code == status
        assert "<b>" not in answer.text


async def test_the_form_takes_a_form_of_its_own_size_only() -> None:
    async with GatewayStage() as stage:
        browser = stage.at("10.0.0.9")
        path = f"/connect/{NAMESPACE}/chat"
        wrong: list[tuple[int, dict[str, Any]]] = [
            (415, {"json": {"token": ALICE}}),
            (413, {"data": {"token": "x" * 100_000}, "headers": FORM}),
        ]
        for status, sent in wrong:
            assert (await browser.post(path, **sent)).status_code == status
