"""The server over real sockets: what is slow, large or too much is cut, and all else goes on meanwhile."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_stage import ALICE, GatewayStage
from integration_hub.gateway.parts import GatewayLimits
from integration_hub.gateway.server import GatewayServer, ServerLimits

V1 = "/api/v1/integrations"
QUICK = ServerLimits(head_seconds=0.3, keep_alive_seconds=1, stall_seconds=0.3, drain_seconds=2)
BODIES = GatewayLimits(body_bytes=10_000, body_seconds=1.0, body_idle_seconds=0.3)


class Peer:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *lines: str, body: bytes = b"") -> None:
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One answer with its announced body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def refusal(self) -> tuple[int, str]:
        """The answer's status and code; it must be the last word on this connection."""
        status, headers, body = await self.answer()
        assert headers["connection"] == "close"
        assert await self.hung_up()
        return status, json.loads(body)["code"]

    async def hung_up(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.writer.close()


class Served:
    """A server that runs, and the connections that a test made to it."""

    def __init__(self, server: GatewayServer) -> None:
        self.server = server
        self.running = asyncio.create_task(server.run())
        self._peers: list[Peer] = []

    async def peer(self) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.server.port))
        self._peers.append(peer)
        return peer

    async def end(self) -> None:
        self.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.running
        self.server.close()
        for peer in self._peers:
            peer.close()
        await asyncio.gather(*(peer.writer.wait_closed() for peer in self._peers), return_exceptions=True)


@asynccontextmanager
async def serving(
    app: ASGIApp | None = None, limits: ServerLimits = QUICK, bodies: GatewayLimits = BODIES
) -> AsyncIterator[Served]:
    async with GatewayStage(bodies) as stage:
        served = Served(
            GatewayServer.open(app or stage.app, stage.clock, host="127.0.0.1", port=0, limits=limits)
        )
        try:
            yield served
        finally:
            await served.end()


HEALTH = ("GET /healthz HTTP/1.1", "Host: hub")
POST = (
    f"POST {V1} HTTP/1.1",
    "Host: hub",
    f"Authorization: Bearer {ALICE}",
    "Content-Type: application/json",
)


async def healthy(server: Served) -> bool:
    peer = await server.peer()
    peer.send(*HEALTH, "Connection: close")
    status, _, body = await peer.answer()
    peer.close()
    return status == 200 and json.loads(body) == {"ok": True}


# --------------------------------------------------------------------------- heads


async def test_a_slow_head_is_cut_while_others_are_served() -> None:
    async with serving() as server:
        slow = await server.peer()
        cut = asyncio.create_task(slow.refusal())
        slow.writer.write(b"GET /healthz HTTP/1.1\r\n")
        while not cut.done():  # one header line after the other, for ever
            slow.writer.write(b"X-Drip: drop\r\n")
            assert await healthy(server)
        assert await cut == (408, "REQUEST_TIMEOUT")


async def test_a_silent_connection_is_closed() -> None:
    async with serving() as server:
        assert await (await server.peer()).hung_up()


async def test_a_connection_that_fell_silent_after_an_answer_is_closed() -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(*HEALTH)
        await peer.answer()
        assert await peer.hung_up()


async def test_a_head_that_drips_after_an_answer_is_cut_too() -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(*HEALTH)
        await peer.answer()
        peer.writer.write(b"GET /hea")
        assert await peer.refusal() == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        (b"GET / HTTP/1.1\r\nHost: hub\r\nX-Big: " + b"a" * 40_000, (431, "PAYLOAD_TOO_LARGE")),
        (b"GET /" + b"a" * 40_000, (431, "PAYLOAD_TOO_LARGE")),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 9_000 + b"\r\n", (431, "PAYLOAD_TOO_LARGE")),
        (b"nonsense\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/1.1\r\nHost: hub\r\nBad header: x\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/1.1\r\nHost: hub\r\nA: b\r\n c\x00\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/1.1\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/2.0\r\nHost: hub\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET /\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: hub\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/1.1\nHost: hub\n\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/1.1\r\nHost: hub\r\nA: b\r\n c: d\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/1.1\r\nHost : hub\r\n\r\n", (400, "INVALID_REQUEST")),
        (
            b"POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            (400, "INVALID_REQUEST"),
        ),
    ],
    ids=[
        "large header",
        "long path",
        "many headers",
        "nonsense",
        "TLS",
        "bad name",
        "bad value",
        "no host",
        "two hosts",
        "HTTP/2",
        "HTTP/0.9",
        "bytes in the path",
        "bare line feeds",
        "folded header",
        "blank before the colon",
        "two lengths",
    ],
)
async def test_what_is_no_request_is_refused_in_the_one_shape(sent: bytes, refusal: tuple[int, str]) -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.writer.write(sent)
        assert await peer.refusal() == refusal
        assert await healthy(server)


