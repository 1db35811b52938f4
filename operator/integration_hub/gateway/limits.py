"""How often somebody may ask: token buckets, in memory, of bounded number."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import ip_address

from integration_hub.ports import Clock


class Buckets:
    """One bucket per key: `rate` tokens a second, at most `burst` at once; the least used are forgotten."""

    def __init__(self, clock: Clock, *, rate: float, burst: int, remembered: int = 10_000) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = float(burst)
        self._remembered = remembered
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one token: 0.0. Where there is none: seconds until there will be."""
        level = self._level(key)
        if level < 1.0:
            return (1.0 - level) / self._rate
        self._set(key, level - 1.0)
        return 0.0

    def wait(self, key: str) -> float:
        """As `take`, and takes nothing."""
        level = self._level(key)
        return 0.0 if level >= 1.0 else (1.0 - level) / self._rate

    def _level(self, key: str) -> float:
        known = self._levels.get(key)
        if known is None:
            return self._burst
        level, at = known
        return min(self._burst, level + (self._clock.monotonic() - at) * self._rate)

    def _set(self, key: str, level: float) -> None:
        self._levels[key] = (level, self._clock.monotonic())
        self._levels.move_to_end(key)
        if len(self._levels) > self._remembered:
            self._levels.popitem(last=False)


def bucket_of_address(address: str) -> str:
    """Whom an address stands for: itself, or its /64, which is what one host has of IPv6."""
    try:
        parsed = ip_address(address.split("%", 1)[0])
    except ValueError:
        return address
    if parsed.version == 6:
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{parsed.exploded[:19]}::/64"
    return str(parsed)
