"""How the machinery is, read anew for each scrape: queue, feed, cache, event loop, store.

The rooms count for themselves; nothing here is on the path of an event or a reconcile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class QueueView(Protocol):
    """`runtime.queue.QueueStats` is one."""

    @property
    def changes(self) -> int: ...
    @property
    def resyncs(self) -> int: ...
    @property
    def delayed(self) -> int: ...
    @property
    def oldest_age(self) -> float: ...
    @property
    def adds(self) -> int: ...
    @property
    def retries(self) -> int: ...


class FeedView(Protocol):
    """`handlers.feed.FeedState` is one."""

    @property
    def alive(self) -> bool: ...
    @property
    def good_age(self) -> float | None: ...
    @property
    def restarts(self) -> int: ...
    @property
    def events(self) -> int: ...


class StoreView(Protocol):
    """`store.StoreStats` is one."""

    @property
    def waiting(self) -> int: ...
    @property
    def written(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def flush_seconds(self) -> float: ...
    @property
    def database_bytes(self) -> int: ...


class RuntimeCollector(Collector):
    """Figures of the runtime. The callables are asked once per scrape and must be cheap."""

    def __init__(
        self,
        *,
        queue: Callable[[], QueueView],
        feed: Callable[[], FeedView],
        objects: Callable[[], Mapping[str, int]],
        cache_lag: Callable[[], float | None],
        loop_lag: Callable[[], float],
        store: Callable[[], StoreView] | None = None,
    ) -> None:
        self._queue = queue
        self._feed = feed
        self._objects = objects
        self._cache_lag = cache_lag
        self._loop_lag = loop_lag
        self._store = store

    def collect(self) -> Iterable[Metric]:
        yield from self._of_the_queue()
        yield from self._of_the_feed()
        objects = GaugeMetricFamily(
            "integration_hub_cached_objects", "Objects in the cache, by kind.", labels=["kind"]
        )
        for kind, count in self._objects().items():
            objects.add_metric([kind], count)
        yield objects
        yield from _gauge(
            "integration_hub_cache_lag_seconds",
            "Age of the oldest listed change that the cache has not reached.",
            self._cache_lag(),
        )
        yield from _gauge(
            "integration_hub_event_loop_lag_seconds",
            "How late the event loop came to its work, at worst in the last minute.",
            self._loop_lag(),
        )
        if self._store is not None:
            yield from _of_the_store(self._store())

    def _of_the_queue(self) -> Iterable[Metric]:
        queue = self._queue()
        depth = GaugeMetricFamily(
            "integration_hub_queue_depth", "Objects that wait to be looked at, by why.", labels=["why"]
        )
        depth.add_metric(["change"], queue.changes)
        depth.add_metric(["resync"], queue.resyncs)
        depth.add_metric(["delayed"], queue.delayed)
        yield depth
        yield from _gauge(
            "integration_hub_queue_oldest_seconds",
            "How long the object has waited that waits longest.",
            queue.oldest_age,
        )
        yield _counter("integration_hub_queue_adds", "Wishes to look at an object.", queue.adds)
        yield _counter(
            "integration_hub_queue_retries", "Objects looked at again after a failure.", queue.retries
        )

    def _of_the_feed(self) -> Iterable[Metric]:
        feed = self._feed()
        yield from _gauge(
            "integration_hub_feed_up", "1 while every watch is open and heard.", float(feed.alive)
        )
        yield from _gauge(
            "integration_hub_feed_last_good_age_seconds",
            "How old the last whole view of the API server is; 0 while the feed is up.",
            feed.good_age,
        )
        yield _counter("integration_hub_feed_restarts", "Times the feed was started again.", feed.restarts)
        yield _counter("integration_hub_feed_events", "Events that the feed brought.", feed.events)


def _of_the_store(store: StoreView) -> Iterable[Metric]:
    yield from _gauge(
        "integration_hub_store_waiting_records", "Records that are not written yet.", store.waiting
    )
    yield _counter("integration_hub_store_records", "Records that were written.", store.written)
    yield _counter(
        "integration_hub_store_dropped_records",
        "Records for which there was no room while the database was away.",
        store.dropped,
    )
    yield from _gauge(
        "integration_hub_store_flush_seconds", "How long the last batch of records took.", store.flush_seconds
    )
    yield from _gauge("integration_hub_store_bytes", "Size of the database.", store.database_bytes)


def _gauge(name: str, documentation: str, value: float | None) -> Iterable[Metric]:
    """No sample where there is no value yet."""
    family = GaugeMetricFamily(name, documentation)
    if value is not None:
        family.add_metric([], value)
    yield family


def _counter(name: str, documentation: str, value: float) -> Metric:
    return CounterMetricFamily(name, documentation, value=value)
