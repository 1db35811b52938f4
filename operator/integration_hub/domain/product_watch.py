"""What is kept of a product between two looks, in memory: it is never worth an API write of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import (
    ProductHealth,
    ProductRegistrationSpec,
    ProductRegistrationStatus,
)
from integration_hub.domain.conditions import clip
from integration_hub.domain.product_health import (
    Observation,
    Standing,
    Verdict,
    inherit,
    observe,
    started_at,
)
from integration_hub.domain.product_report import HEALTHY
from integration_hub.domain.rollout import Workload

_WORKING = (HealthStatus.HEALTHY, HealthStatus.DEGRADED)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One probe that was made: what it showed, at which address, and how long it took."""

    url: str
    seen: Observation
    elapsed_seconds: float
    answered: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """A product under observation since `since`, without a break. `next_probe` is monotonic seconds."""

    since: datetime
    next_probe: float
    standing: Standing
    url: str = ""
    latest: Attempt | None = None
    last_seen: datetime | None = None
    last_error: str | None = None
    workload: Workload | None = None


def health_url(spec: ProductRegistrationSpec) -> str:
    """Where the product answers for its health: as given, or /health below its API."""
    if spec.health_endpoint is not None:
        return spec.health_endpoint
    parts = urlsplit(spec.api_endpoint)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + "/health", "", ""))


def evidence_span(spec: ProductRegistrationSpec) -> timedelta:
    """How long it takes to tell a dead product from a lost packet, with one probe to spare."""
    seconds = (spec.failure_threshold + 1) * spec.health_interval_seconds + spec.health_timeout_seconds
    return timedelta(seconds=seconds)


def begin(
    spec: ProductRegistrationSpec,
    status: ProductRegistrationStatus,
    *,
    settled: bool,
    now: datetime,
    tick: float,
    jitter: float,
) -> Watch:
    """Start to watch. A `settled` product is probed some time within its interval, a new one at once."""
    delay = jitter * spec.health_interval_seconds if settled else 0.0
    return Watch(
        since=now,
        next_probe=tick + delay,
        standing=inherit(
            status.health,
            next((each for each in status.conditions if each.type == HEALTHY), None),
            failure_threshold=spec.failure_threshold,
        ),
        url=health_url(spec),
        last_seen=status.health.last_seen,
        last_error=status.health.last_error,
    )


def due(watch: Watch, spec: ProductRegistrationSpec, tick: float) -> bool:
    """Whether the product is to be asked now: it is time, or its address is another one."""
    return spec.probe == "Auto" and (tick >= watch.next_probe or watch.url != health_url(spec))


def probed(
    watch: Watch,
    spec: ProductRegistrationSpec,
    attempt: Attempt,
    *,
    now: datetime,
    tick: float,
    jitter: float,
) -> Watch:
    """Let a probe count; the next one follows after the interval, within 5 % of it."""
    standing = watch.standing if attempt.url == watch.url else Standing()
    return replace(
        watch,
        standing=observe(
            standing,
            attempt.seen,
            failure_threshold=spec.failure_threshold,
            success_threshold=spec.success_threshold,
        ),
        url=attempt.url,
        latest=attempt,
        next_probe=tick + spec.health_interval_seconds * (0.95 + 0.1 * jitter),
        last_seen=now if attempt.answered else watch.last_seen,
        last_error=watch.last_error if attempt.seen.status is HealthStatus.HEALTHY else attempt.seen.message,
    )


def last_working(status: HealthStatus, previous: ProductHealth, now: datetime) -> datetime | None:
    """When a product with this verdict last did its work, well or badly; None: it never has."""
    if status in _WORKING:
        return now
    if previous.last_working is None and previous.status in _WORKING:
        return previous.last_seen or now
    return previous.last_working


def health(watch: Watch, verdict: Verdict, previous: ProductHealth, now: datetime) -> ProductHealth:
    """`status.health` as of now."""
    latest = watch.latest
    seen = latest.seen if latest is not None else None
    return ProductHealth(
        status=verdict.status,
        since=verdict.since,
        signal=verdict.signal,
        reported_version=seen.version if seen and seen.version else previous.reported_version,
        started_at=started_at(previous.started_at, seen.uptime_seconds if seen else None, now),
        last_seen=watch.last_seen,
        last_working=last_working(verdict.status, previous, now),
        response_time=round(latest.elapsed_seconds * 1000) if latest and latest.answered else None,
        consecutive_failures=watch.standing.failures,
        last_error=clip(watch.last_error) if watch.last_error else None,
        metrics=dict(seen.metrics) if seen and seen.metrics else previous.metrics,
    )
