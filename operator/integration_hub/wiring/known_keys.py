"""Products' keys as the watch-fed cache knows them (ports.KnownKeys)."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from integration_hub.api.product_key import ApiKeyStatus
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.ports import Json, Key, KnownKey
from integration_hub.runtime.cache import ObjectCache

KIND = PRODUCT_REGISTRATION.kind
BY_KEY = "apiKey"


class CachedKeys:
    """Finds keys by an index of the cache, which it declares: make it before the cache's first object."""

    def __init__(self, cache: ObjectCache) -> None:
        self._cache = cache
        cache.add_index(KIND, BY_KEY, _ids)

    def find(self, key_id: str) -> tuple[KnownKey, ...]:
        """Those that some registration's status has under this id."""
        owners = self._cache.by_index(KIND, BY_KEY, key_id)
        return tuple(known for owner in owners for known in self._of(owner, key_id))

    def _of(self, owner: Key, key_id: str) -> Iterator[KnownKey]:
        found = self._cache.get(owner)
        if found is None or found.deleting:
            return
        try:
            status = ApiKeyStatus.model_validate(_told(found.load()))
        except ValidationError:
            return
        for each in status.keys:
            if each.id == key_id:
                yield KnownKey(owner, found.uid, each.sha256, each.valid_until)


def _told(obj: Json) -> Json:
    return (obj.get("status") or {}).get("apiKey") or {}


def _ids(obj: Json) -> Iterator[str]:
    for each in _told(obj).get("keys") or ():
        yield each["id"]
