from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import deployment
from integration_hub.api.conditions import Condition
from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import ProductHealth
from integration_hub.api.reasons import Reason
from integration_hub.domain.product_health import (
    MAX_METRICS,
    Observation,
    Signal,
    Standing,
    inherit,
    judge,
    observe,
    probe_signal,
    read_answer,
    read_failure,
    rollout_signal,
    started_at,
)
from integration_hub.domain.rollout import read_workload

WELL, DEGRADED, ILL, UNKNOWN, OFFLINE = (
    HealthStatus.HEALTHY,
    HealthStatus.DEGRADED,
    HealthStatus.UNHEALTHY,
    HealthStatus.UNKNOWN,
    HealthStatus.OFFLINE,
)
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


# --------------------------------------------------------------------------- one answer


@pytest.mark.parametrize(
    ("status", "body", "verdict", "reason"),
    [
        pytest.param(200, {"status": "healthy"}, WELL, Reason.HEALTHY, id="healthy"),
        pytest.param(200, {"status": " UP "}, WELL, Reason.HEALTHY, id="as Spring says it"),
        pytest.param(200, {"status": "pass"}, WELL, Reason.HEALTHY, id="as health+json says it"),
        pytest.param(200, {"status": "degraded"}, DEGRADED, Reason.REPORTED_DEGRADED, id="degraded"),
        pytest.param(200, {"status": "warn"}, DEGRADED, Reason.REPORTED_DEGRADED, id="warn"),
        pytest.param(200, {"status": "Unhealthy"}, ILL, Reason.REPORTED_UNHEALTHY, id="unhealthy"),
        pytest.param(200, {"status": "DOWN"}, ILL, Reason.REPORTED_UNHEALTHY, id="down"),
        pytest.param(200, {"status": "sleepy"}, WELL, Reason.HEALTHY, id="a word nobody knows"),
        pytest.param(200, {"status": 1}, WELL, Reason.HEALTHY, id="no word at all"),
        pytest.param(200, {}, WELL, Reason.HEALTHY, id="an empty object"),
        pytest.param(200, ["healthy"], WELL, Reason.HEALTHY, id="a list"),
        pytest.param(204, None, WELL, Reason.HEALTHY, id="no content"),
        pytest.param(301, {"status": "healthy"}, ILL, Reason.PROBE_FAILED, id="a redirect is not followed"),
        pytest.param(404, {"status": "healthy"}, ILL, Reason.UNEXPECTED_ANSWER, id="not found"),
        pytest.param(401, {}, ILL, Reason.UNEXPECTED_ANSWER, id="who are you"),
        pytest.param(503, {"status": "healthy"}, ILL, Reason.PROBE_FAILED, id="the status comes first"),
    ],
)
def test_an_answer_is_read(status: int, body: Any, verdict: HealthStatus, reason: Reason) -> None:
    seen = read_answer(status, json.dumps(body).encode() if body is not None else b"")
    assert (seen.status, seen.reason) == (verdict, reason)


@pytest.mark.parametrize(
    "body", [b"", b"OK", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"{" + b"9" * 5000]
)
def test_an_odd_body_is_healthy_with_a_note(body: bytes) -> None:
    seen = read_answer(200, body)
    assert seen.status is WELL
    assert "no JSON object" in seen.message


def test_the_figures_of_a_product_are_kept_under_their_long_names() -> None:
    seen = read_answer(
        200,
        json.dumps(
            {
                "status": "healthy",
                "version": "1.4.2",
                "uptime": 3600,
                "metrics": {"cpu": 45.2, "memory": 62, "active_connections": 150},
            }
        ).encode(),
    )
    assert seen.version == "1.4.2"
    assert seen.uptime_seconds == 3600
    assert seen.metrics == {"cpu_usage": 45.2, "memory_usage": 62, "active_connections": 150}


