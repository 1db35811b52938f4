"""Windows: exact while calls are few, and never letting too many through however many there are."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_hub.ports import WindowLimit
from integration_hub.store.window import STEPS, CallWindow

START = 1_795_000_000_000
YEAR = 31_536_000


@dataclass
class Exact:
    """The rule itself (RES-07): calls within the last `seconds` must be fewer than `requests`."""

    calls: list[int] = field(default_factory=list)

    def wait(self, limits: list[WindowLimit], now: int) -> int:
        return max((self._one(limit, now) for limit in limits), default=0)

    def _one(self, limit: WindowLimit, now: int) -> int:
        if self.used(limit.seconds, now) < limit.requests:
            return 0
        return self.calls[-limit.requests] + 1000 * limit.seconds - now

    def used(self, seconds: int, now: int) -> int:
        return len(self.calls) - bisect_right(self.calls, now - 1000 * seconds)


class Run:
    """A window under traffic, written and read again after every call as the database does."""

    def __init__(self, limits: list[WindowLimit]) -> None:
        self.limits = limits
        self.window = CallWindow()
        self.exact = Exact()
        self.now = START

    def ask(self) -> int:
        wait = self.window.wait(self.limits, self.now)
        if not wait:
            grown = self.window.add(self.limits, self.now)
            self.window = CallWindow.decode(grown.encode())
            self.exact.calls.append(self.now)
        return wait


limits_of_few = st.lists(
    st.builds(WindowLimit, st.integers(1, 40), st.integers(1, 120)), min_size=1, max_size=3, unique_by=repr
)
pauses = st.lists(st.one_of(st.just(0), st.integers(1, 50), st.integers(1, 90_000)), max_size=120)


@given(limits_of_few, pauses)
def test_with_few_calls_it_is_the_rule_itself(limits: list[WindowLimit], pauses: list[int]) -> None:
    run = Run(limits)
    for pause in pauses:
        run.now += pause
        expected = run.exact.wait(limits, run.now)
        for limit in limits:
            assert run.window.used(limit.seconds, run.now) == run.exact.used(limit.seconds, run.now)
        assert run.ask() == expected


@settings(max_examples=80)
@given(
    st.lists(
        st.builds(WindowLimit, st.integers(1, 3_000), st.sampled_from([1, 60, 3600, 86_400, YEAR])),
        min_size=1,
        max_size=3,
        unique_by=lambda limit: limit.seconds,
    ),
    st.lists(
        st.tuples(st.sampled_from([0, 1, 10, 1_000, 100_000, 10_000_000]), st.integers(1, 300)), max_size=10
    ),
)
def test_however_many_calls_it_never_lets_one_too_many_through(
    limits: list[WindowLimit], bursts: list[tuple[int, int]]
) -> None:
    run = Run(limits)
    for pause, calls in bursts:
        for _ in range(calls):
            run.now += pause
            allowed = not run.exact.wait(limits, run.now)
            passed = not run.ask()
            assert allowed or not passed
        assert len(run.window.times) <= 2 * STEPS * len(limits) + 1


def test_a_thousand_calls_a_minute_are_counted_to_the_millisecond() -> None:
    limits = [WindowLimit(1_000, 60)]
    run = Run(limits)
    for number in range(5_000):
        run.now += 37 + number % 50
        assert run.exact.wait(limits, run.now) == run.ask()


def test_a_call_of_a_busy_window_counts_a_500th_too_long_at_most() -> None:
    limits = [WindowLimit(4_000, 3_600)]
    run = Run(limits)
    for _ in range(10_000):
        run.now += 500
        wait, expected = run.window.wait(limits, run.now), run.exact.wait(limits, run.now)
        assert expected <= wait <= expected + 3_600_000 // STEPS
        run.ask()


def test_a_years_quota_takes_a_few_kilobytes() -> None:
    run = Run([WindowLimit(10_000, YEAR), WindowLimit(100, 60)])
    passed = 0
    for _ in range(15_000):
        run.now += 20_000
        passed += not run.ask()
    assert passed == 10_000
    assert len(run.window.encode()) < 26_000


def test_others_who_share_the_key_keep_what_they_count() -> None:
    year, second = [WindowLimit(3, YEAR)], [WindowLimit(1_000, 1)]
    window = CallWindow().add(year, START).add(year, START)
    now = START
    for _ in range(3_000):
        now += 5_000_000
        window = CallWindow.decode(window.add(second, now).encode())
    assert window.used(YEAR, now) == 3_002
    assert window.used(1, now) == 1
    assert window.wait(year, now) > 0


@pytest.mark.parametrize("behind", [1, 999, 60_000])
def test_a_replica_whose_clock_is_behind_sees_the_calls_of_the_others(behind: int) -> None:
    limits = [WindowLimit(2, 10)]
    window = CallWindow().add(limits, START).add(limits, START)
    assert window.wait(limits, START - behind) == 10_000 + behind
    assert window.add(limits, START - behind).times[-1] == START, "time never goes back for a key"


def test_after_the_clock_was_set_back_a_window_is_full_for_its_length_at_most() -> None:
    limits = [WindowLimit(1, 10)]
    window = CallWindow().add(limits, START + 86_400_000)
    assert window.wait(limits, START) == 10_000
    assert window.add([WindowLimit(2, 10)], START).used(10, START + 9_999) == 2
    assert window.add([WindowLimit(2, 10)], START).used(10, START + 10_000) == 0


def test_it_says_when_nothing_of_it_counts_any_more() -> None:
    assert CallWindow().forgotten_at == 0
    window = CallWindow().add([WindowLimit(1, 5), WindowLimit(1, 60)], START)
    assert window.forgotten_at == START + 60_000
    assert window.used(60, window.forgotten_at) == 0
    assert window.used(60, window.forgotten_at - 1) == 1


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x02\x00\x00\x00", b"\x01\x01\x01\x00\x00"])
def test_bytes_that_are_no_window_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="a window"):
        CallWindow.decode(data)
