"""The bundled catalogue, applied to the cluster by the leader.

Each provider is applied when it is missing or came from another release, told by a digest in an
annotation; so a restart writes nothing. Fields that somebody else owns are theirs: a provider that an
administrator changed is left as it is, and the log says so.

An install for single namespaces may not read cluster objects: there the providers come straight from
the image.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable

from integration_hub.api.meta import GROUP
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER
from integration_hub.ports import ApiError, ClusterWriter, Json, Key, NotLeaderError, PatchType, Resource
from integration_hub.providers.catalogue import CatalogueEntry
from integration_hub.runtime.cache import ObjectCache

DIGEST = f"{GROUP}/catalogue-digest"
MANAGER = "integration-hub-catalogue"
RETRY_SECONDS = 15.0

_KIND = CLUSTER_INTEGRATION_PROVIDER
_RESOURCE = Resource(_KIND.group, _KIND.version, _KIND.plural, _KIND.kind, namespaced=False)
_log = logging.getLogger(__name__)


class Catalogue:
    """Brings the cluster's providers to the release's. `cluster` writes as the manager `MANAGER`."""

    def __init__(self, cluster: ClusterWriter, cache: ObjectCache, entries: Iterable[CatalogueEntry]) -> None:
        self._cluster = cluster
        self._cache = cache
        self._manifests = {entry.name: _stamped(entry) for entry in entries}

    async def install(self) -> int:
        """Apply what is missing or outdated; returns how many. Safe to repeat at any point.

        Raises ApiError when the API server cannot be used at all; one provider that it refuses is
        logged and does not hold up the others.
        """
        applied = 0
        for name, manifest in self._manifests.items():
            if not self._outdated(name, manifest):
                continue
            try:
                await self._cluster.patch(_RESOURCE, "", name, manifest, PatchType.APPLY)
                applied += 1
            except ApiError as error:
                if error.status == 409:
                    _log.warning(
                        "A provider of the catalogue was changed here and is left as it is",
                        extra={"provider": name},
                    )
                elif error.status in (400, 422):
                    _log.error(
                        "The API server refuses a provider", extra={"provider": name, "cause": error.message}
                    )
                else:
                    raise
        if applied:
            _log.info(
                "Applied the catalogue's providers", extra={"applied": applied, "of": len(self._manifests)}
            )
        return applied

    async def keep_installing(self) -> None:
        """Install until the API server takes it; gives up where this process does not lead."""
        while True:
            try:
                await self.install()
                return
            except NotLeaderError:
                return
            except ApiError as error:
                _log.warning("The catalogue cannot be applied, will retry", extra={"cause": str(error)})
            await asyncio.sleep(RETRY_SECONDS)

    def offer(self) -> None:
        """Put the providers into the cache as if they had been read: for an install that may not read them.

        Nothing else feeds that kind there. The uid is made of the name, so that a new release of the hub
        is not taken for another provider.
        """
        for name, manifest in self._manifests.items():
            metadata = {
                **manifest["metadata"],
                "uid": f"catalogue-{name}",
                "resourceVersion": "1",
                "generation": 1,
            }
            self._cache.upsert(_KIND.kind, {**manifest, "metadata": metadata})

    def _outdated(self, name: str, manifest: Json) -> bool:
        found = self._cache.get(Key(_KIND.kind, "", name))
        if found is None:
            return True
        annotations = found.load()["metadata"].get("annotations") or {}
        return bool(annotations.get(DIGEST) != manifest["metadata"]["annotations"][DIGEST])


def _stamped(entry: CatalogueEntry) -> Json:
    digest = hashlib.sha256(json.dumps(entry.manifest, sort_keys=True).encode()).hexdigest()[:16]
    given = entry.manifest["metadata"]
    metadata = {
        "name": entry.name,
        "labels": {**given.get("labels", {}), "app.kubernetes.io/managed-by": "integration-hub"},
        "annotations": {**given.get("annotations", {}), DIGEST: digest},
    }
    return {"metadata": metadata, "spec": entry.manifest["spec"]}
