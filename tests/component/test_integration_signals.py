"""What other rooms tell of a connection: breakers, wakeups, figures of calls, windows that were kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from integration_hub.ports import (
    CallRecord,
    CallRequest,
    HealthPoint,
    HttpRequest,
    Link,
    Wakeup,
)
from integration_stage import NAMESPACE, Stage, connected, play
from memory import Answer, answer

QUIET: dict[str, Any] = {"healthCheck": {"intervalSeconds": 3600}, "retry": {"enabled": False}}


def link(stage: Stage) -> Link:
    observed = stage.cache.get(stage.key("chat"))
    assert observed is not None
    found = stage.linker.link(observed)
    assert isinstance(found, Link), found
    return found


async def call(stage: Stage, times: int = 1) -> None:
    for _ in range(times):
        await stage.rooms.calls.call(link(stage), CallRequest("GET", "/users"))


# --------------------------------------------------------------------------- breakers


def test_calls_that_fail_in_a_row_show_in_the_status_and_mend_by_themselves() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, **QUIET)
        stage.egress.far_end = lambda _: answer(503, {})
        await call(stage, 5)
        await stage.settle(1)
        assert stage.status()["circuit"]["state"] == "open"
        assert stage.conditions()["CircuitOpen"] == ("True", "CircuitOpen")
        assert stage.ready() == ("False", "CircuitOpen")
        assert stage.status()["health"]["status"] == "unhealthy"
        assert ("Warning", "CircuitOpen") in stage.events.reasons("chat")
        stage.egress.far_end = lambda _: answer(200, {})
        await stage.settle(60)
        assert stage.status()["circuit"]["state"] == "closed"
        assert "CircuitOpen" not in stage.conditions()
        assert stage.ready() == ("True", "Succeeded")
        told = stage.events.reasons("chat")
        assert [reason for _, reason in told] == ["Connected", "CircuitOpen", "Connected", "CircuitClosed"]

    play(story)


def test_a_long_outage_is_a_handful_of_writes() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.egress.far_end = lambda _: answer(503, {})
        await stage.minutes(180)
        assert stage.status()["circuit"]["state"] == "open"
        assert stage.ready() == ("False", "UpstreamError")
        assert stage.writes() <= 6
        stage.egress.far_end = lambda _: answer(200, {})
        await stage.minutes(3)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_a_breaker_outlives_the_process() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, circuitBreaker={"openSeconds": 600}, **QUIET)
        stage.egress.far_end = lambda _: answer(503, {})
        await call(stage, 5)
        await stage.settle(1)
        writes = stage.writes()
        await stage.restart()
        await stage.settle(5)
        assert stage.ready() == ("False", "CircuitOpen")
        assert stage.writes() == writes

    play(story)


def test_a_test_that_somebody_asks_for_goes_through_an_open_breaker() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, circuitBreaker={"openSeconds": 3600}, **QUIET)
        stage.egress.far_end = lambda _: answer(503, {})
        await call(stage, 5)
        await stage.settle(1)
        stage.egress.far_end = lambda _: answer(200, {})
        stage.ask_for_test("now")
        await stage.settle(1)
        assert stage.status()["lastTest"]["requested"] == "now"
        assert stage.status()["lastTest"]["result"] == "healthy"

    play(story)


def test_a_spent_limit_is_no_verdict() -> None:
    async def story(stage: Stage) -> None:
        stage.provider(rateLimit={"requests": 2, "windowSeconds": 3600})
        stage.secrets.put(NAMESPACE, "slack-token", token="xoxb-1")
        stage.integration()
        await stage.settle(1)
        await stage.minutes(50)
        assert len(stage.egress.requests) == 2
        assert stage.ready() == ("True", "Succeeded")
        assert stage.status()["health"]["status"] == "healthy"
        assert stage.writes() == 1
        await stage.minutes(20)
        assert len(stage.egress.requests) >= 3

    play(story)


# --------------------------------------------------------------------------- wakeups


def test_a_wakeup_is_a_look_and_a_probe_and_no_more_than_that() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, **QUIET)
        await stage.minutes(5)
        before = len(stage.egress.requests)
        stage.egress.far_end = lambda _: answer(401, {})
        await stage.store.wake(Wakeup("Integration", NAMESPACE, "chat", "credentials"))
        await stage.settle(1)
        assert len(stage.egress.requests) == before + 1
        assert stage.status()["health"]["status"] == "degraded"
        for _ in range(50):
            await stage.store.wake(Wakeup("Integration", NAMESPACE, "chat", "credentials"))
            await stage.settle(0.1)
        assert len(stage.egress.requests) <= before + 3

    play(story)


def test_a_wakeup_of_what_is_not_there_hurts_nobody() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        await stage.store.wake(Wakeup("Integration", NAMESPACE, "gone", "credentials"))
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_a_database_that_does_not_work_stops_no_reconcile() -> None:
    async def story(stage: Stage) -> None:
        stage.store.broken = "the disk is full"
        await connected(stage)
        await stage.minutes(10)
        assert stage.ready() == ("True", "Succeeded")
        stage.store.broken = ""
        stage.egress.far_end = lambda _: answer(401, {})
        await stage.minutes(1)
        await stage.store.wake(Wakeup("Integration", NAMESPACE, "chat", "credentials"))
        await stage.minutes(5)
        assert stage.ready() == ("False", "InvalidCredentials")

    play(story)


# --------------------------------------------------------------------------- figures


def test_calls_that_all_fail_make_the_hub_look_before_the_next_probe_is_due() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, circuitBreaker={"failureThreshold": 1000}, **QUIET)
        await stage.minutes(2)
        stage.egress.far_end = lambda _: answer(500, {})
        await call(stage, 4)
        await stage.minutes(2)
        assert stage.status()["health"]["status"] in ("degraded", "unhealthy")
        assert stage.status()["errorCount"] >= 4

    play(story)


def test_what_is_unlike_itself_is_said_to_be_so_until_it_is_again() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, **QUIET)
        writes = stage.writes()

        async def minute(milliseconds: float) -> None:
            for number in range(10):
                stage.store.record_call(_record(stage, milliseconds + number))
            await stage.minutes(1)

        for _ in range(45):
            await minute(100.0)
        assert "Anomalous" not in stage.conditions()
        for _ in range(5):
            await minute(900.0)
        assert stage.conditions()["Anomalous"] == ("True", "LatencyAnomalous")
        assert "ms are usual for this connection" in stage.message("Anomalous")
        assert stage.ready() == ("True", "Succeeded")
        assert ("Warning", "LatencyAnomalous") in stage.events.reasons("chat")
        for _ in range(10):
            await minute(100.0)
        assert "Anomalous" not in stage.conditions()
        assert stage.writes() - writes == 2

    play(story)


def _record(stage: Stage, milliseconds: float) -> CallRecord:
    observed = stage.cache.get(stage.key("chat"))
    assert observed is not None
    return CallRecord(
        at=stage.clock.now(),
        namespace=NAMESPACE,
        integration="chat",
        integration_uid=observed.uid,
        provider="slack",
        purpose="call",
        caller="",
        correlation_id="",
        method="GET",
        path="/",
        status=200,
        outcome="Connected",
        success=True,
        milliseconds=milliseconds,
        attempt=1,
        bytes_sent=0,
        bytes_received=0,
        message="",
        level="info",
    )


# --------------------------------------------------------------------------- windows of health


def test_uptime_survives_a_restart() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        observed = stage.cache.get(stage.key("chat"))
        assert observed is not None
        for minute in range(30):
            at = stage.clock.now() - timedelta(minutes=minute)
            stage.store.record_health(HealthPoint(at, observed.uid, minute % 3 != 0, 100.0))
        await stage.restart()

        def far_end(_: HttpRequest) -> Answer:
            return answer(401, {})

        stage.egress.far_end = far_end
        await stage.minutes(5)
        health = stage.status()["health"]
        assert health["status"] == "unhealthy"
        assert 55 < health["uptime"] < 70
        assert health["uptime"] + health["errorRate"] == 100

    play(story)


def test_every_probe_is_recorded() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        await stage.minutes(9.5)
        assert len(stage.store.health) == 10
        assert all(point.success and point.milliseconds == 120 for point in stage.store.health)

    play(story)
