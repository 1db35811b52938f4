"""Integrations and providers from watch to status, on the real runtime with ports in memory."""

from __future__ import annotations

from typing import Any

import pytest
from integration_stage import NAMESPACE, SLACK, Stage, connected, play
from memory import answer, no_answer

from integration_hub.api.integration import INTEGRATION, IntegrationStatus
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER
from integration_hub.ports import Failure, HttpRequest
from integration_hub.runtime.status import resource_of

# --------------------------------------------------------------------------- the good case


def test_an_integration_is_connected_by_one_probe_one_secret_read_and_one_write() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        assert stage.conditions() == {
            "Ready": ("True", "Succeeded"),
            "Accepted": ("True", "Accepted"),
            "ConfigValid": ("True", "ConfigValid"),
            "CredentialsReady": ("True", "CredentialsFound"),
            "Connected": ("True", "Connected"),
        }
        status = IntegrationStatus.model_validate(stage.status())
        assert (status.phase, status.health.status, status.health.uptime) == ("ACTIVE", "healthy", 100.0)
        assert (status.health.response_time, status.health.error_rate) == (120, 0.0)
        assert (len(stage.egress.requests), len(stage.secrets.reads), stage.writes()) == (1, 1, 1)
        assert stage.events.reasons("chat") == [("Normal", "Connected")]
        request = stage.egress.requests[0]
        assert request.url == "https://slack.com/api/auth.test"
        assert request.headers["Authorization"] == "Bearer xoxb-1"
        assert stage.metrics.ready == {(NAMESPACE, "chat"): "True"}
        assert stage.metrics.probes == [("Integration", "slack", "Connected")]

    play(story)


def test_a_healthy_integration_is_probed_at_its_pace_and_writes_nothing() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        await stage.minutes(60)
        assert len(stage.egress.requests) == 61
        assert stage.writes() == 1
        assert len(stage.events.notes) == 1

    play(story)


def test_nothing_secret_is_told() -> None:
    async def story(stage: Stage) -> None:
        def echo(request: HttpRequest) -> Any:
            return answer(200, {"ok": False, "error": request.headers["Authorization"]})

        stage.egress.far_end = echo
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", token="xoxb-very-secret")
        stage.integration()
        await stage.settle(1)
        assert stage.ready() == ("False", "InvalidCredentials")
        assert "Slack says Bearer ***" in stage.message()
        assert "xoxb-very-secret" not in repr(stage.cluster.requests) + repr(stage.events.notes)

    play(story)


def test_objects_may_arrive_in_any_order() -> None:
    async def story(stage: Stage) -> None:
        stage.integration()
        await stage.settle(1)
        assert stage.ready() == ("False", "ProviderNotFound")
        stage.provider()
        await stage.settle(1)
        assert stage.ready() == ("False", "SecretNotFound")
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


# --------------------------------------------------------------------------- what a person can get wrong


