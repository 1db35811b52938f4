"""The object cache: never back in time, small, indexed, and telling every change once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.ports import Key
from integration_hub.runtime.cache import Change, ObjectCache, Verb

KIND = "Integration"


def build(name: str = "a", version: int = 1, *, uid: str = "", namespace: str = "team-a", **more: Any) -> Any:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "generation": more.pop("generation", 1),
        **more.pop("metadata", {}),
    }
    return {"apiVersion": "integrationhub.io/v1alpha1", "kind": KIND, "metadata": metadata, **more}


def key(name: str = "a", namespace: str = "team-a") -> Key:
    return Key(KIND, namespace, name)


def told(cache: ObjectCache) -> list[Change]:
    changes: list[Change] = []
    cache.subscribe(changes.append)
    return changes


def test_it_keeps_what_is_needed_and_drops_the_noise() -> None:
    cache = ObjectCache()
    cache.upsert(
        KIND,
        build(
            spec={"enabled": True},
            status={"phase": "ACTIVE"},
            metadata={
                "managedFields": [{"manager": "kubectl"}],
                "selfLink": "/x",
                "labels": {"team": "a"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"},
                "creationTimestamp": "2026-11-21T00:00:00Z",
                "finalizers": ["integrationhub.io/cleanup"],
            },
        ),
    )
    cached = cache.get(key())
    assert cached is not None
    assert cached.load() == {
        "metadata": {
            "name": "a",
            "namespace": "team-a",
            "uid": "uid-a",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": "2026-11-21T00:00:00Z",
            "finalizers": ["integrationhub.io/cleanup"],
            "labels": {"team": "a"},
            "annotations": {"mine": "1"},
        },
        "spec": {"enabled": True},
        "status": {"phase": "ACTIVE"},
    }
    assert (cached.uid, cached.resource_version, cached.generation, cached.deleting) == ("uid-a", 1, 1, False)


def test_what_a_caller_does_to_a_loaded_object_stays_with_the_caller() -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(spec={"list": [1]}))
    cached = cache.get(key())
    assert cached is not None
    cached.load()["spec"]["list"].append(2)
    assert cached.load()["spec"] == {"list": [1]}


def test_the_object_handed_in_is_left_as_it_was() -> None:
    obj = build(metadata={"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}})
    before = json.dumps(obj)
    ObjectCache().upsert(KIND, obj)
    assert json.dumps(obj) == before


@pytest.mark.parametrize("version", [5, 4, 1], ids=["same", "older", "much-older"])
def test_it_never_goes_back_in_time(version: int) -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(version=5, spec={"n": 5}))
    changes = told(cache)
    assert cache.upsert(KIND, build(version=version, spec={"n": 0})) is None
    assert changes == []
    cached = cache.get(key())
    assert cached is not None
    assert cached.load()["spec"] == {"n": 5}


def test_versions_are_compared_as_numbers() -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(version=9))
    assert cache.upsert(KIND, build(version=10)) is not None


def test_force_takes_a_lower_version_after_the_store_went_back() -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(version=500))
    change = cache.upsert(KIND, build(version=20, generation=2), force=True)
    assert change is not None
    assert change.spec_changed
    cached = cache.get(key())
    assert cached is not None
    assert cached.resource_version == 20


def test_a_late_answer_does_not_bring_a_deleted_object_back() -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(version=5))
    cache.remove(key(), "uid-a")
    assert cache.upsert(KIND, build(version=6)) is None
    assert cache.get(key()) is None


def test_a_deletion_seen_before_its_creation_holds() -> None:
    cache = ObjectCache()
    assert cache.remove(key(), "uid-a") is None
    assert cache.upsert(KIND, build(version=5)) is None


def test_removing_an_older_object_of_the_same_name_leaves_the_new_one() -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(version=9, uid="new"))
    assert cache.remove(key(), "old") is None
    assert cache.get(key()) is not None


def test_an_object_recreated_under_its_name_is_told_as_replaced() -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(version=3, uid="old"))
    change = cache.upsert(KIND, build(version=8, uid="new"))
    assert change is not None
    assert change.replaced
    assert change.spec_changed
    assert cache.count(KIND) == 1


def test_changes_are_told_once_and_in_order() -> None:
    cache = ObjectCache()
    changes = told(cache)
    cache.upsert(KIND, build(version=1))
    cache.upsert(KIND, build(version=1))
    cache.upsert(KIND, build(version=2))
    cache.remove(key(), "uid-a")
    cache.remove(key(), "uid-a")
    assert [change.verb for change in changes] == [Verb.ADDED, Verb.UPDATED, Verb.DELETED]
    assert changes[1].before is changes[0].after
    assert changes[2].before is changes[1].after


@pytest.mark.parametrize(
    ("edit", "spec", "metadata", "status"),
    [
        ({"generation": 2}, True, False, False),
        ({"metadata": {"deletionTimestamp": "2026-11-21T00:00:00Z"}}, True, False, False),
        ({"metadata": {"labels": {"a": "b"}}}, False, True, False),
        ({"metadata": {"annotations": {"a": "b"}}}, False, True, False),
        ({"metadata": {"finalizers": ["x/y"]}}, False, True, False),
        ({"status": {"phase": "ERROR"}}, False, False, True),
        ({"metadata": {"managedFields": [{}]}}, False, False, False),
    ],
    ids=["generation", "deletion", "label", "annotation", "finalizer", "status", "managed-fields"],
)
def test_a_change_says_what_changed(edit: dict[str, Any], spec: bool, metadata: bool, status: bool) -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(version=1))
    change = cache.upsert(KIND, build(version=2, **edit))
    assert change is not None
    assert (change.spec_changed, change.metadata_changed, change.status_changed) == (spec, metadata, status)


def test_the_order_of_keys_is_no_change() -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(version=1, status={"a": 1, "b": 2}))
    change = cache.upsert(KIND, build(version=2, status={"b": 2, "a": 1}))
    assert change is not None
    assert not change.status_changed


def test_the_echo_of_an_announced_status_is_known_as_own() -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build(version=1))
    cache.expect_status(key(), {"phase": "ACTIVE"})
    echo = cache.upsert(KIND, build(version=2, status={"phase": "ACTIVE"}))
    other = cache.upsert(KIND, build(version=3, status={"phase": "PAUSED"}))
    cache.expect_status(key(), None)
    again = cache.upsert(KIND, build(version=4, status={"phase": "ACTIVE"}))
    assert [change.own for change in (echo, other, again) if change] == [True, False, False]


def test_keys_and_counts_by_kind_and_namespace() -> None:
    cache = ObjectCache()
    cache.upsert(KIND, build("a"))
    cache.upsert(KIND, build("b"))
    cache.upsert(KIND, build("c", namespace="team-b"))
    cache.upsert("Other", build("d"))
    assert set(cache.keys(KIND)) == {key("a"), key("b"), key("c", "team-b")}
    assert set(cache.keys(KIND, "team-a")) == {key("a"), key("b")}
    assert cache.keys(KIND, "team-z") == ()
    assert (cache.count(KIND), cache.count("Other"), cache.count("None")) == (3, 1, 0)
    cache.remove(key("c", "team-b"))
    assert cache.keys(KIND, "team-b") == ()
    assert cache.count(KIND) == 2


def by_provider(obj: Any) -> Iterable[str]:
    name = obj.get("spec", {}).get("provider")
    return (name,) if name else ()


def test_an_index_follows_the_objects() -> None:
    cache = ObjectCache()
    cache.add_index(KIND, "provider", by_provider)
    cache.upsert(KIND, build("a", 1, spec={"provider": "slack"}))
    cache.upsert(KIND, build("b", 1, spec={"provider": "slack"}))
    assert set(cache.by_index(KIND, "provider", "slack")) == {key("a"), key("b")}
    cache.upsert(KIND, build("a", 2, spec={"provider": "github"}))
    assert cache.by_index(KIND, "provider", "slack") == (key("b"),)
    assert cache.by_index(KIND, "provider", "github") == (key("a"),)
    cache.remove(key("b"))
    assert cache.by_index(KIND, "provider", "slack") == ()


def test_an_index_is_declared_once_and_in_time() -> None:
    cache = ObjectCache()
    cache.add_index(KIND, "provider", by_provider)
    with pytest.raises(ValueError, match="once"):
        cache.add_index(KIND, "provider", by_provider)
    cache.upsert(KIND, build())
    with pytest.raises(ValueError, match="first object"):
        cache.add_index(KIND, "late", by_provider)
    with pytest.raises(KeyError):
        cache.by_index(KIND, "never", "x")


events = st.lists(
    st.tuples(
        st.sampled_from("abc"),  # name
        st.sampled_from(["x", "y"]),  # which incarnation's uid
        st.integers(1, 30),  # resourceVersion
        st.sampled_from(["slack", "github", ""]),
        st.booleans(),  # deleted?
    ),
    max_size=60,
)


@given(events)
def test_whatever_arrives_in_whatever_order_cache_and_indexes_agree(history: Any) -> None:
    """Against a plain model: highest version wins, the dead stay dead, every index equals a full scan."""
    cache = ObjectCache()
    cache.add_index(KIND, "provider", by_provider)
    model: dict[str, tuple[str, int, str]] = {}
    dead: set[str] = set()
    for name, life, version, provider, deleted in history:
        uid = f"{name}-{life}"
        if deleted:
            cache.remove(key(name), uid)
            dead.add(uid)
            if name in model and model[name][0] == uid:
                del model[name]
        else:
            cache.upsert(KIND, build(name, version, uid=uid, spec={"provider": provider}))
            if uid not in dead and (name not in model or version > model[name][1]):
                model[name] = (uid, version, provider)
    assert {cached.key.name: (cached.uid, cached.resource_version) for cached in cache.objects(KIND)} == {
        name: (uid, version) for name, (uid, version, _) in model.items()
    }
    assert cache.count(KIND) == len(model)
    for provider in ("slack", "github"):
        scanned = {key(name) for name, entry in model.items() if entry[2] == provider}
        assert set(cache.by_index(KIND, "provider", provider)) == scanned
