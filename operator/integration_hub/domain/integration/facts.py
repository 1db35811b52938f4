"""What the hub remembers of a connection's health between two looks, and how an answer changes it.

Facts live in memory. After a restart they are restored from the status as far as it goes: verdict,
failures in a row, last error. The window of percentages starts anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from integration_hub.api.integration import HealthStatus
from integration_hub.api.reasons import Reason
from integration_hub.domain import conditions
from integration_hub.domain.classification import Outcome
from integration_hub.domain.conditions import Finding, fails, holds, unknown
from integration_hub.domain.health_window import HealthWindow, Streak, Thresholds
from integration_hub.ports import CredentialProblem, Json

CONNECTED = "Connected"
_REASONS = {reason.value: reason for reason in Reason}
_VERDICTS = {status.value: status for status in HealthStatus}

SUSPECT_SECONDS = 30.0
"""Longest pause before a first failure is confirmed or refuted."""
BROKEN_SECONDS = 60.0
"""Longest pause before a broken connection that may mend by itself is tried again."""
LASTING_SECONDS = 300.0
"""Shortest pause where only a person can mend it; their edit wakes the hub at once anyway."""
OVERLOADED_SECONDS = 5.0
"""Pause after a probe that our own overload kept from going out."""
REFRESH_RETRY_SECONDS = 5.0
"""Pause before a token is asked for again after a failure that may pass; it doubles each time."""
REFRESH_PAUSE_SECONDS = 300.0
"""Longest such pause."""
TRIAL_SECONDS = 5.0
"""Pause between two trial calls through a breaker that is half open."""
JITTER = 0.1
"""Probes keep their pace within this share of it, so that they spread."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Versions of everything a verdict rests on. A verdict about other inputs is no verdict."""

    generation: int = -1
    provider_uid: str = ""
    provider_generation: int = 0
    secret_version: str = ""

    @classmethod
    def of_status(cls, status: Mapping[str, Json]) -> Self:
        """What a status says it was decided on."""
        accepted = status.get("acceptedProvider") or {}
        credentials = status.get("credentials") or {}
        return cls(
            status.get("observedGeneration", -1),
            accepted.get("uid", ""),
            accepted.get("generation", 0),
            credentials.get("secretVersion", ""),
        )


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """See the module's text. `probed` is None until the present inputs were tried.

    `connected` is what the condition says of them. Times `next_probe` and those that end in
    `not_before` are monotonic seconds, `response_ms` the last answer's time. `kept_version` is that
    of the hub's own Secrets when credentials were last looked at.
    """

    window: HealthWindow = field(default_factory=HealthWindow)
    streak: Streak = field(default_factory=Streak)
    probed: Inputs | None = None
    connected: Finding | None = None
    next_probe: float | None = None
    not_before: float = 0.0
    last_check: datetime | None = None
    last_success: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    response_ms: int | None = None
    error_count: int = 0
    refresh_failures: int = 0
    refresh_not_before: float = 0.0
    rotate_not_before: float = 0.0
    rotate_tries: int = 0
    kept_version: str | None = None

    @classmethod
    def restored(cls, status: Mapping[str, Json], window_minutes: int) -> Self:
        """The facts that a status still tells."""
        health = status.get("health") or {}
        found = carried(status, CONNECTED)
        verdict = _VERDICTS.get(health.get("status", ""), HealthStatus.UNKNOWN)
        tried = found is not None and found.status != "Unknown" and verdict is not HealthStatus.UNKNOWN
        return cls(
            window=HealthWindow(window_minutes),
            streak=Streak(verdict, health.get("consecutiveFailures", 0)) if tried else Streak(),
            probed=Inputs.of_status(status) if tried else None,
            connected=found if tried else None,
            last_check=_moment(health.get("lastCheck")),
            last_success=_moment(status.get("lastSuccessfulCall")),
            last_error=status.get("lastError"),
            last_error_at=_moment(status.get("lastErrorAt")),
            response_ms=health.get("responseTime"),
            error_count=status.get("errorCount", 0),
        )

    def untried(self) -> HealthFacts:
        """As they are when nothing can be said of the connection; its history stays."""
        return replace(self, streak=Streak(), probed=None, connected=None, next_probe=None)

    def held_off(self, pace: Pace) -> HealthFacts:
        """Too much is under way already: no token is asked for and no key replaced just now."""
        moment = pace.after(OVERLOADED_SECONDS)
        return replace(self, refresh_not_before=moment, rotate_not_before=moment)

    def refreshed(self, problem: CredentialProblem | None, pace: Pace) -> HealthFacts:
        """After a try for a newer token; `problem` is why there is none. Never tried again at once."""
        failures = self.refresh_failures + 1 if problem is not None else 0
        pause = min(REFRESH_RETRY_SECONDS * 2 ** min(max(failures - 1, 0), 8), REFRESH_PAUSE_SECONDS)
        asked = problem.retry_after or 0.0 if problem is not None else 0.0
        return replace(self, refresh_failures=failures, refresh_not_before=pace.after(max(pause, asked)))


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look: the wanted pause in seconds, chance in [0, 1), and now in monotonic seconds."""

    interval: float
    jitter: float
    tick: float

    def after(self, seconds: float) -> float:
        """A moment about so many seconds from now."""
        return self.tick + seconds * (1 - JITTER + 2 * JITTER * self.jitter)

    def sometime(self) -> float:
        """A moment anywhere within the interval: for the first probe after a restart."""
        return self.tick + self.interval * self.jitter


def learn(
    facts: HealthFacts,
    outcome: Outcome,
    message: str,
    *,
    inputs: Inputs,
    thresholds: Thresholds,
    pace: Pace,
    now: datetime,
) -> HealthFacts:
    """The facts after one more answer. `message` is the outcome in words."""
    if not outcome.counts:
        pause = max(pace.after(OVERLOADED_SECONDS), pace.tick + (outcome.retry_after or 0.0))
        return replace(facts, next_probe=pause, not_before=pause)
    before = facts if facts.probed == inputs else facts.untried()
    streak = before.streak.after(success=outcome.success, thresholds=thresholds)
    learnt = replace(
        before,
        window=before.window.record(success=outcome.success, at=pace.tick),
        streak=streak,
        probed=inputs,
        connected=_connected(before, streak, outcome, message),
        next_probe=_next_probe(streak, outcome, pace),
        not_before=0.0,
        last_check=now,
        response_ms=round(outcome.elapsed_seconds * 1000) if outcome.status else before.response_ms,
    )
    if outcome.success:
        return replace(learnt, last_success=now)
    return replace(learnt, last_error=message, last_error_at=now, error_count=before.error_count + 1)


def _connected(before: HealthFacts, streak: Streak, outcome: Outcome, message: str) -> Finding | None:
    """What the condition says now. Below a threshold, and while the reason stays, it keeps its words."""
    said = before.connected
    if outcome.success != streak.works and said is not None:
        return said
    found = holds(Reason.CONNECTED, message) if outcome.success else fails(outcome.reason, message)
    unchanged = said is not None and (said.status, said.reason) == (found.status, found.reason)
    return said if unchanged else found


def _next_probe(streak: Streak, outcome: Outcome, pace: Pace) -> float:
    """Suspicions are settled soon, what cannot mend by itself is left alone longer, quiet is granted."""
    if outcome.success:
        seconds = pace.interval
    elif streak.works:
        seconds = min(pace.interval, SUSPECT_SECONDS)
    elif outcome.lasting:
        seconds = max(pace.interval, LASTING_SECONDS)
    else:
        seconds = min(pace.interval, BROKEN_SECONDS)
    asked = pace.tick + (outcome.retry_after or 0.0)
    return max(pace.after(seconds), asked)


def carried(status: Mapping[str, Json], condition_type: str) -> Finding | None:
    """A condition of the present status as a finding; None where the hub has said nothing yet."""
    found = conditions.find(status.get("conditions", ()), condition_type)
    if found is None or found.get("reason") == Reason.PENDING.value:
        return None
    reason = _REASONS.get(found.get("reason", ""), Reason.NOT_CHECKED)
    make = {"True": holds, "False": fails}.get(found.get("status", ""), unknown)
    return make(reason, found.get("message", ""))


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
