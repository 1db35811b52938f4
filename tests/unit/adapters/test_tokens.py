"""Tokens of an OIDC issuer and static keys: what is believed, and what never is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from integration_hub.adapters.tokens import Authenticators, OidcAuthenticator, OidcTrust, StaticKeys
from integration_hub.adapters.tokens.static_keys import StaticKeysError
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import (
    Caller,
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    Problem,
    SecretText,
)
from memory import MemoryEgress, answer, no_answer
from virtual_time import VirtualClock, run

ISSUER = "https://passport.example.com"
JWKS = f"{ISSUER}/keys"
OLD = RSAKey.generate_key(2048, {"kid": "old", "use": "sig", "alg": "RS256"})
NEW = ECKey.generate_key("P-256", {"kid": "new", "use": "sig"})


class Issuer:
    """An OIDC issuer's two documents."""

    def __init__(self, *keys: Any) -> None:
        self.keys = list(keys)
        self.issuer = ISSUER
        self.down = False

    def __call__(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        assert request.destination.trust == "administrator"
        if self.down:
            return no_answer(Failure.CONNECT)
        if request.url.endswith("/.well-known/openid-configuration"):
            return answer(200, {"issuer": self.issuer, "jwks_uri": JWKS})
        assert request.url == JWKS
        return answer(200, KeySet(self.keys).as_dict(private=False))


class Bench:
    def __init__(self, *keys: Any, **trust: Any) -> None:
        self.clock = VirtualClock()
        self.issuer = Issuer(*(keys or (OLD,)))
        self.egress = MemoryEgress(self.issuer)
        self.oidc = OidcAuthenticator(OidcTrust(ISSUER, "integration-hub", **trust), self.egress, self.clock)

    def token(self, key: Any = OLD, header: dict[str, Any] | None = None, **claims: Any) -> SecretText:
        now = int(self.clock.now().timestamp())
        whole = {
            "iss": ISSUER,
            "aud": "integration-hub",
            "sub": "alice",
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        whole = {name: value for name, value in whole.items() if value is not None}
        algorithm = {"RSA": "RS256", "EC": "ES256", "oct": "HS256"}[key.key_type]
        head = {"alg": algorithm, "kid": key.kid, **(header or {})}
        return SecretText(jwt.encode(head, whole, key, algorithms=[head["alg"]]))


def refused(told: Caller | Problem, code: ErrorCode = ErrorCode.UNAUTHENTICATED) -> str:
    assert isinstance(told, Problem), told
    assert told.code is code
    return told.details


@pytest.mark.req("HUB-02", part="PassPort's tokens let people in")
def test_a_good_token_is_its_subject_with_a_prefix() -> None:
    async def story() -> None:
        bench = Bench()
        told = await bench.oidc.authenticate(bench.token(groups=["admins", 7, "system:masters"]))
        assert told == Caller(
            "passport:alice",
            groups=("passport:admins", "passport:system:masters", "system:authenticated"),
            kind="oidc",
        )

    run(story())


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example.com"},
        {"iss": f"{ISSUER}/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"exp": "tomorrow"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"nbf": 4_000_000_000},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_nobodys(claims: dict[str, Any]) -> None:
    async def story() -> None:
        bench = Bench()
        refused(await bench.oidc.authenticate(bench.token(**claims)))

    run(story())


def test_one_audience_among_several_will_do() -> None:
    async def story() -> None:
        bench = Bench()
        told = await bench.oidc.authenticate(bench.token(aud=["other", "integration-hub"]))
        assert isinstance(told, Caller)

    run(story())


@pytest.mark.parametrize("late", [29, 31])
def test_clocks_may_differ_by_half_a_minute(late: int) -> None:
    async def story() -> None:
        bench = Bench()
        told = await bench.oidc.authenticate(bench.token(exp=int(bench.clock.now().timestamp()) - late))
        assert isinstance(told, Caller if late < 30 else Problem)

    run(story())


def hs256_with_the_public_key(bench: Bench) -> SecretText:
    """The oldest trick: sign with the public key as if it were a shared secret."""
    body = bench.token().reveal().split(".")[1]
    signed = f"{encoded({'alg': 'HS256', 'kid': 'old'})}.{body}"
    mac = hmac.new(OLD.as_pem(private=False), signed.encode(), "sha256").digest()
    return SecretText(f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def unsigned(bench: Bench) -> SecretText:
    body = bench.token().reveal().split(".")[1]
    return SecretText(f"{encoded({'alg': 'none', 'kid': 'old'})}.{body}.")


def tampered(bench: Bench) -> SecretText:
    head, _, signature = bench.token().reveal().split(".")
    other = bench.token(sub="admin").reveal().split(".")[1]
    return SecretText(f"{head}.{other}.{signature}")


def of_a_stranger(bench: Bench) -> SecretText:
    return bench.token(RSAKey.generate_key(2048, {"kid": "old"}))


@pytest.mark.parametrize(
    "forge",
    [
        hs256_with_the_public_key,
        unsigned,
        tampered,
        of_a_stranger,
        lambda _: SecretText("a.b.c"),
        lambda _: SecretText("not a token"),
    ],
    ids=["public key as secret", "alg none", "tampered", "another key", "garbage", "no token"],
)
def test_forgeries_are_nobodys(forge: Callable[[Bench], SecretText]) -> None:
    async def story() -> None:
        bench = Bench()
        token = forge(bench)
        told = refused(await bench.oidc.authenticate(token))
        assert token.reveal() not in told

    run(story())


def test_a_new_key_is_fetched_when_a_token_needs_it() -> None:
    async def story() -> None:
        bench = Bench(OLD)
        assert isinstance(await bench.oidc.authenticate(bench.token(OLD)), Caller)
        bench.issuer.keys = [OLD, NEW]
        await asyncio.sleep(11)
        assert isinstance(await bench.oidc.authenticate(bench.token(NEW, sub="bob")), Caller)
        bench.issuer.keys = [NEW]
        await asyncio.sleep(3700)
        refused(await bench.oidc.authenticate(bench.token(OLD)))

    run(story())


def test_a_storm_of_unknown_keys_does_not_storm_the_issuer() -> None:
    async def story() -> None:
        bench = Bench(OLD)
        await bench.oidc.authenticate(bench.token(OLD))
        before = len(bench.egress.requests)
        for number in range(200):
            await bench.oidc.authenticate(bench.token(NEW, sub=f"s{number}"))
        assert len(bench.egress.requests) - before <= 2
        assert isinstance(await bench.oidc.authenticate(bench.token(OLD, sub="good")), Caller)

    run(story())


def test_many_at_once_fetch_the_keys_once() -> None:
    async def story() -> None:
        bench = Bench()
        bench.egress.seconds = 1.0
        many = [bench.oidc.authenticate(bench.token(sub=f"s{n}")) for n in range(50)]
        assert all(isinstance(each, Caller) for each in await asyncio.gather(*many))
        assert len(bench.egress.requests) == 2, "discovery and keys"

    run(story())


def test_an_issuer_that_is_away_is_no_verdict_but_known_keys_go_on() -> None:
    async def story() -> None:
        bench = Bench()
        bench.issuer.down = True
        refused(await bench.oidc.authenticate(bench.token()), ErrorCode.NOT_READY)
        bench.issuer.down = False
        await asyncio.sleep(11)
        assert isinstance(await bench.oidc.authenticate(bench.token()), Caller)
        bench.issuer.down = True
        await asyncio.sleep(7200)
        assert isinstance(await bench.oidc.authenticate(bench.token()), Caller)

    run(story())


def test_a_discovery_document_of_another_issuer_is_not_believed() -> None:
    async def story() -> None:
        bench = Bench()
        bench.issuer.issuer = "https://evil.example.com"
        refused(await bench.oidc.authenticate(bench.token()), ErrorCode.NOT_READY)
        assert len(bench.egress.requests) == 1

    run(story())


@pytest.mark.parametrize(
    "document",
    [b"not json", b"[]", b'{"keys": 7}', b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "YQ"}]}'],
)
def test_key_sets_that_are_none_are_not_used(document: bytes) -> None:
    async def story() -> None:
        bench = Bench(jwks_url=JWKS)
        bench.egress.far_end = lambda _: HttpResponse(200, {}, document, truncated=False, elapsed_seconds=0)
        refused(await bench.oidc.authenticate(bench.token()), ErrorCode.NOT_READY)

    run(story())


# --------------------------------------------------------------------------- static keys


def digest(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


async def test_a_static_key_is_its_name() -> None:
    keys = StaticKeys.parse(["# people", "", f"reporting={digest('k-1')}", f"ci={digest('k-2')}"])
    told = await keys.authenticate(SecretText("k-2"))
    assert told == Caller("static:ci", groups=("system:authenticated",), kind="static")
    refused(await keys.authenticate(SecretText("k-3")))


@pytest.mark.parametrize(
    "entries",
    [
        ["ci"],
        ["ci=secret"],
        ["ci=sha256:abc"],
        [f"c i={digest('x')}"],
        [f"a={digest('x')}", f"a={digest('y')}"],
    ],
)
def test_entries_that_are_none_are_refused_without_showing_them(entries: list[str]) -> None:
    with pytest.raises(StaticKeysError) as caught:
        StaticKeys.parse(entries)
    assert "secret" not in str(caught.value)
    assert digest("x") not in str(caught.value)


# --------------------------------------------------------------------------- whom to ask


class Asked:
    """An Authenticator that remembers what it was shown."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.shown: list[str] = []

    async def authenticate(self, token: SecretText) -> Caller | Problem:
        self.shown.append(token.reveal())
        return Caller(self.user)


async def test_a_token_is_shown_to_the_authority_it_names_and_to_no_other() -> None:
    passport, kubernetes = Asked("passport"), Asked("kubernetes")
    doors = Authenticators(
        static=StaticKeys.parse([f"ci={digest('k-1')}"]), issuers={ISSUER: passport}, kubernetes=kubernetes
    )
    bench_token = f"e30.{encoded({'iss': ISSUER})}.x"
    named = [await doors.authenticate(SecretText(each)) for each in ("k-1", bench_token, "opaque")]
    assert [each.user for each in named if isinstance(each, Caller)] == [
        "static:ci",
        "passport",
        "kubernetes",
    ]
    assert (passport.shown, kubernetes.shown) == ([bench_token], ["opaque"])


async def test_where_nobody_can_be_asked_nobody_is_let_in() -> None:
    refused(await Authenticators().authenticate(SecretText("x")))
