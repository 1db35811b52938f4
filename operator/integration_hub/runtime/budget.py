"""How fast the API server is asked: one token bucket for reads, one for writes.

A bucket hands out places in a line: the caller learns at once when its turn comes and sleeps until
then, so that the order is that of asking and no crowd wakes for one token. When the API server asks
for quiet (429), the line moves back and starts slowly, not with a burst.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from integration_hub.ports import Clock, Entropy

Use = Literal["read", "write"]

_LONGEST_PAUSE_SECONDS = 60.0
"""A Retry-After beyond this is taken for a mistake; the next answer can ask again."""

_PAUSE_JITTER = 0.2
"""Up to a fifth longer, so that clients told the same number do not come back together."""


@dataclass(frozen=True, slots=True)
class BucketStats:
    """For metrics: requests let out, seconds they waited in all, and how often a 429 stopped the bucket."""

    taken: int
    waited_seconds: float
    pauses: int


class TokenBucket:
    """`rate` requests per second, `burst` of them at once after a quiet time. Belongs to one event loop."""

    def __init__(self, clock: Clock, entropy: Entropy, *, rate: float, burst: int) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(f"a bucket needs a positive rate and burst, not {rate} and {burst}")
        self._clock = clock
        self._entropy = entropy
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._counted_at = clock.monotonic()
        self._moved_back = 0.0
        self._taken = 0
        self._waited = 0.0
        self._pauses = 0

    async def take(self) -> None:
        """Return when one more request may go out. Cancelled while waiting, it gives its place back."""
        now = self._refill()
        asked_at, moved_before = now, self._moved_back
        self._tokens -= 1.0
        # While the bucket is closed, `_counted_at` is the moment it opens again.
        turn = max(now, self._counted_at) + max(-self._tokens, 0.0) / self._rate
        try:
            while (wait := turn + (self._moved_back - moved_before) - now) > 0:
                await asyncio.sleep(wait)
                now = self._clock.monotonic()
        except asyncio.CancelledError:
            self._tokens = min(self._burst, self._tokens + 1.0)
            raise
        self._taken += 1
        self._waited += now - asked_at

    def pause(self, seconds: float) -> None:
        """Let nothing out for `seconds` (at most a minute, plus jitter); then go on at the plain rate."""
        self._pauses += 1
        seconds = min(max(seconds, 0.0), _LONGEST_PAUSE_SECONDS)
        now = self._refill()
        opens_at = now + seconds * (1.0 + _PAUSE_JITTER * self._entropy.random())
        closed_already_until = max(now, self._counted_at)
        if opens_at > closed_already_until:
            self._moved_back += opens_at - closed_already_until
            self._counted_at = opens_at
        # No saved-up burst onto a server that is short of breath.
        self._tokens = min(self._tokens, 0.0)

    def stats(self) -> BucketStats:
        return BucketStats(self._taken, self._waited, self._pauses)

    def _refill(self) -> float:
        now = self._clock.monotonic()
        if now > self._counted_at:
            self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._rate)
            self._counted_at = now
        return now


class ApiBudget:
    """ports.RequestBudget: separate buckets of the same size, so that a storm of one use spares the other."""

    def __init__(self, clock: Clock, entropy: Entropy, *, rate: float = 100.0, burst: int = 1000) -> None:
        self.reads = TokenBucket(clock, entropy, rate=rate, burst=burst)
        self.writes = TokenBucket(clock, entropy, rate=rate, burst=burst)

    async def take(self, use: Use) -> None:
        await (self.reads if use == "read" else self.writes).take()

    def pause(self, use: Use, seconds: float) -> None:
        (self.reads if use == "read" else self.writes).pause(seconds)
