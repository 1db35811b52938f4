"""Egress over real sockets: pinning, TLS, caps and deadlines against servers that misbehave."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from integration_hub.adapters.http import AiohttpTransport
from integration_hub.adapters.resolve import SystemResolver
from integration_hub.domain.address import AddressPolicy, AllowList
from integration_hub.egress.send import GuardedEgress
from integration_hub.ports import (
    Destination,
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    PinnedRequest,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST = "vendor.example.com"


class Bench:
    """Servers on loopback and an egress that is allowed to reach them under a fixed name."""

    def __init__(self, folder: Path) -> None:
        self.stack = AsyncExitStack()
        self.authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.peers: list[tuple[str, int]] = []

    async def serve(self, handler: Handler, *, tls_name: str = "") -> int:
        """A well-behaved HTTP server; returns its port."""

        async def noted(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            self.peers.append(request.transport.get_extra_info("peername")[:2])
            return await handler(request)

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", noted)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls(tls_name))
        await site.start()
        return int(runner.addresses[0][1])

    async def serve_raw(self, talk: Raw) -> int:
        """A server that says whatever it likes; returns its port."""

        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await talk(reader, writer)
                await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(once, "127.0.0.1", 0)
        self.stack.callback(server.close)
        return int(server.sockets[0].getsockname()[1])

    def egress(self, *ports: int, trusted: bool = True) -> GuardedEgress:
        transport = AiohttpTransport(ca_file=self.ca_file if trusted else None)
        resolver = SystemResolver(dict.fromkeys((HOST, "flow.demo.svc", "other.example.com"), "127.0.0.1"))
        self.stack.push_async_callback(transport.close)
        self.stack.push_async_callback(resolver.close)
        allow = AllowList.parse([f"127.0.0.0/8:{port}" for port in ports])
        assert isinstance(allow, AllowList)
        return GuardedEgress(transport, resolver, AddressPolicy(allow))

    def _tls(self, name: str) -> ssl.SSLContext | None:
        if not name:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    async with bench.stack:
        yield bench


def ask(port: int, path: str = "/", *, scheme: str = "http", host: str = HOST, **more: Any) -> HttpRequest:
    return HttpRequest(
        more.pop("method", "GET"), f"{scheme}://{host}:{port}{path}", Destination("tenant", "demo"), **more
    )


async def answered(guard: GuardedEgress, request: HttpRequest) -> HttpResponse:
    outcome = await guard.send(request)
    assert isinstance(outcome, HttpResponse), outcome
    return outcome


async def failed(guard: GuardedEgress, request: HttpRequest) -> HttpFailure:
    outcome = await guard.send(request)
    assert isinstance(outcome, HttpFailure), outcome
    return outcome


async def echo(request: web.Request) -> web.Response:
    body = await request.read()
    return web.json_response(
        {
            "method": request.method,
            "target": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body.decode(),
        }
    )


async def test_a_request_arrives_as_it_was_made(bench: Bench) -> None:
    port = await bench.serve(echo)
    guard = bench.egress(port)
    outcome = await answered(
        guard,
        ask(
            port,
            "/a%2Fb/c?x=%20y&z",
            method="POST",
            headers={"X-Key": "k", "Content-Type": "text/plain"},
            body=b"hi",
        ),
    )

    seen = json.loads(outcome.body)
    assert (seen["method"], seen["target"], seen["body"]) == ("POST", "/a%2Fb/c?x=%20y&z", "hi")
    assert seen["headers"]["host"] == f"{HOST}:{port}"
    assert seen["headers"]["x-key"] == "k"
    assert seen["headers"]["accept-encoding"] == "identity"
    assert seen["headers"]["user-agent"].startswith("integration-hub/")
    assert outcome.headers["content-type"].startswith("application/json")
    assert outcome.elapsed_seconds > 0
    assert not outcome.truncated


async def test_a_connection_is_kept_and_used_again(bench: Bench) -> None:
    port = await bench.serve(echo)
    guard = bench.egress(port)
    for _ in range(3):
        await answered(guard, ask(port))
    assert len(set(bench.peers)) == 1


async def test_tls_is_verified_for_the_name_while_the_socket_goes_to_the_address(bench: Bench) -> None:
    port = await bench.serve(echo, tls_name=HOST)
    guard = bench.egress(port)
    outcome = await answered(guard, ask(port, scheme="https"))
    assert f'"host": "{HOST}:{port}"' in outcome.body.decode()


async def test_a_certificate_for_another_name_is_refused(bench: Bench) -> None:
    port = await bench.serve(echo, tls_name="someone-else.example.com")
    outcome = await failed(bench.egress(port), ask(port, scheme="https"))
    assert outcome.failure is Failure.TLS
    assert HOST in outcome.message


async def test_a_connection_verified_for_one_name_does_not_serve_another(bench: Bench) -> None:
    """Both names live at the same address and port; the pool must not lend the first one's connection."""
    port = await bench.serve(echo, tls_name=HOST)
    guard = bench.egress(port)
    await answered(guard, ask(port, scheme="https"))
    outcome = await failed(guard, ask(port, scheme="https", host="other.example.com"))
    assert outcome.failure is Failure.TLS


