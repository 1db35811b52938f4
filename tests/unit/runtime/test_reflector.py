"""The reflector: every difference is told once, a namespace is followed where we are let in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from integration_hub.ports import SECRETS, ApiError, Resource
from integration_hub.runtime.reflector import Reflector, Service
from memory_cluster import MemoryCluster
from virtual_time import FixedEntropy, VirtualClock, run_virtual

FORBIDDEN = ApiError(403, "Forbidden", "secrets is forbidden")


class _World:
    def __init__(self, clock: VirtualClock) -> None:
        self.cluster = MemoryCluster()
        self.told: list[tuple[str, str]] = []
        self.reflector = Reflector(
            self.cluster,
            clock,
            FixedEntropy(),
            SECRETS,
            lambda namespace, name: self.told.append((namespace, name)),
            everywhere_from=4,
        )
        self.task = asyncio.create_task(self.reflector.run())
        self.denied: set[str] = set()
        self.cluster.trouble = self._trouble

    def _trouble(self, _verb: str, _resource: Resource, place: str) -> Exception | None:
        namespace = place.partition("/")[0] or "everywhere"
        return FORBIDDEN if namespace in self.denied or "all" in self.denied else None

    async def serve(self, *namespaces: str) -> None:
        self.reflector.serve(namespaces)
        await asyncio.sleep(0.1)

    def put(self, namespace: str, name: str) -> None:
        self.cluster.put(SECRETS, namespace, name, data={})

    def take_told(self) -> list[tuple[str, str]]:
        told, self.told = self.told, []
        return sorted(told)


def _story(tell: Callable[[_World], Coroutine[Any, Any, None]]) -> None:
    async def story(clock: VirtualClock) -> None:
        world = _World(clock)
        await tell(world)
        assert not world.task.done(), world.task
        world.task.cancel()

    run_virtual(story)


def test_what_is_there_at_first_is_told_and_then_every_change_once() -> None:
    async def tell(world: _World) -> None:
        world.put("team", "token")
        await world.serve("team")
        assert world.take_told() == [("team", "token")]
        assert world.reflector.service("team") is Service.SERVED
        world.put("team", "token")
        world.put("team", "second")
        world.put("other", "unserved")
        await asyncio.sleep(0.1)
        assert world.take_told() == [("team", "second"), ("team", "token")]
        world.cluster.drop(SECRETS, "team", "token")
        await asyncio.sleep(0.1)
        assert world.take_told() == [("team", "token")]
        assert world.reflector.version("team", "token") is None
        assert world.reflector.version("team", "second") is not None

    _story(tell)


def test_the_version_is_the_one_a_reader_would_record() -> None:
    async def tell(world: _World) -> None:
        await world.serve("team")
        world.put("team", "token")
        await asyncio.sleep(0.1)
        secret = world.cluster.read(SECRETS, "team", "token")
        assert secret is not None
        metadata = secret["metadata"]
        assert world.reflector.version("team", "token") == (metadata["uid"], metadata["resourceVersion"])

    _story(tell)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(None, id="the server's timeout"),
        pytest.param(ApiError(0, "ConnectionLost", "reset"), id="a broken connection"),
        pytest.param(ApiError(410, "Expired", "too old"), id="a version too old to continue"),
        pytest.param(ApiError(500, "InternalError", "etcdserver: leader changed"), id="an ERROR event"),
        pytest.param(ApiError(504, "Timeout", "Too large resource version"), id="a restored etcd"),
    ],
)
def test_however_a_watch_ends_what_happened_meanwhile_is_told(ending: Exception | None) -> None:
    async def tell(world: _World) -> None:
        world.put("team", "kept")
        world.put("team", "edited")
        world.put("team", "deleted")
        await world.serve("team")
        world.take_told()
        world.cluster.end_watches(ending)
        await asyncio.sleep(0.01)
        assert world.cluster.watches == []
        world.put("team", "edited")
        world.put("team", "created")
        await asyncio.sleep(60)
        assert set(world.take_told()) == {("team", "edited"), ("team", "created")}
        assert world.cluster.watches == [("secrets", "team")]

    _story(tell)


def test_a_store_that_went_back_in_time_is_listed_anew() -> None:
    async def tell(world: _World) -> None:
        world.put("team", "before")
        saved = world.cluster.version
        for _ in range(5):
            world.put("team", "after")
        await world.serve("team")
        world.take_told()
        world.cluster.end_watches(ApiError(0, "ConnectionLost", "etcd is being restored"))
        await asyncio.sleep(0.01)
        world.cluster.drop(SECRETS, "team", "after")
        world.cluster.version = saved
        await asyncio.sleep(30)
        assert world.take_told() == [("team", "after")]
        assert world.cluster.watches == [("secrets", "team")]

    _story(tell)


def test_a_deletion_in_a_gap_is_told_after_the_list() -> None:
    async def tell(world: _World) -> None:
        world.put("team", "deleted")
        await world.serve("team")
        world.take_told()
        world.cluster.end_watches(ApiError(410, "Expired", "too old"))
        await asyncio.sleep(0.01)
        world.cluster.drop(SECRETS, "team", "deleted")
        await asyncio.sleep(10)
        assert world.take_told() == [("team", "deleted")]

    _story(tell)


def test_a_namespace_that_lets_us_in_later_is_followed_within_a_minute_or_two() -> None:
    async def tell(world: _World) -> None:
        world.denied = {"team"}
        world.put("team", "token")
        await world.serve("team")
        assert world.reflector.service("team") is Service.DENIED
        await asyncio.sleep(3600)
        attempts = len(world.cluster.requests)
        assert attempts < 80, "a denied namespace is asked about once a minute, not more"
        world.denied = set()
        await asyncio.sleep(95)
        assert world.reflector.service("team") is Service.SERVED
        assert world.take_told() == [("team", "token")]

    _story(tell)


def test_a_withdrawn_grant_is_told_for_every_object_and_nothing_is_remembered() -> None:
    async def tell(world: _World) -> None:
        world.put("team", "token")
        await world.serve("team")
        world.take_told()
        world.denied = {"team"}
        world.cluster.end_watches()
        await asyncio.sleep(3)
        assert world.take_told() == [("team", "token")]
        assert world.reflector.version("team", "token") is None
        assert world.reflector.service("team") is Service.DENIED

    _story(tell)


def test_a_namespace_no_longer_wanted_is_no_longer_watched() -> None:
    async def tell(world: _World) -> None:
        await world.serve("one", "two")
        assert sorted(world.cluster.watches) == [("secrets", "one"), ("secrets", "two")]
        await world.serve("two")
        assert world.cluster.watches == [("secrets", "two")]
        assert world.reflector.service("one") is Service.PENDING

    _story(tell)


def test_many_namespaces_share_one_watch_where_that_is_allowed() -> None:
    async def tell(world: _World) -> None:
        for name in "abcde":
            world.put(name, "token")
        await world.serve("a", "b")
        assert world.take_told() == [("a", "token"), ("b", "token")]
        await world.serve("a", "b", "c", "d")
        await asyncio.sleep(1)
        assert world.cluster.watches == [("secrets", None)]
        assert world.take_told() == [("c", "token"), ("d", "token")], "a and b were known already"
        world.put("a", "token")
        world.put("e", "token")  # seen, but nobody asked
        await asyncio.sleep(1)
        assert world.take_told() == [("a", "token")]

    _story(tell)


def test_many_namespaces_are_followed_one_by_one_where_it_is_not() -> None:
    async def tell(world: _World) -> None:
        world.denied = {"everywhere"}
        for name in "abcd":
            world.put(name, "token")
        await world.serve(*"abcd")
        await asyncio.sleep(1)
        assert sorted(world.cluster.watches) == [("secrets", name) for name in "abcd"]
        assert len(world.take_told()) == 4
        world.denied = set()
        await asyncio.sleep(100)
        assert world.cluster.watches == [("secrets", None)]
        assert world.take_told() == [], "the change of the way of looking is no change of what is there"

    _story(tell)


def test_the_cluster_wide_watch_gives_way_when_its_right_is_withdrawn() -> None:
    async def tell(world: _World) -> None:
        for name in "abcd":
            world.put(name, "token")
        await world.serve(*"abcd")
        await asyncio.sleep(1)
        world.denied = {"everywhere", "d"}
        world.cluster.end_watches()
        await asyncio.sleep(10)
        assert sorted(world.cluster.watches) == [("secrets", name) for name in "abc"]
        assert world.reflector.service("d") is Service.DENIED
        assert world.reflector.version("a", "token") is not None

    _story(tell)


def test_a_server_that_ends_every_watch_at_once_is_not_hammered() -> None:
    async def tell(world: _World) -> None:
        await world.serve("team")
        for _ in range(600):
            world.cluster.end_watches()
            await asyncio.sleep(0.1)
        assert len(world.cluster.requests) < 80

    _story(tell)


def test_a_listener_that_fails_costs_one_message_and_no_watch() -> None:
    async def tell(world: _World) -> None:
        def fail(namespace: str, name: str) -> None:
            raise RuntimeError("bug")

        world.reflector._on_change = fail
        await world.serve("team")
        world.put("team", "token")
        await asyncio.sleep(1)
        assert world.cluster.watches == [("secrets", "team")]

    _story(tell)
