"""What a provider's own headers tell about calls that are left."""

from __future__ import annotations

from collections.abc import Mapping

from integration_hub.api.provider import RateLimitHeaders


def exhausted_for(names: RateLimitHeaders | None, headers: Mapping[str, str], now: float) -> float:
    """Seconds until the account has calls left again; 0.0 if it has some, or nothing tells.

    `headers` of an answer, names in lower case. `now` in epoch seconds. A reset is a moment (epoch seconds
    or milliseconds) or a number of seconds.
    """
    if names is None or names.remaining is None:
        return 0.0
    remaining, reset = _number(headers, names.remaining), _number(headers, names.reset)
    if remaining is None or remaining > 0 or reset is None:
        return 0.0
    moment = reset / 1000 if reset > 1e11 else reset
    return max(moment - now if moment > 1e9 else moment, 0.0)


def _number(headers: Mapping[str, str], name: str | None) -> float | None:
    text = headers.get(name.lower(), "").partition(",")[0].partition(";")[0].strip() if name else ""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e14 else None
