"""What an edit of the Secret, the provider, the object or a rival does to an Integration."""

from __future__ import annotations

from typing import Any

import pytest

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER
from integration_hub.ports import HttpRequest
from integration_stage import NAMESPACE, Stage, connected, play
from memory import answer

# --------------------------------------------------------------------------- edits take effect


def test_a_new_secret_takes_effect_at_once_in_both_directions() -> None:
    async def story(stage: Stage) -> None:
        def gate(request: HttpRequest) -> Any:
            return answer(200 if request.headers["authorization"] == "Bearer right" else 401, {})

        stage.egress.far_end = gate
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", token="right")
        stage.integration(healthCheck={"successThreshold": 5, "failureThreshold": 5})
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")
        stage.secrets.put(NAMESPACE, "slack-token", token="wrong")
        await stage.settle(1)
        assert stage.ready() == ("False", "InvalidCredentials")
        stage.secrets.put(NAMESPACE, "slack-token", token="right")
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")
        stage.secrets.drop(NAMESPACE, "slack-token")
        await stage.settle(1)
        assert stage.ready() == ("False", "SecretNotFound")
        assert stage.conditions()["Connected"] == ("Unknown", "NotChecked")

    play(story)


def test_an_edit_of_the_provider_reaches_its_integrations() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.provider(probe={"path": "/api.test", "intervalSeconds": 60})
        await stage.settle(1)
        assert stage.egress.requests[-1].url == "https://slack.com/api/api.test"
        stage.provider(state="INACTIVE")
        await stage.settle(1)
        assert stage.ready() == ("False", "ProviderInactive")
        stage.delete(CLUSTER_INTEGRATION_PROVIDER, "slack")
        await stage.settle(1)
        assert stage.ready() == ("False", "ProviderNotFound")

    play(story)


def test_credentials_do_not_follow_a_provider_to_a_new_host_until_the_user_agrees() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        calls = len(stage.egress.requests)
        stage.provider(baseUrl="https://slack.example.net/api")
        await stage.minutes(5)
        assert stage.ready() == ("False", "ProviderChanged")
        assert "slack.example.net" in stage.message()
        assert len(stage.egress.requests) == calls
        stage.integration(providerRef={"name": "slack", "acceptedHosts": ["slack.example.net"]})
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.egress.requests[-1].url.startswith("https://slack.example.net/api")
        assert stage.status()["acceptedProvider"]["hosts"] == ["slack.example.net"]

    play(story)


def test_a_provider_that_goes_back_to_its_hosts_needs_no_consent() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.provider(baseUrl="https://slack.example.net/api")
        await stage.settle(1)
        stage.provider()
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_a_provider_replaced_by_one_with_other_hosts_is_not_trusted() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.delete(CLUSTER_INTEGRATION_PROVIDER, "slack")
        await stage.settle(1)
        stage.provider(baseUrl="https://evil.example.net")
        await stage.settle(1)
        assert stage.ready() == ("False", "ProviderChanged")
        assert all("evil" not in request.url for request in stage.egress.requests)

    play(story)


def test_the_users_own_edit_moves_the_host_freely() -> None:
    async def story(stage: Stage) -> None:
        stage.provider(baseUrl="{{ config.url }}", configSchema={"url": {"type": "string"}})
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        stage.integration(config={"url": "https://one.example.net"})
        await stage.settle(1)
        stage.integration(config={"url": "https://two.example.net:8443"})
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.status()["acceptedProvider"]["hosts"] == ["two.example.net:8443"]

    play(story)


def test_updated_at_moves_with_the_spec_only() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        first = stage.status()["updatedAt"]
        await stage.minutes(5)
        stage.secrets.put(NAMESPACE, "slack-token", token="t2")
        await stage.settle(1)
        assert stage.status()["updatedAt"] == first
        stage.integration(timeoutSeconds=10)
        await stage.settle(1)
        assert stage.status()["updatedAt"] > first
        assert stage.egress.requests[-1].timeout_seconds == 10

    play(story)


# --------------------------------------------------------------------------- duplicates


def test_the_oldest_of_two_with_the_same_claim_wins_and_the_other_follows_it() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.integration("chat-2")
        await stage.settle(5)
        assert stage.ready("chat-2") == ("False", "Duplicate")
        assert "The older Integration chat already connects" in stage.message(name="chat-2")
        assert stage.ready() == ("True", "Succeeded")
        assert len(stage.egress.requests) == 1
        stage.delete(INTEGRATION, "chat")
        await stage.settle(1)
        assert stage.ready("chat-2") == ("True", "Succeeded")

    play(story)


@pytest.mark.parametrize(
    "apart",
    [{"instance": "second"}, {"environment": "SANDBOX"}, {"providerRef": {"name": "slack-2"}}],
    ids=lambda each: next(iter(each)),
)
def test_instance_environment_and_provider_tell_integrations_apart(apart: Any) -> None:
    async def story(stage: Stage) -> None:
        stage.provider("slack-2")
        await connected(stage)
        stage.integration("chat-2")
        await stage.settle(1)
        assert stage.ready("chat-2") == ("False", "Duplicate")
        stage.integration("chat-2", **apart)
        await stage.settle(1)
        assert stage.ready("chat-2") == ("True", "Succeeded")

    play(story)


def test_a_claim_that_is_given_up_frees_the_next() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.integration("chat-2")
        await stage.settle(1)
        stage.integration(instance="own")
        await stage.settle(1)
        assert stage.ready("chat-2") == ("True", "Succeeded")

    play(story)


def test_the_same_claim_in_another_namespace_is_another_claim() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.secrets.put("team-b", "slack-token", token="b")
        stage.integration(namespace="team-b")
        await stage.settle(1)
        assert stage.ready(namespace="team-b") == ("True", "Succeeded")

    play(story)
