"""Calls through the whole pipeline to a real server: credentials, answers, failures, logs."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from call_stage import TOKEN, FarEnd, Stage, far_end, get, post, stage, way_out
from integration_hub.api.errors import ErrorCode
from integration_hub.api.reasons import Reason
from integration_hub.ports import CredentialProblem, HttpRequest, Purpose, SecretText

RENEWED = "canary-renewed-7a6b5c4d3e2f"
QUICK = {"maxRetries": 3, "baseDelayMilliseconds": 10, "maxDelayMilliseconds": 50}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def end() -> AsyncIterator[FarEnd]:
    async with far_end() as served:
        yield served


@pytest.fixture
async def on(end: FarEnd) -> AsyncIterator[Stage]:
    async with way_out(end.port) as egress:
        yield stage(egress)


def replies(*answers: tuple[int, Any] | tuple[int, Any, dict[str, str]]) -> Answer:
    """One after the other, the last one for ever."""
    left = list(answers)

    async def answer(_request: web.Request) -> web.StreamResponse:
        status, body, *headers = left.pop(0) if len(left) > 1 else left[0]
        return web.json_response(body, status=status, headers=headers[0] if headers else None)

    return answer


async def test_a_call_carries_credentials_correlation_and_trace(end: FarEnd, on: Stage) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await on.calls.call(
        end.link(),
        post(
            "/things?a=1",
            query=(("b", "2"),),
            body=b'{"x":1}',
            headers={"Content-Type": "application/json", "Cookie": "no=no", "Authorization": "no"},
            caller="system:serviceaccount:team:app",
            correlation_id="c-42",
            trace={"traceparent": parent, "tracestate": "vendor=1"},
        ),
    )
    assert (answer.success, answer.status, answer.attempts, answer.problem) == (True, 200, 1, None)
    assert json.loads(answer.body) == {"ok": True}
    (request,) = end.seen
    assert (request.method, request.raw_path, end.bodies) == ("POST", "/api/things?a=1&b=2", [b'{"x":1}'])
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["X-Correlation-Id"] == "c-42"
    assert request.headers["traceparent"] == parent
    assert request.headers["tracestate"] == "vendor=1"
    assert "Cookie" not in request.headers
    assert on.vault.asked == [("system:serviceaccount:team:app", "call")]


async def test_a_correlation_id_that_is_none_is_replaced(end: FarEnd, on: Stage) -> None:
    for given in ("", "a\r\nX: y", "a b", "x" * 200):
        await on.calls.call(end.link(), get(correlation_id=given))
    sent = [request.headers["X-Correlation-Id"] for request in end.seen]
    assert sent == [record.correlation_id for record in on.store.calls]
    assert all(each.startswith("01970000-") for each in sent)


async def test_every_attempt_is_written_down(end: FarEnd, on: Stage) -> None:
    end.answer = replies((503, {"e": 1}), (200, {"ok": True}))
    link = end.link(retry=QUICK)
    answer = await on.calls.call(link, get("/me?token=abc", caller="somebody", correlation_id="c-1"))
    assert (answer.success, answer.attempts) == (True, 2)
    first, second = on.store.calls
    assert (first.attempt, first.status, first.outcome, first.success, first.level) == (
        1,
        503,
        "UpstreamError",
        False,
        "error",
    )
    assert (second.attempt, second.status, second.outcome, second.level) == (2, 200, "Connected", "info")
    for record in (first, second):
        assert (record.namespace, record.integration, record.integration_uid) == ("team", "chat", "uid-chat")
        assert (record.provider, record.purpose, record.caller) == ("vendor", "call", "somebody")
        assert (record.method, record.path, record.correlation_id) == ("GET", "/api/me?token=***", "c-1")
        assert record.request_headers["authorization"] == "***"
        assert (record.request_body, record.response_body) == ("", "")
        assert record.milliseconds > 0
    assert second.bytes_received == len(b'{"ok": true}')
    assert on.figures.calls == [("vendor", "call", "UpstreamError"), ("vendor", "call", "Connected")]
    assert on.figures.received == sum(record.bytes_received for record in on.store.calls)


@pytest.mark.parametrize(
    ("answer", "reason", "code", "words"),
    [
        ((429, {}, {"Retry-After": "7"}), Reason.RATE_LIMITED, ErrorCode.RATE_LIMIT_EXCEEDED, "fewer calls"),
        ((500, {}), Reason.UPSTREAM_ERROR, ErrorCode.UPSTREAM_ERROR, "HTTP 500"),
        ((404, {}), Reason.CONFIG_REFUSED, ErrorCode.INVALID_REQUEST, "HTTP 404"),
        ((403, {}), Reason.INVALID_CREDENTIALS, ErrorCode.INVALID_CREDENTIALS, "HTTP 403"),
        ((302, {}, {"Location": "/x"}), Reason.UNEXPECTED_ANSWER, ErrorCode.RESPONSE_INVALID, "redirects"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_what_the_far_end_says_becomes_a_problem(
    end: FarEnd, on: Stage, answer: Any, reason: Reason, code: ErrorCode, words: str
) -> None:
    end.answer = replies(answer)
    told = await on.calls.call(end.link(), get())
    assert (told.reason, told.status) == (reason, answer[0])
    assert told.problem is not None
    assert told.problem.code is code
    assert words in told.problem.details
    assert "vendor.example.com" in told.problem.details
    assert on.vault.renewed == 0


async def test_a_timeout_names_its_milliseconds(end: FarEnd, on: Stage) -> None:
    release = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    end.answer = hang
    told = await on.calls.call(end.link(), get(timeout_seconds=0.15))
    release.set()
    assert told.problem is not None
    assert (told.reason, told.problem.code, told.problem.retryable) == (
        Reason.TIMEOUT,
        ErrorCode.CONNECTION_TIMEOUT,
        True,
    )
    assert told.problem.details.startswith("Connection timeout after 150ms")


async def test_an_address_that_is_closed_is_told_and_no_byte_leaves(end: FarEnd) -> None:
    async with way_out() as egress:
        on = stage(egress)
        told = await on.calls.call(end.link(), get())
    assert told.problem is not None
    assert told.problem.code is ErrorCode.ADDRESS_BLOCKED
    assert end.seen == []


async def test_a_call_that_cannot_be_worded_is_refused_before_anything(end: FarEnd, on: Stage) -> None:
    told = await on.calls.call(end.link(), get("/../admin"))
    assert told.problem is not None
    assert (told.problem.code, told.attempts) == (ErrorCode.INVALID_REQUEST, 0)
    assert (end.seen, on.vault.asked) == ([], [])
    assert [(record.attempt, record.level) for record in on.store.calls] == [(0, "warn")]


async def test_without_credentials_nothing_is_sent(end: FarEnd, on: Stage) -> None:
    on.vault.problem = CredentialProblem(Reason.SECRET_NOT_FOUND, "The Secret vendor-token does not exist.")
    told = await on.calls.call(end.link(), get())
    assert (told.reason, told.detail) == (Reason.SECRET_NOT_FOUND, "The Secret vendor-token does not exist.")
    assert told.problem is not None
    assert told.problem.code is ErrorCode.INVALID_CREDENTIALS
    assert end.seen == []


# --------------------------------------------------------------------------- credentials that expired


def only(token: str, *, refusal: Any = None, status: int = 401) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] == f"Bearer {token}":
            return web.json_response({"ok": True})
        return web.json_response(refusal or {"error": "expired"}, status=status)

    return answer


EXPIRED_RULE = {"classes": [{"when": "has(body.error) && body.error == 'expired'", "result": "expired"}]}


@pytest.mark.parametrize(
    ("status", "provider"),
    [(401, {}), (403, EXPIRED_RULE), (200, EXPIRED_RULE)],
    ids=["401", "403 by rule", "200 by rule"],
)
async def test_expired_credentials_are_renewed_once_and_the_call_repeated(
    end: FarEnd, on: Stage, status: int, provider: Any
) -> None:
    end.answer = only(RENEWED, status=status)
    told = await on.calls.call(end.link(provider=provider), post(body=b"x"))
    assert (told.success, told.attempts, on.vault.renewed) == (True, 2, 1)
    assert end.bodies == [b"x", b"x"]


async def test_credentials_that_do_not_help_are_not_renewed_again_and_again(end: FarEnd, on: Stage) -> None:
    end.answer = only("none that we have")
    for attempts in (2, 1, 1):
        told = await on.calls.call(end.link(), get())
        assert (told.reason, told.attempts) == (Reason.INVALID_CREDENTIALS, attempts)
    assert on.vault.renewed == 1


async def test_a_permission_that_is_lacking_renews_nothing(end: FarEnd, on: Stage) -> None:
    end.answer = replies((403, {}))
    assert (await on.calls.call(end.link(), get())).reason is Reason.INVALID_CREDENTIALS
    assert on.vault.renewed == 0


async def test_a_grant_that_cannot_be_renewed_asks_for_a_person(end: FarEnd, on: Stage) -> None:
    end.answer = only(RENEWED)
    on.vault.refusal = CredentialProblem(Reason.REAUTH_REQUIRED, "Connect the account again.")
    told = await on.calls.call(end.link(), get())
    assert (told.reason, told.status) == (Reason.REAUTH_REQUIRED, 401)
    assert told.problem is not None
    assert (told.problem.code, told.problem.details) == (
        ErrorCode.REAUTH_REQUIRED,
        "Connect the account again.",
    )
    assert len(end.seen) == 1


async def test_a_revoked_grant_renews_nothing(end: FarEnd, on: Stage) -> None:
    end.answer = replies((200, {"ok": False, "error": "token_revoked"}))
    rules = {"classes": [{"when": "has(body.error) && body.error == 'token_revoked'", "result": "revoked"}]}
    told = await on.calls.call(end.link(provider=rules), get())
    assert (told.reason, on.vault.renewed) == (Reason.REAUTH_REQUIRED, 0)
    assert told.problem is not None
    assert told.problem.code is ErrorCode.REAUTH_REQUIRED


async def test_new_credentials_on_trial_are_judged_and_not_replaced(end: FarEnd, on: Stage) -> None:
    end.answer = only("other")
    told = await on.calls.call(end.link(), get(purpose=Purpose.ROTATION))
    assert (told.reason, on.vault.renewed) == (Reason.INVALID_CREDENTIALS, 0)


async def test_each_attempt_is_signed_anew_over_the_finished_request(end: FarEnd, on: Stage) -> None:
    signed: list[HttpRequest] = []

    def sign(request: HttpRequest, now: datetime) -> HttpRequest:
        signed.append(request)
        return replace(request, headers={**request.headers, "x-signature": f"{len(signed)}"})

    on.vault.sign = sign
    end.answer = replies((503, {}), (200, {}))
    assert (await on.calls.call(end.link(retry=QUICK), get())).success
    assert [request.headers["X-Signature"] for request in end.seen] == ["1", "2"]
    assert signed[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert signed[0].headers["x-correlation-id"]


# --------------------------------------------------------------------------- repetitions


@pytest.mark.parametrize(
    ("request_", "attempts"),
    [
        (get(), 4),
        (post(), 1),
        (post(idempotency_key="k-1"), 4),
        (get(retry=False), 1),
    ],
    ids=["GET", "POST", "POST with a key", "GET that its caller repeats"],
)
async def test_what_is_repeated(end: FarEnd, on: Stage, request_: Any, attempts: int) -> None:
    end.answer = replies((503, {}))
    told = await on.calls.call(end.link(retry=QUICK, circuitBreaker={"failureThreshold": 100}), request_)
    assert (told.attempts, len(end.seen), told.reason) == (attempts, attempts, Reason.UPSTREAM_ERROR)


async def test_a_connection_that_breaks_off_is_repeated(end: FarEnd, on: Stage) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        if len(end.seen) < 3:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({})

    end.answer = cut
    told = await on.calls.call(end.link(retry=QUICK), post(idempotency_key="k-1"))
    assert (told.success, told.attempts) == (True, 3)


# --------------------------------------------------------------------------- secrets and bodies


async def test_no_secret_is_in_what_is_told_or_kept(end: FarEnd, on: Stage) -> None:
    on.vault.query = {"api_key": SecretText("canary-query-9z8y7x")}

    async def echo(request: web.Request) -> web.StreamResponse:
        text = json.dumps({"headers": dict(request.headers), "url": str(request.url)})
        return web.Response(
            text=text, status=400, content_type="application/json", headers={"X-Echo": request.raw_path}
        )

    end.answer = echo
    rules = {"classes": [{"when": "status == 400", "result": "config", "message": "{{ text }}"}]}
    link = end.link(provider=rules, logging={"bodies": "all"})
    told = await on.calls.call(link, post(body=json.dumps({"again": TOKEN}).encode()))
    assert (told.status, len(end.seen)) == (400, 1)
    everything = repr(told) + told.body.decode() + repr(told.headers) + repr(on.store.calls)
    assert "canary" not in everything
    (record,) = on.store.calls
    assert record.request_body
    assert record.response_body
    assert "X-Correlation-Id".lower() in record.request_headers


@pytest.mark.parametrize(
    ("bodies", "status", "kept"),
    [
        ("none", 200, False),
        ("none", 500, False),
        ("errors", 200, False),
        ("errors", 500, True),
        ("all", 200, True),
        ("all", 500, True),
    ],
)
async def test_bodies_are_kept_as_the_spec_says(
    end: FarEnd, on: Stage, bodies: str, status: int, kept: bool
) -> None:
    end.answer = replies((status, {"text": "x" * 20_000}))
    await on.calls.call(end.link(logging={"bodies": bodies}), post(body=b"hello"))
    (record,) = on.store.calls
    assert bool(record.request_body) is kept
    assert bool(record.response_body) is kept
    assert len(record.response_body) <= 8_192


async def test_cookies_and_headers_of_the_connection_are_not_handed_on(end: FarEnd, on: Stage) -> None:
    end.answer = replies((200, {}, {"Set-Cookie": "sid=1", "X-Fine": "1", "Connection": "close"}))
    told = await on.calls.call(end.link(), get())
    assert told.headers["x-fine"] == "1"
    assert not {"set-cookie", "connection", "transfer-encoding"} & set(told.headers)


# --------------------------------------------------------------------------- packed answers


def packed(data: bytes) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept-Encoding"] == "gzip"
        return web.Response(body=data, headers={"Content-Encoding": "gzip"}, content_type="application/json")

    return answer


async def test_a_packed_answer_is_unpacked(end: FarEnd, on: Stage) -> None:
    body = json.dumps([{"id": n, "title": "the same words again"} for n in range(500)]).encode()
    end.answer = packed(gzip.compress(body))
    told = await on.calls.call(end.link(), get())
    assert told.body == body
    assert "content-encoding" not in told.headers
    assert "content-length" not in told.headers


async def test_members_that_follow_each_other_are_one_body(end: FarEnd, on: Stage) -> None:
    end.answer = packed(gzip.compress(b"[1,") + gzip.compress(b"2]"))
    assert (await on.calls.call(end.link(), get())).body == b"[1,2]"


async def test_a_bomb_is_cut_at_the_bound(end: FarEnd, on: Stage) -> None:
    end.answer = packed(gzip.compress(b"\0" * 50_000_000))
    told = await on.calls.call(end.link(), get(max_response_bytes=100_000))
    assert (len(told.body), told.truncated) == (100_000, True)


@pytest.mark.parametrize(
    "data",
    [b"no gzip at all", gzip.compress(b"x" * 5000)[:-20], gzip.compress(b"x") + b"tail"],
    ids=["not packed", "cut off", "followed by something else"],
)
async def test_an_answer_that_is_not_what_it_says_is_a_failure(end: FarEnd, on: Stage, data: bytes) -> None:
    end.answer = packed(data)
    told = await on.calls.call(end.link(), get())
    assert (told.success, told.body) == (False, b"")
    assert told.problem is not None
    assert told.problem.code in (ErrorCode.UPSTREAM_ERROR, ErrorCode.CONNECTION_FAILED)


# --------------------------------------------------------------------------- kept answers


async def test_an_answer_is_served_again_while_nothing_changed(end: FarEnd, on: Stage) -> None:
    link, asked = end.link(), get(cache_seconds=60)
    first = await on.calls.call(link, asked)
    second = await on.calls.call(link, asked)
    assert (first.cached, second.cached) == (False, True)
    assert (second.success, second.status, second.body, second.attempts) == (True, 200, first.body, 0)
    assert second.headers == first.headers
    assert len(end.seen) == 1
    assert len(on.store.calls) == 1


@pytest.mark.parametrize("change", ["spec", "credentials", "command", "question"])
async def test_a_change_asks_anew(end: FarEnd, on: Stage, change: str) -> None:
    link, asked = end.link(), get(cache_seconds=60)
    await on.calls.call(link, asked)
    if change == "spec":
        link = replace(link, generation=2)
    elif change == "credentials":
        on.vault.tokens = [RENEWED]
    elif change == "command":
        on.calls.forget_answers(link.uid)
    else:
        asked = replace(asked, query=(("page", "2"),))
    assert not (await on.calls.call(link, asked)).cached
    assert len(end.seen) == 2


async def test_what_was_fetched_before_a_change_is_not_kept_after_it(end: FarEnd, on: Stage) -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.StreamResponse:
        arrived.set()
        await release.wait()
        return web.json_response({"n": len(end.seen)})

    end.answer = slow
    link, asked = end.link(), get(cache_seconds=60)
    before = asyncio.create_task(on.calls.call(link, asked))
    await arrived.wait()
    on.calls.forget_answers(link.uid)
    release.set()
    assert json.loads((await before).body) == {"n": 1}
    after = await on.calls.call(link, asked)
    assert (after.cached, json.loads(after.body)) == (False, {"n": 2})


async def test_many_who_ask_the_same_at_once_make_one_request(end: FarEnd, on: Stage) -> None:
    link, asked = end.link(), get(cache_seconds=60)
    answers = await asyncio.gather(*(on.calls.call(link, asked) for _ in range(50)))
    assert all(answer.success for answer in answers)
    assert len(end.seen) == 1


async def test_one_who_gives_up_does_not_take_the_others_along(end: FarEnd, on: Stage) -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.StreamResponse:
        arrived.set()
        await release.wait()
        return web.json_response({})

    end.answer = slow
    link, asked = end.link(), get(cache_seconds=60)
    first, second = (asyncio.create_task(on.calls.call(link, asked)) for _ in range(2))
    await arrived.wait()
    first.cancel()
    await asyncio.wait([first])
    release.set()
    assert (await second).success
    assert len(end.seen) == 1


async def test_who_asks_while_the_only_one_gives_up_is_answered(end: FarEnd, on: Stage) -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.StreamResponse:
        arrived.set()
        await release.wait()
        return web.json_response({})

    end.answer = slow
    link, asked = end.link(), get(cache_seconds=60)
    first = asyncio.create_task(on.calls.call(link, asked))
    await arrived.wait()
    first.cancel()
    second = asyncio.create_task(on.calls.call(link, asked))
    await asyncio.wait([first])
    release.set()
    assert (await second).success


async def test_failures_are_not_kept(end: FarEnd, on: Stage) -> None:
    end.answer = replies((500, {}), (200, {}))
    link, asked = end.link(), get(cache_seconds=60)
    assert not (await on.calls.call(link, asked)).success
    assert (await on.calls.call(link, asked)).success
