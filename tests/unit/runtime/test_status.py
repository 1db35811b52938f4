"""The status writer: no fact, no write; one writer, on the object that was decided about."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.api.kinds import KINDS
from integration_hub.ports import ApiError, Json, Key, NotLeaderError, Resource
from integration_hub.runtime.cache import CachedObject, Change, ObjectCache
from integration_hub.runtime.status import StatusWriter, WriteOutcome, resource_of, rider_tree, same_facts
from memory_cluster import MemoryCluster


@dataclass(frozen=True)
class _Kind:
    kind: str = "Thing"
    plural: str = "things"
    group: str = "test.example"
    version: str = "v1"
    namespaced: bool = True
    riders: frozenset[str] = field(default=frozenset({"checkedAt", "health.responseMs", "parts.seen"}))


THING = _Kind()
RESOURCE = resource_of(THING)
KEY = Key("Thing", "team", "one")


class _World:
    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.cache = ObjectCache()
        self.changes: list[Change] = []
        self.cache.subscribe(self.changes.append)
        self.writer = StatusWriter(self.cluster, self.cache)

    def put(self, **parts: Any) -> CachedObject:
        self.cache.upsert("Thing", self.cluster.put(RESOURCE, "team", "one", **parts))
        return self.observed

    @property
    def observed(self) -> CachedObject:
        found = self.cache.get(KEY)
        assert found is not None
        return found

    @property
    def writes(self) -> int:
        return sum(request.verb == "apply_status" for request in self.cluster.requests)

    def status(self) -> Json:
        found = self.cluster.read(RESOURCE, "team", "one")
        assert found is not None
        return found["status"]


async def test_a_new_fact_is_written_whole_with_its_riders_and_the_cache_knows_it_at_once() -> None:
    world = _World()
    observed = world.put(spec={}, status={"phase": "Pending", "old": 1})
    desired = {"phase": "Active", "checkedAt": "12:00"}
    assert await world.writer.write(THING, observed, desired) is WriteOutcome.WRITTEN
    assert world.status() == desired
    assert world.observed.load()["status"] == desired
    assert world.changes[-1].own


async def test_riders_alone_cause_no_write() -> None:
    world = _World()
    observed = world.put(
        spec={}, status={"phase": "Active", "checkedAt": "12:00", "health": {"responseMs": 3}}
    )
    desired = {"phase": "Active", "checkedAt": "12:01", "health": {"responseMs": 99}}
    assert await world.writer.write(THING, observed, desired) is WriteOutcome.UNCHANGED
    assert not world.cluster.requests


async def test_the_echo_of_our_write_is_known_as_ours_even_before_the_answer() -> None:
    world = _World()
    observed = world.put(spec={}, status={})

    def echo(verb: str, resource: Resource, place: str) -> None:
        """The watch is faster than the answer."""
        body = world.cluster.read(RESOURCE, "team", "one")
        assert body is not None
        body["status"] = {"phase": "Active"}
        body["metadata"]["resourceVersion"] = str(world.cluster.version + 1)
        world.cache.upsert("Thing", body)

    world.cluster.trouble = echo
    assert await world.writer.write(THING, observed, {"phase": "Active"}) is WriteOutcome.WRITTEN
    assert [change.own for change in world.changes[1:]] == [True]


async def test_a_conflict_is_an_outcome_and_brings_the_cache_up_to_date() -> None:
    world = _World()
    observed = world.put(spec={"a": 1}, status={})
    world.cluster.put(RESOURCE, "team", "one", spec={"a": 2})  # the feed has not said so yet
    assert await world.writer.write(THING, observed, {"phase": "Active"}) is WriteOutcome.CONFLICT
    assert world.status() == {}
    assert world.observed.load()["spec"] == {"a": 2}
    assert not world.changes[-1].own
    assert await world.writer.write(THING, world.observed, {"phase": "Active"}) is WriteOutcome.WRITTEN


async def test_a_decision_on_an_object_that_the_cache_knows_newer_is_not_even_sent() -> None:
    world = _World()
    observed = world.put(spec={"a": 1}, status={})
    world.put(spec={"a": 2})
    assert await world.writer.write(THING, observed, {"phase": "Active"}) is WriteOutcome.CONFLICT
    assert world.writes == 0


async def test_a_deleted_object_gets_no_status_and_leaves_the_cache() -> None:
    world = _World()
    observed = world.put(spec={}, status={})
    world.cluster.drop(RESOURCE, "team", "one")
    assert await world.writer.write(THING, observed, {"phase": "Active"}) is WriteOutcome.GONE
    assert world.cache.get(KEY) is None
    assert await world.writer.write(THING, observed, {"phase": "Active"}) is WriteOutcome.GONE
    assert world.writes == 1, "the second time the cache knows"


async def test_a_successor_of_the_same_name_does_not_get_its_predecessors_status() -> None:
    world = _World()
    observed = world.put(spec={}, status={})
    world.cluster.drop(RESOURCE, "team", "one")
    world.cluster.put(RESOURCE, "team", "one", spec={}, status={})
    assert await world.writer.write(THING, observed, {"phase": "Active"}) is WriteOutcome.GONE
    assert world.status() == {}
    assert world.observed.uid != observed.uid


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ApiError(503, "ServiceUnavailable", "etcd"), id="server error"),
        pytest.param(ApiError(0, "Timeout", "slow"), id="no answer"),
        pytest.param(ApiError(422, "Invalid", "status.phase"), id="refused by the schema"),
        pytest.param(NotLeaderError("no"), id="not the leader"),
    ],
)
async def test_what_a_caller_can_only_retry_is_raised(error: Exception) -> None:
    world = _World()
    observed = world.put(spec={}, status={})
    world.cluster.trouble = lambda *_: error
    with pytest.raises(type(error)):
        await world.writer.write(THING, observed, {"phase": "Active"})
    assert world.observed is observed


RIDERS = rider_tree(THING.riders)


@pytest.mark.parametrize(
    ("current", "desired", "same"),
    [
        pytest.param(None, None, True, id="no status yet, none wanted"),
        pytest.param(None, {"phase": "A"}, False, id="first status"),
        pytest.param(None, {"checkedAt": "x"}, True, id="nothing but a rider"),
        pytest.param({"phase": "A"}, {}, False, id="a fact goes away"),
        pytest.param({"a": 1, "checkedAt": "x"}, {"a": 1}, True, id="a rider goes away"),
        pytest.param(
            {"a": 1}, {"a": 1, "health": {"responseMs": 1}}, True, id="a part of riders only appears"
        ),
        pytest.param({"a": 1}, {"a": 1, "health": {"ok": True}}, False, id="a part with a fact appears"),
        pytest.param({"health": {"ok": True}}, {"health": {"ok": False}}, False, id="a fact beside a rider"),
        pytest.param({"health": {"responseMs": {"x": 1}}}, {"health": {}}, True, id="whatever is in a rider"),
        pytest.param(
            {"parts": [{"n": 1, "seen": 1}]}, {"parts": [{"n": 1, "seen": 2}]}, True, id="in a list"
        ),
        pytest.param({"parts": [{"n": 1}]}, {"parts": [{"n": 2}]}, False, id="a fact in a list"),
        pytest.param({"parts": [{"n": 1}]}, {"parts": []}, False, id="a list shrinks"),
        pytest.param({"health": "text"}, {"health": {"responseMs": 1}}, False, id="another shape"),
        pytest.param({"items": [1, 2]}, {"items": [2, 1]}, False, id="order counts"),
    ],
)
def test_facts_are_told_from_riders(current: Json, desired: Json, same: bool) -> None:
    assert same_facts(current, desired, RIDERS) is same
    assert same_facts(desired, current, RIDERS) is same


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["checkedAt", "health", "parts", "seen", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["checkedAt", "health", "parts", "a"]), json_values))
def test_a_status_says_the_same_as_itself_whatever_its_riders(status: dict[str, Json]) -> None:
    other = copy.deepcopy(status)
    other["checkedAt"] = "another"
    if isinstance(other.get("health"), dict):
        other["health"]["responseMs"] = 12345
    assert same_facts(status, other, RIDERS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_rider_of_every_kind_names_a_field_of_its_status(kind: Any) -> None:
    for path in kind.riders:
        schema = kind.status.model_json_schema(by_alias=True)
        here = schema
        for segment in path.split("."):
            while "properties" not in here:
                here = here.get("items") or next(
                    (option for option in here.get("anyOf", ()) if option.get("type") != "null"), here
                )
                if "$ref" in here:
                    here = schema["$defs"][here["$ref"].rsplit("/", 1)[1]]
            assert segment in here["properties"], f"{kind.kind}.status.{path}"
            here = here["properties"][segment]
            if "$ref" in here:
                here = schema["$defs"][here["$ref"].rsplit("/", 1)[1]]