async def test_an_authority_that_nobody_added_is_not_trusted(bench: Bench) -> None:
    port = await bench.serve(echo, tls_name=HOST)
    outcome = await failed(bench.egress(port, trusted=False), ask(port, scheme="https"))
    assert outcome.failure is Failure.TLS


async def test_a_server_that_speaks_no_tls_is_told(bench: Bench) -> None:
    port = await bench.serve(echo)
    outcome = await failed(bench.egress(port), ask(port, scheme="https"))
    assert outcome.failure in (Failure.TLS, Failure.CONNECT)


async def test_the_address_table_stands_between_a_name_and_a_real_socket(bench: Bench) -> None:
    port = await bench.serve(echo)
    outcome = await failed(bench.egress(port + 1), ask(port))
    assert outcome.failure is Failure.BLOCKED
    assert bench.peers == []


async def test_a_literal_address_is_no_way_around(bench: Bench) -> None:
    port = await bench.serve(echo)
    guard = bench.egress()
    for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"):
        assert (await failed(guard, ask(port, host=host, scheme="https"))).failure is Failure.BLOCKED
    assert bench.peers == []


async def test_a_redirect_is_an_answer_not_an_order(bench: Bench) -> None:
    async def redirect(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"})

    port = await bench.serve(redirect)
    outcome = await answered(bench.egress(port), ask(port))
    assert outcome.status == 302
    assert len(bench.peers) == 1


async def test_the_environments_proxy_is_ignored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    port = await bench.serve(echo)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await answered(bench.egress(port), ask(port))).status == 200


async def test_cookies_are_not_kept(bench: Bench) -> None:
    async def cookie(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Cookie", "none"), headers={"Set-Cookie": "a=b; Path=/"})

    port = await bench.serve(cookie)
    guard = bench.egress(port)
    await answered(guard, ask(port))
    assert (await answered(guard, ask(port))).body == b"none"


async def test_a_body_is_cut_at_its_bound(bench: Bench) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except ConnectionError:
            pass
        return response

    port = await bench.serve(endless)
    outcome = await answered(bench.egress(port), ask(port, max_response_bytes=1_000, timeout_seconds=20))
    assert outcome.truncated
    assert outcome.body == b"x" * 1_000


async def test_a_body_of_exactly_the_bound_is_whole(bench: Bench) -> None:
    async def exact(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1_000)

    port = await bench.serve(exact)
    outcome = await answered(bench.egress(port), ask(port, max_response_bytes=1_000))
    assert (len(outcome.body), outcome.truncated) == (1_000, False)


async def test_a_compressed_bomb_stays_as_small_as_it_came(bench: Bench) -> None:
    packed = gzip.compress(b"\0" * 10_000_000)

    async def bomb(_request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    port = await bench.serve(bomb)
    outcome = await answered(bench.egress(port), ask(port))
    assert outcome.body == packed


async def test_packed_pieces_of_nothing_are_not_unpacked_for_ever(bench: Bench) -> None:
    nothing = gzip.compress(b"", mtime=0) * 1_000

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(nothing)
        return response

    port = await bench.serve(endless)
    asked = ask(port, gzip=True, max_response_bytes=10_000, timeout_seconds=20)
    outcome = await answered(bench.egress(port), asked)
    assert (outcome.body, outcome.truncated) == (b"", True)


async def test_a_server_that_drips_meets_the_deadline(bench: Bench) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    port = await bench.serve_raw(drip)
    outcome = await failed(bench.egress(port), ask(port, timeout_seconds=0.3))
    assert outcome.failure is Failure.TIMEOUT
    assert "0.3 s" in outcome.message


async def test_a_server_that_never_answers_meets_the_deadline(bench: Bench) -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    port = await bench.serve_raw(silent)
    assert (await failed(bench.egress(port), ask(port, timeout_seconds=0.2))).failure is Failure.TIMEOUT


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"plain\ttext", "plain\ttext"),
        ("2 € Gebühr".encode(), "2 € Gebühr"),
        (b"Geb\xfchr", "Gebühr"),
        (b"a\x1b[2J\x01b\x7fc", "a [2J b c"),
        (b"Geb\xfchr \x9b2J", "Gebühr  2J"),
    ],
    ids=["a tab", "UTF-8", "ISO 8859-1", "control characters", "C1 as well"],
)
async def test_a_header_is_text_that_can_be_shown_and_sent_on(bench: Bench, sent: bytes, read: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Odd: " + sent + b"\r\n\r\n"
    port = await bench.serve_raw(says(head))
    assert (await answered(bench.egress(port), ask(port))).headers["x-odd"] == read


def says(*parts: bytes) -> Raw:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)

    return talk


