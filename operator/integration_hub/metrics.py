"""Prometheus metrics: every name the hub exports, in one place.

One `Metrics` is built by the composition root around a registry of its own and handed to the rooms.
Names start with `integration_hub_`, base units, `_total` for counters. Labels are bounded: kinds,
outcomes, provider names, object names; never a URL, a host or an id that a caller chose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from integration_hub.domain.product_figures import ProductFigures
from integration_hub.product_metrics import ProductGauges

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._of_the_runtime(registry)
        self._of_integrations(registry)
        self._of_the_gateway(registry)
        self._of_calls(registry)
        self._of_products(registry)

    def _of_the_runtime(self, registry: CollectorRegistry) -> None:
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

    def _of_integrations(self, registry: CollectorRegistry) -> None:
        self.probe_total = Counter(
            "integration_hub_probe_total",
            "Probes by kind, provider (`custom` for a namespace's own) and outcome.",
            ["kind", "provider", "outcome"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "integration_hub_request_duration_seconds",
            "Time until the outside system answered, by kind and provider.",
            ["kind", "provider"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.token_requests = Counter(
            "integration_hub_token_requests_total",
            "Requests for tokens, by what they came to.",
            ["provider", "result"],
            registry=registry,
        )
        self.oauth_refresh = Counter(
            "integration_hub_oauth_refresh_total",
            "Token requests, by provider (`custom` for a namespace's own) and what came of them.",
            ["provider", "result"],
            registry=registry,
        )
        self.integration_ready = ReadyGauge(
            "integration_hub_integration_ready_status",
            "Ready of each Integration: 1 True, 0 False, -1 Unknown.",
        )
        registry.register(self.integration_ready)
        self.integration_troubles = TroubleGauge(
            "integration_hub_integration_trouble",
            "1 for each reason for which something about an Integration is not as it should be.",
        )
        registry.register(self.integration_troubles)

    def _of_the_gateway(self, registry: CollectorRegistry) -> None:
        self.gateway_requests = Counter(
            "integration_hub_gateway_requests_total",
            "Requests answered, by kind of caller, route, method and status.",
            ["caller", "route", "method", "code"],
            registry=registry,
        )
        self.gateway_seconds = Histogram(
            "integration_hub_gateway_request_duration_seconds",
            "Time of one request, by route.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.gateway_refusals = Counter(
            "integration_hub_gateway_refusals_total",
            "Requests refused at the door, by why (authentication, authorization, address, rate).",
            ["why"],
            registry=registry,
        )

    def _of_calls(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "integration_hub_requests_total",
            "Requests to outside systems, and refusals to make one, by provider, purpose and outcome.",
            ["provider", "purpose", "outcome"],
            registry=registry,
        )
        self.bytes = Counter(
            "integration_hub_bytes_total",
            "Bytes of bodies exchanged with outside systems, by direction (sent, received).",
            ["direction"],
            registry=registry,
        )
        self.rate_wait_seconds = Histogram(
            "integration_hub_rate_limit_wait_seconds",
            "Time that calls waited for room in a provider's rate limit.",
            ["provider"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.circuit_state = StateGauge(
            "integration_hub_circuit_state",
            "Circuit breaker of each Integration that ever had trouble: 0 closed, 1 half open, 2 open.",
            _CIRCUIT_VALUES,
        )
        registry.register(self.circuit_state)

    def _of_products(self, registry: CollectorRegistry) -> None:
        self.products = ProductGauges()
        registry.register(self.products)
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
        """reconcilers.integration.IntegrationMetrics, as are the next four. `provider`: of a bounded set."""
        self.probe_total.labels(kind, provider, outcome).inc()
        if seconds > 0:
            self.request_seconds.labels(kind, provider).observe(seconds)

    def count_token_request(self, provider: str, result: str) -> None:
        """credentials.refresh.TokenMetrics."""
        self.oauth_refresh.labels(provider, result).inc()

    def observe_call(
        self, provider: str, purpose: str, outcome: str, seconds: float, *, sent: int, received: int
    ) -> None:
        """egress.call.CallMetrics, as are the next four. A probe's time is observed by `observe_probe`."""
        self.requests.labels(provider, purpose, outcome).inc()
        if sent:
            self.bytes.labels("sent").inc(sent)
        if received:
            self.bytes.labels("received").inc(received)
        if seconds > 0 and purpose != "probe":
            self.request_seconds.labels("Integration", provider).observe(seconds)

    def observe_rate_wait(self, provider: str, seconds: float) -> None:
        self.rate_wait_seconds.labels(provider).observe(seconds)

    def set_circuit(self, namespace: str, name: str, state: str) -> None:
        self.circuit_state.set(namespace, name, state)

    def drop_circuit(self, namespace: str, name: str) -> None:
        self.circuit_state.drop(namespace, name)

    def watch_pool(self, counts: Callable[[], tuple[int, int]]) -> None:
        """Tell of outbound connections: `counts` gives those in use and those kept. Call it once."""
        self.registry.register(PoolGauge(counts))

    def set_ready(self, namespace: str, name: str, status: str) -> None:
        self.integration_ready.set(namespace, name, status)

    def set_troubles(self, namespace: str, name: str, reasons: Iterable[str]) -> None:
        self.integration_troubles.set(namespace, name, reasons)

    def drop_ready(self, namespace: str, name: str) -> None:
        self.integration_ready.drop(namespace, name)
        self.integration_troubles.set(namespace, name, ())

    def clear_ready(self) -> None:
        self.integration_ready.clear()
        self.integration_troubles.clear()

    def observe_request(self, caller: str, route: str, method: str, status: int, seconds: float) -> None:
        """gateway.parts.GatewayMetrics, as is the next one."""
        self.gateway_requests.labels(caller, route, method, str(status)).inc()
        self.gateway_seconds.labels(route).observe(seconds)

    def count_refusal(self, why: str) -> None:
        self.gateway_refusals.labels(why).inc()

    def set_product(self, namespace: str, name: str, figures: ProductFigures) -> None:
        """reconcilers.product_registration.ProductMetrics, as are the next four."""
        self.products.set(namespace, name, figures)

    def drop_product(self, namespace: str, name: str) -> None:
        self.products.drop(namespace, name)

    def clear_products(self) -> None:
        """This process does not lead (any more): the figures of the one that does are the true ones."""
        self.products.clear()
        self.heal_brake.set(0)

    def count_heal(self, action: str, result: str) -> None:
        self.heal_actions.labels(action, result).inc()

    def set_heal_brake(self, *, on: bool) -> None:
        self.heal_brake.set(on)