@pytest.mark.parametrize(
    ("provider", "integration", "secret", "ready", "words"),
    [
        pytest.param(
            {}, {"providerRef": {"name": "slak"}}, {}, "ProviderNotFound", "kubectl get ciprov", id="provider-name"
        ),
        pytest.param(
            {"classes": [{"when": "status ==", "result": "config"}]}, {}, {}, "ProviderInvalid", "spec.classes[0]",
            id="provider-broken",
        ),
        pytest.param({"state": "INACTIVE"}, {}, {}, "ProviderInactive", "INACTIVE", id="provider-inactive"),
        pytest.param({}, {"config": {"channel": 7}}, {}, "ConfigInvalid", "spec.config.channel", id="config-type"),
        pytest.param({}, {"config": {"chanel": "x"}}, {}, "ConfigInvalid", "chanel", id="config-key"),
        pytest.param({}, {"region": "eu"}, {}, "ConfigInvalid", "spec.region", id="region"),
        pytest.param(
            {"configSchema": {}}, {"config": {"apiToken": "x"}}, {}, "SecretInConfig", "replace it at the vendor",
            id="secret-in-config",
        ),
        pytest.param(
            {"baseUrl": "{{ config.url }}", "configSchema": {"url": {"type": "string"}}},
            {"config": {"url": "ftp://files.example.com"}}, {}, "InvalidURL", "ftp", id="url",
        ),
        pytest.param({}, {"authType": "BASIC"}, {}, "AuthTypeUnsupported", "BEARER, NONE, OAUTH2", id="auth-type"),
        pytest.param(
            {"authModes": [{"type": "AWS_SIGV4"}]}, {}, {}, "AuthTypeUnsupported", "AWS_SIGV4", id="auth-not-built"
        ),
        pytest.param({}, {"credentials": {}}, {}, "SecretRefMissing", "key token", id="no-secret-named"),
        pytest.param({}, {}, None, "SecretNotFound", "create it with key token", id="no-secret"),
        pytest.param({}, {}, {"tokn": "t"}, "SecretKeyMissing", "lacks key token", id="key-missing"),
        pytest.param({}, {}, {"token": ""}, "SecretKeyMissing", "lacks key token", id="key-empty"),
        pytest.param({}, {}, {"token": "a\nb"}, "SecretKeyInvalid", "Key token", id="key-unsendable"),
        pytest.param({}, {}, {"garbled": ("token",)}, "SecretKeyInvalid", "UTF-8", id="key-not-text"),
        pytest.param(
            {}, {"authType": "OAUTH2", "credentials": {}}, {}, "PendingAuthorization", "accessToken", id="no-grant"
        ),
        pytest.param(
            {}, {"authType": "OAUTH2"}, {"clientId": "c"}, "PendingAuthorization", "accessToken", id="no-token"
        ),
    ],
)  # fmt: skip
def test_each_mistake_has_its_reason_and_its_way_out_and_causes_no_call(
    provider: Any, integration: Any, secret: Any, ready: str, words: str
) -> None:
    async def story(stage: Stage) -> None:
        stage.provider(**provider)
        if secret is not None:
            stage.secrets.put(NAMESPACE, "slack-token", **secret)
        stage.integration(**integration)
        await stage.minutes(10)
        assert stage.ready() == ("False", ready)
        assert words in stage.message()
        assert stage.egress.requests == []
        assert stage.writes() == 1
        assert stage.events.reasons("chat") == [("Warning", ready)]
        assert stage.status()["phase"] == ("PENDING_AUTH" if ready == "PendingAuthorization" else "ERROR")

    play(story)


def test_a_namespace_that_does_not_let_the_hub_in_is_told_the_exact_command() -> None:
    async def story(stage: Stage) -> None:
        stage.secrets.deny(NAMESPACE)
        stage.provider()
        stage.integration()
        await stage.settle(1)
        assert stage.ready() == ("False", "SecretAccessDenied")
        assert (
            "kubectl --namespace team-a create rolebinding integration-hub-tenant "
            "--clusterrole=integration-hub-tenant --serviceaccount=integration-hub:integration-hub"
        ) in stage.message()
        stage.secrets.serve(NAMESPACE)
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        await stage.minutes(2)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_a_token_that_is_already_there_serves_an_oauth_integration() -> None:
    async def story(stage: Stage) -> None:
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", accessToken="xoxp-9")
        stage.integration(authType="OAUTH2")
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.egress.requests[0].headers["Authorization"] == "Bearer xoxp-9"
        assert stage.status()["credentials"]["authType"] == "OAUTH2"

    play(story)


def test_a_mode_without_credentials_reads_no_secret() -> None:
    async def story(stage: Stage) -> None:
        stage.provider()
        stage.integration(authType="NONE", credentials={})
        await stage.settle(1)
        assert stage.conditions()["CredentialsReady"] == ("True", "CredentialsNotNeeded")
        assert stage.ready() == ("True", "Succeeded")
        assert stage.secrets.reads == []

    play(story)


def test_an_object_from_before_a_schema_change_is_refused_by_name() -> None:
    async def story(stage: Stage) -> None:
        stage.provider()
        stage.apply(INTEGRATION, "chat", {"providerRef": {"name": "slack"}, "environment": "STAGING"})
        await stage.settle(1)
        assert stage.ready() == ("False", "InvalidSpec")
        assert "spec.environment" in stage.message()

    play(story)


# --------------------------------------------------------------------------- thresholds


def test_a_connection_that_never_worked_fails_at_once() -> None:
    async def story(stage: Stage) -> None:
        stage.egress.far_end = lambda _: answer(401)
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", token="wrong")
        stage.integration()
        await stage.settle(1)
        assert stage.conditions()["Connected"] == ("False", "InvalidCredentials")
        assert stage.status()["phase"] == "ERROR"
        assert stage.status()["health"]["status"] == "unhealthy"
        assert "HTTP 401" in stage.message()
        assert "Secret slack-token" in stage.message()

    play(story)


def test_a_working_connection_is_degraded_first_and_fails_at_its_threshold() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, healthCheck={"failureThreshold": 3})
        stage.egress.far_end = lambda _: answer(503)
        await stage.settle(61)
        health = stage.status()["health"]
        assert (health["status"], health["consecutiveFailures"]) == ("degraded", 1)
        assert "HTTP 503" in health["lastError"]
        assert stage.ready() == ("True", "Succeeded")
        await stage.settle(70)
        assert stage.ready() == ("False", "UpstreamError")
        assert stage.status()["health"]["consecutiveFailures"] == 3
        assert stage.status()["errorCount"] == 3
        assert stage.writes() == 3
        assert stage.events.reasons("chat") == [("Normal", "Connected"), ("Warning", "UpstreamError")]
        await stage.minutes(30)
        assert stage.writes() == 3

    play(story)


def test_a_blip_is_seen_and_forgotten() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.egress.far_end = lambda _: no_answer(Failure.TIMEOUT)
        await stage.settle(61)
        assert stage.status()["health"]["status"] == "degraded"
        stage.egress.far_end = lambda _: answer(200, {})
        await stage.settle(40)
        health = stage.status()["health"]
        assert (health["status"], health["consecutiveFailures"]) == ("healthy", 0)
        assert "lastError" not in health
        assert stage.status()["lastError"]
        assert (health["uptime"], health["errorRate"]) == (66.67, 33.33)
        assert stage.events.reasons("chat") == [("Normal", "Connected")]

    play(story)


def test_recovery_takes_as_many_successes_as_asked_for() -> None:
    async def story(stage: Stage) -> None:
        await connected(
            stage, healthCheck={"failureThreshold": 1, "successThreshold": 2, "intervalSeconds": 10}
        )
        stage.egress.far_end = lambda _: answer(500)
        await stage.settle(11)
        assert stage.ready() == ("False", "UpstreamError")
        stage.egress.far_end = lambda _: answer(200, {})
        await stage.settle(10)
        assert stage.ready() == ("False", "UpstreamError")
        await stage.settle(10)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


