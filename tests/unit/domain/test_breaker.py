"""When calls are stopped, and how they begin again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from integration_hub.api.integration import CircuitBreaker
from integration_hub.api.reasons import Reason
from integration_hub.domain.breaker import CLOSED, Pass, Stop, Verdict, admit, claim, settle, verdict
from integration_hub.domain.classification import Outcome
from integration_hub.ports import BreakerRow

POLICY = CircuitBreaker()
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def after(row: BreakerRow, *verdicts: Verdict, seconds: float = 0) -> BreakerRow:
    for each in verdicts:
        row = settle(row, each, POLICY, at(seconds))
    return row


def trial(row: BreakerRow, seconds: float, result: Verdict) -> BreakerRow:
    passed = admit(row, POLICY, at(seconds), trial_seconds=35)
    assert isinstance(passed, Pass)
    assert passed.lease is not None
    claimed = claim(row, POLICY, at(seconds), passed.lease, forced=False)
    return settle(claimed, result, POLICY, at(seconds + 1), lease=passed.lease)


OPEN = after(CLOSED, *[Verdict.FAILS] * 5)


@pytest.mark.parametrize(
    ("reason", "status", "expected"),
    [
        (Reason.CONNECTED, 200, Verdict.WORKS),
        (Reason.INVALID_CREDENTIALS, 401, Verdict.WORKS),
        (Reason.CONFIG_REFUSED, 404, Verdict.WORKS),
        (Reason.UNEXPECTED_ANSWER, 302, Verdict.WORKS),
        (Reason.REAUTH_REQUIRED, 200, Verdict.WORKS),
        (Reason.UPSTREAM_ERROR, 503, Verdict.FAILS),
        (Reason.UPSTREAM_ERROR, 200, Verdict.FAILS),
        (Reason.TIMEOUT, 0, Verdict.FAILS),
        (Reason.CONNECTION_FAILED, 0, Verdict.FAILS),
        (Reason.TLS_FAILED, 0, Verdict.FAILS),
        (Reason.PROTOCOL_ERROR, 0, Verdict.FAILS),
        (Reason.RATE_LIMITED, 429, Verdict.NOTHING),
        (Reason.EGRESS_OVERLOADED, 0, Verdict.NOTHING),
        (Reason.ADDRESS_BLOCKED, 0, Verdict.NOTHING),
        (Reason.NAME_NOT_RESOLVED, 0, Verdict.NOTHING),
        (Reason.INVALID_URL, 0, Verdict.NOTHING),
        (Reason.SECRET_NOT_FOUND, 0, Verdict.NOTHING),
    ],
    ids=str,
)
def test_only_failures_of_the_far_end_count(reason: Reason, status: int, expected: Verdict) -> None:
    assert verdict(Outcome(reason, status)) is expected


def test_five_failures_in_a_row_open_it_for_thirty_seconds() -> None:
    four = after(CLOSED, *[Verdict.FAILS] * 4)
    assert (four.state, four.failures) == ("closed", 4)
    assert (OPEN.state, OPEN.opened_at, OPEN.retry_at) == ("open", NOON, at(30))
    assert admit(OPEN, POLICY, at(10), trial_seconds=35) == Stop(20)


def test_a_success_between_failures_begins_the_count_anew() -> None:
    row = after(CLOSED, *[Verdict.FAILS] * 4, Verdict.WORKS, *[Verdict.FAILS] * 4)
    assert row.state == "closed"


def test_what_tells_nothing_neither_opens_nor_mends() -> None:
    row = after(CLOSED, *[Verdict.FAILS] * 4, *[Verdict.NOTHING] * 9)
    assert (row.state, row.failures) == ("closed", 4)
    assert after(row, Verdict.FAILS).state == "open"


def test_three_trials_that_succeed_close_it() -> None:
    row = OPEN
    for count in (1, 2):
        row = trial(row, 30 + count, Verdict.WORKS)
        assert (row.state, row.successes) == ("halfOpen", count)
    assert trial(row, 40, Verdict.WORKS) == BreakerRow(version=OPEN.version)


def test_one_failed_trial_opens_it_for_its_whole_time_again() -> None:
    row = trial(trial(OPEN, 30, Verdict.WORKS), 32, Verdict.FAILS)
    assert (row.state, row.successes, row.opened_at, row.retry_at) == ("open", 0, at(33), at(63))


def test_only_one_trial_is_under_way_at_a_time() -> None:
    passed = admit(OPEN, POLICY, at(30), trial_seconds=35)
    assert isinstance(passed, Pass)
    assert passed.lease is not None
    claimed = claim(OPEN, POLICY, at(30), passed.lease, forced=False)
    assert admit(claimed, POLICY, at(31), trial_seconds=35) == Stop(34)
    assert admit(claimed, POLICY, at(31), trial_seconds=35, forced=True) == Stop(34)
    assert claim(claimed, POLICY, at(31), at(66), forced=False) == claimed


def test_a_trial_whose_process_died_gives_way_after_its_longest_time() -> None:
    claimed = claim(OPEN, POLICY, at(30), at(65), forced=False)
    assert isinstance(admit(claimed, POLICY, at(65), trial_seconds=35), Pass)


def test_a_trial_that_was_given_back_frees_the_place_and_counts_nothing() -> None:
    row = trial(OPEN, 30, Verdict.NOTHING)
    assert (row.state, row.successes) == ("halfOpen", 0)
    assert isinstance(admit(row, POLICY, at(31), trial_seconds=35), Pass)


def test_a_person_may_try_while_it_is_open() -> None:
    passed = admit(OPEN, POLICY, at(1), trial_seconds=35, forced=True)
    assert isinstance(passed, Pass)
    assert passed.lease is not None
    row = claim(OPEN, POLICY, at(1), passed.lease, forced=True)
    assert settle(row, Verdict.WORKS, POLICY, at(2), lease=passed.lease).successes == 1


def test_what_began_before_it_opened_changes_nothing() -> None:
    assert after(OPEN, Verdict.FAILS, Verdict.WORKS, seconds=20) == OPEN
    half = trial(OPEN, 30, Verdict.WORKS)
    assert after(half, Verdict.FAILS, seconds=33) == half


def test_a_late_trial_counts_but_does_not_end_the_one_that_took_its_place() -> None:
    first = claim(OPEN, POLICY, at(30), at(35), forced=False)
    second = claim(first, POLICY, at(36), at(71), forced=False)
    late = settle(second, Verdict.WORKS, POLICY, at(37), lease=at(35))
    assert (late.successes, late.retry_at) == (1, at(71))


@pytest.mark.parametrize("seconds", [-3600, -0.5], ids=str)
def test_a_clock_that_went_back_does_not_keep_it_open(seconds: float) -> None:
    assert isinstance(admit(OPEN, POLICY, at(seconds), trial_seconds=35), Pass)


def test_a_shorter_time_in_the_spec_holds_at_once() -> None:
    assert isinstance(admit(OPEN, CircuitBreaker(open_seconds=5), at(6), trial_seconds=35), Pass)


def test_times_are_as_the_store_keeps_them() -> None:
    row = CLOSED
    moment = NOON.replace(microsecond=123_456)
    for _ in range(5):
        row = settle(row, Verdict.FAILS, POLICY, moment)
    assert row.opened_at == NOON.replace(microsecond=123_000)


class AnyLife(RuleBasedStateMachine):
    """Whatever happens in whatever order, the breaker keeps what it promises."""

    def __init__(self) -> None:
        super().__init__()
        self.row = CLOSED
        self.now = 0.0
        self.leases: list[datetime] = []

    @rule(seconds=st.sampled_from([0.1, 1, 10, 31, 40]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(result=st.sampled_from(Verdict))
    def call(self, result: Verdict) -> None:
        passed = admit(self.row, POLICY, at(self.now), trial_seconds=35)
        if isinstance(passed, Pass) and passed.lease is None:
            self.row = settle(self.row, result, POLICY, at(self.now))

    @rule()
    def begin_trial(self) -> None:
        passed = admit(self.row, POLICY, at(self.now), trial_seconds=35)
        if isinstance(passed, Pass) and passed.lease is not None:
            self.row = claim(self.row, POLICY, at(self.now), passed.lease, forced=False)
            self.leases.append(passed.lease)

    @precondition(lambda self: self.leases)
    @rule(result=st.sampled_from(Verdict))
    def end_trial(self, result: Verdict) -> None:
        self.row = settle(self.row, result, POLICY, at(self.now), lease=self.leases.pop(0))

    @invariant()
    def it_never_stays_shut(self) -> None:
        assert isinstance(admit(self.row, POLICY, at(self.now + 36), trial_seconds=35), Pass)

    @invariant()
    def it_is_one_of_three(self) -> None:
        row = self.row
        if row.state == "closed":
            assert row.failures < POLICY.failure_threshold
        else:
            assert row.retry_at is not None
            assert row.successes < POLICY.success_threshold


test_any_life_of_a_breaker = AnyLife.TestCase
