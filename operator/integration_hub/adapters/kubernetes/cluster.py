"""ports.Cluster on a connection: objects in, objects out, every request within its budget and its rights."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Literal

from integration_hub.adapters.kubernetes import paths
from integration_hub.adapters.kubernetes.connection import JSON, Connection
from integration_hub.adapters.kubernetes.refusals import from_status, unreadable
from integration_hub.ports import (
    ApiError,
    Json,
    Leadership,
    MetadataChange,
    MetadataPage,
    ObjectMeta,
    PatchType,
    RequestBudget,
    Resource,
)

_METADATA = "application/json;as={};g=meta.k8s.io;v=v1"
METADATA_LIST = _METADATA.format("PartialObjectMetadataList")
METADATA_ITEM = _METADATA.format("PartialObjectMetadata")

_PAGE_SIZE = 500
_WATCH_SECONDS = 300
_TRIES_UNDER_429 = 3
_DEFAULT_PAUSE_SECONDS = 1.0
_LIST_RESTARTS = 3

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class KubernetesCluster:
    """See the module's text. Without a budget nothing waits, without leadership no write is gated.

    The elector's own Lease traffic is the one user of both freedoms: it must neither stand in line
    behind other requests nor need the Lease that it is about to get.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        field_manager: str,
        budget: RequestBudget | None,
        leadership: Leadership | None,
    ) -> None:
        self._connection = connection
        self._field_manager = field_manager
        self._budget = budget
        self._leadership = leadership
        self._apply_query = paths.query(fieldManager=field_manager, force=True)

    # ------------------------------------------------------------------ reads

    async def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """The whole object, or None where there is none."""
        try:
            return await self._read(paths.item(resource, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def document(self, path: str, *, accept: str = JSON) -> Json:
        """What the API server says at a path that is no object's, such as its OpenID configuration."""
        return await self._read(path, accept)

    async def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = ""
    ) -> list[Json]:
        """All objects, paged; begun anew where the list grew too old to be continued.

        Objects of built-in kinds carry no apiVersion and kind here: so the API server sends them.
        """
        found: list[Json] = []
        pages = self._pages(resource, namespace, JSON, page_size=_PAGE_SIZE, label_selector=label_selector)
        async for fresh, document in pages:
            if fresh:
                found.clear()
            found += document.get("items") or ()
        return found

    async def list_metadata(
        self, resource: Resource, namespace: str | None = None, *, page_size: int = _PAGE_SIZE
    ) -> AsyncIterator[MetadataPage]:
        """Metadata only; a page whose resource_version is another begins the list anew."""
        async for _, document in self._pages(resource, namespace, METADATA_LIST, page_size=page_size):
            yield MetadataPage(
                items=[_meta(entry) for entry in document.get("items") or ()],
                resource_version=document["metadata"]["resourceVersion"],
            )

    async def watch_metadata(
        self, resource: Resource, namespace: str | None, resource_version: str
    ) -> AsyncIterator[MetadataChange]:
        """Metadata only, with bookmarks, until the server's timeout. Raises ApiError, 410 when too old."""
        if self._budget is not None:
            await self._budget.take("read")
        path = paths.collection(resource, namespace) + paths.query(
            watch=True,
            allowWatchBookmarks=True,
            resourceVersion=resource_version,
            timeoutSeconds=_WATCH_SECONDS,
        )
        async for line in self._connection.stream(path, accept=METADATA_ITEM):
            event = self._decode(line)
            if event["type"] == "ERROR":
                raise from_status(event["object"])
            yield MetadataChange(event["type"], _meta(event["object"]))

    # ------------------------------------------------------------------ writes

    async def apply_status(
        self, resource: Resource, namespace: str, name: str, status: Json, *, resource_version: str
    ) -> Json:
        """Server-side apply of the whole status on the object as it was at `resource_version`, else 409.

        Forced: status has one writer, and what somebody's `kubectl edit --subresource=status` owns is ours.
        """
        metadata = {"name": name, "resourceVersion": resource_version}
        if resource.namespaced:
            metadata["namespace"] = namespace
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            "status": status,
        }
        path = paths.item(resource, namespace, name, "status") + self._apply_query
        return await self._write("PATCH", path, body, PatchType.APPLY)

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
        """PATCH with our field manager, or the one named.

        `force` takes fields from other managers, and is for applies only.
        """
        if patch_type is PatchType.APPLY:
            body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        path = paths.item(resource, namespace, name, subresource) + paths.query(
            fieldManager=manager or self._field_manager,
            force=force,
            dryRun="All" if dry_run else None,
        )
        return await self._write("PATCH", path, body, patch_type)

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        """POST; ApiError 409 AlreadyExists where the name is taken."""
        path = paths.collection(resource, namespace) + paths.query(fieldManager=self._field_manager)
        return await self._write("POST", path, _typed(resource, body), JSON)

    async def replace(self, resource: Resource, namespace: str, name: str, body: Json) -> Json:
        """PUT; ApiError 409 where body's resourceVersion is not the present one."""
        path = paths.item(resource, namespace, name) + paths.query(fieldManager=self._field_manager)
        return await self._write("PUT", path, _typed(resource, body), JSON)

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str | None = None) -> None:
        """DELETE in the background. Fine where it is absent, or has another uid by now."""
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
        }
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self._write("DELETE", paths.item(resource, namespace, name), options, JSON)
        except ApiError as error:
            if error.status != 404 and not (error.status == 409 and uid is not None):
                raise

    # ------------------------------------------------------------------ inside

    async def _pages(
        self,
        resource: Resource,
        namespace: str | None,
        accept: str,
        *,
        page_size: int,
        label_selector: str = "",
    ) -> AsyncIterator[tuple[bool, Json]]:
        """Pages of a list, each with whether it begins the list (anew: forget what came before)."""
        path = paths.collection(resource, namespace)
        token, fresh, restarts = "", True, 0
        while True:
            # A list that keeps outliving its tokens is asked for in one piece in the end.
            limit = page_size if restarts < _LIST_RESTARTS else None
            query = paths.query(labelSelector=label_selector, limit=limit, **{"continue": token})
            try:
                document = await self._read(path + query, accept)
            except ApiError as error:
                if error.status != 410 or not token:
                    raise
                token, fresh = "", True
                restarts += 1
                continue
            yield fresh, document
            token, fresh = document["metadata"].get("continue") or "", False
            if not token:
                return

    async def _read(self, path: str, accept: str = JSON) -> Json:
        return self._decode(await self._send("read", "GET", path, accept=accept))

    async def _write(self, method: str, path: str, body: Json, content_type: str) -> Json:
        if self._leadership is not None:
            # Fail before waiting in line; the connection asks again when it counts.
            self._leadership.require()
        data = _encode(body).encode()
        return self._decode(await self._send("write", method, path, body=data, content_type=content_type))

    async def _send(
        self,
        use: Literal["read", "write"],
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "",
        accept: str = JSON,
    ) -> bytes:
        """One request within the budget. A 429 was not executed, whatever its verb: pause, then try again."""
        leadership = self._leadership if use == "write" else None
        tries = 0
        while True:
            if self._budget is not None:
                await self._budget.take(use)
            try:
                return await self._connection.request(
                    method, path, body=body, content_type=content_type, accept=accept, leadership=leadership
                )
            except ApiError as error:
                if error.status != 429 or self._budget is None:
                    raise
                self._budget.pause(
                    use, _DEFAULT_PAUSE_SECONDS if error.retry_after is None else error.retry_after
                )
                tries += 1
                if tries >= _TRIES_UNDER_429:
                    raise

    def _decode(self, data: bytes) -> Json:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise unreadable(self._connection.host) from None


def _typed(resource: Resource, body: Json) -> Json:
    return body if "kind" in body else {"apiVersion": resource.api_version, "kind": resource.kind, **body}


def _meta(document: Json) -> ObjectMeta:
    metadata = document["metadata"]
    return ObjectMeta(
        uid=metadata.get("uid", ""),
        name=metadata.get("name", ""),
        namespace=metadata.get("namespace", ""),
        resource_version=metadata["resourceVersion"],
        generation=metadata.get("generation", 0),
        deleting="deletionTimestamp" in metadata,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
    )
