"""Requests within requests: whatever a caller writes, it stays one request to one place; and what a far end
sends back does no harm.
"""

from __future__ import annotations

import gzip
import socket

import pytest

from far_end import Asked
from tenant import Tenant
from threat_stage import Siege

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("threats"), pytest.mark.timeout(180)]

HUB = "/api/integration-hub"
PROXY = "/api/v1/integrations/chat/proxy"


class Room:
    """A connected Integration `chat`, and somebody who may call through it."""

    def __init__(self, siege: Siege) -> None:
        self.siege = siege
        self.tenant: Tenant = siege.tenant("smuggle")
        self.tenant.connected(retry={"enabled": False})
        self.token = siege.caller(self.tenant.namespace, "edit")

    def works(self) -> list[Asked]:
        """What the far end was asked besides probes."""
        return [asked for asked in self.tenant.corner.asked if asked.path != "/me"]


@pytest.fixture(scope="module")
def room(under_siege: Siege) -> Room:
    return Room(under_siege)


PATHS = (
    "http://127.0.0.1:{inside}/x",
    "https://127.0.0.1:{inside}/x",
    "//127.0.0.1:{inside}/x",
    "/\\127.0.0.1:{inside}/x",
    "\\\\127.0.0.1:{inside}/x",
    "/@127.0.0.1:{inside}/../x",
    "/../other",
    "/a/../../other",
    "/a/..",
    "/./a",
    "/%2e%2e/other",
    "/%2E%2E%2Fother",
    "/a/%2e%2e%2f%2e%2e%2fother",
    "/%252e%252e/other",
    "/%25252e%25252e/other",
    "/..;/other",
    "/a;x=1/..;y=2/other",
    "/..%5cother",
    "/a%5c..%5cother",
    "/a\r\nX-Injected: 1",
    "/a\nX-Injected: 1",
    "/a%0d%0aX-Injected:%201",
    "/a%00b",
    "/a HTTP/1.1\r\nHost: evil\r\n\r\nGET /b",
    "/a b",
    "/a\tb",
    "/a#fragment",
    "/a%zz",
    "/\u0430",
    "/" + "a" * 3000,
)


@pytest.mark.req("EXE-02", "SEC-11")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(path)[:40])
def test_no_path_leaves_the_providers_base(room: Room, path: str) -> None:
    before = len(room.works())
    written = path.format(inside=room.siege.inside.port)
    answer = room.siege.ask("POST", f"{HUB}/chat/execute", room.token, {"endpoint": written})
    assert (answer.status, answer.code) in {(422, "INVALID_REQUEST"), (404, "NOT_FOUND")}, answer.body
    batch = room.siege.ask(
        "POST",
        f"{HUB}/chat/batch-execute",
        room.token,
        {"calls": [{"endpoint": written}, {"endpoint": written}]},
    )
    assert batch.status == 422 or batch.json["successful"] == 0, batch.body
    assert len(room.works()) == before
    assert room.siege.inside.came == []


@pytest.mark.parametrize(
    "path",
    [
        "/../other",
        "/%2e%2e/other",
        "/..%2fother",
        "/%252e%252e%252fother",
        "/..;/other",
        "//127.0.0.1:{inside}/x",
        "/a%0d%0aX-Injected:%201",
        "/a%00",
        "/..%5c..%5cother",
    ],
)
def test_no_path_that_is_passed_through_leaves_it_either(room: Room, path: str) -> None:
    before = len(room.works())
    for method in ("GET", "POST"):
        written = PROXY + path.format(inside=room.siege.inside.port)
        answer = room.siege.ask(method, written, room.token)
        assert answer.status in (404, 422), (method, answer.status, answer.body)
        assert "x-upstream-status" not in answer.headers
    assert len(room.works()) == before
    assert room.siege.inside.came == []


@pytest.mark.req("EXE-02", "SEC-11")
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer mine"},
        {"AUTHORIZATION": "Bearer mine"},
        {"Cookie": "session=1"},
        {"Host": "evil.example"},
        {"Content-Length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "upgrade"},
        {"Upgrade": "h2c"},
        {"TE": "trailers"},
        {"Expect": "100-continue"},
        {"Proxy-Authorization": "Basic eA=="},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Ok": "a\r\nX-Injected: 1"},
        {"X-Ok": "a\nX-Injected: 1"},
        {"X-Ok": "a\x00b"},
        {"X-Ok\r\nX-Injected": "1"},
        {"X Ok": "1"},
        {"X-Ok:": "1"},
        {"": "1"},
        {"X-Big": "x" * 20_000},
        {f"X-{number}": "1" for number in range(33)},
    ],
    ids=lambda headers: repr(next(iter(headers.items())))[:40],
)
def test_no_header_makes_two_requests_of_one(room: Room, headers: dict[str, str]) -> None:
    before = len(room.works())
    body = {"endpoint": "/a", "headers": headers}
    answer = room.siege.ask("POST", f"{HUB}/chat/execute", room.token, body)
    assert (answer.status, answer.code) == (422, "INVALID_REQUEST"), answer.body
    assert len(room.works()) == before


