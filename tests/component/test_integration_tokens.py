"""Tokens of Integrations over their life: obtained, renewed ahead of their end, lost, and shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from integration_hub.api.integration import INTEGRATION
from integration_hub.ports import HttpRequest
from integration_stage import NAMESPACE, Stage, play
from memory import Answer, answer

TOKEN_URL = "https://auth.example.com/token"
PROVIDER: dict[str, Any] = {
    "baseUrl": "https://api.example.com",
    "authModes": [{"type": "OAUTH2"}, {"type": "OAUTH2_CLIENT_CREDENTIALS"}],
    "oauth": {
        "authorizeUrl": "https://auth.example.com/authorize",
        "tokenUrl": TOKEN_URL,
        "revokeUrl": "https://auth.example.com/revoke",
        "clientEnvPrefix": "EXAMPLE",
    },
    "classes": [],
}
CLIENT = {"EXAMPLE_CLIENT_ID": "hub", "EXAMPLE_CLIENT_SECRET": "hub-secret"}


class TokenEndpoint:
    """Gives tokens of an hour's life, each once; `refusal` is answered instead, if set."""

    def __init__(self, life: int = 3600) -> None:
        self.life = life
        self.refusal: Answer | None = None
        self.asked: list[HttpRequest] = []
        self.moments: list[float] = []
        self.clock: Callable[[], float] = lambda: 0.0
        self.dead: set[str] = set()

    def __call__(self, request: HttpRequest) -> Answer:
        if not request.url.startswith("https://auth.example.com"):
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            return answer(200 if token not in self.dead else 401, {})
        self.asked.append(request)
        self.moments.append(self.clock())
        if self.refusal is not None:
            return self.refusal
        number = len(self.asked)
        body = {"access_token": f"at-{number}", "refresh_token": f"rt-{number}", "expires_in": self.life}
        return answer(200, body)


def prepare(stage: Stage, **changes: Any) -> TokenEndpoint:
    """A provider of tokens, its client in the environment, and an endpoint that gives them."""
    endpoint = TokenEndpoint()
    endpoint.clock = stage.clock.monotonic
    stage.egress.far_end = endpoint
    stage.environment.update(CLIENT)
    stage.provider(**{**PROVIDER, **changes})
    return endpoint


def granted(stage: Stage, name: str = "chat", **changes: Any) -> None:
    """An Integration whose Secret brings a refresh token that somebody already has."""
    stage.secrets.put(NAMESPACE, f"{name}-grant", refreshToken=f"rt-{name}")
    stage.integration(
        name, authType="OAUTH2", credentials={"secretRef": {"name": f"{name}-grant"}}, **changes
    )


def moment(stage: Stage, field: str, name: str = "chat") -> datetime:
    return datetime.fromisoformat(stage.status(name)["credentials"][field])


# --------------------------------------------------------------------------- obtained and renewed


def test_a_first_token_is_obtained_stored_shown_and_tried() -> None:
    async def story(stage: Stage) -> None:
        endpoint = prepare(stage)
        granted(stage)
        await stage.settle(2)
        assert stage.ready() == ("True", "Succeeded"), stage.status()
        assert stage.conditions()["TokenValid"] == ("True", "TokenValid")
        assert len(endpoint.asked) == 1
        status = stage.status()
        assert status["credentials"]["sealed"] is True
        assert status["oauth"]["expiresAt"] == status["credentials"]["expiresAt"]
        assert status["oauth"]["nextRefreshAt"] == status["credentials"]["nextRefreshAt"]
        assert status["oauth"]["connectUrl"] == "https://hub.test/connect/team-a/chat"
        assert abs((moment(stage, "expiresAt") - stage.clock.now()).total_seconds() - 3600) < 5
        assert moment(stage, "nextRefreshAt") < moment(stage, "expiresAt") - timedelta(seconds=60)
        told = json.dumps(stage.cluster.all(stage.resource())) + repr(stage.events.notes)
        assert "at-1" not in told
        assert "rt-" not in told

    play(story)


def test_a_token_is_renewed_before_it_ends_without_a_blink_for_days() -> None:
    async def story(stage: Stage) -> None:
        endpoint = prepare(stage)
        granted(stage, healthCheck={"intervalSeconds": 3600})
        await stage.settle(2)
        for _ in range(48):
            await stage.minutes(60)
            assert stage.ready() == ("True", "Succeeded")
            assert moment(stage, "expiresAt") > stage.clock.now()
        renewals = len(endpoint.asked)
        assert 48 <= renewals <= 80
        assert stage.events.reasons("chat") == [("Normal", "Connected")]
        assert stage.writes() <= renewals + 2

    play(story)


