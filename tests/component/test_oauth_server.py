"""OAuth against an authorization server nobody here wrote, over real sockets and the real egress."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from connect_stage import ALICE, PUBLIC_URL, ConnectStage
from credential_stage import NAMESPACE, sent
from integration_hub.api.reasons import Reason
from integration_hub.operations.callback import CallbackAnswer
from integration_hub.operations.disconnect import DisconnectAnswer, DisconnectInput
from integration_hub.ports import CredentialProblem, Presented, Problem
from oauth_server import OAuthServer, oauth_server
from oauth_stage import connect, let_it_end, stage_at, status_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OAuthServer]:
    with oauth_server(tmp_path_factory.mktemp("oauth"), f"{PUBLIC_URL}/oauth/callback/example") as running:
        yield running


def api(server: OAuthServer) -> str:
    return f"{server.url}/api/me"


def stage_for(server: OAuthServer, **oauth: Any) -> AbstractAsyncContextManager[ConnectStage]:
    endpoints = {
        "authorizeUrl": f"{server.url}/o/authorize/",
        "tokenUrl": f"{server.url}/o/token/",
        "revokeUrl": f"{server.url}/o/revoke_token/",
        "account": {"path": "/me", "id": "body.login"},
    }
    return stage_at(server.url, {"baseUrl": f"{server.url}/api", "oauth": {**endpoints, **oauth}})


async def test_a_person_connects_refreshes_and_disconnects(server: OAuthServer) -> None:
    async with stage_for(server) as stage:
        assert await connect(stage, server) == CallbackAnswer(NAMESPACE, "chat", "alice")
        first = await stage.hub.source.present(stage.link())
        assert await status_of(stage, api(server), first) == 200
        assert isinstance(first, Presented)
        assert first.expires_at is not None

        await let_it_end(stage)
        second = await stage.hub.source.present(stage.link())
        assert sent(second) != sent(first)
        assert await status_of(stage, api(server), second) == 200

        outcome = await stage.disconnect(ALICE, DisconnectInput(NAMESPACE, "chat"))
        assert outcome == DisconnectAnswer(NAMESPACE, "chat")
        assert await status_of(stage, api(server), second) in (401, 403)
        assert stage.owned() is None


async def test_a_hundred_callers_of_two_processes_spend_one_refresh_token(server: OAuthServer) -> None:
    async with stage_for(server) as stage:
        await connect(stage, server)
        await let_it_end(stage)
        other = stage.process(egress=stage.hub.endpoint.egress)
        sources = (stage.hub.source, other.source)
        asks = [sources[each % 2].present(stage.link()) for each in range(100)]
        presented = await asyncio.gather(*asks)
        assert len({sent(each) for each in presented}) == 1
        assert await status_of(stage, api(server), presented[0]) == 200
        results = stage.hub.metrics.results + other.metrics.results
        assert results == [("example", "obtained")]


async def test_a_chain_of_refreshes_over_restarts_never_reuses_a_spent_token(server: OAuthServer) -> None:
    async with stage_for(server) as stage:
        await connect(stage, server)
        seen = set()
        for _ in range(5):
            await let_it_end(stage)
            stage.restart()
            presented = await stage.hub.source.present(stage.link())
            assert await status_of(stage, api(server), presented) == 200
            seen.add(sent(presented))
        assert len(seen) == 5


async def test_a_grant_that_was_ended_there_asks_for_a_person_once(server: OAuthServer) -> None:
    async with stage_for(server) as stage:
        await connect(stage, server)
        assert await stage.hub.keeper.revoke(stage.link()) is None
        await let_it_end(stage)
        for _ in range(3):
            stage.restart()
            problem = await stage.hub.source.present(stage.link())
            assert isinstance(problem, CredentialProblem)
            assert problem.reason is Reason.REAUTH_REQUIRED
        assert stage.hub.metrics.results == []


async def test_a_code_with_anothers_verifier_gives_no_grant(server: OAuthServer) -> None:
    """PKCE: a code that was stolen on its way is worth nothing in another journey."""
    async with stage_for(server) as stage:
        theirs, ours = await stage.begin(), await stage.begin()
        stolen = await asyncio.to_thread(server.consent, theirs["page"])
        outcome = await stage.arrive({"state": ours["state"], "code": stolen["code"]})
        assert isinstance(outcome, Problem)
        assert "invalid_grant" in outcome.details
        assert stage.owned() is None


async def test_a_code_is_good_once(server: OAuthServer) -> None:
    async with stage_for(server) as stage:
        asked = await stage.begin()
        back = await asyncio.to_thread(server.consent, asked["page"])
        assert isinstance(await stage.arrive(back), CallbackAnswer)
        assert isinstance(await stage.arrive(back), Problem)


@pytest.mark.parametrize("method", ["basic", "body"])
async def test_client_credentials_prove_themselves_either_way(server: OAuthServer, method: str) -> None:
    async with stage_for(server, clientAuthentication=method) as stage:
        stage.secret("machine", clientId="machine", clientSecret="machine-secret")
        stage.integration(
            "robot",
            instance="robot",
            authType="OAUTH2_CLIENT_CREDENTIALS",
            credentials={"secretRef": {"name": "machine"}},
        )
        stage.provider(
            baseUrl=f"{server.url}/api",
            authModes=[{"type": "OAUTH2"}, {"type": "OAUTH2_CLIENT_CREDENTIALS"}],
            oauth={"tokenUrl": f"{server.url}/o/token/", "clientAuthentication": method},
        )
        presented = await stage.hub.source.present(stage.link("robot"))
        assert await status_of(stage, api(server), presented) == 200


async def test_where_nobody_registered_the_hub_it_registers_itself(server: OAuthServer) -> None:
    async with stage_for(server, registrationUrl=f"{server.url}/o/register/") as stage:
        stage.environment.clear()
        asked = await stage.begin()
        stage.restart()
        assert (await stage.begin())["client_id"] == asked["client_id"], "one client, not one each time"
        assert await connect(stage, server) == CallbackAnswer(NAMESPACE, "chat", "alice")
        await let_it_end(stage)
        assert await status_of(stage, api(server), await stage.hub.source.present(stage.link())) == 200
        await stage.disconnect(ALICE, DisconnectInput(NAMESPACE, "chat"))
        assert (await stage.begin())["client_id"] == asked["client_id"]