def test_what_is_between_the_caller_and_the_hub_stays_there(room: Room) -> None:
    sent = {
        "Cookie": "session=hub",
        "X_Tenant": room.tenant.namespace,
        "X_Real_IP": "10.0.0.1",
        "Via": "1.1 x",
    }
    answer = room.siege.ask("GET", f"{PROXY}/mine", room.token, **sent, Forwarded="for=1.2.3.4", X_Own="kept")
    assert answer.status == 200, answer.body
    heard = room.works()[-1].headers
    assert heard["authorization"] == "Bearer right"
    assert heard["x-own"] == "kept"
    assert not {"cookie", "x-tenant", "x-real-ip", "via", "forwarded", "x-forwarded-for"} & set(heard)
    assert room.token not in repr(heard)


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: +5"],
        ["Content-Length: -1"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding : chunked"],
        ["X-Bad\x00: 1"],
        [" Folded: 1"],
    ],
    ids=lambda lines: " + ".join(lines).replace("\x00", "NUL"),
)
def test_a_head_that_two_servers_would_read_in_two_ways_ends_the_connection(
    room: Room, lines: list[str]
) -> None:
    """What follows it on the connection is never taken for a request."""
    before = len(room.works())
    head = [
        f"POST {PROXY}/first HTTP/1.1",
        "Host: hub",
        f"Authorization: Bearer {room.token}",
        *lines,
        "",
        "",
    ]
    second = f"GET {PROXY}/smuggled HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {room.token}\r\n\r\n"
    said = raw(room, "\r\n".join(head).encode() + b"0\r\n\r\n" + second.encode())
    assert b"200 OK" not in said, said
    assert "/smuggled" not in [asked.path for asked in room.works()[before:]]


def test_heads_and_bodies_have_bounds(room: Room) -> None:
    before = len(room.works())
    head = f"GET {PROXY}/big HTTP/1.1\r\nHost: hub\r\nX-Big: ".encode() + b"x" * 200_000 + b"\r\n\r\n"
    said = raw(room, head, ends=False)
    assert (
        said == b"" or b" 431 " in said.split(b"\r\n")[0]
    )  # its answer is lost if it hangs up on a full line
    announced = f"POST {HUB}/chat/execute HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {room.token}\r\n"
    announced += "Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
    assert b" 413 " in raw(room, announced.encode(), ends=False).split(b"\r\n")[0]
    deep = b'{"endpoint": "/a", "data": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    answer = room.siege.ask("POST", f"{HUB}/chat/execute", room.token, deep)
    assert answer.status == 422, answer.body
    assert len(room.works()) == before


def test_an_answer_that_unpacks_to_a_thousand_times_its_size_is_cut(room: Room) -> None:
    """Memory is bounded by what is kept, not by what somebody else's server claims."""
    packed = gzip.compress(b"0" * 60_000_000, 9)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\n"
    room.siege.odd_answers |= {
        "/me": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "/bomb": head + b"content-length: %d\r\n\r\n" % len(packed) + packed,
        "/torn": head + b"content-length: %d\r\n\r\n" % len(packed) + packed[:2000],
        "/split": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
        "/heads": b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(5000)) + b"\r\n",
        "/line": b"HTTP/1.1 200 OK\r\nx-long: " + b"y" * 200_000 + b"\r\n\r\n",
    }
    name = room.tenant.provider_name
    room.tenant.provider_name = f"{name}-odd"
    room.tenant.provider(baseUrl=room.siege.odd, authModes=[{"type": "NONE"}], configSchema={})
    room.tenant.integration("odd", config={}, credentials={}, retry={"enabled": False})
    room.tenant.becomes("True", "Succeeded", name="odd")
    room.tenant.provider_name = name
    bomb = room.siege.ask("POST", f"{HUB}/odd/execute", room.token, {"endpoint": "/bomb"})
    assert (bomb.status, bomb.json["result"]["truncated"]) == (200, True)
    assert len(bomb.body) < 20_000_000
    for path in ("/torn", "/heads", "/line"):
        answer = room.siege.ask("POST", f"{HUB}/odd/execute", room.token, {"endpoint": path})
        assert answer.status in (502, 504), (path, answer.status, answer.body[:300])
    for _ in "12":  # what stands behind an answer is not the next one
        split = room.siege.ask("POST", f"{HUB}/odd/execute", room.token, {"endpoint": "/split"})
        assert split.status == 502 or split.json["result"]["data"] == "ok", split.body
    assert room.siege.hub.page("/healthz")[0] == 200


def raw(room: Room, data: bytes, *, ends: bool = True) -> bytes:
    """Say exactly this to the gateway, and hear it out."""
    with socket.create_connection(("127.0.0.1", room.siege.hub.gateway_port), timeout=20) as connection:
        connection.sendall(data)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        said = b""
        try:
            while part := connection.recv(65_536):
                said += part
        except OSError:
            pass  # hung up on: as good an answer as any
        return said
