"""Bodies passed through both ways: never held, stopped when nobody takes them, counted, closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from call_stage import TOKEN, FarEnd, Stage, far_end, get, post, stage, way_out
from integration_hub.api.errors import ErrorCode
from integration_hub.api.reasons import Reason
from integration_hub.egress.call.streaming import LoggedStream
from integration_hub.ports import CallAnswer, CallRequest, HttpRequest, Link, StreamBrokenError

MIB = 1024 * 1024


@pytest.fixture
async def end() -> AsyncIterator[FarEnd]:
    async with far_end(read_bodies=False) as served:
        yield served


@pytest.fixture
async def on(end: FarEnd) -> AsyncIterator[Stage]:
    async with way_out(end.port) as egress:
        yield stage(egress)


async def opened(on: Stage, link: Link, request: CallRequest, body: Any = None) -> LoggedStream:
    stream = await on.calls.stream(link, request, body)
    assert isinstance(stream, LoggedStream), stream
    return stream


async def refused(on: Stage, link: Link, request: CallRequest, body: Any = None) -> CallAnswer:
    answer = await on.calls.stream(link, request, body)
    assert isinstance(answer, CallAnswer), answer
    return answer


async def taken(stream: LoggedStream) -> bytes:
    """The whole body; the stream is left after it."""
    async with stream:
        return b"".join([part async for part in stream.chunks()])


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_body_comes_out_as_it_went_in_and_is_counted(end: FarEnd, on: Stage) -> None:
    async def double(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"X-Fine": "1", "Set-Cookie": "a=b"})
        await response.prepare(request)
        async for part in request.content.iter_any():
            await response.write(part + part)
        return response

    end.answer = double
    sent = [bytes([n]) * 50_000 for n in range(40)]
    stream = await opened(on, end.link(), post("/upload"), pieces(*sent))
    assert (stream.status, stream.headers["x-fine"]) == (200, "1")
    assert "set-cookie" not in stream.headers
    received = await taken(stream)
    assert len(received) == 4_000_000
    assert end.seen[0].headers["Transfer-Encoding"] == "chunked"
    assert end.seen[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert end.seen[0].headers["Accept-Encoding"] == "identity"
    (record,) = on.store.calls
    assert (record.bytes_sent, record.bytes_received, record.success) == (2_000_000, 4_000_000, True)
    assert (record.request_body, record.response_body) == ("", "")


async def test_a_far_end_that_sends_without_end_is_held_back(end: FarEnd, on: Stage) -> None:
    """Nobody takes the body, so the far end's writes must come to a halt after a few buffers."""
    written, stuck, gone = 0, asyncio.Event(), asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while not gone.is_set():
            writing = asyncio.ensure_future(response.write(b"x" * 65_536))
            done, _ = await asyncio.wait([writing], timeout=0.5)
            if not done:
                stuck.set()
            await writing
            written += 65_536
        return response

    end.answer = endless
    stream = await opened(on, end.link(), get("/endless"))
    async with stream:
        await asyncio.wait_for(stuck.wait(), 30)
        held = written
        assert held < 32 * MIB
        taken = 0
        async for part in stream.chunks():
            taken += len(part)
            if taken > held + MIB:
                break
    gone.set()
    assert on.store.calls[0].bytes_received == taken


async def test_leaving_early_closes_the_connection_to_the_far_end(end: FarEnd, on: Stage) -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while not gone.is_set():
                await response.write(b"tick\n")
                await asyncio.sleep(0.01)
        except (ConnectionError, asyncio.CancelledError):
            gone.set()
            raise
        return response

    end.answer = endless
    stream = await opened(on, end.link(), get("/events"))
    async with stream:
        async for _ in stream.chunks():
            break
    await asyncio.wait_for(gone.wait(), 30)


async def test_a_caller_that_is_cancelled_lets_the_far_end_go(end: FarEnd, on: Stage) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def take(request: web.Request) -> web.StreamResponse:
        arrived.set()
        try:
            await request.content.read()
        except (ConnectionError, asyncio.CancelledError):
            gone.set()
            raise
        if request.content.exception() is not None:
            gone.set()
        return web.Response()

    async def without_end() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0.01)

    end.answer = take
    caller = asyncio.create_task(on.calls.stream(end.link(), post("/upload"), without_end()))
    await asyncio.wait_for(arrived.wait(), 30)
    caller.cancel()
    await asyncio.wait([caller])
    await asyncio.wait_for(gone.wait(), 30)
    assert not on.store.calls[0].success


