"""Spans of time as people write them."""

from __future__ import annotations

import pytest

from integration_hub.domain.duration import LONGEST, seconds_of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90d", 7_776_000),
        ("1h30m", 5_400),
        ("45s", 45),
        ("1d1h1m1s", 90_061),
        ("0s", 0),
        ("99999999999999999999d", LONGEST),
        ("", 0),
    ],
)
def test_a_span_has_its_length(written: str, seconds: int) -> None:
    assert seconds_of(written) == seconds
