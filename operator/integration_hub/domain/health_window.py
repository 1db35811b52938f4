"""How healthy something has been lately, and what that makes it now.

Two small values, both immutable: `HealthWindow` counts successes and failures of the last so many
minutes (uptime and error rate come from it), `Streak` turns answers in a row into a verdict. A
window costs a few hundred bytes whatever its length, since every watched object has one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from integration_hub.api.integration import HealthStatus

BUCKETS = 60
"""Slots of a window. One is a minute of an hour's window, 24 minutes of a day's."""
_FULL = 0xFFFF
_LAYOUT = struct.Struct(f"<{2 * BUCKETS}H")
_EMPTY = bytes(_LAYOUT.size)


@dataclass(frozen=True, slots=True)
class HealthWindow:
    """Successes and failures of the last `minutes`, in BUCKETS slots that age out one by one.

    Times are monotonic seconds. `newest` is the number of the slot last written (seconds divided by
    the slot's length), `counts` two unsigned shorts per slot: successes, failures.
    """

    minutes: int = 60
    newest: int = 0
    counts: bytes = _EMPTY

    @property
    def slot_seconds(self) -> float:
        return self.minutes * 60 / BUCKETS

    def record(self, *, success: bool, at: float) -> HealthWindow:
        """The window with one more answer. An answer from before the newest slot counts into that one."""
        newest = max(self._number(at), self.newest)
        counts = self._aged(newest)
        place = 2 * (newest % BUCKETS) + (0 if success else 1)
        counts[place] = min(counts[place] + 1, _FULL)
        return HealthWindow(self.minutes, newest, _LAYOUT.pack(*counts))

    def with_past(self, *, checks: int, failures: int, at: float) -> HealthWindow:
        """With answers from before this process began, spread evenly: their times are not known."""
        newest = max(self._number(at), self.newest)
        counts = self._aged(newest)
        for slot in range(BUCKETS):
            place = 2 * ((newest - slot) % BUCKETS)
            counts[place] = min(counts[place] + _share(checks - failures, slot), _FULL)
            counts[place + 1] = min(counts[place + 1] + _share(failures, slot), _FULL)
        return HealthWindow(self.minutes, newest, _LAYOUT.pack(*counts))

    def totals(self, at: float) -> tuple[int, int]:
        """Successes and failures within the window as of `at`."""
        counts = self._aged(max(self._number(at), self.newest))
        return sum(counts[0::2]), sum(counts[1::2])

    def uptime(self, at: float) -> float | None:
        """Percent of answers that were good, two decimals; None where nothing is known."""
        good, bad = self.totals(at)
        return round(100 * good / (good + bad), 2) if good + bad else None

    def error_rate(self, at: float) -> float | None:
        """Percent of answers that were failures, two decimals; None where nothing is known."""
        uptime = self.uptime(at)
        return None if uptime is None else round(100 - uptime, 2)

    def resized(self, minutes: int) -> HealthWindow:
        """This window if it has that length, else an empty one that does."""
        return self if minutes == self.minutes else HealthWindow(minutes)

    def _number(self, at: float) -> int:
        return int(at // self.slot_seconds)

    def _aged(self, newest: int) -> list[int]:
        """The counts with every slot emptied that lies between the newest written one and `newest`."""
        counts = list(_LAYOUT.unpack(self.counts))
        for number in range(self.newest + 1, min(newest, self.newest + BUCKETS) + 1):
            counts[2 * (number % BUCKETS)] = counts[2 * (number % BUCKETS) + 1] = 0
        return counts


def _share(count: int, slot: int) -> int:
    """What falls to one slot if `count` is dealt out to all of them."""
    return count // BUCKETS + (slot < count % BUCKETS)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Answers in a row that make something unhealthy, and healthy again."""

    failures: int = 3
    successes: int = 1


@dataclass(frozen=True, slots=True)
class Streak:
    """A verdict and the answers in a row that speak for keeping or changing it.

    unknown: the first answer decides. healthy or degraded: degraded at the first failure, unhealthy
    at the threshold, healthy again at the first success. unhealthy: healthy at its threshold.
    """

    verdict: HealthStatus = HealthStatus.UNKNOWN
    failures: int = 0
    successes: int = 0

    @property
    def works(self) -> bool:
        """Whether it counts as working: degraded still does."""
        return self.verdict in (HealthStatus.HEALTHY, HealthStatus.DEGRADED)

    def after(self, *, success: bool, thresholds: Thresholds) -> Streak:
        """The streak with one more answer."""
        if success:
            successes = self.successes + 1
            recovered = self.verdict is not HealthStatus.UNHEALTHY or successes >= thresholds.successes
            return Streak(HealthStatus.HEALTHY if recovered else self.verdict, 0, successes)
        failures = self.failures + 1
        if self.works and failures < thresholds.failures:
            return Streak(HealthStatus.DEGRADED, failures, 0)
        return Streak(HealthStatus.UNHEALTHY, failures, 0)
