"""How an Integration's health is judged over time: thresholds, slow answers, restarts."""

from __future__ import annotations

from typing import Any

import pytest

from integration_hub.api.integration import INTEGRATION
from integration_hub.ports import Failure, HttpRequest
from integration_stage import NAMESPACE, Stage, connected, play
from memory import answer, no_answer

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
        assert stage.status()["circuit"]["state"] == "open"
        assert stage.writes() == 4

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
            return answer(200 if request.headers["authorization"] == "Bearer right" else 401, {})

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


def test_a_secret_that_is_named_but_not_needed_costs_nothing_after_a_restart() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, authType="NONE")
        await stage.restart()
        await stage.settle(20)
        assert (len(stage.egress.requests), stage.secrets.reads, stage.writes()) == (1, [], 1)

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
        assert stage.egress.requests[-1].headers["authorization"] == "Bearer xoxb-2"

    play(story)