async def test_requests_sent_without_waiting_are_answered_in_order() -> None:
    async with serving() as server:
        peer = await server.peer()
        for number in range(5):
            peer.send(*HEALTH, f"X-Correlation-Id: n{number}")
        told = [(await peer.answer())[1]["x-correlation-id"] for _ in range(5)]
        assert told == [f"n{number}" for number in range(5)]


async def test_what_stands_before_nonsense_is_answered_and_nothing_after_it() -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(*HEALTH)
        peer.send(*HEALTH, body=b"nonsense\r\n\r\n")
        peer.send(*HEALTH)
        assert [(await peer.answer())[0] for _ in range(2)] == [200, 200]
        assert await peer.hung_up()


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
async def test_an_offer_of_another_protocol_is_not_taken_up(
    upgrade: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Java's client offers HTTP/2 with every request, whether it has a body or not."""
    offer = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAEAAEAAAAIAAAAA")
    body = b'{"nothing": "known"}'
    async with serving() as server:
        peer = await server.peer()
        for framing, sent in (
            (f"Content-Length: {len(body)}", body),
            ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)),
            ("Content-Length: 2", b"{}"),
        ):
            peer.send(*HEALTH, *offer, "Content-Length: 0")
            assert (await peer.answer())[0] == 200
            peer.send(*HEALTH, *offer)
            peer.send(*POST, *offer, framing, body=sent)
            assert (await peer.answer())[0] == 200
            status, headers, told = await peer.answer()
            assert (status, json.loads(told)["code"]) == (422, "INVALID_REQUEST")
            assert "connection" not in headers
    assert not caplog.records


# --------------------------------------------------------------------------- bodies


async def test_a_trailer_is_no_header() -> None:
    """Neither does it say who asks, nor is it kept, however long (RFC 9110 section 6.5.1)."""
    chunked = (
        f"POST {V1} HTTP/1.1",
        "Host: hub",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    )
    seen: list[bytes] = []

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        seen.extend(name for name, _ in scope["headers"])
        await Response("done")(scope, receive, send)

    async with serving(reading) as server:
        peer = await server.peer()
        peer.send(*chunked, body=f"2\r\n{{}}\r\n0\r\nAuthorization: Bearer {ALICE}\r\n\r\n".encode())
        assert (await peer.answer())[2] == b"done"
        assert b"authorization" not in seen


@pytest.mark.parametrize(
    "tail",
    [b"0\r\nA: " + b"b" * 400_000, b"0\r\n" + b"A: b\r\n" * 80_000, b"2;" + b"e" * 400_000],
    ids=["one trailer", "many trailers", "an extension of a chunk"],
)
async def test_what_goes_with_a_body_is_bounded_as_a_head_is(tail: bytes) -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(*POST, "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n")
        peer.writer.write(tail)
        assert await peer.refusal() == (431, "PAYLOAD_TOO_LARGE")


@pytest.mark.req("SEC-11")
async def test_a_slow_body_is_cut_between_its_parts() -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(*POST, "Content-Length: 500", body=b'{"name":')
        assert await peer.refusal() == (408, "REQUEST_TIMEOUT")


