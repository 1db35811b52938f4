"""Calls that are passed through as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from starlette.types import Message, Scope

from gateway_stage import BOB, GatewayStage
from integration_hub.api.errors import ErrorCode
from integration_hub.gateway.parts import GatewayLimits
from integration_hub.ports import StreamBrokenError
from integration_hub.ports.egress import Failure, HttpFailure
from memory_calls import said, silence

PROXY = "/api/v1/integrations/gh/proxy"


def ready() -> GatewayStage:
    stage = GatewayStage()
    stage.provider()
    stage.integration()
    return stage


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def headers(user: str = "alice", **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {user}"} | {name.replace("_", "-"): text for name, text in more.items()}


async def test_method_path_query_headers_and_body_go_out_and_the_answer_comes_back_as_it_is() -> None:
    async with ready() as stage:
        stage.calls.behave = lambda _: said(201, content_type="text/csv", x_total="2")
        answer = await stage.client.request(
            "PUT",
            f"{PROXY}/projects/group%2Fname/files?ref=a%20b&ref=c",
            content=pieces(b"first,", b"second"),
            headers=headers(accept="text/csv", content_type="text/csv", x_own="1"),
        )
        assert (answer.status_code, answer.content) == (201, b"onetwo")
        assert (answer.headers["content-type"], answer.headers["x-total"]) == ("text/csv", "2")
        assert answer.headers["x-upstream-status"] == "201"
        [request], [body] = stage.calls.requests, stage.calls.bodies
        assert (request.method, request.path) == ("PUT", "/projects/group%2Fname/files?ref=a%20b&ref=c")
        assert (body, request.body, request.body_length) == (b"first,second", b"", None)
        assert (request.headers["accept"], request.headers["x-own"]) == ("text/csv", "1")
        assert request.retry is False


async def test_a_body_of_known_length_says_so() -> None:
    async with ready() as stage:
        await stage.client.post(f"{PROXY}/x", content=b"12345", headers=headers())
        assert (stage.calls.requests[0].body_length, stage.calls.bodies) == (5, [b"12345"])


async def test_what_is_between_the_caller_and_the_hub_stays_there() -> None:
    async with ready() as stage:
        await stage.client.get(
            f"{PROXY}/x",
            headers=headers(
                cookie="session=1", x_tenant="project-123", x_forwarded_for="10.0.0.1", te="trailers"
            ),
        )
        sent = set(stage.calls.requests[0].headers)
        assert not sent & {
            "authorization",
            "cookie",
            "x-tenant",
            "x-forwarded-for",
            "te",
            "host",
            "connection",
        }


async def test_a_failure_of_the_far_end_is_passed_on_as_its_answer() -> None:
    async with ready() as stage:
        stage.calls.stream_whole = True
        stage.calls.behave = lambda _: said(404, {"message": "Not Found"})
        answer = await stage.client.get(f"{PROXY}/nobody", headers=headers())
        assert (answer.status_code, answer.headers["x-upstream-status"]) == (404, "404")
        assert answer.json() == {"message": "Not Found"}


async def test_a_failure_that_was_cut_short_says_so() -> None:
    async with ready() as stage:
        stage.calls.stream_whole = True
        failed = said(500, raw=b"x" * 10, content_length="99999")
        stage.calls.behave = lambda _: replace(failed, truncated=True)
        answer = await stage.client.get(f"{PROXY}/x", headers=headers())
        assert (answer.status_code, answer.content) == (500, b"x" * 10)
        assert answer.headers["x-upstream-truncated"] == "true"
        assert "content-length" not in answer.headers


async def test_a_refusal_of_the_hub_has_its_own_shape_and_no_status_of_the_far_end() -> None:
    async with ready() as stage:
        stage.calls.behave = lambda _: silence(ErrorCode.CIRCUIT_OPEN, "Open.", 3)
        answer = await stage.client.get(f"{PROXY}/x", headers=headers())
        assert (answer.status_code, answer.json()["code"]) == (503, "CIRCUIT_OPEN")
        assert "x-upstream-status" not in answer.headers


async def test_what_an_outside_system_wrote_cannot_act_in_a_browser() -> None:
    async with ready() as stage:
        stage.calls.behave = lambda _: said(
            200,
            content_type="text/html",
            content_security_policy="default-src *",
            access_control_allow_origin="*",
            clear_site_data="*",
        )
        answer = await stage.client.get(f"{PROXY}/page", headers=headers())
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.headers.get_list("content-security-policy")) == 1
        assert not {"access-control-allow-origin", "clear-site-data"} & set(answer.headers)


@pytest.mark.parametrize("path", ["/a/%2e%2e/b", "//evil.example/x", "/a%0d%0ab", "/a%5c..%5cb"])
async def test_no_path_leads_elsewhere(path: str) -> None:
    async with ready() as stage:
        answer = await stage.client.get(f"{PROXY}{path}", headers=headers())
        assert answer.json()["code"] in {"INVALID_REQUEST", "NOT_FOUND"}
        assert stage.calls.requests == []


async def test_a_head_has_no_body_and_the_far_end_is_let_go() -> None:
    async with ready() as stage:
        answer = await stage.client.head(f"{PROXY}/x", headers=headers())
        assert (answer.status_code, answer.content) == (200, b"")
        assert [stream.closed for stream in stage.calls.opened] == [True]


async def test_the_far_end_is_let_go_after_the_answer() -> None:
    async with ready() as stage:
        await stage.client.get(f"{PROXY}/x", headers=headers())
        assert [stream.closed for stream in stage.calls.opened] == [True]


async def test_headers_with_other_letters_are_passed_on_as_utf_8_and_the_far_end_let_go() -> None:
    async with ready() as stage:
        stage.calls.behave = lambda _: said(200, content_disposition='attachment; filename="€ Gebühr.pdf"')
        answer = await stage.client.get(f"{PROXY}/x", headers=headers())
        assert answer.status_code == 200
        raw = dict(answer.headers.raw)[b"content-disposition"]
        assert raw.decode() == 'attachment; filename="€ Gebühr.pdf"'
        assert [stream.closed for stream in stage.calls.opened] == [True]


@pytest.mark.parametrize("status", [99, 101, 600, 999])
async def test_a_status_that_ends_no_request_is_a_bad_gateway(status: int) -> None:
    async with ready() as stage:
        stage.calls.behave = lambda _: said(status)
        answer = await stage.client.get(f"{PROXY}/x", headers=headers())
        assert (answer.status_code, answer.headers["x-upstream-status"]) == (502, str(status))
        assert [stream.closed for stream in stage.calls.opened] == [True]


async def test_an_answer_that_breaks_off_does_not_end_as_if_it_were_whole() -> None:
    async with ready() as stage:
        broken = StreamBrokenError(HttpFailure(Failure.PROTOCOL, "it broke off"))
        stage.calls.chunks = (b"half", broken)
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await stage.app(scope_of(f"{PROXY}/x"), never, send)
        assert sent[1] == {"type": "http.response.body", "body": b"half", "more_body": True}
        assert len(sent) == 2
        assert [stream.closed for stream in stage.calls.opened] == [True]


async def never() -> Message:
    """ASGI's receive of a caller who waits."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def scope_of(path: str) -> Scope:
    """ASGI's scope of a GET by Alice."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer alice")],
        "client": ("203.0.113.1", 1),
        "scheme": "http",
    }


async def test_passing_through_needs_the_right_to_call_and_stays_in_its_namespace() -> None:
    async with ready() as stage:
        assert (await stage.client.get(f"{PROXY}/x")).status_code == 401
        other = await stage.client.get(f"{PROXY}/x", headers=headers(BOB))
        assert (other.status_code, other.json()["code"]) == (404, "INTEGRATION_NOT_FOUND")
        denied = await stage.client.get(f"{PROXY}/x", headers=headers(BOB, x_tenant="project-123"))
        assert denied.status_code == 403
        assert stage.calls.requests == []


async def test_an_upload_beyond_the_bound_is_cut_off() -> None:
    async with GatewayStage(GatewayLimits(stream_bytes=1000)) as stage:
        stage.provider()
        stage.integration()
        announced = await stage.client.post(f"{PROXY}/x", content=b"x" * 1001, headers=headers())
        assert (announced.status_code, announced.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert stage.calls.requests == []
        told = await stage.client.post(
            f"{PROXY}/x", content=pieces(b"x" * 600, b"x" * 600), headers=headers()
        )
        assert told.status_code == 413