def test_a_long_name_that_is_given_too_wins() -> None:
    assert read_answer(200, b'{"metrics":{"cpu":1,"cpu_usage":2}}').metrics == {"cpu_usage": 2}


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param({"version": 7, "uptime": "long", "metrics": [1]}, id="wrong types"),
        pytest.param(
            {"version": "\n", "uptime": -1, "metrics": {"": 1, "x": "1", "y": True}}, id="odd values"
        ),
        pytest.param(
            {"version": None, "uptime": 1e300, "metrics": {"x": 1e16, "y" * 65: 1}}, id="out of bounds"
        ),
    ],
)
def test_figures_that_are_none_are_left_out(figures: dict[str, Any]) -> None:
    seen = read_answer(200, json.dumps({"status": "healthy", **figures}).encode())
    assert (seen.version, seen.uptime_seconds, seen.metrics) == (None, None, {})


def test_numbers_that_are_no_json_are_left_out() -> None:
    assert read_answer(
        200, b'{"uptime": Infinity, "metrics": {"a": NaN, "b": -Infinity, "c": 1}}'
    ).metrics == {"c": 1}


def test_the_number_of_metrics_is_bounded() -> None:
    body = json.dumps({"metrics": {f"m{number}": number for number in range(100)}}).encode()
    assert len(read_answer(200, body).metrics) == MAX_METRICS


@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_answer_breaks_the_reader(status: int, body: bytes) -> None:
    seen = read_answer(status, body)
    lives = 200 <= status < 300
    assert (seen.status is ILL) is (not lives or seen.reason is Reason.REPORTED_UNHEALTHY)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("ConnectionFailed", ILL),
        ("Timeout", ILL),
        ("NameNotResolved", ILL),
        ("TLSFailed", ILL),
        ("ProtocolError", ILL),
        ("AddressBlocked", UNKNOWN),
        ("InvalidURL", UNKNOWN),
        ("EgressOverloaded", UNKNOWN),
    ],
)
def test_why_no_answer_came_is_read(word: str, status: HealthStatus) -> None:
    seen = read_failure(word, "because")
    assert (seen.status, seen.reason.value, seen.message) == (status, word, "because")


def test_the_start_of_a_product_stands_still_while_its_answers_agree() -> None:
    start = NOON - timedelta(seconds=60)
    assert started_at(None, 60, NOON) == start
    assert started_at(start, 94, NOON + timedelta(seconds=30)) == start
    assert started_at(start, 5, NOON) == NOON - timedelta(seconds=5)
    assert started_at(start, None, NOON) == start


# --------------------------------------------------------------------------- many answers


def seen(status: HealthStatus, reason: Reason | None = None, message: str = "") -> Observation:
    words = {WELL: Reason.HEALTHY, DEGRADED: Reason.REPORTED_DEGRADED, ILL: Reason.TIMEOUT}
    return Observation(status, reason or words.get(status, Reason.ADDRESS_BLOCKED), message)


def after(
    *answers: HealthStatus, start: HealthStatus = UNKNOWN, failures: int = 3, successes: int = 2
) -> Standing:
    standing = Standing(start, Reason.HEALTHY if start is WELL else Reason.TIMEOUT, "")
    for answer in answers:
        standing = observe(standing, seen(answer), failure_threshold=failures, success_threshold=successes)
    return standing


@pytest.mark.parametrize(
    ("start", "answers", "status"),
    [
        pytest.param(UNKNOWN, [WELL], WELL, id="the first good answer counts at once"),
        pytest.param(UNKNOWN, [DEGRADED], DEGRADED, id="so does a degraded one"),
        pytest.param(UNKNOWN, [ILL, ILL], UNKNOWN, id="the first bad ones do not"),
        pytest.param(UNKNOWN, [ILL, ILL, ILL], ILL, id="enough bad ones do"),
        pytest.param(WELL, [ILL, ILL, WELL, ILL, ILL], WELL, id="a good one between starts anew"),
        pytest.param(WELL, [ILL, ILL, ILL], ILL, id="three in a row"),
        pytest.param(WELL, [DEGRADED, DEGRADED, ILL], DEGRADED, id="worse in a row, the mildest speaks"),
        pytest.param(ILL, [DEGRADED, WELL], DEGRADED, id="better in a row, the least speaks"),
        pytest.param(ILL, [WELL], ILL, id="one success of two"),
        pytest.param(ILL, [WELL, ILL, WELL], ILL, id="a failure between starts anew"),
        pytest.param(ILL, [WELL, WELL], WELL, id="two in a row"),
        pytest.param(ILL, [DEGRADED, DEGRADED], DEGRADED, id="better, though not well"),
        pytest.param(WELL, [UNKNOWN], UNKNOWN, id="an address that may not be called"),
    ],
)
def test_a_standing_changes_after_enough_answers_in_a_row(
    start: HealthStatus, answers: list[HealthStatus], status: HealthStatus
) -> None:
    assert after(*answers, start=start).status is status


