"""What a provider's own headers tell about calls that are left."""

from __future__ import annotations

import pytest

from integration_hub.api.provider import RateLimitHeaders
from integration_hub.domain.rate_headers import exhausted_for

NAMES = RateLimitHeaders(remaining="X-RateLimit-Remaining", reset="X-RateLimit-Reset")
NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("remaining", "reset", "seconds"),
    [
        ("0", "30", 30),
        ("0", str(NOW + 90), 90),
        ("0", str((NOW + 90) * 1000), 90),
        ("0", str(NOW - 5), 0),
        ("0, 0", "30;w=60", 30),
        ("1", "30", 0),
        ("", "30", 0),
        ("0", "", 0),
        ("0", "soon", 0),
        ("-1", "30", 0),
        ("0", "nan", 0),
        ("0", "1e300", 0),
    ],
    ids=str,
)
def test_seconds_without_calls(remaining: str, reset: str, seconds: float) -> None:
    headers = {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset}
    assert exhausted_for(NAMES, headers, NOW) == pytest.approx(seconds)


def test_a_provider_that_declares_none_tells_nothing() -> None:
    assert exhausted_for(None, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, NOW) == 0
    assert exhausted_for(RateLimitHeaders(), {"x-ratelimit-remaining": "0"}, NOW) == 0
