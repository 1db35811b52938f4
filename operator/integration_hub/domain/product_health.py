"""Is a product well? Its answers and its Deployment become signals, the worst signal is the verdict.

Three signals: the probe (GET of its health endpoint), the rollout of its Deployment, and the beats
it sends. A single answer proves little, so a standing changes only after as many answers in a row as
the spec's thresholds say; a standing without a Deployment or a beat is no standing but silence.

How an answer is read. The HTTP status comes first: 2xx means that the product lives. Then the word in
the body's `status` decides. A 2xx with no body, an odd body or an unknown word counts as healthy and
carries a note, because a product that answers must not be restarted over the form of its answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Literal

from integration_hub.api.conditions import Condition
from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import ProductHealth
from integration_hub.api.reasons import Reason
from integration_hub.domain.json_text import decoded
from integration_hub.domain.rollout import RolloutState, Workload

Json = Any
SignalName = Literal["rollout", "probe", "heartbeat"]

MAX_METRICS = 32
MAX_METRIC_NAME = 64
MAX_METRIC_VALUE = 1e15
MAX_VERSION = 64
MAX_UPTIME = 100 * 365 * 86_400
START_TOLERANCE = timedelta(seconds=5)

METRIC_NAMES = {"cpu": "cpu_usage", "memory": "memory_usage"}
"""Short names of PRD-10 and the names they are kept under."""

WORDS = {
    **dict.fromkeys(("healthy", "ok", "up", "pass", "passing"), HealthStatus.HEALTHY),
    **dict.fromkeys(("degraded", "warn", "warning"), HealthStatus.DEGRADED),
    **dict.fromkeys(("unhealthy", "down", "fail", "failing", "error", "critical"), HealthStatus.UNHEALTHY),
}
"""Words for `status` that products are known to use: ours, Spring's, and those of health+json."""

_REASONS = {reason.value: reason for reason in Reason}

_SEVERITY = {
    HealthStatus.HEALTHY: 0,
    HealthStatus.UNKNOWN: 1,
    HealthStatus.DEGRADED: 2,
    HealthStatus.UNHEALTHY: 3,
    HealthStatus.OFFLINE: 4,
}


def is_bad(status: HealthStatus) -> bool:
    """Whether a verdict is trouble: the product does not work, so that healing may be called for."""
    return status in (HealthStatus.UNHEALTHY, HealthStatus.OFFLINE)


# --------------------------------------------------------------------------- one answer


@dataclass(frozen=True, slots=True)
class Observation:
    """What one probe showed. `status` UNKNOWN: it could not be made, which is not the product's fault.

    `uptime_seconds` and `metrics` are what the product says of itself, within bounds.
    """

    status: HealthStatus
    reason: Reason
    message: str
    version: str | None = None
    uptime_seconds: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


def read_answer(status: int, body: bytes) -> Observation:
    """Read a product's answer to GET /health: HTTP status and (capped) body."""
    report = _report(body)
    word = report.get("status") if report is not None else None
    told = WORDS.get(word.strip().lower()) if isinstance(word, str) else None
    verdict, reason, message = _sort(status, report, word, told)
    return Observation(verdict, reason, message, **_figures(report or {}))


def read_failure(word: str, message: str) -> Observation:
    """Read why no answer came; `word` is the port's stable word for it, which is also a reason."""
    reason = _REASONS[word]
    ours = (Reason.ADDRESS_BLOCKED, Reason.INVALID_URL, Reason.EGRESS_OVERLOADED)
    return Observation(HealthStatus.UNKNOWN if reason in ours else HealthStatus.UNHEALTHY, reason, message)


def _sort(
    status: int, report: Mapping[str, Json] | None, word: Json, told: HealthStatus | None
) -> tuple[HealthStatus, Reason, str]:
    if 400 <= status < 500:
        return (
            HealthStatus.UNHEALTHY,
            Reason.UNEXPECTED_ANSWER,
            f"The health endpoint answers {status}: check spec.healthEndpoint.",
        )
    if not 200 <= status < 300:
        return HealthStatus.UNHEALTHY, Reason.PROBE_FAILED, f"The health endpoint answers {status}."
    if told is HealthStatus.UNHEALTHY:
        return told, Reason.REPORTED_UNHEALTHY, f"The product reports itself {word.strip().lower()}."
    if told is HealthStatus.DEGRADED:
        return told, Reason.REPORTED_DEGRADED, f"The product reports itself {word.strip().lower()}."
    if told is HealthStatus.HEALTHY:
        return told, Reason.HEALTHY, "The product answers and reports itself healthy."
    note = "its body is no JSON object" if report is None else "its body has no status word the hub knows"
    return HealthStatus.HEALTHY, Reason.HEALTHY, f"The product answers {status}; {note}."


