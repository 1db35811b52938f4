"""What an Integration hangs together with: indexes of the cache, and whom a change concerns.

All functions read raw objects as the cache holds them and never fail on one that lacks a field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER
from integration_hub.credentials.owned_secret import owned_name
from integration_hub.domain.integration import BY_IDENTITY, identity, provider_key
from integration_hub.ports import Json, Key
from integration_hub.providers.linking import by_age, living_rivals
from integration_hub.runtime.cache import CachedObject, Change, ObjectCache

BY_PROVIDER = "provider"
BY_SECRET = "secret"  # noqa: S105 - the name of an index
PROVIDER_KINDS = (CLUSTER_INTEGRATION_PROVIDER.kind, INTEGRATION_PROVIDER.kind)

ChangeMap = Callable[[Change], Iterable[Key]]


def declare_indexes(cache: ObjectCache) -> None:
    """Declare the indexes that the reconcilers of Integrations and providers read."""
    cache.add_index(INTEGRATION.kind, BY_PROVIDER, _providers)
    cache.add_index(INTEGRATION.kind, BY_SECRET, _secrets)
    cache.add_index(INTEGRATION.kind, BY_IDENTITY, _identities)


# --------------------------------------------------------------------------- index functions


def _parts(obj: Json) -> tuple[Json, str]:
    return obj.get("spec") or {}, obj["metadata"].get("namespace", "")


def _providers(obj: Json) -> Iterator[str]:
    key = provider_key(*_parts(obj))
    if key is not None:
        yield str(key)


def _secrets(obj: Json) -> Iterator[str]:
    """The one it names, the one that the hub keeps for it, and the one for workloads."""
    spec, namespace = _parts(obj)
    credentials = spec.get("credentials") or {}
    yield f"{namespace}/{owned_name(obj['metadata']['name'])}"
    for reference, field in (("secretRef", "name"), ("project", "secretName")):
        name = (credentials.get(reference) or {}).get(field)
        if name:
            yield f"{namespace}/{name}"


def _identities(obj: Json) -> Iterator[str]:
    yield identity(*_parts(obj))


# --------------------------------------------------------------------------- change maps


class IntegrationLinks:
    """Whom a change concerns. The methods are the change maps that wiring hands to the controller."""

    def __init__(self, cache: ObjectCache) -> None:
        self._cache = cache

    def users_of_provider(self, change: Change) -> Iterable[Key]:
        """A provider's spec changed, or it came or went: every Integration that names it."""
        return (
            self._cache.by_index(INTEGRATION.kind, BY_PROVIDER, str(change.key))
            if change.spec_changed
            else ()
        )

    def users_of_secret(self, namespace: str, name: str) -> Iterable[Key]:
        """A Secret changed, came or went: every Integration that refers to it."""
        return self._cache.by_index(INTEGRATION.kind, BY_SECRET, f"{namespace}/{name}")

    def rivals(self, change: Change) -> Iterable[Key]:
        """An Integration came, went or changed its claim: the others that claim what it claims or claimed."""
        if not change.spec_changed or _same_claim(change):
            return ()
        touched: dict[Key, None] = {}
        for side in (change.before, change.after):
            for claim in _claims(side):
                others = living_rivals(self._cache, change.key, claim)
                # All yield to the oldest: who comes or goes after it changes nothing for anybody else.
                # Without this, so many twins made at once would be looked at so many times each.
                if others and side is not None and side.age < min(others, key=by_age).age:
                    touched |= dict.fromkeys(other.key for other in others)
        return tuple(touched)

    def named_providers(self, change: Change) -> Iterable[Key]:
        """An Integration came, went or changed its provider: the providers whose count it touches."""
        named = [_provider_of(side) for side in (change.before, change.after)]
        return tuple(dict.fromkeys(key for key in named if key is not None)) if named[0] != named[1] else ()


def _claims(side: CachedObject | None) -> tuple[str, ...]:
    return (identity(*_parts(side.load())),) if side is not None else ()


def _same_claim(change: Change) -> bool:
    before, after = change.before, change.after
    if before is None or after is None or change.replaced or before.deleting != after.deleting:
        return False
    return _claims(before) == _claims(after)


def _provider_of(side: CachedObject | None) -> Key | None:
    return provider_key(*_parts(side.load())) if side is not None else None
