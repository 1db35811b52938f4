"""What an Integration hangs together with: indexes of the cache, and whom a change concerns.

All functions read raw objects as the cache holds them and never fail on one that lacks a field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER
from integration_hub.ports import Json, Key
from integration_hub.runtime.cache import CachedObject, Change, ObjectCache

BY_PROVIDER = "provider"
BY_SECRET = "secret"  # noqa: S105 - the name of an index
BY_IDENTITY = "identity"
PROVIDER_KINDS = (CLUSTER_INTEGRATION_PROVIDER.kind, INTEGRATION_PROVIDER.kind)

ChangeMap = Callable[[Change], Iterable[Key]]


def declare_indexes(cache: ObjectCache) -> None:
    """Declare the indexes that the reconcilers of Integrations and providers read."""
    cache.add_index(INTEGRATION.kind, BY_PROVIDER, _providers)
    cache.add_index(INTEGRATION.kind, BY_SECRET, _secrets)
    cache.add_index(INTEGRATION.kind, BY_IDENTITY, _identities)


# --------------------------------------------------------------------------- index functions


def provider_key(spec: Json, namespace: str) -> Key | None:
    """The provider that an Integration of `namespace` names, by its raw spec."""
    reference = spec.get("providerRef") or {}
    name = reference.get("name")
    if not name:
        return None
    kind = reference.get("kind") or CLUSTER_INTEGRATION_PROVIDER.kind
    if kind == CLUSTER_INTEGRATION_PROVIDER.kind:
        return Key(kind, "", name)
    return Key(kind, reference.get("namespace") or namespace, name)


def identity(spec: Json, namespace: str) -> str:
    """What only one Integration may claim: provider, environment and instance within a namespace."""
    environment = spec.get("environment") or "PRODUCTION"
    return f"{namespace}|{provider_key(spec, namespace)}|{environment}|{spec.get('instance') or ''}"


def living_rivals(cache: ObjectCache, key: Key, claim: str) -> list[CachedObject]:
    """The Integrations besides `key` that make this claim and are not being deleted."""
    others = cache.by_index(INTEGRATION.kind, BY_IDENTITY, claim)
    found = (cache.get(other) for other in others if other != key)
    return [each for each in found if each is not None and not each.deleting]


def by_age(found: CachedObject) -> tuple[str, str]:
    """Sort key: the oldest first."""
    return found.age


def _parts(obj: Json) -> tuple[Json, str]:
    return obj.get("spec") or {}, obj["metadata"].get("namespace", "")


def _providers(obj: Json) -> Iterator[str]:
    key = provider_key(*_parts(obj))
    if key is not None:
        yield str(key)


def _secrets(obj: Json) -> Iterator[str]:
    spec, namespace = _parts(obj)
    name = ((spec.get("credentials") or {}).get("secretRef") or {}).get("name")
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
