"""ServiceAccounts' tokens without TokenReview: by the issuer's keys, and a look at who is still there."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from integration_hub.adapters.kubernetes.issuer import ClusterIssuer
from integration_hub.adapters.kubernetes.service_accounts import ServiceAccountTokens
from integration_hub.adapters.tokens.published_keys import PublishedKeys
from integration_hub.adapters.tokens.signed import SignedTokens
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import ApiError, Caller, Json, Problem, Resource, SecretText
from virtual_time import VirtualClock, run

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "integration-hub"
OLD = RSAKey.generate_key(2048, {"kid": "old", "use": "sig", "alg": "RS256"})
NEW = ECKey.generate_key("P-256", {"kid": "new", "use": "sig", "alg": "ES256"})
STRANGER = RSAKey.generate_key(2048, {"kid": "old", "use": "sig"})
BOT = {"namespace": "team-a", "serviceaccount": {"name": "bot", "uid": "u-1"}}
POD = {"pod": {"name": "bot-0", "uid": "p-1"}, "node": {"name": "n-1", "uid": "n-u"}}
FORBIDDEN = ApiError(403, "Forbidden", "you may not")
AWAY = ApiError(503, "ServiceUnavailable", "away")

Told = Caller | Problem


class ApiServer:
    """Its two documents, and the objects of namespace team-a: names to uids, or to what is raised."""

    def __init__(self) -> None:
        self.keys: list[Any] = [OLD]
        self.configuration: Any = {"issuer": ISSUER, "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks"}
        self.trouble: ApiError | None = None
        self.objects: dict[str, Any] = {"serviceaccounts/bot": "u-1", "pods/bot-0": "p-1"}
        self.ends: dict[str, str] = {}
        self.asked: list[str] = []

    async def document(self, path: str, *, accept: str = "application/json") -> Json:
        self.asked.append(path)
        if self.trouble is not None:
            raise self.trouble
        if path == "/.well-known/openid-configuration":
            return self.configuration
        assert (path, accept) == ("/openid/v1/jwks", "application/jwk-set+json")
        return KeySet(self.keys).as_dict(private=False)

    async def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        place = f"{resource.plural}/{name}"
        self.asked.append(f"{namespace}/{place}")
        found = self.objects.get(place) if namespace == "team-a" else FORBIDDEN
        if isinstance(found, ApiError):
            raise found
        ends = {"deletionTimestamp": self.ends[place]} if place in self.ends else {}
        return None if found is None else {"metadata": {"name": name, "uid": found, **ends}}


class Bench:
    def __init__(self, **source: Any) -> None:
        self.clock = VirtualClock()
        self.api = ApiServer()
        keys = PublishedKeys(ClusterIssuer(self.api, **source), self.clock)
        signed = SignedTokens(keys, self.clock, audience=AUDIENCE)
        self.door = ServiceAccountTokens(signed, self.api, self.clock)  # type: ignore[arg-type]

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        whole = {
            "iss": ISSUER,
            "aud": [AUDIENCE],
            "sub": "system:serviceaccount:team-a:bot",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "jti": "t-1",
            "kubernetes.io": BOT,
            **changes,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def token(self, key: Any = OLD, **changes: Any) -> SecretText:
        algorithm = "ES256" if key.key_type == "EC" else "RS256"
        head = {"alg": algorithm, "kid": key.kid}
        return SecretText(jwt.encode(head, self.claims(**changes), key, algorithms=[algorithm]))

    async def told(self, *, key: Any = OLD, **changes: Any) -> Told:
        return await self.door.authenticate(self.token(key, **changes))


def refused(told: Told, code: ErrorCode = ErrorCode.UNAUTHENTICATED) -> str:
    assert isinstance(told, Problem), told
    assert told.code is code
    return told.details


def with_bot(**changes: Any) -> dict[str, Any]:
    return {"kubernetes.io": {**BOT, **changes}}


def test_a_good_token_is_its_serviceaccount_as_the_api_server_would_say() -> None:
    async def story() -> None:
        bench = Bench()
        assert await bench.told() == Caller(
            "system:serviceaccount:team-a:bot",
            groups=("system:serviceaccounts", "system:serviceaccounts:team-a", "system:authenticated"),
            uid="u-1",
            extra={"authentication.kubernetes.io/credential-id": ("JTI=t-1",)},
            namespace="team-a",
        )
        assert bench.api.asked == [
            "/.well-known/openid-configuration",
            "/openid/v1/jwks",
            "team-a/serviceaccounts/bot",
        ]

    run(story())


def test_a_token_of_a_pod_tells_pod_and_node() -> None:
    async def story() -> None:
        told = await Bench().told(**with_bot(**POD))
        assert isinstance(told, Caller)
        assert {
            name.removeprefix("authentication.kubernetes.io/"): value for name, value in told.extra.items()
        } == {
            "credential-id": ("JTI=t-1",),
            "pod-name": ("bot-0",),
            "pod-uid": ("p-1",),
            "node-name": ("n-1",),
            "node-uid": ("n-u",),
        }

    run(story())


@pytest.mark.req("HUB-02")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": ["https://kubernetes.default.svc"]}, "made for the audience integration-hub"),
        ({"aud": "integration-hub-2"}, "made for the audience integration-hub"),
        ({"aud": []}, "made for the audience integration-hub"),
        ({"aud": None}, "made for the audience integration-hub"),
        ({"iss": "https://kubernetes.default.svc"}, "another issuer"),
        ({"iss": f"{ISSUER}/"}, "another issuer"),
        ({"iss": [ISSUER]}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "missing claim exp"),
        ({"exp": "never"}, "invalid claim exp"),
        ({"nbf": 4_000_000_000}, "invalid claim nbf"),
        ({"sub": None}, "missing claim sub"),
        ({"kubernetes.io": None}, "no ServiceAccount's"),
        ({"kubernetes.io": "team-a"}, "no ServiceAccount's"),
        ({"kubernetes.io": {"namespace": "team-a"}}, "no ServiceAccount's"),
        (with_bot(namespace=""), "no ServiceAccount's"),
        (with_bot(namespace=["team-a"]), "no ServiceAccount's"),
        (with_bot(serviceaccount={"name": "bot"}), "no ServiceAccount's"),
        (with_bot(serviceaccount={"name": "", "uid": "u-1"}), "no ServiceAccount's"),
        ({"sub": "system:serviceaccount:team-a:admin"}, "two ServiceAccounts"),
        ({"sub": "system:serviceaccount:team-b:bot"}, "two ServiceAccounts"),
        ({"sub": "system:admin"}, "two ServiceAccounts"),
        ({"sub": 7}, "invalid claim sub"),
        (with_bot(namespace="team-b"), "two ServiceAccounts"),
        (
            {"sub": "system:serviceaccount:team-b:bot", **with_bot(namespace="team-b")},
            "may not see serviceaccounts in namespace team-b",
        ),
        (with_bot(serviceaccount={"name": "bot", "uid": "u-2"}), "ServiceAccount bot is not there"),
        (
            {
                "sub": "system:serviceaccount:team-a:ghost",
                **with_bot(serviceaccount={"name": "ghost", "uid": "u-9"}),
            },
            "ServiceAccount ghost is not there",
        ),
        (with_bot(pod={"name": "bot-0", "uid": "p-2"}), "Pod bot-0 is not there"),
        (with_bot(pod={"name": "bot-7", "uid": "p-7"}), "Pod bot-7 is not there"),
        (with_bot(pod={"name": "bot-0"}), "bound to a pod that this hub cannot see"),
        (with_bot(secret={"name": "s", "uid": "s-1"}), "bound to a secret that this hub cannot see"),
        (with_bot(node={"name": "n-1", "uid": "n-u"}), "bound to a node that this hub cannot see"),
    ],
    ids=str,
)
def test_a_token_that_says_something_wrong_is_nobodys(changes: dict[str, Any], why: str) -> None:
    async def story() -> None:
        assert why in refused(await Bench().told(**changes))

    run(story())


def encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def public_key_as_secret(bench: Bench) -> str:
    """The oldest trick: sign with the public key as if it were a shared secret."""
    signed = f"{encoded({'alg': 'HS256', 'kid': 'old'})}.{encoded(bench.claims())}"
    mac = hmac.new(OLD.as_pem(private=False), signed.encode(), "sha256").digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def unsigned(bench: Bench) -> str:
    return f"{encoded({'alg': 'none', 'kid': 'old'})}.{encoded(bench.claims())}."


def tampered(bench: Bench) -> str:
    head, _, signature = bench.token().reveal().split(".")
    other = bench.claims(**with_bot(serviceaccount={"name": "admin", "uid": "u-3"}))
    return f"{head}.{encoded(other)}.{signature}"


def own_key_in_the_header(bench: Bench) -> str:
    head = {"alg": "RS256", "kid": "old", "jwk": STRANGER.as_dict(private=False)}
    return str(jwt.encode(head, bench.claims(), STRANGER, algorithms=["RS256"]))


def nested_without_end(_: Bench) -> str:
    return f"{base64.urlsafe_b64encode(b'[' * 3000).decode()}.e30.x"


@pytest.mark.req("HUB-02")
@pytest.mark.parametrize(
    "forge",
    [
        public_key_as_secret,
        unsigned,
        tampered,
        own_key_in_the_header,
        nested_without_end,
        lambda bench: bench.token(STRANGER).reveal(),
        lambda bench: bench.token(NEW).reveal(),
        lambda bench: bench.token().reveal() + "x",
        lambda _: "a.b.c",
        lambda _: "opaque",
    ],
    ids=[
        "HS256 with the public key",
        "alg none",
        "tampered",
        "its own key in the header",
        "nested header",
        "a stranger's key of the same name",
        "a key that nobody publishes",
        "longer signature",
        "garbage",
        "no JWT",
    ],
)
def test_forgeries_are_nobodys_and_no_object_is_read_for_them(forge: Callable[[Bench], str]) -> None:
    async def story() -> None:
        bench = Bench()
        token = forge(bench)
        assert token not in refused(await bench.door.authenticate(SecretText(token)))
        assert {each[0] for each in bench.api.asked} == {"/"}

    run(story())


def test_somebody_is_asked_for_once_in_ten_seconds_and_not_past_their_tokens_end() -> None:
    async def story() -> None:
        bench = Bench()
        token = bench.token(exp=int(bench.clock.now().timestamp()) + 12)
        for _ in range(50):
            assert isinstance(await bench.door.authenticate(token), Caller)
        assert len(bench.api.asked) == 3
        await asyncio.sleep(10.5)
        assert isinstance(await bench.door.authenticate(token), Caller)
        assert len(bench.api.asked) == 4
        await asyncio.sleep(32)
        assert "expired" in refused(await bench.door.authenticate(token))

    run(story())


@pytest.mark.parametrize(("seconds", "counts"), [(-59, True), (-61, False), (30, True)])
def test_what_is_being_deleted_counts_as_long_as_for_the_api_server(seconds: int, counts: bool) -> None:
    async def story() -> None:
        bench = Bench()
        ends = bench.clock.now() + timedelta(seconds=seconds)
        bench.api.ends["pods/bot-0"] = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert isinstance(await bench.told(**with_bot(**POD)), Caller if counts else Problem)

    run(story())


@pytest.mark.parametrize("place", ["serviceaccounts/bot", "pods/bot-0"])
def test_where_nobody_can_tell_who_is_there_nobody_is_refused_for_long(place: str) -> None:
    async def story() -> None:
        bench = Bench()
        uid, bench.api.objects[place] = bench.api.objects[place], AWAY
        token = bench.token(**with_bot(**POD))
        refused(await bench.door.authenticate(token), ErrorCode.NOT_READY)
        bench.api.objects[place] = uid
        assert isinstance(await bench.door.authenticate(token), Caller)

    run(story())


# --------------------------------------------------------------------------- keys


def test_keys_that_the_cluster_rotates_are_followed() -> None:
    async def story() -> None:
        bench = Bench()
        assert isinstance(await bench.told(), Caller)
        bench.api.keys = [OLD, NEW]
        await asyncio.sleep(11)
        assert isinstance(await bench.told(key=NEW), Caller)
        bench.api.keys = [NEW]
        await asyncio.sleep(3700)
        refused(await bench.told(key=OLD))

    run(story())


def test_an_issuer_that_is_renamed_is_followed() -> None:
    async def story() -> None:
        bench = Bench()
        assert isinstance(await bench.told(), Caller)
        bench.api.configuration = {"issuer": "https://new.example.com"}
        await asyncio.sleep(11)
        assert isinstance(await bench.told(iss="https://new.example.com"), Caller)

    run(story())


def test_a_storm_of_unknown_keys_does_not_storm_the_api_server() -> None:
    async def story() -> None:
        bench = Bench()
        await bench.told()
        for number in range(200):
            await bench.told(key=NEW, jti=str(number))
        assert sum(each == "/openid/v1/jwks" for each in bench.api.asked) == 1
        await asyncio.sleep(11)
        for number in range(200):
            await bench.told(key=NEW, jti=f"later-{number}")
        assert sum(each == "/openid/v1/jwks" for each in bench.api.asked) == 2

    run(story())


def test_known_keys_go_on_where_new_ones_cannot_be_had() -> None:
    async def story() -> None:
        bench = Bench()
        assert isinstance(await bench.told(), Caller)
        bench.api.trouble = AWAY
        await asyncio.sleep(3 * 3600)
        assert isinstance(await bench.told(), Caller)
        refused(await bench.told(key=NEW))

    run(story())


@pytest.mark.parametrize("trouble", [AWAY, FORBIDDEN, ApiError(404, "NotFound", "no such path")])
def test_without_keys_nobody_can_tell(trouble: ApiError, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        bench = Bench()
        bench.api.trouble = trouble
        refused(await bench.told(), ErrorCode.NOT_READY)
        bench.api.trouble = None
        await asyncio.sleep(11)
        assert isinstance(await bench.told(), Caller)

    run(story())
    assert "The API server does not tell its keys" in caplog.text


@pytest.mark.parametrize("configuration", [{}, {"issuer": ""}, {"issuer": 7}, [], None])
def test_a_cluster_that_does_not_name_its_issuer_proves_nobody(configuration: Any) -> None:
    async def story() -> None:
        bench = Bench()
        bench.api.configuration = configuration
        refused(await bench.told(), ErrorCode.NOT_READY)

    run(story())


def test_an_issuer_that_is_set_is_believed_and_no_other() -> None:
    async def story() -> None:
        bench = Bench(issuer="https://set.example.com")
        assert isinstance(await bench.told(iss="https://set.example.com"), Caller)
        refused(await bench.told())
        assert "/.well-known/openid-configuration" not in bench.api.asked

    run(story())


def test_keys_that_are_kept_elsewhere_are_read_there_alone() -> None:
    async def story() -> None:
        async def elsewhere() -> Json:
            return KeySet([NEW]).as_dict(private=False)

        bench = Bench(issuer=ISSUER, elsewhere=elsewhere)
        assert isinstance(await bench.told(key=NEW), Caller)
        refused(await bench.told(key=OLD))
        assert not [each for each in bench.api.asked if each.startswith("/")]

    run(story())
