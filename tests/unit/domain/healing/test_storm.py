from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heal_worlds import NOON, ago
from integration_hub.domain.healing.storm import WINDOW, is_storm


@pytest.mark.parametrize(
    ("minutes", "fleet", "storm"),
    [
        pytest.param([], 0, False, id="no fleet"),
        pytest.param([0, 0], 2, False, id="two of two"),
        pytest.param([0, 0, 0], 3, True, id="three of three"),
        pytest.param([0, 0, 0], 14, True, id="three of fourteen"),
        pytest.param([0, 0, 0], 15, False, id="three of fifteen is a fifth, not more"),
        pytest.param([0, 2, 5], 10, True, id="within one window"),
        pytest.param([0, 3, 6], 10, False, id="never three at once"),
        pytest.param([0, 60, 120, 180, 240], 10, False, id="one after the other"),
        pytest.param([0, 60, 61, 62, 120], 10, True, id="three of many together"),
    ],
)
def test_a_storm_is_three_and_a_fifth_within_one_window(minutes: list[int], fleet: int, storm: bool) -> None:
    assert is_storm([ago(minutes=each) for each in minutes], fleet) is storm


def test_troubles_that_a_person_has_dealt_with_do_not_count() -> None:
    began = [ago(minutes=3), ago(minutes=3), ago(minutes=2)]
    assert is_storm(began, 5)
    assert not is_storm(began, 5, counted_from=ago(minutes=3))


@given(st.lists(st.integers(0, 3600), max_size=30), st.integers(1, 60))
def test_the_sweep_equals_counting_from_each_beginning(seconds: list[int], fleet: int) -> None:
    began = [NOON + timedelta(seconds=each) for each in seconds]
    most = max((sum(start <= each <= start + WINDOW for each in began) for start in began), default=0)
    assert is_storm(began, fleet) is (most >= 3 and most * 5 > fleet)
