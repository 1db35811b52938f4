"""ports.Cluster in memory: resourceVersions, compare-and-swap, uids and a log of what was asked.

For unit tests of what stands on the port. It knows nothing of schemas, defaulting or field managers:
what depends on those is tested against a real API server.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from integration_hub.ports import (
    ApiError,
    Json,
    MetadataChange,
    MetadataPage,
    ObjectMeta,
    PatchType,
    Resource,
)

Trouble = Callable[[str, Resource, str], Exception | None]
"""Asked before each request with `(verb, resource, "namespace/name")`; what it returns is raised."""


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    resource: str
    namespace: str
    name: str
    body: Json = None


class MemoryCluster:
    """One API server. `latency` is the seconds that every request takes; `hang` makes it take for ever."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.hang = False
        self.trouble: Trouble | None = None
        self.requests: list[Request] = []
        self.version = 0
        self._uids = 0
        self._objects: dict[tuple[str, str, str], Json] = {}
        self._watchers: list[
            tuple[Resource, str | None, asyncio.Queue[MetadataChange | Exception | None]]
        ] = []

    # ------------------------------------------------------------------ behind the API's back

    def put(self, resource: Resource, namespace: str, name: str, **parts: Any) -> Json:
        """Create or change an object, as another client would."""
        known = self._objects.get((resource.plural, namespace, name))
        body = copy.deepcopy(known) if known is not None else {"metadata": {"name": name}}
        body.update(copy.deepcopy(parts))
        return self._store(resource, namespace, name, body, known)

    def take(self, resource: Resource, obj: Json) -> None:
        """Hold an object just as it is, its uid and resourceVersion too."""
        metadata = obj["metadata"]
        self.version = max(self.version, int(metadata["resourceVersion"]))
        key = (resource.plural, metadata.get("namespace", ""), metadata["name"])
        self._objects[key] = copy.deepcopy(obj)

    def drop(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object, as another client would."""
        self.version += 1
        gone = self._objects.pop((resource.plural, namespace, name))
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", resource, namespace, gone)

    def read(self, resource: Resource, namespace: str, name: str) -> Json | None:
        return copy.deepcopy(self._objects.get((resource.plural, namespace, name)))

    def all(self, resource: Resource, namespace: str | None = None) -> list[Json]:
        return [
            copy.deepcopy(body)
            for (plural, place, _), body in sorted(self._objects.items())
            if plural == resource.plural and namespace in (None, place)
        ]

    def end_watches(self, error: Exception | None = None) -> None:
        """End every watch now: quietly, or with `error`."""
        for _, _, queue in self._watchers:
            queue.put_nowait(error)

    @property
    def watches(self) -> list[tuple[str, str | None]]:
        """`(plural, namespace)` of the watches that are open."""
        return [(resource.plural, namespace) for resource, namespace, _ in self._watchers]

    # ------------------------------------------------------------------ ports.Cluster

    async def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        await self._enter("get", resource, namespace, name)
        return self.read(resource, namespace, name)

    async def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = ""
    ) -> list[Json]:
        await self._enter("list", resource, namespace or "", "")
        return self.all(resource, namespace)

    async def list_metadata(
        self, resource: Resource, namespace: str | None = None, *, page_size: int = 500
    ) -> AsyncIterator[MetadataPage]:
        await self._enter("list", resource, namespace or "", "")
        items, version = [_meta(body) for body in self.all(resource, namespace)], str(self.version)
        for start in range(0, max(len(items), 1), page_size):
            yield MetadataPage(items[start : start + page_size], version)
            await asyncio.sleep(self.latency)

    async def watch_metadata(
        self, resource: Resource, namespace: str | None, resource_version: str
    ) -> AsyncIterator[MetadataChange]:
        await self._enter("watch", resource, namespace or "", "")
        if int(resource_version) > self.version:
            raise ApiError(504, "Timeout", f"Too large resource version: {resource_version}")
        queue: asyncio.Queue[MetadataChange | Exception | None] = asyncio.Queue()
        for body in self.all(resource, namespace):  # what happened between the list and this watch
            if int(body["metadata"]["resourceVersion"]) > int(resource_version):
                queue.put_nowait(MetadataChange("MODIFIED", _meta(body)))
        entry = (resource, namespace, queue)
        self._watchers.append(entry)
        try:
            while (change := await queue.get()) is not None:
                if isinstance(change, Exception):
                    raise change
                yield change
        finally:
            self._watchers.remove(entry)

    async def apply_status(
        self, resource: Resource, namespace: str, name: str, status: Json, *, resource_version: str
    ) -> Json:
        await self._enter("apply_status", resource, namespace, name, status)
        known = self._known(resource, namespace, name)
        self._check_version(known, resource_version)
        return self._store(resource, namespace, name, {**known, "status": copy.deepcopy(status)}, known)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Json,
        patch_type: PatchType,
        *,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
        manager: str = "",
    ) -> Json:
        await self._enter("patch", resource, namespace, name, body)
        if patch_type is PatchType.APPLY and (resource.plural, namespace, name) not in self._objects:
            return self._store(resource, namespace, name, body, None)
        known = self._known(resource, namespace, name)
        self._check_version(known, (body.get("metadata") or {}).get("resourceVersion"))
        return self._store(resource, namespace, name, _merge(known, body), known)

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        name = body["metadata"]["name"]
        await self._enter("create", resource, namespace, name, body)
        if (resource.plural, namespace, name) in self._objects:
            raise ApiError(409, "AlreadyExists", f"{name} exists")
        return self._store(resource, namespace, name, body, None)

    async def replace(self, resource: Resource, namespace: str, name: str, body: Json) -> Json:
        await self._enter("replace", resource, namespace, name, body)
        known = self._known(resource, namespace, name)
        self._check_version(known, body["metadata"].get("resourceVersion"))
        return self._store(resource, namespace, name, body, known)

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str | None = None) -> None:
        await self._enter("delete", resource, namespace, name)
        known = self._objects.get((resource.plural, namespace, name))
        if known is not None and uid in (None, known["metadata"]["uid"]):
            self.drop(resource, namespace, name)

    # ------------------------------------------------------------------ inside

    async def _enter(
        self, verb: str, resource: Resource, namespace: str, name: str, body: Json = None
    ) -> None:
        self.requests.append(Request(verb, resource.plural, namespace, name, copy.deepcopy(body)))
        if self.hang:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(self.latency)
        error = self.trouble(verb, resource, f"{namespace}/{name}") if self.trouble is not None else None
        if error is not None:
            raise error

    def _known(self, resource: Resource, namespace: str, name: str) -> Json:
        known = self._objects.get((resource.plural, namespace, name))
        if known is None:
            raise ApiError(404, "NotFound", f"{resource.plural} {name} not found")
        return known

    def _check_version(self, known: Json, version: str | None) -> None:
        if version is not None and version != known["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified")

    def _store(self, resource: Resource, namespace: str, name: str, body: Json, known: Json | None) -> Json:
        self.version += 1
        if known is None:
            self._uids += 1
        body = copy.deepcopy(body)
        before: Json = (
            known["metadata"] if known is not None else {"uid": f"uid-{self._uids}", "generation": 1}
        )
        spec_changed = known is not None and known.get("spec") != body.get("spec")
        body["metadata"] = {
            **body["metadata"],
            "name": name,
            "namespace": namespace,
            "uid": before["uid"],
            "generation": before["generation"] + spec_changed,
            "resourceVersion": str(self.version),
        }
        self._objects[resource.plural, namespace, name] = body
        self._tell("ADDED" if known is None else "MODIFIED", resource, namespace, body)
        return copy.deepcopy(body)

    def _tell(self, verb: Any, resource: Resource, namespace: str, body: Json) -> None:
        for watched, place, queue in self._watchers:
            if watched.plural == resource.plural and place in (None, namespace):
                queue.put_nowait(MetadataChange(verb, _meta(body)))


def _meta(body: Json) -> ObjectMeta:
    metadata = body["metadata"]
    return ObjectMeta(metadata["uid"], metadata["name"], metadata["namespace"], metadata["resourceVersion"])


def _merge(known: Json, patch: Json) -> Json:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(known) if isinstance(known, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged
