"""An Integration from watch to status, on the real runtime with ports in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from integration_hub.api.integration import INTEGRATION, IntegrationStatus
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER
from integration_hub.ports import HttpRequest
from integration_stage import NAMESPACE, SLACK, Stage, connected, play
from memory import answer

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
        assert request.headers["authorization"] == "Bearer xoxb-1"
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
            return answer(200, {"ok": False, "error": request.headers["authorization"]})

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
        await stage.settle(6)
        assert stage.ready() == ("False", "ProviderNotFound")
        stage.provider()
        await stage.settle(1)
        assert stage.ready() == ("False", "SecretNotFound")
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_what_one_apply_brings_in_the_wrong_order_raises_no_false_alarm() -> None:
    async def story(stage: Stage) -> None:
        stage.integration()
        await stage.settle(0.5)
        assert stage.ready() == ("Unknown", "ProviderNotFound")
        stage.provider()
        await stage.settle(0.5)
        assert stage.ready() == ("Unknown", "SecretNotFound")
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        await stage.settle(0.5)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.events.reasons("chat") == [("Normal", "Connected")]

    play(story)


# --------------------------------------------------------------------------- what a person can get wrong


@dataclass(frozen=True)
class Mistake:
    """What a person did, the reason they are told, and words of the way out. `secret` None: there is none."""

    reason: str
    words: str
    provider: dict[str, Any] = field(default_factory=dict)
    integration: dict[str, Any] = field(default_factory=dict)
    secret: dict[str, Any] | None = field(default_factory=dict)


MISTAKES = {
    "provider-name": Mistake(
        "ProviderNotFound", "kubectl get ciprov", integration={"providerRef": {"name": "slak"}}
    ),
    "provider-broken": Mistake(
        "ProviderInvalid",
        "spec.classes[0]",
        provider={"classes": [{"when": "status ==", "result": "config"}]},
    ),
    "provider-inactive": Mistake("ProviderInactive", "INACTIVE", provider={"state": "INACTIVE"}),
    "config-type": Mistake("ConfigInvalid", "spec.config.channel", integration={"config": {"channel": 7}}),
    "config-key": Mistake("ConfigInvalid", "chanel", integration={"config": {"chanel": "x"}}),
    "region": Mistake("ConfigInvalid", "spec.region", integration={"region": "eu"}),
    "secret-in-config": Mistake(
        "SecretInConfig",
        "replace it at the vendor",
        provider={"configSchema": {}},
        integration={"config": {"apiToken": "x"}},
    ),
    "url": Mistake(
        "InvalidURL",
        "ftp",
        provider={"baseUrl": "{{ config.url }}", "configSchema": {"url": {"type": "string"}}},
        integration={"config": {"url": "ftp://files.example.com"}},
    ),
    "auth-type": Mistake("AuthTypeUnsupported", "BEARER, NONE, OAUTH2", integration={"authType": "BASIC"}),
    "key-of-a-signature": Mistake(
        "SecretKeyMissing",
        "accessKeyId",
        provider={"authModes": [{"type": "AWS_SIGV4", "aws": {"service": "s3", "region": "eu-west-1"}}]},
        secret={"token": "t"},
    ),
    "no-secret-named": Mistake("SecretRefMissing", "key token", integration={"credentials": {}}),
    "no-secret": Mistake("SecretNotFound", "create it with key token", secret=None),
    "key-missing": Mistake("SecretKeyMissing", "lacks key token", secret={"tokn": "t"}),
    "key-empty": Mistake("SecretKeyMissing", "lacks key token", secret={"token": ""}),
    "key-asked-for-by-the-provider": Mistake(
        "SecretKeyMissing",
        "lacks key team",
        provider={"credentialsSchema": {"team": {"type": "string", "required": True}}},
        secret={"token": "t"},
    ),
    "key-unsendable": Mistake("SecretKeyInvalid", "Key token", secret={"token": "a\nb"}),
    "key-not-text": Mistake("SecretKeyInvalid", "UTF-8", secret={"garbled": ("token",)}),
    "no-grant": Mistake(
        "PendingAuthorization", "/connect/team-a/chat", integration={"authType": "OAUTH2", "credentials": {}}
    ),
    "no-token": Mistake(
        "PendingAuthorization",
        "/connect/team-a/chat",
        integration={"authType": "OAUTH2"},
        secret={"clientId": "c"},
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_each_mistake_has_its_reason_and_its_way_out_and_causes_no_call(
    mistake: Mistake,
) -> None:
    async def story(stage: Stage) -> None:
        stage.provider(**mistake.provider)
        if mistake.secret is not None:
            stage.secrets.put(NAMESPACE, "slack-token", **mistake.secret)
        stage.integration(**mistake.integration)
        await stage.minutes(10)
        assert stage.ready() == ("False", mistake.reason)
        assert mistake.words in stage.message()
        assert stage.egress.requests == []
        assert stage.writes() <= 2
        assert stage.events.reasons("chat") == [("Warning", mistake.reason)]
        waits = mistake.reason == "PendingAuthorization"
        assert stage.status()["phase"] == ("PENDING_AUTH" if waits else "ERROR")

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
        assert stage.egress.requests[0].headers["authorization"] == "Bearer xoxp-9"
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


def test_the_owners_own_tests_are_run_with_it_and_shown_one_by_one() -> None:
    async def story(stage: Stage) -> None:
        def far_end(request: HttpRequest) -> Any:
            return answer(404 if request.url.endswith("/gone") else 200, {"team": "T1"})

        stage.egress.far_end = far_end
        tests = [
            {"name": "team", "path": "/team.info", "expect": "status == 200 && body.team == 'T1'"},
            {"name": "gone", "path": "/gone"},
            {"name": "odd", "path": "/", "expect": "status ==="},
        ]
        await connected(stage, tests=tests)
        assert "tests" not in stage.status()
        assert len(stage.egress.requests) == 1
        stage.ask_for_test("now")
        await stage.settle(1)
        found = {each["name"]: each["result"] for each in stage.status()["tests"]}
        assert found == {"team": "passed", "gone": "failed", "odd": "failed"}
        test = stage.status()["lastTest"]
        assert (test["requested"], test["result"], test["reason"]) == ("now", "unhealthy", "UnexpectedAnswer")
        assert "Test gone" in test["message"]
        assert stage.ready() == ("True", "Succeeded")
        asked = len(stage.egress.requests)
        await stage.settle(5)
        assert len(stage.egress.requests) == asked == 5

    play(story)


def test_a_test_that_cannot_be_made_is_answered_with_what_stands_in_its_way() -> None:
    async def story(stage: Stage) -> None:
        stage.provider()
        stage.integration()
        await stage.settle(1)
        await stage.settle(6)
        stage.ask_for_test("now")
        await stage.settle(1)
        test = stage.status()["lastTest"]
        assert (test["requested"], test["result"]) == ("now", "unhealthy")
        assert "There is no Secret slack-token" in test["message"]
        assert stage.egress.requests == []

    play(story)