async def test_a_body_that_drips_is_cut_as_a_whole() -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(*POST, "Content-Length: 9000")
        cut = asyncio.create_task(peer.refusal())
        while not cut.done():  # never idle long enough to be cut for that
            peer.writer.write(b" ")
            await asyncio.sleep(0.05)
        assert await cut == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize(
    "heads",
    [("Content-Length: 1000000000",), ("Transfer-Encoding: chunked",)],
    ids=["announced", "not announced"],
)
async def test_a_large_body_is_refused_and_not_read(heads: tuple[str, ...]) -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(*POST, *heads)
        if "chunked" in heads[0]:
            peer.writer.write(b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n")
        assert await peer.refusal() == (413, "PAYLOAD_TOO_LARGE")


async def test_who_waits_to_be_asked_for_the_body_is_refused_before_sending_it() -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(*POST, "Content-Length: 1000000000", "Expect: 100-continue")
        assert await peer.refusal() == (413, "PAYLOAD_TOO_LARGE")


async def test_a_stranger_is_refused_without_his_body_being_read() -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(f"POST {V1} HTTP/1.1", "Host: hub", "Content-Length: 9000", body=b"{")
        assert await peer.refusal() == (401, "UNAUTHENTICATED")


async def test_who_hangs_up_in_the_middle_of_a_body_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        peer = await server.peer()
        peer.send(*POST, "Content-Length: 500", body=b"{")
        await peer.writer.drain()
        peer.close()
        assert await healthy(server)
    assert "bug" not in caplog.text


# --------------------------------------------------------------------------- many, and slow readers


async def test_one_connection_too_many_is_told_so() -> None:
    async with serving(limits=replace(QUICK, connections=3, head_seconds=30)) as server:
        held = [await server.peer() for _ in range(3)]
        for each in held:
            each.send(*HEALTH)
            assert (await each.answer())[0] == 200
        assert await (await server.peer()).refusal() == (503, "OVERLOADED")
        held[0].close()
        await held[0].writer.wait_closed()
        while True:  # the server hears of it in its own time
            peer = await server.peer()
            peer.send(*HEALTH)
            if (await peer.answer())[0] == 200:
                break


async def test_a_reader_who_does_not_read_is_cut() -> None:
    sent = 0
    broken = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 1
                yield b"x" * 65_536

        async def listened() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            broken.set()

        listening = asyncio.create_task(listened())
        with pytest.raises(ClientDisconnect):
            await StreamingResponse(chunks())(scope, receive, send)
        await listening

    async with serving(endless) as server:
        peer = await server.peer()
        peer.send(*HEALTH)
        async with asyncio.timeout(30):
            await broken.wait()
        assert sent < 1000, "what was not read was not made up in memory either"


# --------------------------------------------------------------------------- ending


async def test_a_request_in_hand_is_finished_and_no_other_begun() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        await leave.wait()
        await Response("done")(scope, receive, send)

    async with serving(waiting, replace(QUICK, drain_seconds=60)) as server:
        peer = await server.peer()
        peer.send(*HEALTH)
        await entered.wait()
        server.running.cancel()
        while await accepts(server):
            await asyncio.sleep(0.01)
        leave.set()
        assert (await peer.answer())[2] == b"done"


async def accepts(server: Served) -> bool:
    try:
        (await server.peer()).close()
    except ConnectionError:  # refused; or reset, where the listener closed on those who stood in its queue
        return False
    return True


async def test_a_request_that_does_not_end_is_given_up() -> None:
    async def stuck(*_: Any) -> None:
        await asyncio.Event().wait()

    async with serving(stuck, replace(QUICK, drain_seconds=1)) as server:
        peer = await server.peer()
        peer.send(*HEALTH)
        await peer.writer.drain()


async def test_the_processs_signals_are_left_alone() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    async with serving() as server:
        assert await healthy(server)
        assert {number: signal.getsignal(number) for number in before} == before


async def test_a_port_that_is_taken_is_an_error_at_once() -> None:
    async with GatewayStage() as stage, serving() as server:
        with pytest.raises(OSError, match="in use"):
            GatewayServer.open(stage.app, stage.clock, host="127.0.0.1", port=server.server.port)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_it_listens_on_ipv6_too() -> None:
    async with GatewayStage() as stage:
        server = GatewayServer.open(stage.app, stage.clock, host="::1", port=0, limits=QUICK)
        assert server.port
        server.close()


async def test_no_answer_waits_for_a_delayed_acknowledgement() -> None:
    async with GatewayStage() as stage:
        server = GatewayServer.open(stage.app, stage.clock, host="127.0.0.1", port=0)
        listener = server._listener
        try:
            with socket.create_connection(listener.getsockname()):
                accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
                with accepted:
                    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        finally:
            listener.close()
