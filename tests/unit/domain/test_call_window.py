"""The sliding window is exact, and waits in line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from integration_hub.domain.call_window import CallWindow
from integration_hub.ports import WindowLimit

TEN_A_MINUTE = (WindowLimit(10, 60),)


def test_so_many_go_at_once_and_the_next_when_the_first_has_left_the_window() -> None:
    window = CallWindow()
    assert all(window.reserve(TEN_A_MINUTE, 100 + n, patience=0)[1] for n in range(10))
    assert window.reserve(TEN_A_MINUTE, 120, patience=0) == (160, False)
    assert window.reserve(TEN_A_MINUTE, 160, patience=0) == (160, True)
    assert window.reserve(TEN_A_MINUTE, 160, patience=0) == (161, False)


def test_who_waits_has_a_place_in_line_and_nobody_passes() -> None:
    window = CallWindow()
    for _ in range(10):
        window.reserve(TEN_A_MINUTE, 0, patience=0)
    assert window.reserve(TEN_A_MINUTE, 10, patience=60) == (60, True)
    assert window.reserve(TEN_A_MINUTE, 59, patience=0)[1] is False
    assert [window.reserve(TEN_A_MINUTE, 60, patience=0)[1] for _ in range(10)] == [True] * 9 + [False]


def test_a_place_that_was_given_back_is_free() -> None:
    window = CallWindow()
    for _ in range(10):
        window.reserve(TEN_A_MINUTE, 0, patience=0)
    at, _ = window.reserve(TEN_A_MINUTE, 1, patience=60)
    window.give_back(at)
    assert len(window) == 10


def test_quiet_is_kept_whatever_room_there_is() -> None:
    window = CallWindow()
    window.hold(30)
    assert window.reserve((), 10, patience=0) == (30, False)
    assert window.reserve(TEN_A_MINUTE, 10, patience=20) == (30, True)
    window.hold(5)
    assert window.held_until == 30
    assert window.reserve((), 30, patience=0) == (30, True)


def test_without_a_limit_nothing_is_remembered() -> None:
    window = CallWindow()
    assert window.reserve((), 1, patience=0) == (1, True)
    assert window.idle(1, 60)


def test_two_limits_hold_at_once() -> None:
    window = CallWindow()
    limits = (WindowLimit(2, 1), WindowLimit(3, 60))
    moments = [window.reserve(limits, 0, patience=100)[0] for _ in range(5)]
    assert moments == [0, 0, 1, 60, 60]


@given(
    st.integers(1, 5),
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 10), st.sampled_from([0.0, 5.0, 50.0])), max_size=60),
)
def test_no_window_ever_holds_more_than_the_limit(
    requests: int, seconds: int, arrivals: list[tuple[float, float]]
) -> None:
    window, now, gone = CallWindow(), 0.0, []
    for pause, patience in arrivals:
        now += pause
        at, taken = window.reserve((WindowLimit(requests, seconds),), now, patience=patience)
        if taken:
            assert now <= at <= now + patience
            gone.append(at)
    assert gone == sorted(gone)
    for index, at in enumerate(gone):
        assert sum(at <= other < at + seconds for other in gone[index:]) <= requests
