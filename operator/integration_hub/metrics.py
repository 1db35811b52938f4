"""Prometheus metrics: every name the hub exports, in one place.

One `Metrics` is built by the composition root around a registry of its own and handed to the rooms.
Names start with `integration_hub_`, base units, `_total` for counters. Labels are bounded: kinds,
outcomes, provider names, object names; never a URL, a host or an id that a caller chose.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        # runtime
        self.reconcile_total = Counter(
            "integration_hub_reconcile_total",
            "Reconciles by kind and outcome.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.reconcile_seconds = Histogram(
            "integration_hub_reconcile_duration_seconds",
            "Time of one reconcile, by kind.",
            ["kind"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.leader = Gauge("integration_hub_leader", "1 while this process leads.", registry=registry)
        self.status_writes = Counter(
            "integration_hub_status_writes_total",
            "Statuses by kind and what became of them (written, unchanged, conflict, gone).",
            ["kind", "outcome"],
            registry=registry,
        )

    def observe_reconcile(self, kind: str, outcome: str, seconds: float) -> None:
        """runtime.controller.Observer."""
        self.reconcile_total.labels(kind, outcome).inc()
        self.reconcile_seconds.labels(kind).observe(seconds)
