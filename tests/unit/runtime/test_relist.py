"""The relist: whatever the feed lost, doubled or delayed, the cache ends equal to a fresh list."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_hub.ports import ApiError, Key, MetadataPage, Resource
from integration_hub.runtime.cache import Change, ObjectCache, Verb
from integration_hub.runtime.relist import Relist
from memory_cluster import MemoryCluster
from virtual_time import FixedEntropy, VirtualClock, run_virtual

THING = Resource("test.example", "v1", "things", "Thing")


class _World:
    """An API server, a cache, and a feed that brings only what it is told to."""

    def __init__(self, clock: VirtualClock, **options: Any) -> None:
        self.cluster = MemoryCluster()
        self.cache = ObjectCache()
        self.changes: list[Change] = []
        self.cache.subscribe(self.changes.append)
        self.relist = Relist(self.cluster, self.cache, clock, FixedEntropy(), resources=[THING], **options)

    def put(self, name: str, *, namespace: str = "team", fed: bool = True, **parts: Any) -> None:
        body = self.cluster.put(THING, namespace, name, **parts)
        if fed:
            self.cache.upsert("Thing", body)

    def drop(self, name: str, *, namespace: str = "team", fed: bool = True) -> None:
        body = self.cluster.read(THING, namespace, name)
        assert body is not None
        self.cluster.drop(THING, namespace, name)
        if fed:
            self.cache.remove(Key("Thing", namespace, name), body["metadata"]["uid"])

    def cached(self) -> dict[tuple[str, str], tuple[str, str]]:
        return {
            (entry.key.namespace, entry.key.name): (entry.uid, str(entry.resource_version))
            for entry in self.cache.objects("Thing")
        }

    def real(self) -> dict[tuple[str, str], tuple[str, str]]:
        return {
            (body["metadata"]["namespace"], body["metadata"]["name"]): (
                body["metadata"]["uid"],
                body["metadata"]["resourceVersion"],
            )
            for body in self.cluster.all(THING)
        }

    def requests(self, verb: str) -> int:
        return sum(request.verb == verb for request in self.cluster.requests)


def _story(tell: Callable[[VirtualClock, _World], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def story(clock: VirtualClock) -> None:
        await tell(clock, _World(clock, **options))

    run_virtual(story)


def test_nothing_missed_means_one_list_and_nothing_else() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        for number in range(5):
            world.put(f"t{number}")
        before = len(world.changes)
        assert await world.relist.round()
        assert len(world.changes) == before
        assert [request.verb for request in world.cluster.requests] == ["list"]
        state = world.relist.state()
        assert (state.complete, state.lag_seconds, state.deleted, state.fetched) == (True, 0.0, 0, 0)

    _story(tell)


def test_a_missed_delete_is_synthesised() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        world.put("stays")
        world.put("ghost")
        world.drop("ghost", fed=False)
        await world.relist.round()
        assert world.changes[-1].verb is Verb.DELETED
        assert world.changes[-1].key.name == "ghost"
        assert world.cached() == world.real()
        assert world.relist.state().deleted == 1

    _story(tell)


def test_an_object_created_while_the_list_was_under_way_is_no_ghost() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        world.put("old")
        world.cluster.latency = 1.0
        round_ = asyncio.create_task(world.relist.round())
        await asyncio.sleep(1.5)  # the list is fixed, its page is on the way
        world.put("new")
        await round_
        assert world.cached() == world.real()
        assert not [change for change in world.changes if change.verb is Verb.DELETED]

    _story(tell)


def test_a_name_taken_by_a_successor_shows_as_a_delete_and_a_new_object() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        world.put("same")
        world.drop("same", fed=False)
        world.put("same", fed=False)
        seen = len(world.changes)
        await world.relist.round()
        assert [change.verb for change in world.changes[seen:]] == [Verb.DELETED, Verb.ADDED]
        assert world.cached() == world.real()

    _story(tell)


def test_what_the_feed_is_about_to_bring_is_not_fetched() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        for number in range(20):
            world.put(f"t{number}", fed=False)
        round_ = asyncio.create_task(world.relist.round())
        await asyncio.sleep(1)
        assert world.relist.state().lag_seconds == pytest.approx(1, abs=0.3)
        for body in world.cluster.all(THING):
            await asyncio.sleep(3)  # slow, but every few seconds one
            world.cache.upsert("Thing", body)
        await round_
        assert world.requests("get") == 0
        assert world.relist.state().lag_seconds == 0

    _story(tell)


def test_what_the_feed_never_brings_is_fetched() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        world.put("new", fed=False)
        world.put("stale")
        world.put("stale", fed=False, spec={"a": 2})
        await world.relist.round()
        assert world.cached() == world.real()
        assert world.requests("get") == 2
        assert world.relist.state().fetched == 2

    _story(tell)


def test_a_restored_etcd_is_right_about_everything() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        world.put("kept", spec={"a": 1})
        saved = world.cluster.version
        world.put("kept", spec={"a": 2})
        world.put("lost")
        # Back to the backup: what came after is gone, and the counter begins where it was.
        world.cluster.drop(THING, "team", "lost")
        world.cluster.version = saved - 1
        world.cluster.put(THING, "team", "kept", spec={"a": 1})
        await world.relist.round()
        assert world.cached() == world.real()
        kept = world.cache.get(Key("Thing", "team", "kept"))
        assert kept is not None
        assert kept.load()["spec"] == {"a": 1}

    _story(tell)


def test_a_kind_that_cannot_be_listed_keeps_its_objects_and_does_not_stop_the_others() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        other = Resource("test.example", "v1", "others", "Other")
        relist = Relist(world.cluster, world.cache, clock, FixedEntropy(), resources=[THING, other])
        world.put("stays")
        world.cluster.put(other, "team", "unfed")
        world.cluster.trouble = lambda _verb, resource, _name: (
            ApiError(403, "Forbidden", "no") if resource is THING else None
        )
        assert not await relist.round()
        assert world.cache.count("Thing") == 1
        assert world.cache.count("Other") == 1
        assert relist.state().failing == ("things: Forbidden: no",)
        assert not relist.state().complete
        world.cluster.trouble = None
        assert await relist.round()
        assert relist.state().failing == ()
        assert relist.state().complete

    _story(tell)


def test_a_list_that_begins_anew_forgets_its_earlier_pages() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        world.put("a")
        world.put("b")
        first = [page async for page in world.cluster.list_metadata(THING, None, page_size=1)]
        world.drop("a", fed=False)

        async def torn(*_: Any, **__: Any) -> Any:
            yield first[0]  # then the continue token expired
            async for page in MemoryCluster.list_metadata(world.cluster, THING):
                yield MetadataPage(page.items, page.resource_version)

        world.cluster.list_metadata = torn  # type: ignore[method-assign]
        await world.relist.round()
        assert world.cached() == world.real()

    _story(tell)


def test_it_runs_soon_after_a_request_and_then_at_jittered_intervals() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        task = asyncio.create_task(world.relist.run())
        world.relist.request()
        await asyncio.sleep(1)
        assert world.relist.state().rounds == 1
        await asyncio.sleep(3600)
        assert world.relist.state().rounds == 5
        task.cancel()

    _story(tell, interval_seconds=900)


def test_it_runs_even_if_the_feed_never_starts() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        world.put("unfed", fed=False)
        task = asyncio.create_task(world.relist.run())
        await asyncio.sleep(20)
        assert world.cached() == world.real()
        task.cancel()

    _story(tell)


def test_failures_are_retried_with_backoff() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        world.cluster.trouble = lambda *_: ApiError(503, "ServiceUnavailable", "etcd is down")
        task = asyncio.create_task(world.relist.run())
        world.relist.request()
        await asyncio.sleep(600)
        assert 8 <= world.requests("list") <= 18
        world.cluster.trouble = None
        await asyncio.sleep(70)
        assert world.relist.state().complete
        task.cancel()

    _story(tell)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop", "replace"]),
        st.integers(0, 5),
        st.sampled_from(["fed", "lost", "late", "twice"]),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(0, 40), st.randoms(use_true_random=False))
def test_random_loss_ends_equal_to_a_fresh_list(
    steps: list[tuple[str, int, str]], relist_at: int, chance: random.Random
) -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        late: list[Callable[[], object]] = []

        def feed(how: str, event: Callable[[], object]) -> None:
            if how == "late":
                late.append(event)
            for _ in range({"fed": 1, "twice": 2}.get(how, 0)):
                event()

        world.cluster.latency = 0.1
        rounds = []
        for number, (what, index, how) in enumerate(steps):
            if number == relist_at:
                rounds.append(asyncio.create_task(world.relist.round()))  # in the middle of all this
            name = f"t{index}"
            known = world.cluster.read(THING, "team", name)
            if what in ("drop", "replace") and known is not None:
                world.cluster.drop(THING, "team", name)
                uid = known["metadata"]["uid"]
                feed(how, lambda name=name, uid=uid: world.cache.remove(Key("Thing", "team", name), uid))  # type: ignore[misc]
            if what in ("put", "replace"):
                body = world.cluster.put(THING, "team", name, spec={"number": number})
                feed(how, lambda body=body: world.cache.upsert("Thing", body))  # type: ignore[misc]
            await asyncio.sleep(0.07)
        chance.shuffle(late)
        for event in late:
            event()
        await asyncio.gather(*rounds)
        await world.relist.round()
        assert world.cached() == world.real()
        assert world.relist.state().lag_seconds == 0

    _story(tell, patience_seconds=0.3)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_with_a_faithful_feed_no_living_object_is_ever_deleted(steps: list[tuple[str, int, str]]) -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        def check(change: Change) -> None:
            if change.verb is Verb.DELETED:
                alive = world.cluster.read(THING, "team", change.key.name)
                assert change.before is not None
                assert alive is None or alive["metadata"]["uid"] != change.before.uid

        world.cache.subscribe(check)
        world.cluster.latency = 0.1
        stop = asyncio.Event()

        async def relisting() -> None:
            while not stop.is_set():
                await world.relist.round()

        task = asyncio.create_task(relisting())
        for what, index, _ in steps:
            name = f"t{index}"
            if what in ("drop", "replace") and world.cluster.read(THING, "team", name) is not None:
                world.drop(name)
            if what in ("put", "replace"):
                world.put(name)
            await asyncio.sleep(0.03)
        stop.set()
        await task
        assert world.cached() == world.real()

    _story(tell)


def test_an_object_that_cannot_be_taken_in_is_left_out_and_ends_nothing() -> None:
    async def tell(clock: VirtualClock, world: _World) -> None:
        def index(obj: Any) -> tuple[str, ...]:
            if obj["metadata"]["name"] == "odd":
                raise TypeError("not what the index knows")
            return ()

        world.cache.add_index("Thing", "any", index)
        world.put("odd", fed=False)
        world.put("other", fed=False)
        assert await world.relist.round()
        assert [key.name for key in world.cache.keys("Thing")] == ["other"]
        assert world.relist.state().lag_seconds == 0.0

    _story(tell)
