"""When something recurs, as people write it."""

from __future__ import annotations

import pytest

from integration_hub.domain.schedule import is_schedule


@pytest.mark.parametrize(
    "text", ["hourly", "daily", "weekly", "30m", "1h30m", "*/5 * * * *", "0 8 * * MON-FRI", "0 0 29 2 *"]
)
def test_these_name_moments_that_come(text: str) -> None:
    assert is_schedule(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("sometimes", id="another word"),
        pytest.param("Daily", id="a word with a capital"),
        pytest.param("30", id="a number without a unit"),
        pytest.param("0m", id="no time at all"),
        pytest.param("99 99 * * *", id="no such minute"),
        pytest.param("0 0 30 2 *", id="no such day"),
        pytest.param("* * * * * *", id="seconds"),
    ],
)
def test_these_do_not(text: str) -> None:
    assert not is_schedule(text)