@pytest.mark.parametrize(
    ("far_end", "reason"),
    [
        *[(no_answer(failure), failure.value) for failure in Failure if failure is not Failure.OVERLOADED],
        (answer(403), "InvalidCredentials"),
        (answer(404), "ConfigRefused"),
        (answer(302, location="https://elsewhere.example"), "UnexpectedAnswer"),
        (answer(429), "RateLimited"),
        (answer(500), "UpstreamError"),
        (answer(200, {"ok": False, "error": "invalid_auth"}), "InvalidCredentials"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_each_kind_of_trouble_has_its_stable_reason(far_end: Any, reason: str) -> None:
    async def story(stage: Stage) -> None:
        stage.egress.far_end = lambda _: far_end
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        stage.integration()
        await stage.settle(1)
        assert stage.ready() == ("False", reason)
        assert stage.conditions()["Connected"] == ("False", reason)
        assert len(stage.message()) > 20
        assert stage.metrics.ready[NAMESPACE, "chat"] == "False"

    play(story)


def test_a_lasting_failure_is_not_hammered_on() -> None:
    async def story(stage: Stage) -> None:
        stage.egress.far_end = lambda _: answer(401)
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", token="wrong")
        stage.integration(healthCheck={"intervalSeconds": 5})
        await stage.minutes(14)
        assert len(stage.egress.requests) == 3

    play(story)


def test_quiet_is_granted_as_long_as_it_was_asked_for() -> None:
    async def story(stage: Stage) -> None:
        stage.egress.far_end = lambda _: answer(429, retry_after="600")
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        stage.integration()
        await stage.settle(599)
        assert len(stage.egress.requests) == 1
        await stage.settle(5)
        assert len(stage.egress.requests) == 2

    play(story)


def test_our_own_overload_is_not_held_against_the_far_end() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.egress.far_end = lambda _: no_answer(Failure.OVERLOADED)
        await stage.minutes(5)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.status()["health"]["status"] == "healthy"
        assert stage.writes() == 1
        assert 5 < len(stage.egress.requests) < 80

    play(story)


# --------------------------------------------------------------------------- edits take effect


def test_a_new_secret_takes_effect_at_once_in_both_directions() -> None:
    async def story(stage: Stage) -> None:
        def gate(request: HttpRequest) -> Any:
            return answer(200 if request.headers["Authorization"] == "Bearer right" else 401, {})

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


# --------------------------------------------------------------------------- switched off, nothing to try


def test_a_disabled_integration_makes_no_call_at_all() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        calls, reads = len(stage.egress.requests), len(stage.secrets.reads)
        stage.integration(enabled=False)
        await stage.minutes(60)
        stage.secrets.put(NAMESPACE, "slack-token", token="t2")
        stage.ask_for_test("now")
        await stage.settle(1)
        assert stage.ready() == ("False", "Paused")
        assert stage.status()["phase"] == "PAUSED"
        assert (len(stage.egress.requests), len(stage.secrets.reads)) == (calls, reads)
        assert stage.status()["lastTest"]["result"] == "unknown"
        assert stage.events.reasons("chat") == [("Normal", "Connected"), ("Normal", "Paused")]
        stage.integration(enabled=True)
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.status()["phase"] == "ACTIVE"

    play(story)


def test_without_a_probe_it_is_ready_and_says_that_nobody_knows() -> None:
    async def story(stage: Stage) -> None:
        spec = {name: value for name, value in SLACK.items() if name != "probe"}
        stage.apply(CLUSTER_INTEGRATION_PROVIDER, "slack", spec)
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        stage.integration()
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.conditions()["Connected"] == ("Unknown", "NoProbe")
        assert stage.status()["health"]["status"] == "unknown"
        assert stage.egress.requests == []
        stage.integration(healthCheck={"path": "/users.list"})
        await stage.settle(1)
        assert stage.conditions()["Connected"] == ("True", "Connected")
        assert stage.egress.requests[0].url == "https://slack.com/api/users.list"

    play(story)


def test_a_health_check_that_is_switched_off_leaves_it_ready() -> None:
    async def story(stage: Stage) -> None:
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        stage.integration(healthCheck={"enabled": False})
        await stage.minutes(10)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.conditions()["Connected"] == ("Unknown", "Disabled")
        assert stage.egress.requests == []

    play(story)


# --------------------------------------------------------------------------- tests on request


def test_a_test_that_is_asked_for_is_made_at_once_and_answered_once() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.ask_for_test("first")
        await stage.settle(1)
        assert len(stage.egress.requests) == 2
        assert stage.status()["lastTest"]["requested"] == "first"
        assert stage.status()["lastTest"]["result"] == "healthy"
        stage.egress.far_end = lambda _: answer(503)
        stage.ask_for_test("second")
        await stage.settle(1)
        assert stage.status()["lastTest"]["requested"] == "second"
        assert stage.status()["lastTest"]["result"] == "unhealthy"
        assert "HTTP 503" in stage.status()["lastTest"]["message"]
        assert stage.ready() == ("True", "Succeeded")
        await stage.settle(5)
        assert len(stage.egress.requests) == 3

    play(story)


def test_a_test_that_cannot_be_made_is_answered_with_what_stands_in_its_way() -> None:
    async def story(stage: Stage) -> None:
        stage.provider()
        stage.integration()
        await stage.settle(1)
        stage.ask_for_test("now")
        await stage.settle(1)
        test = stage.status()["lastTest"]
        assert (test["requested"], test["result"]) == ("now", "unhealthy")
        assert "There is no Secret slack-token" in test["message"]
        assert stage.egress.requests == []

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


# --------------------------------------------------------------------------- slow and late


def test_a_slow_far_end_holds_up_nobody_else() -> None:
    async def story(stage: Stage) -> None:
        stage.provider()
        stage.provider("fast", baseUrl="https://fast.example.net")
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        slow = {f"slow-{number}": f"n{number}" for number in range(40)}
        stage.egress.seconds = 25
        for name, instance in slow.items():
            stage.integration(name, instance=instance)
        await stage.settle(8)
        stage.egress.seconds = 0.1
        stage.integration("quick", providerRef={"name": "fast"})
        await stage.settle(1)
        assert stage.ready("quick") == ("True", "Succeeded")
        assert stage.ready("slow-39") == ("Unknown", "ProbePending")
        await stage.settle(30)
        assert all(stage.ready(name) == ("True", "Succeeded") for name in slow)
        assert len(stage.egress.requests) == 41

    play(story)


def test_an_answer_about_old_credentials_is_not_believed() -> None:
    async def story(stage: Stage) -> None:
        def gate(request: HttpRequest) -> Any:
            return answer(200 if request.headers["Authorization"] == "Bearer right" else 401, {})

        stage.egress.far_end = gate
        stage.egress.seconds = 20
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", token="wrong")
        stage.integration()
        await stage.settle(3)
        stage.egress.seconds = 0.1
        stage.secrets.put(NAMESPACE, "slack-token", token="right")
        await stage.settle(3)
        assert stage.ready() == ("True", "Succeeded")
        await stage.settle(30)
        assert stage.ready() == ("True", "Succeeded")
        assert ("Warning", "InvalidCredentials") not in stage.events.reasons("chat")

    play(story)


def test_a_deleted_integration_leaves_nothing_behind() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.delete(INTEGRATION, "chat")
        await stage.minutes(10)
        calls = len(stage.egress.requests)
        await stage.minutes(10)
        assert len(stage.egress.requests) == calls == 1
        assert stage.metrics.ready == {}
        assert len(stage.integrations._book) == 0
        assert stage.due._times == {}

    play(story)


def test_one_made_anew_under_an_old_name_starts_anew() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.delete(INTEGRATION, "chat")
        stage.egress.far_end = lambda _: answer(503)
        stage.integration()
        await stage.settle(1)
        assert stage.ready() == ("False", "UpstreamError")
        assert stage.status()["errorCount"] == 1

    play(story)


# --------------------------------------------------------------------------- restarts


def test_a_restart_reads_no_secret_makes_no_call_and_writes_nothing_at_once() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        before = (len(stage.egress.requests), len(stage.secrets.reads), stage.writes())
        await stage.restart()
        await stage.settle(20)
        assert (len(stage.egress.requests), len(stage.secrets.reads), stage.writes()) == before
        await stage.settle(20)
        assert len(stage.egress.requests) == before[0] + 1
        assert stage.writes() == before[2]

    play(story)


def test_a_verdict_survives_a_restart() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, healthCheck={"failureThreshold": 2, "intervalSeconds": 30})
        stage.egress.far_end = lambda _: answer(503)
        await stage.settle(31)
        assert stage.status()["health"]["status"] == "degraded"
        await stage.restart()
        await stage.settle(31)
        assert stage.ready() == ("False", "UpstreamError")
        assert stage.status()["errorCount"] == 2
        await stage.restart()
        await stage.settle(1)
        assert stage.ready() == ("False", "UpstreamError")

    play(story)


def test_an_edit_made_while_the_operator_was_away_is_seen_after_it() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        await stage.controller.stop()
        stage.secrets.changed = None
        stage.secrets.put(NAMESPACE, "slack-token", token="xoxb-2")
        await stage.restart()
        assert stage.egress.requests[-1].headers["Authorization"] == "Bearer xoxb-2"

    play(story)


# --------------------------------------------------------------------------- providers


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
                "No IntegrationProvider team-b/erp is shared with this namespace: its owner can add team-a to "
                "its spec.sharedWith."
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