class StateGauge(Collector):
    """One sample per object, the number of its state in `values`; at most `limit`, made when asked for.

    A child object of the client library for each of ten thousand objects would cost ten times the
    memory. Objects beyond the limit are counted in `<name>_dropped`, so that a gap can be seen.
    """

    def __init__(
        self, name: str, documentation: str, values: Mapping[str, float], *, limit: int = 20_000
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._numbers = values
        self._limit = limit
        self._values: dict[tuple[str, str], float] = {}
        self._left_out: set[tuple[str, str]] = set()

    def set(self, namespace: str, name: str, status: str) -> None:
        key = (namespace, name)
        if key in self._values or len(self._values) < self._limit:
            self._values[key] = self._numbers[status]
            self._left_out.discard(key)
        else:
            self._left_out.add(key)

    def drop(self, namespace: str, name: str) -> None:
        self._values.pop((namespace, name), None)
        self._left_out.discard((namespace, name))

    def clear(self) -> None:
        """This process does not lead (any more): it has nothing to say."""
        self._values.clear()
        self._left_out.clear()

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(self._name, self._documentation, labels=["namespace", "name"])
        for key, value in tuple(self._values.items()):  # a scrape has a thread of its own
            gauge.add_metric(key, value)
        yield gauge
        yield GaugeMetricFamily(
            f"{self._name}_dropped", f"Objects without a sample of {self._name}.", value=len(self._left_out)
        )


class TroubleGauge(Collector):
    """One sample per object and reason, for objects that have any; at most `limit` objects."""

    def __init__(self, name: str, documentation: str, *, limit: int = 20_000) -> None:
        self._name = name
        self._documentation = documentation
        self._limit = limit
        self._reasons: dict[tuple[str, str], tuple[str, ...]] = {}

    def set(self, namespace: str, name: str, reasons: Iterable[str]) -> None:
        """All reasons there are now; none: it is out of trouble, or gone."""
        key, now = (namespace, name), tuple(sorted(set(reasons)))
        if not now:
            self._reasons.pop(key, None)
        elif key in self._reasons or len(self._reasons) < self._limit:
            self._reasons[key] = now

    def clear(self) -> None:
        """This process does not lead (any more): it has nothing to say."""
        self._reasons.clear()

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(self._name, self._documentation, labels=["namespace", "name", "reason"])
        for (namespace, name), reasons in tuple(self._reasons.items()):
            for reason in reasons:
                gauge.add_metric((namespace, name, reason), 1.0)
        yield gauge


class ReadyGauge(StateGauge):
    """Ready of each object."""

    def __init__(self, name: str, documentation: str, *, limit: int = 20_000) -> None:
        super().__init__(name, documentation, _READY_VALUES, limit=limit)


class PoolGauge(Collector):
    """Connections of a pool, counted when they are asked for."""

    def __init__(self, counts: Callable[[], tuple[int, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(
            "integration_hub_http_pool_connections",
            "Outbound connections: active carry a request, idle are kept for the next one.",
            labels=["state"],
        )
        active, idle = self._counts()
        gauge.add_metric(["active"], active)
        gauge.add_metric(["idle"], idle)
        yield gauge


_READY_VALUES = {"True": 1.0, "False": 0.0, "Unknown": -1.0}
_CIRCUIT_VALUES = {"closed": 0.0, "halfOpen": 1.0, "open": 2.0}
