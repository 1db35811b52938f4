"""The object cache: the last known state of every fed object, small, and never going back in time.

An object is kept as compact JSON bytes with a few decoded slots beside it: a decoded dict of the same
object takes about six times as much memory and makes the garbage collector slower with every object.

What arrives may be late, doubled or out of order (feed, relist, answers to our own writes), so `upsert`
keeps only what is newer than what it has, and a deleted object's uid is remembered for a while so that
a late answer does not bring it back.

Belongs to one event loop; not thread-safe.
"""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from integration_hub.ports import Json, Key

_TOMBSTONES = 4096
_NOISE_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
_KEPT_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
    "labels",
    "annotations",
)

Indexer = Callable[[Json], Iterable[str]]
"""Pure function of one trimmed object: the values under which it is found in an index."""


class CachedObject:
    """One object as last seen. `raw` is compact JSON of `metadata` (trimmed), `spec` and `status`."""

    __slots__ = (
        *("_marks", "created", "deleting", "generation", "indexed", "key", "raw", "resource_version"),
        "uid",
    )

    def __init__(
        self,
        key: Key,
        uid: str,
        resource_version: int,
        generation: int,
        *,
        created: str,
        deleting: bool,
        raw: bytes,
        marks: tuple[int, int],
        indexed: tuple[tuple[str, ...], ...],
    ) -> None:
        self.key = key
        self.uid = uid
        self.resource_version = resource_version
        self.generation = generation
        self.created = created
        self.deleting = deleting
        self.raw = raw
        self.indexed = indexed
        self._marks = marks

    def load(self) -> Json:
        """The object, decoded anew on each call: the caller may change it freely."""
        return json.loads(self.raw)

    @property
    def metadata_mark(self) -> int:
        """Changes when labels, annotations or finalizers change."""
        return self._marks[0]

    @property
    def status_mark(self) -> int:
        """Changes when status changes."""
        return self._marks[1]

    @property
    def age(self) -> tuple[str, str]:
        """By this the older of two objects is the smaller, and all replicas agree which one that is."""
        return self.created, self.uid

    def __repr__(self) -> str:
        return f"CachedObject({self.key}, uid={self.uid}, resource_version={self.resource_version})"


class Verb(StrEnum):
    ADDED = "Added"
    UPDATED = "Updated"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """What the cache learned. `before` is None for ADDED, `after` for DELETED.

    An object deleted and created again under its name, whose deletion was never seen, arrives as UPDATED
    with `replaced` true. `own` marks the echo of a status that this process itself wrote.
    """

    verb: Verb
    key: Key
    before: CachedObject | None
    after: CachedObject | None
    own: bool = False

    @property
    def replaced(self) -> bool:
        return self.before is not None and self.after is not None and self.before.uid != self.after.uid

    @property
    def spec_changed(self) -> bool:
        """The generation moved, the object is new or gone, or its deletion began."""
        if self.before is None or self.after is None or self.replaced:
            return True
        return self.before.generation != self.after.generation or self.before.deleting != self.after.deleting

    @property
    def metadata_changed(self) -> bool:
        """Labels, annotations or finalizers differ (or one side is missing)."""
        if self.before is None or self.after is None:
            return True
        return self.before.metadata_mark != self.after.metadata_mark

    @property
    def status_changed(self) -> bool:
        if self.before is None or self.after is None:
            return True
        return self.before.status_mark != self.after.status_mark


Listener = Callable[[Change], None]


class _Index:
    """value -> keys. Most values name one object, which is then held without a container of its own."""

    __slots__ = ("_entries", "indexer")

    def __init__(self, indexer: Indexer) -> None:
        self.indexer = indexer
        self._entries: dict[str, Key | dict[Key, None]] = {}

    def add(self, value: str, key: Key) -> None:
        entry = self._entries.get(value)
        if entry is None:
            self._entries[value] = key
        elif isinstance(entry, dict):
            entry[key] = None
        elif entry != key:
            self._entries[value] = {entry: None, key: None}

    def discard(self, value: str, key: Key) -> None:
        entry = self._entries.get(value)
        if isinstance(entry, dict):
            entry.pop(key, None)
            if len(entry) == 1:
                self._entries[value] = next(iter(entry))
        elif entry == key:
            del self._entries[value]

    def find(self, value: str) -> tuple[Key, ...]:
        entry = self._entries.get(value)
        if entry is None:
            return ()
        return tuple(entry) if isinstance(entry, dict) else (entry,)


