"""003's widget data, and the catalogue as a workspace sees it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_stage import ALICE, BOB, NAMESPACE, GatewayStage
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import CallRequest
from memory_calls import said, silence

DATA = f"/workspaces/{NAMESPACE}/integrations/gh/widgets/issues/data"
WIDGETS: list[dict[str, Any]] = [
    {
        "id": "issues",
        "title": "Open issues",
        "path": "/issues?org={{ config.org }}",
        "parameters": [{"name": "state", "schema": {"default": "open"}}],
        "keep": ["items.title"],
        "transform": "{'count': size(body.items), 'titles': body.items.map(i, i.title)}",
        "ttlSeconds": 60,
    },
    {"id": "raw", "title": "Raw", "path": "/raw"},
]
PROVIDER: dict[str, Any] = {
    "configSchema": {"org": {"type": "string", "default": "acme & co"}},
    "baseUrl": "https://api.example.com",
    "widgets": WIDGETS,
}


def ready(stage: GatewayStage) -> GatewayStage:
    stage.provider(**PROVIDER)
    stage.integration()
    stage.calls.behave = far_end
    return stage


def far_end(request: CallRequest) -> Any:
    del request
    return said(200, {"items": [{"title": "one", "noise": 1}, {"title": "two"}], "total": 2})


@pytest.mark.req("WDG-01")
async def test_a_widget_shows_what_its_provider_makes_of_the_answer() -> None:
    async with GatewayStage() as stage:
        answer = await ready(stage).ask("GET", DATA)
        assert answer.json() == {
            "widgetId": "issues",
            "title": "Open issues",
            "data": {"count": 2, "titles": ["one", "two"]},
            "cached": False,
            "ttlSeconds": 60,
        }
        assert answer.headers["cache-control"] == "private, max-age=60"
        [request] = stage.calls.requests
        assert (request.path, list(request.query)) == ("/issues?org=acme%20%26%20co", [("state", "open")])
        assert (request.purpose, request.caller) == ("widget", ALICE)


@pytest.mark.req("WDG-02", "PERF-03")
async def test_its_answer_is_kept_until_its_time_is_up_the_spec_changes_or_a_hook_comes_in() -> None:
    async with GatewayStage() as stage:
        ready(stage)
        cached = [(await stage.ask("GET", DATA)).json()["cached"] for _ in range(2)]
        found = stage.integration(displayName="Changed")
        cached += [(await stage.ask("GET", DATA)).json()["cached"] for _ in range(2)]
        stage.calls.forget_answers(found.uid)  # what an inbound hook does
        cached += [(await stage.ask("GET", DATA)).json()["cached"]]
        assert cached == [False, True, False, True, False]


async def test_callers_fill_in_the_widgets_own_parameters_and_no_others() -> None:
    async with GatewayStage() as stage:
        await ready(stage).ask("GET", f"{DATA}?state=closed")
        assert list(stage.calls.requests[0].query) == [("state", "closed")]
        answer = await stage.ask("GET", f"{DATA}?org=other")
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")


async def test_a_widget_without_a_transform_shows_the_answer() -> None:
    async with GatewayStage() as stage:
        answer = await ready(stage).ask("GET", DATA.replace("issues", "raw"))
        assert answer.json()["data"]["total"] == 2


async def test_an_unknown_widget_is_answered_with_those_there_are() -> None:
    async with GatewayStage() as stage:
        answer = await ready(stage).ask("GET", DATA.replace("/issues/", "/nobody/"))
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
        assert "issues, raw" in answer.json()["details"]
        assert stage.calls.requests == []


async def test_an_answer_that_the_transform_cannot_take_is_an_error() -> None:
    async with GatewayStage() as stage:
        ready(stage).calls.behave = lambda _: said(200, {"items": 7})
        answer = await stage.ask("GET", DATA)
        assert (answer.status_code, answer.json()["code"]) == (502, "RESPONSE_INVALID")
        stage.calls.behave = lambda _: said(raw=b"<html>")
        assert (await stage.ask("GET", DATA)).json()["code"] == "RESPONSE_INVALID"


async def test_a_far_end_in_trouble_is_told_as_for_any_call() -> None:
    async with GatewayStage() as stage:
        ready(stage).calls.behave = lambda _: silence(ErrorCode.CIRCUIT_OPEN, "Open.", 4)
        answer = await stage.ask("GET", DATA)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "4")


async def test_seeing_widgets_is_a_right_of_its_own() -> None:
    async with GatewayStage() as stage:
        ready(stage)
        stage.authenticator.introduce("viewer", NAMESPACE)
        stage.authorizer.grant("viewer", "get", "integrations/widgets", NAMESPACE)
        assert (await stage.ask("GET", DATA, user="viewer")).status_code == 200
        assert (await stage.ask("GET", DATA, user=BOB)).status_code == 403


@pytest.mark.req("WDG-03")
async def test_a_workspace_sees_what_suits_its_audience() -> None:
    async with GatewayStage() as stage:
        stage.provider("github", audiences=["cto"])
        stage.provider("stripe", audiences=["cfo"])
        stage.provider("slack", audiences=["common"])
        stage.provider("erp")
        for audience, suits in (("cfo", ["slack", "stripe"]), ("common", ["slack"])):
            found = (await stage.ask("GET", f"/integrations?audience={audience}")).json()
            assert [each["code"] for each in found["items"]] == suits


@pytest.mark.req("INT-33")
async def test_a_workspace_lists_what_is_connected() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        for name, phase in (("a", "ACTIVE"), ("b", "ERROR"), ("c", "PENDING_AUTH"), ("d", "ACTIVE")):
            stage.integration(name, instance=name, status={"phase": phase})
        stage.integration("e", instance="e", enabled=False, status={"phase": "ACTIVE"})
        found = (await stage.ask("GET", f"/workspaces/{NAMESPACE}/integrations")).json()
        assert ([each["name"] for each in found["items"]], found["total"]) == (["a", "d"], 2)
        assert {each["status"] for each in found["items"]} == {"ACTIVE"}


async def test_a_workspace_is_its_members_own() -> None:
    async with GatewayStage() as stage:
        ready(stage)
        for path in (DATA, f"/workspaces/{NAMESPACE}/integrations"):
            assert (await stage.ask("GET", path, user=BOB)).status_code == 403
            assert (await stage.client.get(path)).status_code == 401
            crossed = await stage.ask("GET", path, x_tenant="project-456")
            assert crossed.status_code == 422