async def test_events_pass_at_once(end: FarEnd, on: Stage) -> None:
    """Each piece is taken before the next is sent, so nothing may wait for more."""
    taken = asyncio.Event()

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(5):
            await response.write(b"data: %d\n\n" % number)
            await asyncio.wait_for(taken.wait(), 30)
            taken.clear()
        return response

    end.answer = events
    stream = await opened(on, end.link(), get("/events"))
    got = []
    async with stream:
        async for part in stream.chunks():
            got.append(part)
            taken.set()
    assert b"".join(got) == b"".join(b"data: %d\n\n" % number for number in range(5))
    assert len(got) == 5


@pytest.mark.parametrize(
    ("parts", "length"),
    [((b"abc", b"def"), 5), ((b"abc",), 5), ((), 5)],
    ids=["longer", "shorter", "nothing"],
)
async def test_a_body_that_is_not_as_long_as_announced_never_runs_into_another_request(
    end: FarEnd, on: Stage, parts: tuple[bytes, ...], length: int
) -> None:
    async def take(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response()

    end.answer = take
    with pytest.raises(ValueError, match="announced length"):
        await on.calls.stream(end.link(), post("/upload", body_length=length), pieces(*parts))
    after = await on.calls.call(end.link(), get("/after"))
    assert after.success
    assert [request.path for request in end.seen if request.path.endswith("/after")] == ["/api/after"]


async def test_a_known_length_travels_as_such(end: FarEnd, on: Stage) -> None:
    async def take(request: web.Request) -> web.StreamResponse:
        return web.Response(text=f"{len(await request.read())}")

    end.answer = take
    stream = await opened(on, end.link(), post("/upload", body_length=6), pieces(b"abc", b"def"))
    assert await taken(stream) == b"6"
    assert end.seen[0].headers["Content-Length"] == "6"
    assert "Transfer-Encoding" not in end.seen[0].headers


async def test_what_the_callers_body_raises_reaches_the_caller(end: FarEnd, on: Stage) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"a" * 10
        raise RuntimeError("the caller's own trouble")

    async def take(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response()

    end.answer = take
    with pytest.raises(RuntimeError, match="own trouble"):
        await on.calls.stream(end.link(), post("/upload"), breaks())
    (record,) = on.store.calls
    assert (record.success, record.bytes_sent) == (False, 10)
    assert on.calls.breaker("uid-chat").failures == 0


async def test_a_far_end_that_breaks_off_is_told(end: FarEnd, on: Stage) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x" * 10)
        assert request.transport is not None
        request.transport.close()
        return response

    end.answer = cut
    stream = await opened(on, end.link(), get("/cut"))
    with pytest.raises(StreamBrokenError, match=r"vendor\.example\.com"):
        await taken(stream)
    (record,) = on.store.calls
    assert (record.success, record.status, record.bytes_received) == (False, 200, 10)


async def test_a_body_that_stops_moving_is_given_up(end: FarEnd, on: Stage) -> None:
    release = asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await release.wait()
        return response

    end.answer = stall
    stream = await opened(on, end.link(), get("/stall", timeout_seconds=2))
    with pytest.raises(StreamBrokenError, match=r"nothing more came from vendor\.example\.com"):
        await taken(stream)
    release.set()
    assert on.store.calls[0].outcome == "Timeout"


async def test_an_upload_that_goes_on_is_no_timeout(end: FarEnd, on: Stage) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"x"
            await asyncio.sleep(0.25)

    async def take(request: web.Request) -> web.StreamResponse:
        return web.Response(text=str(len(await request.read())))

    end.answer = take
    stream = await opened(on, end.link(), post("/upload", timeout_seconds=2), slow())
    assert await taken(stream) == b"12"


async def test_a_failure_is_told_whole_with_its_body(end: FarEnd, on: Stage) -> None:
    async def no(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.json_response({"error": f"bad {TOKEN}"}, status=422)

    end.answer = no
    told = await refused(on, end.link(), post("/upload"), pieces(b"x"))
    assert (told.status, told.reason) == (422, Reason.CONFIG_REFUSED)
    assert json.loads(told.body)["error"].startswith("bad ***")
    assert told.problem is not None
    assert told.problem.code is ErrorCode.INVALID_REQUEST
    assert len(end.seen) == 1


async def test_a_failure_without_end_is_cut(end: FarEnd, on: Stage) -> None:
    async def no(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except ConnectionError:
            return response

    end.answer = no
    told = await refused(on, end.link(), get("/x"))
    assert (len(told.body), told.truncated) == (65_536, True)


async def test_a_failure_that_drips_holds_nobody_up(end: FarEnd, on: Stage) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.05)
        return response

    end.answer = drip
    answer = await refused(on, end.link(), get(timeout_seconds=2))
    assert (answer.status, answer.truncated) == (500, True)
    assert set(answer.body) == set(b"x")


async def test_a_download_renews_expired_credentials_once_and_an_upload_never(end: FarEnd, on: Stage) -> None:
    async def strict(request: web.Request) -> web.StreamResponse:
        await request.read()
        fresh = "renewed" in request.headers["Authorization"]
        return web.Response(text="ok", status=200 if fresh else 401)

    end.answer = strict
    told = await refused(on, end.link(), post("/upload"), pieces(b"x"))
    assert (told.status, on.vault.renewed) == (401, 0)
    stream = await opened(on, end.link(), get("/file"))
    assert await taken(stream) == b"ok"
    assert on.vault.renewed == 1


async def test_a_secret_that_is_sent_back_in_pieces_is_struck(end: FarEnd, on: Stage) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for letter in f"<{TOKEN}>".encode():
            await response.write(bytes([letter]))
            await asyncio.sleep(0)
        return response

    end.answer = echo
    stream = await opened(on, end.link(), get("/echo"))
    body = await taken(stream)
    assert body == b"<" + b"*" * len(TOKEN) + b">"


async def test_budget_breaker_and_wording_stand_before_a_stream_too(end: FarEnd, on: Stage) -> None:
    async def down(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    end.answer = down
    link = end.link(circuitBreaker={"failureThreshold": 2})
    codes = []
    for path in ("/../x", "/x", "/x", "/x"):
        problem = (await refused(on, link, get(path))).problem
        assert problem is not None
        codes.append(problem.code)
    assert codes == [
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UPSTREAM_ERROR,
        ErrorCode.UPSTREAM_ERROR,
        ErrorCode.CIRCUIT_OPEN,
    ]


async def test_a_signature_knows_that_it_cannot_cover_the_body(end: FarEnd, on: Stage) -> None:
    signed: list[HttpRequest] = []

    def sign(request: HttpRequest, _now: object) -> HttpRequest:
        signed.append(request)
        return replace(request, headers={**request.headers, "x-signed": "1"})

    async def take(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response()

    on.vault.sign = sign
    end.answer = take
    async with await opened(on, end.link(), post("/upload"), pieces(b"x")):
        pass
    async with await opened(on, end.link(), get("/file")):
        pass
    assert [request.streamed for request in signed] == [True, False]


async def test_places_are_held_while_a_stream_is_open_and_given_back_after_it(end: FarEnd, on: Stage) -> None:
    async with await opened(on, end.link(), get("/file")) as stream:
        assert on.egress._in_flight == 1  # type: ignore[attr-defined]
        assert [part async for part in stream.chunks()] == [b'{"ok": true}']
    assert on.egress._in_flight == 0  # type: ignore[attr-defined]


async def test_who_is_cancelled_before_the_stream_was_theirs_holds_no_place(
    end: FarEnd, on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the store is slow when the breaker or the budget is told of the answer."""
    opened_already = asyncio.Event()

    async def slow(*_: object) -> None:
        opened_already.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(on.calls, "_respect", slow)
    caller = asyncio.create_task(on.calls.stream(end.link(), get("/file")))
    await asyncio.wait_for(opened_already.wait(), 30)
    caller.cancel()
    await asyncio.wait([caller])
    assert on.egress._in_flight == 0  # type: ignore[attr-defined]
    assert len(on.store.calls) == 1
