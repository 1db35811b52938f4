"""Whether a connection behaves unlike itself: a small statistical detector, minute by minute.

It keeps what is usual for one connection as exponentially weighted mean and variance: of the logarithm
of the answer's time (times are skewed to the right), and of the share of failed calls. A minute that
lies far outside is strange; several in a row are an anomaly, and several calm ones end it. What is
strange is learnt ten times as slowly, so that a lasting change becomes the usual in a few hours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from integration_hub.api.reasons import Reason

WARM_MINUTES = 30
"""Minutes seen before anything is judged."""
MEMORY_MINUTES = 120
"""About so many minutes make up what is usual."""
STRANGE_MINUTES = 3
CALM_MINUTES = 5
FAR = 4.0
"""Standard deviations away from the usual that are strange, and how near is calm again."""
NEAR = 2.0
LEAST_SPREAD = math.log(1.2)
"""A connection steadier than this would call every hiccup strange."""
LEAST_GROWTH_MS = 50.0
LEAST_FAILURES = 3
SLOWLY = 0.1


@dataclass(frozen=True, slots=True)
class Minute:
    """What one minute's calls came to; `milliseconds` is the mean time of an answer."""

    calls: int
    failures: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What is unusual. The message is made when it begins and stays the same until it ends."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Usual:
    """Weighted mean and variance of a value."""

    mean: float = 0.0
    variance: float = 0.0
    seen: int = 0

    @property
    def spread(self) -> float:
        return math.sqrt(self.variance)

    def after(self, value: float, *, weight: float = 1.0) -> Usual:
        """With one more value. The first ones count as in a plain mean; `weight` below 1 learns slower."""
        share = weight * max(1 / (self.seen + 1), 1 / MEMORY_MINUTES)
        away = value - self.mean
        return Usual(
            self.mean + share * away,
            (1 - share) * (self.variance + share * away * away),
            self.seen + 1,
        )


@dataclass(frozen=True, slots=True)
class Detector:
    """What is usual for one connection, and for how many minutes it has been strange or calm."""

    latency: Usual = field(default_factory=Usual)
    errors: Usual = field(default_factory=Usual)
    strange: int = 0
    calm: int = 0
    anomaly: Anomaly | None = None

    def after(self, minute: Minute) -> Detector:
        """With one more minute; one without a call says nothing."""
        if minute.calls <= 0:
            return self
        far, near = self._judged(minute)
        learnt = self._learnt(minute, slowly=far is not None)
        if self.anomaly is not None:
            calm = self.calm + 1 if near else 0
            if calm >= CALM_MINUTES:
                return replace(learnt, strange=0, calm=0, anomaly=None)
            return replace(learnt, strange=0, calm=calm)
        strange = self.strange + 1 if far is not None else 0
        begins = far if strange >= STRANGE_MINUTES else None
        return replace(learnt, strange=0 if begins else strange, calm=0, anomaly=begins)

    def _learnt(self, minute: Minute, *, slowly: bool) -> Detector:
        weight = SLOWLY if slowly else 1.0
        latency = self.latency
        if minute.milliseconds > 0:
            latency = latency.after(math.log(minute.milliseconds), weight=weight)
        return replace(
            self, latency=latency, errors=self.errors.after(minute.failures / minute.calls, weight=weight)
        )

    def _judged(self, minute: Minute) -> tuple[Anomaly | None, bool]:
        """What is strange about a minute, and whether it is near enough to the usual to be calm."""
        if self.errors.seen < WARM_MINUTES:
            return None, True
        slow, errors = self._slowness(minute), self._failing(minute)
        if errors > FAR and minute.failures >= LEAST_FAILURES:
            usual, now = 100 * self.errors.mean, 100 * minute.failures / minute.calls
            told = f"{now:.0f} % of the calls fail; {usual:.0f} % are usual for this connection."
            return Anomaly(Reason.ERRORS_ANOMALOUS, told), False
        ordinary = math.exp(self.latency.mean)
        if slow > FAR and minute.milliseconds - ordinary > LEAST_GROWTH_MS:
            told = (
                f"Answers take about {minute.milliseconds:.0f} ms; {ordinary:.0f} ms are usual for this "
                "connection."
            )
            return Anomaly(Reason.LATENCY_ANOMALOUS, told), False
        return None, slow < NEAR and errors < NEAR

    def _slowness(self, minute: Minute) -> float:
        if minute.milliseconds <= 0 or self.latency.seen < WARM_MINUTES:
            return 0.0
        away = math.log(minute.milliseconds) - self.latency.mean
        return away / max(self.latency.spread, LEAST_SPREAD)

    def _failing(self, minute: Minute) -> float:
        """Standard deviations of so many calls' share of failures above the usual one."""
        usual = min(max(self.errors.mean, 0.01), 0.99)
        spread = max(math.sqrt(usual * (1 - usual) / minute.calls), self.errors.spread)
        return (minute.failures / minute.calls - self.errors.mean) / spread
