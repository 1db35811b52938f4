"""The runtime's figures, read anew for each scrape."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from integration_hub.handlers.feed import FeedState
from integration_hub.runtime.queue import QueueStats
from integration_hub.runtime_metrics import RuntimeCollector
from integration_hub.store import StoreStats


class Machinery:
    def __init__(self) -> None:
        self.queue = QueueStats(
            changes=2, resyncs=3, delayed=1, processing=4, oldest_age=7.5, adds=40, retries=5
        )
        self.feed = FeedState(
            running=True,
            listed=True,
            good_age=0.0,
            uptime=60,
            restarts=2,
            events=99,
            last_event_age=1.0,
            last_end="",
        )
        self.lag: float | None = None
        self.registry = CollectorRegistry()
        self.registry.register(
            RuntimeCollector(
                queue=lambda: self.queue,
                feed=lambda: self.feed,
                objects=lambda: {"Integration": 7, "ProductRegistration": 0},
                cache_lag=lambda: self.lag,
                loop_lag=lambda: 0.25,
                store=lambda: StoreStats("sqlite", 3, 40, 2, 0.125, 8_192),
            )
        )

    def page(self) -> set[str]:
        lines = generate_latest(self.registry).decode().splitlines()
        return {line.removeprefix("integration_hub_") for line in lines if not line.startswith("#")}


def test_every_figure_is_told() -> None:
    assert Machinery().page() == {
        'queue_depth{why="change"} 2.0',
        'queue_depth{why="resync"} 3.0',
        'queue_depth{why="delayed"} 1.0',
        "queue_oldest_seconds 7.5",
        "queue_adds_total 40.0",
        "queue_retries_total 5.0",
        "feed_up 1.0",
        "feed_last_good_age_seconds 0.0",
        "feed_restarts_total 2.0",
        "feed_events_total 99.0",
        'cached_objects{kind="Integration"} 7.0',
        'cached_objects{kind="ProductRegistration"} 0.0',
        "event_loop_lag_seconds 0.25",
        "store_waiting_records 3.0",
        "store_records_total 40.0",
        "store_dropped_records_total 2.0",
        "store_flush_seconds 0.125",
        "store_bytes 8192.0",
    }


def test_a_lost_feed_shows_and_so_does_how_long() -> None:
    machinery = Machinery()
    machinery.feed = FeedState(
        running=True,
        listed=True,
        good_age=42.0,
        uptime=60,
        restarts=2,
        events=99,
        last_event_age=1.0,
        last_end="ended",
    )
    machinery.lag = 12.0
    page = machinery.page()
    assert "feed_up 0.0" in page
    assert "feed_last_good_age_seconds 42.0" in page
    assert "cache_lag_seconds 12.0" in page
