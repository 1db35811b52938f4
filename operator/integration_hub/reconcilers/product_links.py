"""What a ProductRegistration hangs together with: indexes of the cache, and whom a change concerns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.domain.dependencies import Dependency
from integration_hub.ports import Json, Key
from integration_hub.reconcilers.product_secret import secret_name
from integration_hub.runtime.cache import CachedObject, Change, ObjectCache

KIND = PRODUCT_REGISTRATION.kind
BY_WORKLOAD = "workload"
BY_PRODUCT = "product"
BY_DEPENDENCY = "dependency"
BY_SECRET = "secret"  # noqa: S105 - the name of an index
MOST_FOLLOWED = 200
"""Products looked at, at most, when a trouble is followed downwards."""


def declare_indexes(cache: ObjectCache) -> None:
    """Declare the indexes that the reconciler of products reads. Before the cache's first object."""
    cache.add_index(KIND, BY_WORKLOAD, _workloads)
    cache.add_index(KIND, BY_PRODUCT, _products)
    cache.add_index(KIND, BY_DEPENDENCY, _dependencies)
    cache.add_index(KIND, BY_SECRET, _secrets)


class ProductLinks:
    """Reads who is connected with whom. The methods that take a change are maps for the controller."""

    def __init__(self, cache: ObjectCache) -> None:
        self._cache = cache

    def of_workload(self, namespace: str, name: str) -> Iterable[Key]:
        """The registrations whose product runs in this Deployment."""
        return self._cache.by_index(KIND, BY_WORKLOAD, f"{namespace}/{name}")

    def of_secret(self, namespace: str, name: str) -> Iterable[Key]:
        """The registration whose key is kept in this Secret."""
        return self._cache.by_index(KIND, BY_SECRET, f"{namespace}/{name}")

    def dependents(self, change: Change) -> Iterable[Key]:
        """A product came, went or is told of differently: the registrations that depend on it."""
        if not (change.spec_changed or change.status_changed):
            return ()
        products = {each for side in (change.before, change.after) for each in _claimed(side)}
        keys = (key for each in products for key in self._cache.by_index(KIND, BY_DEPENDENCY, each))
        return tuple(dict.fromkeys(keys))

    def rival(self, key: Key, created: str, workload: str) -> str | None:
        """An older registration of the same Deployment; the names decide between equals."""
        rivals = [
            (found.created, other.name)
            for other in self.of_workload(key.namespace, workload)
            if other != key and (found := self._cache.get(other)) is not None and not found.deleting
        ]
        oldest = min(rivals, default=None)
        return oldest[1] if oldest is not None and oldest < (created, key.name) else None

    def known_below(self, namespace: str, product_id: str, needs: Iterable[str]) -> dict[str, Dependency]:
        """What is known of the products that `product_id` needs, and of what those in trouble need."""
        own = tuple(needs)
        known = {product_id: Dependency(HealthStatus.UNKNOWN, own)}
        ahead = list(own)
        while ahead and len(known) <= MOST_FOLLOWED:
            each = ahead.pop()
            if each in known:
                continue
            found = self._worst_named(namespace, each)
            if found is not None:
                known[each] = found
                ahead.extend(found.dependencies if found.red else ())
        return known

    def _worst_named(self, namespace: str, product_id: str) -> Dependency | None:
        """A product by its id; of several registrations under one id, one that is in trouble."""
        found = [
            _dependency(obj.load())
            for key in self._cache.by_index(KIND, BY_PRODUCT, f"{namespace}/{product_id}")
            if (obj := self._cache.get(key)) is not None
        ]
        return next((each for each in found if each.red), found[0] if found else None)


def _dependency(obj: Json) -> Dependency:
    told = ((obj.get("status") or {}).get("health") or {}).get("status", HealthStatus.UNKNOWN)
    status = HealthStatus(told) if told in set(HealthStatus) else HealthStatus.UNKNOWN
    return Dependency(status, tuple((obj.get("spec") or {}).get("dependencies") or ()))


def _claimed(side: CachedObject | None) -> tuple[str, ...]:
    return tuple(_products(side.load())) if side is not None else ()


def _parts(obj: Json) -> tuple[Json, str]:
    return obj.get("spec") or {}, obj["metadata"].get("namespace", "")


def _workloads(obj: Json) -> Iterator[str]:
    spec, namespace = _parts(obj)
    name = (spec.get("workloadRef") or {}).get("name")
    if name:
        yield f"{namespace}/{name}"


def _products(obj: Json) -> Iterator[str]:
    spec, namespace = _parts(obj)
    if spec.get("productId"):
        yield f"{namespace}/{spec['productId']}"


def _dependencies(obj: Json) -> Iterator[str]:
    spec, namespace = _parts(obj)
    for each in spec.get("dependencies") or ():
        yield f"{namespace}/{each}"


def _secrets(obj: Json) -> Iterator[str]:
    metadata = obj["metadata"]
    yield f"{metadata.get('namespace', '')}/{secret_name(metadata['name'])}"