@pytest.mark.parametrize(
    "parts",
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n",),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5_000)) + b"\r\n",),
        (b"HTTP/1.1 two hundred\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",),
        (b"",),
    ],
    ids=["ssh", "long header", "many headers", "no status", "two lengths", "bad chunk", "cut off", "nothing"],
)
async def test_an_answer_that_is_no_http_is_a_value(bench: Bench, parts: Sequence[bytes]) -> None:
    port = await bench.serve_raw(says(*parts))
    outcome = await failed(bench.egress(port), ask(port))
    assert outcome.failure in (Failure.PROTOCOL, Failure.CONNECT)
    assert HOST in outcome.message


async def test_nobody_listening_is_told_with_host_and_port(bench: Bench) -> None:
    port = await bench.serve_raw(says(b""))
    await bench.stack.aclose()
    outcome = await failed(bench.egress(port), ask(port))
    assert outcome.failure is Failure.CONNECT
    assert f"{HOST}:{port}" in outcome.message


async def test_the_next_address_is_tried_while_no_connection_came_about(bench: Bench) -> None:
    port = await bench.serve(echo)
    transport = AiohttpTransport()
    bench.stack.push_async_callback(transport.close)
    outcome = await transport.exchange(pinned(port, ["127.0.0.2", "127.0.0.1"]))
    assert isinstance(outcome, HttpResponse), outcome


async def test_a_request_that_was_sent_is_not_sent_again_to_the_next_address(bench: Bench) -> None:
    taken: list[bytes] = []

    async def take_and_hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(b"once")
        writer.close()

    port = await bench.serve_raw(take_and_hang_up)
    transport = AiohttpTransport()
    bench.stack.push_async_callback(transport.close)
    outcome = await transport.exchange(pinned(port, ["127.0.0.1", "127.0.0.1"], method="POST"))
    assert isinstance(outcome, HttpFailure)
    assert taken == [b"once"]


def pinned(port: int, addresses: Sequence[str], method: str = "GET") -> PinnedRequest:
    return PinnedRequest(method, "http", HOST, f"{HOST}:{port}", port, "/", addresses, {}, b"", 5.0, 1_000)


async def test_a_product_is_reached_by_its_services_name(bench: Bench) -> None:
    port = await bench.serve(echo)
    guard = bench.egress(port)
    request = HttpRequest("GET", f"http://flow:{port}/health", Destination("product", "demo"))
    outcome = await answered(guard, request)
    assert f'"host": "flow.demo.svc:{port}"' in outcome.body.decode()


async def test_the_pool_tells_how_full_it_is(bench: Bench) -> None:
    release = asyncio.Event()

    async def wait(_request: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    port = await bench.serve(wait)
    transport = AiohttpTransport()
    bench.stack.push_async_callback(transport.close)
    assert transport.open_connections() == (0, 0)
    under_way = [asyncio.create_task(transport.exchange(pinned(port, ["127.0.0.1"]))) for _ in range(3)]
    while len(bench.peers) < 3:
        await asyncio.sleep(0.01)
    assert transport.open_connections() == (3, 0)
    release.set()
    await asyncio.gather(*under_way)
    assert transport.open_connections() == (0, 3)


async def test_a_stream_is_guarded_like_any_request(bench: Bench) -> None:
    port = await bench.serve(echo)
    guard = bench.egress(port)
    for request, failure in (
        (ask(port + 1), Failure.BLOCKED),
        (ask(port, "/a/../b"), Failure.INVALID_URL),
        (ask(port, headers={"X-A": "b\r\nc"}), Failure.PROTOCOL),
        (ask(port, headers={"Host": "elsewhere"}), Failure.PROTOCOL),
    ):
        outcome = await guard.open(request)
        assert isinstance(outcome, HttpFailure), request
        assert outcome.failure is failure
    assert bench.peers == []


async def test_a_stream_tries_the_next_address_while_no_connection_came_about(bench: Bench) -> None:
    port = await bench.serve(echo)
    transport = AiohttpTransport()
    bench.stack.push_async_callback(transport.close)
    outcome = await transport.open(pinned(port, ["127.0.0.2", "127.0.0.1"], "POST"), one_piece(b"hello"))
    assert not isinstance(outcome, HttpFailure), outcome
    body = b"".join([part async for part in outcome.chunks()])
    await outcome.close()
    assert json.loads(body)["body"] == "hello"


async def one_piece(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_stream_whose_head_never_comes_meets_the_deadline(bench: Bench) -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    port = await bench.serve_raw(silent)
    outcome = await bench.egress(port).open(ask(port, timeout_seconds=0.2))
    assert isinstance(outcome, HttpFailure)
    assert outcome.failure is Failure.TIMEOUT
