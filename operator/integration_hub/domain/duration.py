"""Spans of time as people write them: `90d`, `1h30m` (api.meta.Duration)."""

from __future__ import annotations

import re

_PART = re.compile(r"([0-9]+)([dhms])")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
LONGEST = 100 * 365 * 86_400
"""A century: what is written longer than that is meant as never."""


def seconds_of(duration: str) -> int:
    """Its length in seconds; 0 for text that is none."""
    return min(sum(int(number[:12]) * _SECONDS[unit] for number, unit in _PART.findall(duration)), LONGEST)
