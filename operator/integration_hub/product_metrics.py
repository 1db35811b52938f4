"""How the products are, one set of samples for each, made anew for every scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from integration_hub.domain.product_figures import ProductFigures

_OBJECT = ("namespace", "name")
_HEALTH = {"healthy": 1.0, "degraded": 0.5, "unhealthy": 0.0, "offline": 0.0}
_NUMBERS: Mapping[str, tuple[str, Callable[[ProductFigures], float | None]]] = {
    "health": (
        "Verdict on a product: 1 healthy, 0.5 degraded, 0 unhealthy or offline, -1 unknown.",
        lambda each: _HEALTH.get(each.health, -1.0),
    ),
    "health_since_timestamp_seconds": ("When the verdict last changed.", lambda each: each.since),
    "response_seconds": ("Time of the latest probe's answer.", lambda each: each.response_seconds),
    "consecutive_failures": ("Failed probes in a row.", lambda each: float(each.failures)),
    "last_seen_timestamp_seconds": ("When the product last answered.", lambda each: each.last_seen),
    "start_timestamp_seconds": ("When the product started, by its own account.", lambda each: each.started),
}


class ProductGauges(Collector):
    """Samples of at most `limit` products; those beyond are counted in `…_product_health_dropped`."""

    def __init__(self, *, limit: int = 5_000) -> None:
        self._limit = limit
        self._figures: dict[tuple[str, str], ProductFigures] = {}
        self._left_out: set[tuple[str, str]] = set()

    def set(self, namespace: str, name: str, figures: ProductFigures) -> None:
        key = (namespace, name)
        if key in self._figures or len(self._figures) < self._limit:
            self._figures[key] = figures
            self._left_out.discard(key)
        else:
            self._left_out.add(key)

    def drop(self, namespace: str, name: str) -> None:
        self._figures.pop((namespace, name), None)
        self._left_out.discard((namespace, name))

    def clear(self) -> None:
        """This process does not lead (any more): it has nothing to say."""
        self._figures.clear()
        self._left_out.clear()

    def collect(self) -> Iterable[Metric]:
        products = tuple(self._figures.items())  # a scrape has a thread of its own
        numbers = (_numbers(products, *each) for each in _NUMBERS.items())
        yield from chain(numbers, (_identity(products), _heals(products), _measured(products)))
        yield GaugeMetricFamily(
            "integration_hub_product_health_dropped",
            "Products without samples of their own.",
            value=len(self._left_out),
        )


_Products = tuple[tuple[tuple[str, str], ProductFigures], ...]


def _numbers(
    products: _Products, name: str, number: tuple[str, Callable[[ProductFigures], float | None]]
) -> Metric:
    documentation, read = number
    family = GaugeMetricFamily(f"integration_hub_product_{name}", documentation, labels=_OBJECT)
    for key, figures in products:
        value = read(figures)
        if value is not None:
            family.add_metric(key, value)
    return family


def _identity(products: _Products) -> Metric:
    family = GaugeMetricFamily(
        "integration_hub_product_info",
        "1; the product behind a registration, to join its other samples with.",
        labels=(*_OBJECT, "product", "version", "tier"),
    )
    for key, figures in products:
        family.add_metric((*key, figures.product, figures.version, figures.tier), 1.0)
    return family


def _heals(products: _Products) -> Metric:
    family = CounterMetricFamily(
        "integration_hub_product_heals", "Healing actions taken since the registration.", labels=_OBJECT
    )
    for key, figures in products:
        family.add_metric(key, figures.heals)
    return family


def _measured(products: _Products) -> Metric:
    family = GaugeMetricFamily(
        "integration_hub_product_metric",
        "What the product measures of itself, as its latest answer told.",
        labels=(*_OBJECT, "key"),
    )
    for key, figures in products:
        for measured, value in figures.measured.items():
            family.add_metric((*key, measured), value)
    return family
