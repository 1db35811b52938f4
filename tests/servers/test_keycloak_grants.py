"""Grants of Keycloak: PKCE, `iss`, refresh tokens that are good once, revocation, keys instead of secrets."""

from __future__ import annotations

import asyncio
import html
import http.client
import json
import re
import urllib.request
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwk

from connect_stage import ALICE, PUBLIC_URL, ConnectStage
from credential_stage import NAMESPACE, sent
from integration_hub.api.reasons import Reason
from integration_hub.operations.callback import CallbackAnswer
from integration_hub.operations.disconnect import DisconnectAnswer, DisconnectInput
from integration_hub.ports import CredentialProblem, Presented, Problem
from keycloak_server import REALM, Keycloak
from oauth_stage import connect, let_it_end, stage_at, status_of

REDIRECT = f"{PUBLIC_URL}/oauth/callback/example"


@dataclass(frozen=True)
class Server:
    """Keycloak, and a person with a browser."""

    keycloak: Keycloak
    key: jwk.RSAKey

    @property
    def url(self) -> str:
        return self.keycloak.base

    @property
    def userinfo(self) -> str:
        return self.keycloak.endpoint("userinfo")

    def consent(self, authorize_url: str) -> dict[str, str]:
        with urllib.request.urlopen(authorize_url, timeout=60) as page:
            # Its cookies are for https alone, which browsers take loopback for and Python's jar does not.
            cookies = [each.partition(";")[0] for each in page.headers.get_all("set-cookie")]
            action = re.search(r'<form[^>]*action="([^"]+)"', page.read().decode())
        assert action is not None
        target = urlsplit(html.unescape(action[1]))
        connection = http.client.HTTPConnection(target.netloc, timeout=60)
        try:
            connection.request(
                "POST",
                f"{target.path}?{target.query}",
                urlencode({"username": "alice", "password": "alice"}),
                {"Cookie": "; ".join(cookies), "Content-Type": "application/x-www-form-urlencoded"},
            )
            answer = connection.getresponse()
            location = answer.headers.get("location", "")
            assert answer.status == 302, f"{answer.status}: {answer.read()[:500]!r}"
        finally:
            connection.close()
        back = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        return {**back, "redirect_uri": location.partition("?")[0]}


@pytest.fixture(scope="module")
def server(keycloak: Keycloak) -> Server:
    """The realm with alice, a client with a secret and one with a key."""
    key = jwk.RSAKey.generate_key(2048, parameters={"kid": "k1", "use": "sig", "alg": "RS256"}, private=True)
    keycloak.admin(
        "POST",
        f"/{REALM}/users",
        {
            "username": "alice",
            "firstName": "Alice",
            "lastName": "A",
            "email": "alice@example.com",
            "enabled": True,
            "emailVerified": True,
            "credentials": [{"type": "password", "value": "alice", "temporary": False}],
        },
    )
    client = {"protocol": "openid-connect", "enabled": True, "publicClient": False}
    keycloak.admin(
        "POST",
        f"/{REALM}/clients",
        {
            **client,
            "clientId": "hub",
            "secret": "hub-secret",
            "redirectUris": [REDIRECT],
            "attributes": {"pkce.code.challenge.method": "S256"},
        },
    )
    keycloak.admin(
        "POST",
        f"/{REALM}/clients",
        {
            **client,
            "clientId": "machine",
            "serviceAccountsEnabled": True,
            "clientAuthenticatorType": "client-jwt",
            "attributes": {
                "use.jwks.string": "true",
                "jwks.string": json.dumps({"keys": [key.as_dict(private=False)]}),
                "token.endpoint.auth.signing.alg": "RS256",
            },
        },
    )
    return Server(keycloak, key)


def stage_for(server: Server, **oauth: Any) -> AbstractAsyncContextManager[ConnectStage]:
    endpoints = {
        "authorizeUrl": server.keycloak.endpoint("auth"),
        "tokenUrl": server.keycloak.endpoint("token"),
        "revokeUrl": server.keycloak.endpoint("revoke"),
        "issuer": server.keycloak.issuer,
        "scopes": ["openid"],
        "account": {"path": server.userinfo, "id": "body.preferred_username"},
        **oauth,
    }
    modes = [{"type": "OAUTH2"}, {"type": "OAUTH2_CLIENT_CREDENTIALS"}]
    return stage_at(server.url, {"baseUrl": server.url, "authModes": modes, "oauth": endpoints})


async def test_a_person_connects_refreshes_and_disconnects(server: Server) -> None:
    async with stage_for(server) as stage:
        assert await connect(stage, server) == CallbackAnswer(NAMESPACE, "chat", "alice")
        first = await stage.hub.source.present(stage.link())
        assert await status_of(stage, server.userinfo, first) == 200
        seen = {sent(first)}
        for _ in range(3):  # each refresh token is good once
            await let_it_end(stage)
            stage.restart()
            presented = await stage.hub.source.present(stage.link())
            assert await status_of(stage, server.userinfo, presented) == 200
            seen.add(sent(presented))
        assert len(seen) == 4
        outcome = await stage.disconnect(ALICE, DisconnectInput(NAMESPACE, "chat"))
        assert outcome == DisconnectAnswer(NAMESPACE, "chat")
        assert await status_of(stage, server.userinfo, presented) == 401


async def test_a_hundred_callers_of_two_processes_spend_one_refresh_token(server: Server) -> None:
    async with stage_for(server) as stage:
        await connect(stage, server)
        await let_it_end(stage)
        other = stage.process(egress=stage.hub.endpoint.egress)
        sources = (stage.hub.source, other.source)
        presented = await asyncio.gather(*(sources[each % 2].present(stage.link()) for each in range(100)))
        assert len({sent(each) for each in presented}) == 1
        assert await status_of(stage, server.userinfo, presented[0]) == 200


async def test_an_answer_that_names_another_issuer_is_refused(server: Server) -> None:
    async with stage_for(server, issuer="https://elsewhere.example.com/realms/hub") as stage:
        outcome = await connect(stage, server)
        assert isinstance(outcome, Problem)
        assert "iss" in outcome.details
        assert stage.owned() is None


async def test_a_session_that_was_ended_there_asks_for_a_person(server: Server) -> None:
    async with stage_for(server) as stage:
        await connect(stage, server)
        users = await asyncio.to_thread(server.keycloak.admin, "GET", f"/{REALM}/users?username=alice")
        await asyncio.to_thread(server.keycloak.admin, "POST", f"/{REALM}/users/{users[0]['id']}/logout")
        await let_it_end(stage)
        for _ in range(2):
            stage.restart()
            problem = await stage.hub.source.present(stage.link())
            assert isinstance(problem, CredentialProblem)
            assert problem.reason is Reason.REAUTH_REQUIRED


async def test_a_client_proves_itself_by_a_key(server: Server) -> None:
    async with stage_for(server, clientAuthentication="private_key_jwt", scopes=[]) as stage:
        pem = server.key.as_pem(private=True).decode()
        stage.secret("machine", clientId="machine", privateKey=pem, keyId="k1")
        stage.integration(
            "robot",
            instance="robot",
            authType="OAUTH2_CLIENT_CREDENTIALS",
            credentials={"secretRef": {"name": "machine"}},
        )
        presented = await stage.hub.source.present(stage.link("robot"))
        assert isinstance(presented, Presented), presented
        assert presented.expires_at is not None