def test_many_tokens_that_end_together_are_renewed_one_by_one_and_none_late() -> None:
    async def story(stage: Stage) -> None:
        endpoint = prepare(stage, probe={"path": "/me", "intervalSeconds": 86_400})
        for number in range(100):
            granted(stage, f"chat-{number}", instance=f"i{number}")
        await stage.settle(60)
        first = len(endpoint.asked)
        assert first == 100
        ends = min(moment(stage, "expiresAt", f"chat-{number}") for number in range(100))
        await stage.minutes(61)
        renewed = endpoint.moments[first : first + 100]
        assert len(set(renewed)) > 90, "all at once"
        assert max(renewed) - min(renewed) > 60
        begun = stage.clock.now() - timedelta(seconds=stage.clock.monotonic())
        assert begun + timedelta(seconds=max(renewed)) < ends
        assert all(stage.ready(f"chat-{number}")[0] == "True" for number in range(100))

    play(story)


# --------------------------------------------------------------------------- trouble


def test_a_token_endpoint_in_trouble_is_shown_while_the_token_still_works_and_after() -> None:
    async def story(stage: Stage) -> None:
        endpoint = prepare(stage)
        granted(stage)
        await stage.settle(2)
        endpoint.refusal = answer(503, {})
        await stage.settle((moment(stage, "nextRefreshAt") - stage.clock.now()).total_seconds() + 20)
        assert stage.conditions()["TokenValid"] == ("True", "RefreshFailed")
        assert stage.ready() == ("True", "Succeeded")
        assert ("Warning", "RefreshFailed") in stage.events.reasons("chat")
        await stage.settle((moment(stage, "expiresAt") - stage.clock.now()).total_seconds() + 120)
        assert stage.conditions()["TokenValid"][0] == "False"
        assert stage.ready()[0] == "False"
        endpoint.refusal = None
        await stage.minutes(10)
        assert stage.conditions()["TokenValid"] == ("True", "TokenValid")
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_a_revoked_grant_is_told_once_and_asked_for_no_more() -> None:
    async def story(stage: Stage) -> None:
        endpoint = prepare(stage)
        granted(stage)
        await stage.settle(2)
        endpoint.refusal = answer(400, {"error": "invalid_grant"})
        await stage.minutes(62)
        assert stage.ready() == ("False", "ReauthRequired")
        assert stage.conditions()["TokenValid"] == ("False", "ReauthRequired")
        assert stage.status()["phase"] == "PENDING_AUTH"
        assert stage.status()["oauth"]["connectUrl"]
        asked, requests = len(endpoint.asked), len(stage.egress.requests)
        await stage.minutes(120)
        assert len(endpoint.asked) == asked
        assert len(stage.egress.requests) == requests
        told = [reason for _, reason in stage.events.reasons("chat")]
        assert told.count("ReauthRequired") == 1
        await stage.restart()
        await stage.minutes(120)
        assert len(endpoint.asked) == asked
        endpoint.refusal = None
        stage.secrets.put(NAMESPACE, "chat-grant", refreshToken="rt-anew")
        await stage.settle(5)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_without_a_grant_it_waits_for_a_person_and_says_where() -> None:
    async def story(stage: Stage) -> None:
        endpoint = prepare(stage)
        stage.integration(authType="OAUTH2", credentials={})
        await stage.minutes(30)
        assert stage.ready() == ("False", "PendingAuthorization")
        assert stage.conditions()["TokenValid"] == ("False", "PendingAuthorization")
        assert stage.status()["oauth"] == {"connectUrl": "https://hub.test/connect/team-a/chat"}
        assert "https://hub.test/connect/team-a/chat" in stage.message()
        assert (endpoint.asked, stage.writes()) == ([], 1)

    play(story)


def test_client_credentials_need_nobody() -> None:
    async def story(stage: Stage) -> None:
        endpoint = prepare(stage)
        stage.integration(authType="OAUTH2_CLIENT_CREDENTIALS", credentials={})
        await stage.settle(2)
        assert stage.ready() == ("True", "Succeeded"), stage.status()
        basic = base64.b64encode(b"hub:hub-secret").decode()
        assert endpoint.asked[0].headers["Authorization"] == f"Basic {basic}"
        assert "oauth" not in stage.status()
        await stage.minutes(90)
        assert len(endpoint.asked) == 2
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_switched_off_it_renews_nothing() -> None:
    async def story(stage: Stage) -> None:
        endpoint = prepare(stage)
        granted(stage)
        await stage.settle(2)
        granted(stage, enabled=False)
        await stage.minutes(600)
        assert len(endpoint.asked) == 1
        assert stage.ready() == ("False", "Paused")
        granted(stage)
        await stage.settle(5)
        assert stage.ready() == ("True", "Succeeded")
        assert len(endpoint.asked) == 2

    play(story)


# --------------------------------------------------------------------------- when it goes


def test_a_grant_that_a_secret_brought_needs_no_finalizer() -> None:
    async def story(stage: Stage) -> None:
        prepare(stage)
        granted(stage)
        await stage.settle(5)
        found = stage.cluster.read(stage.resource(), NAMESPACE, "chat")
        assert found is not None
        assert not found["metadata"].get("finalizers")
        stage.delete(INTEGRATION, "chat")
        await stage.settle(1)

    play(story)
