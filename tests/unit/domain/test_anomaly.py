"""A connection that behaves unlike itself is noticed; one that is merely noisy is not."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from integration_hub.api.reasons import Reason
from integration_hub.domain.anomaly import CALM_MINUTES, STRANGE_MINUTES, WARM_MINUTES, Detector, Minute


def fed(minutes: Iterable[Minute], detector: Detector | None = None) -> Detector:
    detector = detector or Detector()
    for minute in minutes:
        detector = detector.after(minute)
    return detector


def usual(count: int, *, milliseconds: float = 100.0, calls: int = 20, seed: int = 7) -> list[Minute]:
    """Minutes as real ones are: times skewed to the right, a failure now and then."""
    chance = random.Random(seed)
    return [
        Minute(calls, int(chance.random() < 0.1), milliseconds * chance.lognormvariate(0, 0.25))
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_a_noisy_day_is_no_anomaly(seed: int) -> None:
    detector = Detector()
    for minute in usual(24 * 60, seed=seed):
        detector = detector.after(minute)
        assert detector.anomaly is None


@pytest.mark.parametrize(
    ("minute", "reason"),
    [
        pytest.param(Minute(20, 0, 1500.0), Reason.LATENCY_ANOMALOUS, id="slow"),
        pytest.param(Minute(20, 15, 100.0), Reason.ERRORS_ANOMALOUS, id="failing"),
        pytest.param(Minute(20, 15, 1500.0), Reason.ERRORS_ANOMALOUS, id="failing-and-slow"),
    ],
)
def test_what_lasts_is_an_anomaly_and_ends_when_it_is_over(minute: Minute, reason: Reason) -> None:
    warm = fed(usual(120))
    almost = fed([minute] * (STRANGE_MINUTES - 1), warm)
    assert almost.anomaly is None
    strange = fed([minute], almost)
    assert strange.anomaly is not None
    assert strange.anomaly.reason is reason
    still = fed([Minute(20, 0, 100.0)] * (CALM_MINUTES - 1), strange)
    assert still.anomaly == strange.anomaly, "its words stay the same"
    assert fed([Minute(20, 0, 100.0)], still).anomaly is None


def test_one_bad_minute_is_none() -> None:
    detector = fed([*usual(120), Minute(20, 20, 5000.0), *usual(5, seed=8)])
    assert detector.anomaly is None


def test_nothing_is_judged_before_it_is_known_what_is_usual() -> None:
    detector = fed([*usual(WARM_MINUTES - 5), *[Minute(20, 20, 5000.0)] * 4])
    assert detector.anomaly is None


def test_a_lasting_change_becomes_the_usual() -> None:
    detector = fed([*usual(120), *[Minute(20, 0, 400.0)] * 600])
    assert detector.anomaly is None or fed([Minute(20, 0, 400.0)] * 2000, detector).anomaly is None


def test_faster_is_never_an_anomaly_and_a_quick_system_may_hiccup() -> None:
    assert fed([*usual(120), *[Minute(20, 0, 5.0)] * 10]).anomaly is None
    assert fed([*usual(120, milliseconds=2.0), *[Minute(20, 0, 20.0)] * 10]).anomaly is None


def test_a_minute_without_calls_says_nothing() -> None:
    warm = fed(usual(120))
    assert warm.after(Minute(0, 0, 0.0)) is warm


def test_few_calls_of_which_one_fails_are_no_anomaly() -> None:
    assert fed([*usual(120, calls=1), *[Minute(1, 1, 100.0)] * 10]).anomaly is None