class ObjectCache:
    """All fed objects by kind, namespace and name, with named indexes. See the module's text."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, dict[str, CachedObject]]] = {}
        self._counts: dict[str, int] = {}
        self._indexes: dict[str, dict[str, _Index]] = {}
        self._tombstones: OrderedDict[str, None] = OrderedDict()
        self._listeners: list[Listener] = []
        self._expected: dict[Key, int] = {}

    # ------------------------------------------------------------------ setting up

    def add_index(self, kind: str, name: str, indexer: Indexer) -> None:
        """Declare an index of `kind`, before its first object. Raises ValueError when it is too late."""
        if self.count(kind) or name in self._indexes.get(kind, {}):
            raise ValueError(f"index {name!r} of {kind} must be declared once, before the first object")
        self._indexes.setdefault(kind, {})[name] = _Index(indexer)

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` called with every change, in order, right after it is applied."""
        self._listeners.append(listener)

    # ------------------------------------------------------------------ writing

    def upsert(self, kind: str, obj: Json, *, own: bool = False, force: bool = False) -> Change | None:
        """Take in one object as the API server sent it; None when it tells nothing new.

        `own`: it is the answer to this process's own status write. `force` accepts a lower
        resourceVersion: for a relist that found that the whole store went back (etcd was restored).
        Raises KeyError or ValueError for what is no Kubernetes object.
        """
        metadata = obj["metadata"]
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        namespace = sys.intern(metadata.get("namespace", ""))
        siblings = self._objects.setdefault(kind, {}).setdefault(namespace, {})
        before = siblings.get(metadata["name"])
        if not force:
            if uid in self._tombstones:
                return None
            if before is not None and version <= before.resource_version:
                return None
        key = before.key if before is not None else Key(kind, namespace, metadata["name"])
        after = self._condense(key, uid, version, obj)
        siblings[key.name] = after
        self._reindex(kind, key, before, after)
        if before is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
        own = own or self._expected.get(key) == after.status_mark
        change = Change(Verb.ADDED if before is None else Verb.UPDATED, key, before, after, own)
        self._tell(change)
        return change

    def remove(self, key: Key, uid: str | None = None) -> Change | None:
        """Take out an object that is gone; None if it is not here or, by its uid, another one by now."""
        if uid:
            self._tombstones[uid] = None
            if len(self._tombstones) > _TOMBSTONES:
                self._tombstones.popitem(last=False)
        before = self.get(key)
        if before is None or (uid and before.uid != uid):
            return None
        kind = self._objects[key.kind]
        del kind[key.namespace][key.name]
        if not kind[key.namespace]:
            del kind[key.namespace]
        self._counts[key.kind] -= 1
        self._reindex(key.kind, key, before, None)
        change = Change(Verb.DELETED, key, before, None)
        self._tell(change)
        return change

    def expect_status(self, key: Key, status: Json | None) -> None:
        """Announce the status about to be written (None: no longer), so that its echo is known as own.

        The watch may bring our own write before the API server's answer to it arrives.
        """
        if status is None:
            self._expected.pop(key, None)
        else:
            self._expected[key] = _mark(status)

    # ------------------------------------------------------------------ reading

    def get(self, key: Key) -> CachedObject | None:
        return self._objects.get(key.kind, {}).get(key.namespace, {}).get(key.name)

    def keys(self, kind: str, namespace: str | None = None) -> tuple[Key, ...]:
        """Keys of a kind, in one namespace ("" for cluster-wide kinds) or in all."""
        return tuple(obj.key for obj in self.objects(kind, namespace))

    def objects(self, kind: str, namespace: str | None = None) -> Iterator[CachedObject]:
        """As `keys`, the objects themselves. Do not change the cache while iterating."""
        namespaces = self._objects.get(kind, {})
        if namespace is not None:
            yield from namespaces.get(namespace, {}).values()
            return
        for siblings in namespaces.values():
            yield from siblings.values()

    def namespaces(self, kind: str) -> tuple[str, ...]:
        """Namespaces that hold an object of this kind."""
        return tuple(name for name, siblings in self._objects.get(kind, {}).items() if siblings)

    def count(self, kind: str) -> int:
        return self._counts.get(kind, 0)

    def by_index(self, kind: str, index: str, value: str) -> tuple[Key, ...]:
        """Keys of the objects that index under `value`. Raises KeyError for an index never declared."""
        return self._indexes[kind][index].find(value)

    # ------------------------------------------------------------------ inside

    def _condense(self, key: Key, uid: str, version: int, obj: Json) -> CachedObject:
        metadata = {name: value for name in _KEPT_METADATA if (value := obj["metadata"].get(name))}
        annotations = metadata.get("annotations")
        if annotations and _NOISE_ANNOTATION in annotations:
            kept = {name: value for name, value in annotations.items() if name != _NOISE_ANNOTATION}
            metadata["annotations"] = kept
        trimmed = {"metadata": metadata}
        for part in ("spec", "status"):
            if part in obj:
                trimmed[part] = obj[part]
        described = [metadata.get(name) for name in ("labels", "annotations", "finalizers")]
        return CachedObject(
            key,
            uid,
            version,
            metadata.get("generation", 0),
            created=sys.intern(metadata.get("creationTimestamp", "")),
            deleting="deletionTimestamp" in metadata,
            raw=json.dumps(trimmed, separators=(",", ":"), ensure_ascii=False).encode(),
            marks=(_mark(described), _mark(obj.get("status"))),
            indexed=tuple(
                tuple(dict.fromkeys(index.indexer(trimmed)))
                for index in self._indexes.get(key.kind, {}).values()
            ),
        )

    def _reindex(self, kind: str, key: Key, before: CachedObject | None, after: CachedObject | None) -> None:
        for position, index in enumerate(self._indexes.get(kind, {}).values()):
            old = before.indexed[position] if before is not None else ()
            new = after.indexed[position] if after is not None else ()
            if old != new:
                for value in old:
                    index.discard(value, key)
                for value in new:
                    index.add(value, key)

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)


def _mark(value: Json) -> int:
    """A fingerprint by which two JSON values are told apart, whatever the order of their keys."""
    return hash(json.dumps(value, separators=(",", ":"), sort_keys=True))