def _report(body: bytes) -> Mapping[str, Json] | None:
    report = decoded(body)
    return report if isinstance(report, dict) else None


def _figures(report: Mapping[str, Json]) -> dict[str, Any]:
    version, uptime = report.get("version"), _number(report.get("uptime"))
    return {
        "version": version[:MAX_VERSION] if isinstance(version, str) and version.isprintable() else None,
        "uptime_seconds": uptime if uptime is not None and 0 <= uptime <= MAX_UPTIME else None,
        "metrics": _metrics(report.get("metrics")),
    }


def _metrics(reported: Json) -> dict[str, float]:
    if not isinstance(reported, dict):
        return {}
    kept: dict[str, float] = {}
    name: str
    for name, value in reported.items():
        number = _number(value)
        if number is None or not 0 < len(name) <= MAX_METRIC_NAME or not name.isprintable():
            continue
        long_name = METRIC_NAMES.get(name, name)
        if name in METRIC_NAMES and long_name in reported:
            continue  # the long name, given as well, wins
        kept[long_name] = number
        if len(kept) == MAX_METRICS:
            break
    return kept


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isfinite(value) and abs(value) <= MAX_METRIC_VALUE else None


def started_at(previous: datetime | None, uptime_seconds: float | None, now: datetime) -> datetime | None:
    """When the product started, by its own account; kept still while the answers agree within seconds."""
    if uptime_seconds is None:
        return previous
    start = now - timedelta(seconds=uptime_seconds)
    return previous if previous is not None and abs(start - previous) <= START_TOLERANCE else start


# --------------------------------------------------------------------------- many answers


@dataclass(frozen=True, slots=True)
class Standing:
    """What the probes of a product amount to so far.

    `worse` and `better` count answers in a row that speak for a change, and `nearest` is the least
    change that any of them speaks for; `failures` counts all bad answers in a row; `told` and `repeats`
    are a new text for the same standing and how often it was heard.
    """

    status: HealthStatus = HealthStatus.UNKNOWN
    reason: Reason = Reason.PROBE_PENDING
    message: str = "The first probes are on their way."
    worse: int = 0
    better: int = 0
    nearest: Observation | None = None
    failures: int = 0
    told: tuple[Reason, str] | None = None
    repeats: int = 0

    @property
    def suspect(self) -> bool:
        """Whether the latest answers were bad, though not often enough to count."""
        return self.failures > 0 and not is_bad(self.status)

    @property
    def recovering(self) -> bool:
        """Whether the latest answers were good, though not often enough to count."""
        return self.better > 0


def inherit(health: ProductHealth, told: Condition | None, *, failure_threshold: int) -> Standing:
    """The standing as a restarted hub finds it: the verdict in status, if the probe said so too.

    `told` is the condition Healthy: with its own words, since other words for the same would be a write.
    """
    if told is None or health.status is HealthStatus.UNKNOWN:
        return Standing()
    if health.status is HealthStatus.HEALTHY or health.signal == "probe":
        return Standing(health.status, _REASONS.get(told.reason, Reason.PROBE_FAILED), told.message)
    if health.consecutive_failures >= failure_threshold:
        return Standing(HealthStatus.UNHEALTHY, Reason.PROBE_FAILED, told.message)
    return Standing()


def observe(
    standing: Standing, seen: Observation, *, failure_threshold: int, success_threshold: int
) -> Standing:
    """Let one more answer count."""
    if seen.reason is Reason.EGRESS_OVERLOADED:
        return standing  # our own trouble says nothing about the product
    if seen.status is HealthStatus.UNKNOWN:
        return Standing(seen.status, seen.reason, seen.message)
    bad = is_bad(seen.status)
    counted = replace(standing, failures=standing.failures + 1 if bad else 0)
    first = standing.status is HealthStatus.UNKNOWN
    if first and not bad:
        return _adopt(counted, seen)
    difference = _SEVERITY[seen.status] - _SEVERITY[standing.status]
    if difference == 0:
        return _reword(replace(counted, worse=0, better=0, nearest=None), seen, failure_threshold)
    counted = replace(
        counted,
        worse=standing.worse + 1 if difference > 0 else 0,
        better=standing.better + 1 if difference < 0 else 0,
    )
    nearest = _nearer(standing, seen) if counted.worse + counted.better > 1 else seen
    enough = counted.worse >= failure_threshold or counted.better >= success_threshold
    return _adopt(counted, nearest) if enough else replace(counted, nearest=nearest)


