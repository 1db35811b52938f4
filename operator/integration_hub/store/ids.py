"""Ids that grow: UUID version 7 (RFC 9562) with a counter below the milliseconds (its method 2)."""

from __future__ import annotations

from datetime import datetime

from integration_hub.ports import Clock, Entropy
from integration_hub.store.moments import to_ms

_CHANCE = (1 << 72) - 1
"""Two bits less than the tail has: room to count up within a millisecond."""


class GrowingIds:
    """Each id is greater than the one before it, also where the wall clock is set back."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._milliseconds = -1
        self._tail = 0

    def next(self) -> str:
        now = to_ms(self._clock.now())
        if now > self._milliseconds:
            self._milliseconds = now
            self._tail = int(self._entropy.uuid().replace("-", ""), 16) & _CHANCE
        else:
            self._tail += 1
        return _text(self._milliseconds, self._tail)


def floor_of(at: datetime) -> str:
    """No id that is given at `at` or later is smaller than this."""
    return _text(max(to_ms(at), 0), 0)


def _text(milliseconds: int, tail: int) -> str:
    """Milliseconds, version 7, 12 bits, variant 10, 62 bits."""
    high, low = tail >> 62, tail & ((1 << 62) - 1)
    head = f"{milliseconds:012x}"
    low_text = f"{low | 1 << 63:016x}"
    return f"{head[:8]}-{head[8:]}-7{high:03x}-{low_text[:4]}-{low_text[4:]}"
