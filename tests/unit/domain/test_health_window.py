from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.api.integration import HealthStatus
from integration_hub.domain.health_window import BUCKETS, HealthWindow, Streak, Thresholds

HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN = (
    HealthStatus.HEALTHY,
    HealthStatus.DEGRADED,
    HealthStatus.UNHEALTHY,
    HealthStatus.UNKNOWN,
)


def fed(answers: str, *, minutes: int = 60, every: float = 60.0, start: float = 0.0) -> HealthWindow:
    """A window that got one answer per step: `+` good, `-` bad."""
    window = HealthWindow(minutes)
    for index, answer in enumerate(answers):
        window = window.record(success=answer == "+", at=start + index * every)
    return window


def test_nothing_known_is_not_a_percentage() -> None:
    window = HealthWindow()
    assert window.uptime(1e6) is None
    assert window.error_rate(1e6) is None


@pytest.mark.parametrize(
    ("answers", "uptime", "error_rate"),
    [
        pytest.param("+", 100.0, 0.0, id="one-good"),
        pytest.param("-", 0.0, 100.0, id="one-bad"),
        pytest.param("+++-", 75.0, 25.0, id="three-of-four"),
        pytest.param("+" * 999 + "-", 99.9, 0.1, id="as-in-the-catalogue-of-requirements"),
        pytest.param("++-", 66.67, 33.33, id="rounded-to-two-decimals"),
    ],
)
def test_uptime_and_error_rate_are_shares_of_the_answers(
    answers: str, uptime: float, error_rate: float
) -> None:
    window = fed(answers, every=0.01)
    assert window.uptime(20) == uptime
    assert window.error_rate(20) == error_rate


def test_answers_age_out_of_the_window() -> None:
    window = fed("-" + "+" * 59, start=1e6)
    assert window.totals(1e6 + 59 * 60) == (59, 1)
    assert window.totals(1e6 + 60 * 60) == (59, 0)
    assert window.totals(1e6 + 61 * 60) == (58, 0)
    assert window.totals(1e6 + 200 * 60) == (0, 0)


def test_a_long_silence_empties_the_window() -> None:
    window = fed("----").record(success=True, at=1e7)
    assert window.totals(1e7) == (1, 0)


def test_a_clock_that_seems_to_go_back_loses_nothing() -> None:
    window = fed("++", start=600.0).record(success=False, at=0.0)
    assert window.totals(660.0) == (2, 1)


@pytest.mark.parametrize(("minutes", "slot"), [(5, 5), (60, 60), (1440, 1440)])
def test_the_slot_grows_with_the_window(minutes: int, slot: int) -> None:
    assert HealthWindow(minutes).slot_seconds == slot


def test_another_length_starts_anew() -> None:
    window = fed("++")
    assert window.resized(60) is window
    assert window.resized(5).totals(120) == (0, 0)


def test_counts_saturate_instead_of_overflowing() -> None:
    window = HealthWindow()
    for _ in range(0x10002):
        window = window.record(success=True, at=0.0)
    assert window.totals(0.0) == (0xFFFF, 0)


@given(
    minutes=st.integers(5, 1440),
    answers=st.lists(st.tuples(st.booleans(), st.floats(0, 1e6, allow_nan=False)), max_size=40),
)
def test_a_window_counts_each_recent_answer_once(minutes: int, answers: list[tuple[bool, float]]) -> None:
    window = HealthWindow(minutes)
    answers = sorted(answers, key=lambda each: each[1])
    for success, at in answers:
        window = window.record(success=success, at=at)
    end = answers[-1][1] if answers else 0.0
    first_slot = int(end // window.slot_seconds) - BUCKETS + 1
    recent = [success for success, at in answers if int(at // window.slot_seconds) >= first_slot]
    assert window.totals(end) == (recent.count(True), recent.count(False))
    assert len(window.counts) == 4 * BUCKETS


@pytest.mark.parametrize(
    ("start", "answers", "thresholds", "verdicts"),
    [
        pytest.param(UNKNOWN, "+", Thresholds(), [HEALTHY], id="first-success-decides"),
        pytest.param(UNKNOWN, "-", Thresholds(), [UNHEALTHY], id="first-failure-decides"),
        pytest.param(UNKNOWN, "+", Thresholds(3, 3), [HEALTHY], id="first-success-needs-no-threshold"),
        pytest.param(HEALTHY, "---", Thresholds(3, 1), [DEGRADED, DEGRADED, UNHEALTHY], id="failures-add-up"),
        pytest.param(
            HEALTHY, "--+--", Thresholds(3, 1), [DEGRADED, DEGRADED, HEALTHY, DEGRADED, DEGRADED], id="blips"
        ),
        pytest.param(HEALTHY, "-", Thresholds(1, 1), [UNHEALTHY], id="threshold-of-one"),
        pytest.param(UNHEALTHY, "+", Thresholds(3, 1), [HEALTHY], id="recovers-at-once"),
        pytest.param(
            UNHEALTHY, "+-++", Thresholds(3, 2), [UNHEALTHY] * 3 + [HEALTHY], id="recovers-at-its-threshold"
        ),
    ],
)
def test_a_verdict_follows_the_thresholds(
    start: HealthStatus, answers: str, thresholds: Thresholds, verdicts: list[HealthStatus]
) -> None:
    streak = Streak(start)
    seen = []
    for answer in answers:
        streak = streak.after(success=answer == "+", thresholds=thresholds)
        seen.append(streak.verdict)
    assert seen == verdicts


@given(st.lists(st.booleans(), min_size=1), st.integers(1, 20), st.integers(1, 20))
def test_a_streak_counts_the_answers_in_a_row(answers: list[bool], failures: int, successes: int) -> None:
    streak = Streak()
    for success in answers:
        streak = streak.after(success=success, thresholds=Thresholds(failures, successes))
    tail = 0
    for answer in reversed(answers):
        if answer != answers[-1]:
            break
        tail += 1
    assert (streak.successes, streak.failures) == ((tail, 0) if answers[-1] else (0, tail))


def test_a_past_that_was_kept_elsewhere_counts_and_ages_out() -> None:
    window = HealthWindow(60).with_past(checks=100, failures=25, at=10_000)
    assert window.totals(10_000) == (75, 25)
    assert window.uptime(10_000) == 75.0
    good, bad = window.totals(10_000 + 1800)
    assert 40 <= good + bad <= 80
    assert window.totals(10_000 + 3700) == (0, 0)


def test_a_past_adds_to_what_was_seen_since() -> None:
    window = HealthWindow(60).record(success=True, at=10_000)
    assert window.with_past(checks=10, failures=10, at=10_000).totals(10_000) == (1, 10)