def test_the_hubs_own_trouble_counts_for_nothing() -> None:
    standing = after(ILL, ILL, start=WELL)
    overloaded = read_failure("EgressOverloaded", "")
    assert observe(standing, overloaded, failure_threshold=3, success_threshold=1) == standing


def test_suspects_and_the_recovering_are_told() -> None:
    assert after(ILL, start=WELL).suspect
    assert not after(ILL, ILL, ILL, start=WELL).suspect
    assert after(WELL, start=ILL).recovering
    assert not after(WELL, WELL, start=ILL).recovering
    assert after(ILL, ILL, start=ILL).failures == 2
    assert after(ILL, WELL, start=ILL).failures == 0


def test_another_reason_for_the_same_standing_is_taken_up_when_it_lasts() -> None:
    standing = after(start=ILL)
    refused = seen(ILL, Reason.CONNECTION_FAILED, "refused")
    for _ in range(2):
        standing = observe(standing, refused, failure_threshold=3, success_threshold=1)
    assert standing.reason is Reason.TIMEOUT
    standing = observe(standing, refused, failure_threshold=3, success_threshold=1)
    assert (standing.reason, standing.message) == (Reason.CONNECTION_FAILED, "refused")


def test_reasons_that_alternate_are_never_taken_up() -> None:
    standing = after(start=ILL)
    for number in range(20):
        reason = Reason.CONNECTION_FAILED if number % 2 else Reason.TLS_FAILED
        standing = observe(standing, seen(ILL, reason), failure_threshold=3, success_threshold=1)
    assert standing.reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("health", "status"),
    [
        pytest.param(ProductHealth(), UNKNOWN, id="nothing"),
        pytest.param(ProductHealth(status=WELL), WELL, id="well"),
        pytest.param(ProductHealth(status=ILL, signal="probe"), ILL, id="by the probe"),
        pytest.param(ProductHealth(status=ILL, signal="rollout"), UNKNOWN, id="by the rollout"),
        pytest.param(
            ProductHealth(status=ILL, signal="rollout", consecutive_failures=3), ILL, id="by both of them"
        ),
        pytest.param(ProductHealth(status=DEGRADED, signal="probe"), DEGRADED, id="degraded"),
    ],
)
def test_a_restarted_hub_inherits_what_the_probe_had_found(
    health: ProductHealth, status: HealthStatus
) -> None:
    told = Condition(
        type="Healthy",
        status="False",
        reason="ConnectionFailed",
        message="as it was told",
        last_transition_time=NOON,
    )
    inherited = inherit(health, told, failure_threshold=3)
    assert inherited.status is status
    if status is not UNKNOWN:
        assert inherited.message == "as it was told"
    assert inherit(health, None, failure_threshold=3) == Standing()


