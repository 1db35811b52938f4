"""Which authority a process asks about ServiceAccounts' tokens, by its settings."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from integration_hub.ports import (
    Caller,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    Json,
    KnownKey,
    Resource,
    SecretText,
)
from integration_hub.settings import Settings
from integration_hub.wiring.callers import authenticator
from memory import MemoryEgress, answer
from virtual_time import VirtualClock, run

KEY = RSAKey.generate_key(2048, {"kid": "k", "use": "sig", "alg": "RS256"})
KEYS = KeySet([KEY]).as_dict(private=False)
ISSUER, ELSEWHERE = "https://kubernetes.default.svc", "https://keys.example.com/jwks"
BOT = "system:serviceaccount:team-a:bot"
REVIEWED = {"authenticated": True, "audiences": ["integration-hub"], "user": {"username": BOT}}


class ApiServer:
    """Knows the bot of team-a, by TokenReview and by a look."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def document(self, path: str, *, accept: str = "") -> Json:
        self.asked.append(path)
        return {"issuer": ISSUER} if path.startswith("/.well-known") else KEYS

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        self.asked.append(f"get {resource.plural}")
        return {"metadata": {"name": name, "uid": "u-1"}}

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        self.asked.append(f"create {resource.plural}")
        return {**body, "status": REVIEWED}


class NoKeys:
    def find(self, key_id: str) -> tuple[KnownKey, ...]:
        return ()


def published(request: HttpRequest) -> HttpResponse | HttpFailure:
    assert (request.url, request.destination.trust) == (ELSEWHERE, "administrator")
    return answer(200, KEYS)


NAMESPACED = {"watch_namespaces": ("team-a",)}


@pytest.mark.parametrize(
    ("settings", "asked", "sent"),
    [
        ({}, ["create tokenreviews"], 0),
        (
            NAMESPACED,
            ["/.well-known/openid-configuration", "/openid/v1/jwks", "get serviceaccounts"],
            0,
        ),
        (NAMESPACED | {"kubernetes_issuer": ISSUER}, ["/openid/v1/jwks", "get serviceaccounts"], 0),
        (
            NAMESPACED | {"kubernetes_jwks_url": ELSEWHERE},
            ["/.well-known/openid-configuration", "get serviceaccounts"],
            1,
        ),
        (
            NAMESPACED | {"kubernetes_issuer": ISSUER, "kubernetes_jwks_url": ELSEWHERE},
            ["get serviceaccounts"],
            1,
        ),
    ],
    ids=["the whole cluster", "single namespaces", "issuer set", "keys elsewhere", "both"],
)
def test_a_serviceaccount_is_known_by_whom_the_settings_say(
    settings: dict[str, Any], asked: list[str], sent: int
) -> None:
    async def story() -> None:
        clock, api, egress = VirtualClock(), ApiServer(), MemoryEgress(published)
        claims = {
            "iss": ISSUER,
            "aud": ["integration-hub"],
            "sub": BOT,
            "exp": int(clock.now().timestamp()) + 600,
            "kubernetes.io": {"namespace": "team-a", "serviceaccount": {"name": "bot", "uid": "u-1"}},
        }
        token = SecretText(jwt.encode({"alg": "RS256", "kid": "k"}, claims, KEY))
        door = authenticator(Settings(**settings), api, egress, NoKeys(), clock)  # type: ignore[arg-type]
        found = await door.authenticate(token)
        assert isinstance(found, Caller), found
        assert found.user == BOT
        assert (api.asked, len(egress.requests)) == (asked, sent)

    run(story())
