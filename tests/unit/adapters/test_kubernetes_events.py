"""Events: added up, bounded, and never at the cost of whoever records them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from integration_hub.adapters.kubernetes import EventRecorder
from integration_hub.ports import EVENTS, ApiError, EventNote, Key, NotLeaderError, Resource
from memory_cluster import MemoryCluster
from virtual_time import FixedEntropy, VirtualClock, run_virtual

THING = Resource("test.example", "v1", "things", "Thing")
NOTE = EventNote(Key("Thing", "team", "one"), "uid-1", "Warning", "Unreachable", "the far end is silent")


class _World:
    def __init__(self, clock: VirtualClock) -> None:
        self.cluster = MemoryCluster()
        self.recorder = EventRecorder(
            self.cluster, clock, FixedEntropy(), resources=[THING], component="hub", instance="hub_1"
        )
        self.task = asyncio.create_task(self.recorder.run())

    def events(self) -> list[dict[str, Any]]:
        return self.cluster.all(EVENTS)


def _story(tell: Callable[[_World], Coroutine[Any, Any, None]]) -> None:
    async def story(clock: VirtualClock) -> None:
        world = _World(clock)
        await tell(world)
        assert not world.task.done(), world.task
        world.task.cancel()

    run_virtual(story)


def test_an_event_names_the_object_its_reason_and_who_reports() -> None:
    async def tell(world: _World) -> None:
        world.recorder.record(NOTE)
        await world.recorder.drain(5)
        [event] = world.events()
        assert event["involvedObject"] == {
            "apiVersion": "test.example/v1",
            "kind": "Thing",
            "namespace": "team",
            "name": "one",
            "uid": "uid-1",
        }
        assert (event["type"], event["reason"], event["message"]) == (
            "Warning",
            "Unreachable",
            "the far end is silent",
        )
        assert event["reportingComponent"] == "hub"
        assert event["count"] == 1
        assert event["metadata"]["namespace"] == "team"

    _story(tell)


def test_the_same_event_again_raises_its_count() -> None:
    async def tell(world: _World) -> None:
        for _ in range(3):
            world.recorder.record(NOTE)
            await asyncio.sleep(60)
        [event] = world.events()
        assert event["count"] == 3
        assert event["firstTimestamp"] < event["lastTimestamp"]

    _story(tell)


def test_a_flood_of_the_same_event_is_one_request() -> None:
    async def tell(world: _World) -> None:
        for _ in range(500):
            world.recorder.record(NOTE)
        await world.recorder.drain(5)
        assert len(world.cluster.requests) == 1
        assert world.events()[0]["count"] == 500

    _story(tell)


def test_after_ten_minutes_the_same_event_is_a_new_one() -> None:
    async def tell(world: _World) -> None:
        world.recorder.record(NOTE)
        await asyncio.sleep(601)
        world.recorder.record(NOTE)
        await world.recorder.drain(5)
        assert [event["count"] for event in world.events()] == [1, 1]

    _story(tell)


def test_an_event_that_expired_at_the_api_server_is_created_again() -> None:
    async def tell(world: _World) -> None:
        world.recorder.record(NOTE)
        await world.recorder.drain(5)
        [event] = world.events()
        world.cluster.drop(EVENTS, "team", event["metadata"]["name"])
        world.recorder.record(NOTE)
        await world.recorder.drain(5)
        assert len(world.events()) == 1

    _story(tell)


def test_events_about_cluster_wide_objects_live_in_the_default_namespace() -> None:
    async def tell(world: _World) -> None:
        world.recorder.record(EventNote(Key("Thing", "", "one"), "uid-1", "Normal", "Ready", "ready"))
        await world.recorder.drain(5)
        [event] = world.events()
        assert event["metadata"]["namespace"] == "default"
        assert "namespace" not in event["involvedObject"]

    _story(tell)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(NotLeaderError("not the leader"), id="not the leader"),
        pytest.param(ApiError(403, "Forbidden", "namespace is terminating"), id="terminating namespace"),
        pytest.param(ApiError(0, "ConnectionFailed", "no route"), id="no API server"),
        pytest.param(RuntimeError("bug"), id="a bug"),
    ],
)
def test_an_event_that_cannot_be_written_is_dropped_and_the_next_is_not(error: Exception) -> None:
    async def tell(world: _World) -> None:
        world.cluster.trouble = lambda *_: error
        world.recorder.record(NOTE)
        await world.recorder.drain(5)
        world.cluster.trouble = None
        assert world.events() == []
        world.recorder.record(NOTE)
        await world.recorder.drain(5)
        assert len(world.events()) == 1
        assert world.recorder.stats().failed == 1

    _story(tell)


def test_a_full_line_drops_instead_of_growing() -> None:
    async def tell(world: _World) -> None:
        world.cluster.hang = True
        for number in range(1500):
            world.recorder.record(EventNote(Key("Thing", "team", f"t{number}"), "u", "Normal", "R", "m"))
        await world.recorder.drain(1)
        stats = world.recorder.stats()
        assert (stats.recorded, stats.dropped) == (1500, 500)

    _story(tell)


def test_long_names_and_messages_fit_what_kubernetes_allows() -> None:
    async def tell(world: _World) -> None:
        world.recorder.record(EventNote(Key("Thing", "team", "n" * 253), "u", "Normal", "R", "é" * 2000))
        await world.recorder.drain(5)
        [event] = world.events()
        assert len(event["metadata"]["name"]) <= 253
        assert len(event["message"].encode()) <= 1024
        assert event["message"].endswith("é…")

    _story(tell)
