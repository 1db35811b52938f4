"""DNS rebinding: a name that changes its answer between look-ups reaches only what was checked.

Real sockets on two loopback addresses with one port. The allow-list opens 127.0.0.1, which stands for the
public internet; 127.0.0.2 is the inside.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hostile_end import Listener, answering
from integration_hub.adapters.clock import SystemClock
from integration_hub.adapters.http import AiohttpTransport
from integration_hub.adapters.resolve import SystemResolver
from integration_hub.adapters.tokens.oidc import OidcAuthenticator, OidcTrust
from integration_hub.domain.address import AddressPolicy, AllowList
from integration_hub.egress.send import GuardedEgress
from integration_hub.ports import (
    Destination,
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    Problem,
    Resolution,
    SecretText,
)

OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"
TENANT = Destination("tenant", "team-a")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
Answers = Callable[[], Resolution]


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener((OUTSIDE, INSIDE), answering(OK))
    yield made
    made.close()


@asynccontextmanager
async def guarded(
    listener: Listener, answers: Answers, *, keep_seconds: float = 0.0
) -> AsyncIterator[GuardedEgress]:
    """The whole way out, with a name server that says what `answers` does."""
    allow = AllowList.parse([f"{OUTSIDE}/32:{listener.port}"])
    assert isinstance(allow, AllowList)
    transport = AiohttpTransport()
    resolver = SystemResolver(lookup=lambda _: answers(), keep_seconds=keep_seconds)
    try:
        yield GuardedEgress(transport, resolver, AddressPolicy(allow))
    finally:
        await transport.close()
        await resolver.close()


def in_turn(*answers: tuple[str, ...]) -> Answers:
    """One answer after the other, round and round."""
    following = itertools.cycle(answers)
    return lambda: Resolution(next(following))


def request(listener: Listener, path: str = "/") -> HttpRequest:
    return HttpRequest("GET", f"http://rebind.example:{listener.port}{path}", TENANT)


async def test_each_request_goes_where_its_own_look_up_was_checked(listener: Listener) -> None:
    async with guarded(listener, in_turn((OUTSIDE,), (INSIDE,))) as egress:
        outcomes = [await egress.send(request(listener)) for _ in range(8)]
    assert [isinstance(each, HttpResponse) for each in outcomes] == [True, False] * 4
    assert all(each.failure is Failure.BLOCKED for each in outcomes if isinstance(each, HttpFailure))
    assert set(listener.came) == {OUTSIDE}


async def test_many_at_once_never_meet_the_other_answer(listener: Listener) -> None:
    async with guarded(listener, in_turn((OUTSIDE,), (INSIDE,), (OUTSIDE, INSIDE))) as egress:
        outcomes = []
        for _ in range(5):
            outcomes += await asyncio.gather(*(egress.send(request(listener)) for _ in range(5)))
    assert any(isinstance(each, HttpResponse) for each in outcomes)
    assert any(isinstance(each, HttpFailure) for each in outcomes)
    assert set(listener.came) == {OUTSIDE}


@pytest.mark.parametrize(
    "answer",
    [(OUTSIDE, INSIDE), (INSIDE, OUTSIDE), (OUTSIDE, "169.254.169.254"), (OUTSIDE, "::ffff:127.0.0.2"), ()],
    ids=str,
)
async def test_one_bad_answer_among_good_ones_refuses_them_all(
    listener: Listener, answer: tuple[str, ...]
) -> None:
    async with guarded(listener, in_turn(answer)) as egress:
        outcome = await egress.send(request(listener))
    assert isinstance(outcome, HttpFailure)
    assert listener.came == []


async def test_an_answer_that_is_kept_is_checked_again_and_asked_once(listener: Listener) -> None:
    asked = 0

    def answers() -> Resolution:
        nonlocal asked
        asked += 1
        return Resolution((OUTSIDE if asked == 1 else INSIDE,))

    async with guarded(listener, answers, keep_seconds=60) as egress:
        outcomes = [await egress.send(request(listener)) for _ in range(4)]
    assert all(isinstance(each, HttpResponse) for each in outcomes)
    assert asked == 1
    assert set(listener.came) == {OUTSIDE}


async def test_an_issuers_keys_are_not_fetched_from_where_its_name_moved() -> None:
    """Discovery is answered outside; by the time of the keys the name leads inside."""
    document = b""

    def serve(connection: socket.socket) -> None:
        answering(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(document) + document)(connection)

    found = Listener((OUTSIDE, INSIDE), serve)
    issuer = f"http://rebind.example:{found.port}"
    document = json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/keys"}).encode()
    claims = {"iss": issuer, "sub": "mallory", "aud": "hub", "exp": 4_000_000_000}
    token = f"{part({'alg': 'RS256', 'kid': '1'})}.{part(claims)}.c2lnbmF0dXJl"
    async with guarded(found, in_turn((OUTSIDE,), (INSIDE,))) as egress:
        authenticator = OidcAuthenticator(OidcTrust(issuer, "hub"), egress, SystemClock())
        outcome = await authenticator.authenticate(SecretText(token))
    found.close()
    assert isinstance(outcome, Problem)
    assert found.came == [OUTSIDE]


def part(value: dict[str, Any]) -> str:
    """Of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
