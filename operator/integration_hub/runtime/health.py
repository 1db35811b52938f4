"""What /healthz and /readyz tell, as plain data: is the event loop alive, and can this process be relied on.

Alive is not ready: a hub whose API server is away is alive, and goes on from what it knew. Whether that is
ready is decided by `max_stale_seconds`; how old the knowledge is, is told in any case.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from integration_hub.ports import Clock, Json

_TICK_SECONDS = 0.25
_WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `detail` says in words what is wrong, or how well it is."""

    name: str
    ok: bool
    detail: str
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The answer of a probe: good if every check is."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    def to_json(self) -> Json:
        return {
            "ok": self.ok,
            "checks": {
                check.name: {"ok": check.ok, "detail": check.detail, **check.facts} for check in self.checks
            },
        }


class LoopLag:
    """How late the event loop comes to its work: a blocking call shows here, whoever made it.

    `run` until cancelled. The worst of the last minute, in seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, float]] = deque()
        self._expected: float | None = None

    async def run(self) -> None:
        while True:
            self._expected = self._clock.monotonic() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            now = self._clock.monotonic()
            self._samples.append((now, max(0.0, now - self._expected)))
            while self._samples[0][0] < now - _WINDOW_SECONDS:
                self._samples.popleft()

    def now(self) -> float:
        """How late the loop is at this moment."""
        if self._expected is None:
            return 0.0
        return max(0.0, self._clock.monotonic() - self._expected)

    def worst(self) -> float:
        return max((lag for _, lag in self._samples), default=0.0)


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """What readiness needs of the feed; `facts` is shown as it is. Ages in seconds, None for never."""

    alive: bool
    good_age: float | None
    detail: str
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaderFacts:
    """Shown, never judged: a follower is as ready as the leader."""

    leading: bool
    holder: str
    fencing: int


class Health:
    """Puts the reports together from what the rooms say of themselves.

    `synced`: whether the cache has once been compared with a whole list. `lag`: the age in seconds of the
    oldest listed resourceVersion that the cache has not reached (None before the first relist).
    `max_lag_seconds` of the loop makes /healthz fail, so that a stuck process is restarted; stale knowledge
    never does, because a restart would lose it. `max_stale_seconds` None: old knowledge stays ready.
    `further` checks are whatever else readiness rests on.
    """

    def __init__(
        self,
        loop_lag: LoopLag,
        *,
        synced: Callable[[], bool],
        lag: Callable[[], float | None],
        feed: Callable[[], FeedFacts],
        leader: Callable[[], LeaderFacts] | None = None,
        further: Callable[[], tuple[Check, ...]] | None = None,
        max_lag_seconds: float = 10.0,
        max_stale_seconds: float | None = None,
    ) -> None:
        self._loop_lag = loop_lag
        self._synced = synced
        self._lag = lag
        self._feed = feed
        self._leader = leader
        self._further = further
        self._max_lag = max_lag_seconds
        self._max_stale = max_stale_seconds
        self.stopping = False
        """Set when SIGTERM came: no longer ready, still alive."""

    def live(self) -> Report:
        now, worst = self._loop_lag.now(), self._loop_lag.worst()
        ok = now <= self._max_lag
        return Report(
            (
                Check(
                    "eventLoop",
                    ok,
                    "in time" if ok else f"late by {now:.1f} s",
                    {"lagSeconds": round(now, 3), "worstLagSeconds": round(worst, 3)},
                ),
            )
        )

    def ready(self) -> Report:
        checks = [self._cache_check(), self._feed_check()]
        if self._leader is not None:
            leader = self._leader()
            told = "this process leads" if leader.leading else f"{leader.holder or 'nobody'} leads"
            checks.append(
                Check(
                    "leader",
                    ok=True,
                    detail=told,
                    facts={"leading": leader.leading, "holder": leader.holder, "fencing": leader.fencing},
                )
            )
        if self._further is not None:
            checks += self._further()
        if self.stopping:
            checks.append(Check("stopping", ok=False, detail="this process was asked to end"))
        return Report(tuple(checks))

    def _cache_check(self) -> Check:
        lag = self._lag()
        if not self._synced():
            return Check("cache", ok=False, detail="not yet compared with a whole list of the API server")
        late = lag is not None and self._max_stale is not None and lag > self._max_stale
        detail = f"behind the API server by {lag:.0f} s" if lag else "up to date"
        return Check("cache", ok=not late, detail=detail, facts={"lagSeconds": lag})

    def _feed_check(self) -> Check:
        feed = self._feed()
        stale = self._max_stale is not None and (feed.good_age is None or feed.good_age > self._max_stale)
        return Check(
            "feed",
            ok=feed.alive or not stale,
            detail=feed.detail,
            facts={"alive": feed.alive, "lastKnownGoodAgeSeconds": feed.good_age, **feed.facts},
        )
