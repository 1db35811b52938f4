"""Providers from watch to status, and who may use them, on the real runtime with ports in memory."""

from __future__ import annotations

import pytest

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER
from integration_hub.runtime.status import resource_of
from integration_stage import NAMESPACE, SLACK, Stage, connected, play


def test_a_provider_reports_on_itself_and_counts_its_users() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        await stage.settle(10)
        assert stage.provider_status()["integrationCount"] == 1
        assert stage.provider_status()["conditions"][0]["reason"] == "Accepted"
        stage.integration("chat-2", instance="two")
        await stage.settle(10)
        assert stage.provider_status()["integrationCount"] == 2
        stage.delete(INTEGRATION, "chat")
        await stage.settle(10)
        assert stage.provider_status()["integrationCount"] == 1

    play(story)


def test_a_thousand_new_users_are_a_few_writes_of_their_provider() -> None:
    async def story(stage: Stage) -> None:
        stage.provider()
        await stage.settle(10)
        resource = resource_of(CLUSTER_INTEGRATION_PROVIDER)
        before = stage.writes(resource)
        for number in range(1000):
            stage.integration(f"chat-{number}", instance=f"n{number}", enabled=False)
            if number % 100 == 0:
                await stage.settle(0.1)
        await stage.settle(20)
        assert stage.provider_status()["integrationCount"] == 1000
        assert stage.writes(resource) - before <= 3

    play(story)


def test_a_broken_provider_says_so_and_recovers() -> None:
    async def story(stage: Stage) -> None:
        stage.provider(classes=[{"when": "status ==", "result": "config"}])
        await stage.settle(1)
        assert stage.provider_status()["conditions"][0]["reason"] == "ExpressionInvalid"
        stage.provider()
        await stage.settle(1)
        assert stage.provider_status()["conditions"][0]["reason"] == "Accepted"
        assert stage.events.reasons("slack") == [("Warning", "ExpressionInvalid"), ("Normal", "Accepted")]

    play(story)


@pytest.mark.parametrize(
    ("exists", "shared_with", "ready"),
    [
        pytest.param(True, ["team-a"], ("True", "Succeeded"), id="shared"),
        pytest.param(True, ["team-c"], ("False", "ProviderNotShared"), id="not-shared"),
        pytest.param(False, [], ("False", "ProviderNotShared"), id="absent-looks-the-same"),
    ],
)
def test_a_provider_of_another_namespace_is_used_only_by_its_grant(
    exists: bool, shared_with: list[str], ready: tuple[str, str]
) -> None:
    async def story(stage: Stage) -> None:
        if exists:
            spec = {**SLACK, "sharedWith": shared_with}
            stage.apply(INTEGRATION_PROVIDER, "erp", spec, namespace="team-b")
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        reference = {"kind": "IntegrationProvider", "name": "erp", "namespace": "team-b"}
        stage.integration(providerRef=reference)
        await stage.settle(1)
        assert stage.ready() == ready
        if ready[0] == "False":
            assert stage.message() == (
                "No IntegrationProvider team-b/erp is shared with this namespace: its owner can add "
                "team-a to its spec.sharedWith."
            )
            assert stage.egress.requests == []

    play(story)


def test_a_grant_that_is_withdrawn_ends_the_calls() -> None:
    async def story(stage: Stage) -> None:
        stage.apply(INTEGRATION_PROVIDER, "erp", {**SLACK, "sharedWith": ["team-a"]}, namespace="team-b")
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        reference = {"kind": "IntegrationProvider", "name": "erp", "namespace": "team-b"}
        stage.integration(providerRef=reference)
        await stage.settle(1)
        assert stage.metrics.probes == [("Integration", "custom", "Connected")]
        stage.apply(INTEGRATION_PROVIDER, "erp", {**SLACK, "sharedWith": []}, namespace="team-b")
        await stage.minutes(10)
        assert stage.ready() == ("False", "ProviderNotShared")
        assert len(stage.egress.requests) == 1

    play(story)