def _nearer(standing: Standing, seen: Observation) -> Observation:
    """Of the answers in a row that speak for a change, the latest of those that speak for the least."""

    def distance(each: Observation) -> int:
        return abs(_SEVERITY[each.status] - _SEVERITY[standing.status])

    known = standing.nearest
    return known if known is not None and distance(known) < distance(seen) else seen


def _adopt(standing: Standing, seen: Observation) -> Standing:
    return Standing(seen.status, seen.reason, seen.message, failures=standing.failures)


def _reword(standing: Standing, seen: Observation, threshold: int) -> Standing:
    """A new text for an old standing is taken up once it was heard often: every new text is a write."""
    text = seen.reason, seen.message
    if text == (standing.reason, standing.message):
        return replace(standing, told=None, repeats=0)
    repeats = standing.repeats + 1 if text == standing.told else 1
    return _adopt(standing, seen) if repeats >= threshold else replace(standing, told=text, repeats=repeats)


# --------------------------------------------------------------------------- verdict


@dataclass(frozen=True, slots=True)
class Signal:
    """One witness's word on the product."""

    name: SignalName
    status: HealthStatus
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst of the signals. `signal` names the witness, None where there is nothing to blame."""

    status: HealthStatus
    signal: SignalName | None
    reason: Reason
    message: str
    since: datetime
    changed: bool

    @property
    def bad(self) -> bool:
        return is_bad(self.status)


def probe_signal(standing: Standing) -> Signal:
    """The probe's word."""
    return Signal("probe", standing.status, standing.reason, standing.message)


def rollout_signal(workload: Workload | None, name: str) -> Signal | None:
    """The Deployment's word, or None while a rollout that is under way says nothing yet.

    `workload` None means that there is no Deployment called `name`.
    """
    if workload is None:
        return Signal(
            "rollout",
            HealthStatus.UNHEALTHY,
            Reason.WORKLOAD_NOT_FOUND,
            f"There is no Deployment {name} in this namespace: create it or correct spec.workloadRef.",
        )
    rollout = workload.rollout
    look = f"See kubectl describe deployment {name}."
    if rollout.state is RolloutState.SCALED_TO_ZERO:
        message = f"Deployment {name} is scaled to zero."
        return Signal("rollout", HealthStatus.OFFLINE, Reason.WORKLOAD_UNAVAILABLE, message)
    if rollout.state is RolloutState.FAILED:
        status = HealthStatus.DEGRADED if rollout.available else HealthStatus.UNHEALTHY
        message = f"The rollout of Deployment {name} does not get on. {look}"
        return Signal("rollout", status, Reason.ROLLOUT_FAILED, message)
    if rollout.state is RolloutState.PROGRESSING and not rollout.available:
        return None
    if not rollout.available:
        message = f"Deployment {name} has too few available replicas. {look}"
        return Signal("rollout", HealthStatus.UNHEALTHY, Reason.WORKLOAD_UNAVAILABLE, message)
    if not rollout.full and rollout.state is not RolloutState.PROGRESSING:
        message = f"Deployment {name} has fewer available replicas than it asks for. {look}"
        return Signal("rollout", HealthStatus.DEGRADED, Reason.WORKLOAD_UNAVAILABLE, message)
    return Signal("rollout", HealthStatus.HEALTHY, Reason.HEALTHY, f"Deployment {name} is available.")


def judge(signals: Sequence[Signal], previous: ProductHealth, now: datetime) -> Verdict:
    """The verdict: the worst signal speaks, the first of equals; `since` moves only with the verdict."""
    worst = max(signals, key=lambda each: _SEVERITY[each.status], default=None)
    status = worst.status if worst else HealthStatus.UNKNOWN
    changed = previous.since is None or status is not previous.status
    since = now if changed or previous.since is None else previous.since
    if worst is None:
        message = "Nothing tells how the product is: switch on spec.probe or name its Deployment."
        return Verdict(status, None, Reason.NO_SIGNAL, message, since, changed)
    blamed = None if status is HealthStatus.HEALTHY else worst.name
    others = [each.message for each in signals if each is not worst and is_bad(each.status)]
    return Verdict(status, blamed, worst.reason, _joined([worst.message, *others]), since, changed)


def _joined(messages: Sequence[str]) -> str:
    """All of them, but none that stands in another: an inherited one holds the others' words already."""
    return " ".join(
        each
        for place, each in enumerate(messages)
        if not any(each in other for other in messages[:place])
        and not any(each in other and each != other for other in messages[place + 1 :])
    )