@given(st.lists(st.sampled_from([WELL, DEGRADED, ILL]), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_a_standing_never_changes_without_as_many_answers_in_a_row(
    answers: list[HealthStatus], failures: int, successes: int
) -> None:
    standing = Standing(WELL, Reason.HEALTHY, "")
    for number, answer in enumerate(answers):
        before = standing
        standing = observe(before, seen(answer), failure_threshold=failures, success_threshold=successes)
        if standing.status is ILL and before.status is not ILL:
            assert set(answers[number - failures + 1 : number + 1]) == {ILL}
        if standing.status is WELL and before.status is not WELL:
            assert set(answers[number - successes + 1 : number + 1]) == {WELL}


# --------------------------------------------------------------------------- verdict


def signal(name: Any, status: HealthStatus, reason: Reason = Reason.TIMEOUT) -> Signal:
    return Signal(name, status, reason, f"{name} {status.value}")


@pytest.mark.parametrize(
    ("signals", "status", "blamed"),
    [
        pytest.param([("rollout", WELL), ("probe", WELL)], WELL, None, id="all well"),
        pytest.param([("rollout", WELL), ("probe", ILL)], ILL, "probe", id="the probe"),
        pytest.param([("rollout", DEGRADED), ("probe", WELL)], DEGRADED, "rollout", id="the rollout"),
        pytest.param([("rollout", ILL), ("probe", ILL)], ILL, "rollout", id="of equals the deeper"),
        pytest.param([("rollout", WELL), ("probe", UNKNOWN)], UNKNOWN, "probe", id="one is awaited"),
        pytest.param([("rollout", DEGRADED), ("probe", UNKNOWN)], DEGRADED, "rollout", id="known and bad"),
        pytest.param([("probe", WELL), ("heartbeat", OFFLINE)], OFFLINE, "heartbeat", id="no beat"),
        pytest.param([], UNKNOWN, None, id="no witness"),
    ],
)
def test_the_worst_signal_is_the_verdict(
    signals: list[tuple[str, HealthStatus]], status: HealthStatus, blamed: str | None
) -> None:
    verdict = judge([signal(*each) for each in signals], ProductHealth(), NOON)
    assert (verdict.status, verdict.signal) == (status, blamed)


def test_the_message_names_every_bad_signal() -> None:
    verdict = judge([signal("rollout", ILL), signal("probe", ILL)], ProductHealth(), NOON)
    assert verdict.message == "rollout unhealthy probe unhealthy"


def test_since_moves_only_with_the_verdict() -> None:
    earlier = NOON - timedelta(hours=1)
    was = ProductHealth(status=ILL, since=earlier)
    assert judge([signal("probe", ILL, Reason.TLS_FAILED)], was, NOON).since == earlier
    assert judge([signal("probe", WELL)], was, NOON).since == NOON
    assert judge([signal("probe", UNKNOWN)], ProductHealth(), NOON).since == NOON


def test_the_word_of_the_probe_is_its_standing() -> None:
    standing = after(ILL, ILL, ILL)
    assert probe_signal(standing) == Signal("probe", ILL, Reason.TIMEOUT, "")


@pytest.mark.parametrize(
    ("made", "status", "reason"),
    [
        pytest.param({}, WELL, Reason.HEALTHY, id="available"),
        pytest.param({"paused": True}, WELL, Reason.HEALTHY, id="paused and available"),
        pytest.param({"replicas": 0, "available": 0}, OFFLINE, Reason.WORKLOAD_UNAVAILABLE, id="zero"),
        pytest.param({"available": 0}, ILL, Reason.WORKLOAD_UNAVAILABLE, id="none available"),
        pytest.param(
            {"replicas": 4, "available": 3, "enough": True},
            DEGRADED,
            Reason.WORKLOAD_UNAVAILABLE,
            id="one of four is missing",
        ),
        pytest.param(
            {"available": 0, "progressing": ("False", "ProgressDeadlineExceeded")},
            ILL,
            Reason.ROLLOUT_FAILED,
            id="a rollout failed and nothing serves",
        ),
        pytest.param(
            {"running": 2, "progressing": ("False", "ProgressDeadlineExceeded")},
            DEGRADED,
            Reason.ROLLOUT_FAILED,
            id="a rollout failed and the old pods serve",
        ),
        pytest.param(
            {"replicas": 4, "available": 3, "updated": 2, "enough": True},
            WELL,
            Reason.HEALTHY,
            id="a rollout under way that serves",
        ),
    ],
)
def test_the_word_of_the_rollout(made: dict[str, Any], status: HealthStatus, reason: Reason) -> None:
    word = rollout_signal(read_workload(deployment(**made)), "dataflow")
    assert word is not None
    assert (word.status, word.reason) == (status, reason)


def test_a_rollout_under_way_that_does_not_serve_says_nothing() -> None:
    under_way = read_workload(deployment(available=0, progressing=("True", "ReplicaSetUpdated")))
    assert rollout_signal(under_way, "dataflow") is None


def test_a_workload_that_is_not_there_is_named() -> None:
    word = rollout_signal(None, "dataflow")
    assert word is not None
    assert word.reason is Reason.WORKLOAD_NOT_FOUND
    assert "dataflow" in word.message
