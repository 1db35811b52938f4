"""The bundled catalogue: applied once per release by the leader, or offered from the image."""

from __future__ import annotations

from typing import Any

import pytest

from integration_hub.ports import ApiError, Json, Key, PatchType, Resource
from integration_hub.providers.catalogue import load_catalogue
from integration_hub.reconcilers.catalogue import DIGEST, Catalogue
from integration_hub.runtime.cache import ObjectCache

KIND = "ClusterIntegrationProvider"
ENTRIES = load_catalogue()[:3]


class Cluster:
    """Takes applies as the API server would and shows them to the cache, or refuses them."""

    def __init__(self, cache: ObjectCache, refusals: dict[str, ApiError] | None = None) -> None:
        self.cache = cache
        self.refusals = refusals or {}
        self.applied: list[str] = []

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Json, patch_type: PatchType, **_: Any
    ) -> Json:
        assert (resource.kind, namespace, patch_type) == (KIND, "", PatchType.APPLY)
        if name in self.refusals:
            raise self.refusals[name]
        self.applied.append(name)
        metadata = {**body["metadata"], "uid": f"uid-{name}", "resourceVersion": "7", "generation": 1}
        self.cache.upsert(KIND, {**body, "metadata": metadata})
        return body


def catalogue(refusals: dict[str, ApiError] | None = None) -> tuple[Catalogue, Cluster]:
    cache = ObjectCache()
    cluster = Cluster(cache, refusals)
    return Catalogue(cluster, cache, ENTRIES), cluster  # type: ignore[arg-type]


async def test_every_provider_is_applied_once_and_a_restart_writes_nothing() -> None:
    shipped, cluster = catalogue()
    assert await shipped.install() == 3
    assert cluster.applied == [entry.name for entry in ENTRIES]
    assert await shipped.install() == 0
    again = Catalogue(cluster, cluster.cache, ENTRIES)  # type: ignore[arg-type]
    assert await again.install() == 0


async def test_a_provider_of_another_release_is_applied_again() -> None:
    shipped, cluster = catalogue()
    await shipped.install()
    old = cluster.cache.get(Key(KIND, "", ENTRIES[0].name))
    assert old is not None
    document = old.load()
    document["metadata"]["annotations"][DIGEST] = "of-last-year"
    document["metadata"]["resourceVersion"] = "8"
    cluster.cache.upsert(KIND, document)
    cluster.applied.clear()
    await shipped.install()
    assert cluster.applied == [ENTRIES[0].name]


@pytest.mark.parametrize("status", [409, 422])
async def test_one_refused_provider_does_not_hold_up_the_others(status: int) -> None:
    shipped, cluster = catalogue({ENTRIES[0].name: ApiError(status, "Conflict", "owned by somebody")})
    assert await shipped.install() == 2
    assert cluster.applied == [entry.name for entry in ENTRIES[1:]]


async def test_an_api_server_that_is_away_is_told_so_that_it_is_tried_again() -> None:
    shipped, _ = catalogue({ENTRIES[0].name: ApiError(503, "ServiceUnavailable", "no leader")})
    with pytest.raises(ApiError, match="no leader"):
        await shipped.install()


def test_without_rights_to_read_them_providers_come_from_the_image() -> None:
    shipped, cluster = catalogue()
    shipped.offer()
    found = cluster.cache.get(Key(KIND, "", ENTRIES[1].name))
    assert found is not None
    assert found.load()["spec"] == ENTRIES[1].manifest["spec"]
    assert found.uid == f"catalogue-{ENTRIES[1].name}"
    assert not cluster.applied
