"""Prometheus metrics: every name the hub exports, in one place.

One `Metrics` is built by the composition root around a registry of its own and handed to the rooms.
Names start with `integration_hub_`, base units, `_total` for counters. Labels are bounded: kinds,
outcomes, provider names, object names; never a URL, a host or an id that a caller chose.
"""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_HEALTH = {"healthy": 1.0, "degraded": 0.5, "unhealthy": 0.0, "offline": 0.0}
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
        # integrations
        self.integration_ready = Gauge(
            "integration_hub_integration_ready_status",
            "Ready of an Integration: 1 True, 0 False, -1 Unknown.",
            ["namespace", "name"],
            registry=registry,
        )
        self.probe_total = Counter(
            "integration_hub_probe_total",
            "Probes by kind, provider and what they came to.",
            ["kind", "provider", "outcome"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "integration_hub_request_duration_seconds",
            "Time until an outside system answered, by kind.",
            ["kind"],
            buckets=_SECONDS,
            registry=registry,
        )
        # products
        self.product_health = Gauge(
            "integration_hub_product_health",
            "Verdict on a product: 1 healthy, 0.5 degraded, 0 unhealthy or offline, -1 unknown.",
            ["namespace", "name"],
            registry=registry,
        )
        self.heal_actions = Counter(
            "integration_hub_heal_actions_total",
            "Healing actions and what became of them (verifying: taken, effect awaited).",
            ["action", "result"],
            registry=registry,
        )
        self.heal_brake = Gauge(
            "integration_hub_heal_brake", "1 while the storm brake suspends all healing.", registry=registry
        )

    def observe_reconcile(self, kind: str, outcome: str, seconds: float) -> None:
        """runtime.controller.Observer."""
        self.reconcile_total.labels(kind, outcome).inc()
        self.reconcile_seconds.labels(kind).observe(seconds)

    def observe_status(self, kind: str, outcome: str) -> None:
        """runtime.status.Observer."""
        self.status_writes.labels(kind, outcome).inc()

    def observe_probe(self, kind: str, provider: str, outcome: str, seconds: float) -> None:
        """reconcilers.integration.IntegrationMetrics."""
        self.probe_total.labels(kind, provider, outcome).inc()
        self.request_seconds.labels(kind).observe(seconds)

    def set_ready(self, namespace: str, name: str, status: str) -> None:
        """reconcilers.integration.IntegrationMetrics."""
        self.integration_ready.labels(namespace, name).set({"True": 1, "False": 0}.get(status, -1))

    def drop_ready(self, namespace: str, name: str) -> None:
        """reconcilers.integration.IntegrationMetrics."""
        with suppress(KeyError):
            self.integration_ready.remove(namespace, name)

    def set_product_health(self, namespace: str, name: str, status: str) -> None:
        """reconcilers.product_registration.ProductMetrics, as are the next three."""
        self.product_health.labels(namespace, name).set(_HEALTH.get(status, -1))

    def drop_product(self, namespace: str, name: str) -> None:
        with suppress(KeyError):
            self.product_health.remove(namespace, name)

    def count_heal(self, action: str, result: str) -> None:
        self.heal_actions.labels(action, result).inc()

    def set_heal_brake(self, *, on: bool) -> None:
        self.heal_brake.set(on)
