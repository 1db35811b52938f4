"""A product in figures, for /metrics: what the hub measured of it, and what it measures of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from integration_hub.api.product_registration import HealStatus, ProductHealth, ProductRegistrationSpec
from integration_hub.domain.product_watch import Watch

WATCHED = frozenset(
    {
        "active_connections",
        "cpu_usage",
        "error_rate",
        "memory_usage",
        "queue_size",
        "requests_per_minute",
        "response_time_p95",
    }
)
"""What the suite's products measure of themselves under one name. Each name becomes a label, so what a
product makes up is left out: another one counts once `spec.heal.thresholds` names it."""


@dataclass(frozen=True, slots=True)
class ProductFigures:
    """One product now. Moments are Unix seconds, spans seconds; None: not known.

    `measured` is what its latest answer told; a product that is silent has measured nothing.
    """

    product: str
    version: str
    tier: str
    health: str
    since: float | None
    response_seconds: float | None
    failures: int
    last_seen: float | None
    started: float | None
    heals: int
    measured: Mapping[str, float]


def figures(
    spec: ProductRegistrationSpec, watch: Watch, health: ProductHealth, heal: HealStatus
) -> ProductFigures:
    """The figures as of this look; `health` and `heal` as they would be written now."""
    answer = watch.latest if spec.probe == "Auto" else None
    if answer is not None and not answer.answered:
        answer = None
    told = answer.seen.metrics if answer is not None else {}
    return ProductFigures(
        product=spec.product_id,
        version=spec.version,
        tier=spec.tier,
        health=health.status.value,
        since=_seconds(health.since),
        response_seconds=answer.elapsed_seconds if answer is not None else None,
        failures=health.consecutive_failures,
        last_seen=_seconds(health.last_seen),
        started=_seconds(health.started_at) if answer is not None else None,
        heals=heal.count,
        measured={
            name: value for name, value in told.items() if name in WATCHED or name in spec.heal.thresholds
        },
    )


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None
