"""The relist: our own look at what there is, so that a lost event costs minutes and never for ever.

The feed tells neither when a list of its own ends nor what vanished while it was away. So after each of
its (re)starts, and every quarter of an hour, this lists metadata only and compares with the cache:

- cached but not listed, and no newer than the list: gone, a delete is synthesised;
- listed but not cached, or cached older: the feed gets some time to bring it, then it is fetched;
- the list is older than what was cached before it began: the store went back (etcd was restored from a
  backup), and the list is right about everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from integration_hub.ports import ApiError, Clock, ClusterReader, Entropy, Json, Key, Resource
from integration_hub.runtime.cache import CachedObject, ObjectCache

_log = logging.getLogger(__name__)

_JITTER = 0.2
_BACKOFF_LIMIT_SECONDS = 60.0
_LOOK_SECONDS = 0.25
_BREATH = 250
"""Synthesised deletes between two chances for the rest of the event loop."""


@dataclass(frozen=True, slots=True)
class RelistState:
    """For /readyz and metrics.

    `complete`: every kind was listed at least once. `lag_seconds`: how long ago the oldest resourceVersion
    was listed that the cache has not reached; 0 when it has reached all. `failing`: what cannot be listed
    now, with the cause. `deleted` and `fetched` count what the feed had missed.
    """

    complete: bool
    lag_seconds: float
    failing: tuple[str, ...]
    rounds: int
    deleted: int
    fetched: int


@dataclass(slots=True)
class _Scope:
    """One kind, in one namespace or (None) everywhere."""

    resource: Resource
    namespace: str | None
    listed: bool = False
    trouble: str = ""
    unreached: dict[Key, tuple[str, int]] = field(default_factory=dict)
    """Listed, but not in the cache yet: key -> (uid, resourceVersion)."""
    unreached_since: float = 0.0

    def __str__(self) -> str:
        return f"{self.resource.plural} in {self.namespace}" if self.namespace else self.resource.plural


@dataclass(frozen=True, slots=True)
class _Listing:
    entries: dict[Key, tuple[str, int]]
    version: int
    went_back: bool
    began: float


class Relist:
    """`run` as a task; `request` after each (re)start of the feed. Reads only: every replica runs one."""

    def __init__(
        self,
        cluster: ClusterReader,
        cache: ObjectCache,
        clock: Clock,
        entropy: Entropy,
        *,
        resources: Sequence[Resource],
        namespaces: Sequence[str] = (),
        interval_seconds: float = 900.0,
        patience_seconds: float = 5.0,
        first_within_seconds: float = 10.0,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._clock = clock
        self._entropy = entropy
        self._interval = interval_seconds
        self._patience = patience_seconds
        self._first_within = first_within_seconds
        self._scopes = [
            _Scope(resource, namespace)
            for resource in resources
            for namespace in (namespaces if resource.namespaced and namespaces else (None,))
        ]
        self._requested = asyncio.Event()
        self._rounds = self._deleted = self._fetched = 0

    # ------------------------------------------------------------------ living

    def request(self) -> None:
        """Have a round run soon; one that is running is followed by another."""
        self._requested.set()

    async def run(self) -> None:
        """Relist on request and at intervals, until cancelled. Failures are retried with backoff."""
        pause, backoff = self._first_within, 1.0
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._requested.wait()
            except TimeoutError:
                pass
            self._requested.clear()
            if await self.round():
                pause, backoff = self._interval, 1.0
            else:
                pause, backoff = backoff, min(backoff * 2, _BACKOFF_LIMIT_SECONDS)
            pause *= 1 - _JITTER / 2 + _JITTER * self._entropy.random()

    async def round(self) -> bool:
        """Compare every scope once; whether all could be listed."""
        results = [await self._compare(scope) for scope in self._scopes]
        self._rounds += 1
        return all(results)

    def state(self) -> RelistState:
        now = self._clock.monotonic()
        since = [scope.unreached_since for scope in self._scopes if self._prune(scope)]
        return RelistState(
            complete=all(scope.listed for scope in self._scopes),
            lag_seconds=max((now - moment for moment in since), default=0.0),
            failing=tuple(f"{scope}: {scope.trouble}" for scope in self._scopes if scope.trouble),
            rounds=self._rounds,
            deleted=self._deleted,
            fetched=self._fetched,
        )

    # ------------------------------------------------------------------ one scope

    async def _compare(self, scope: _Scope) -> bool:
        try:
            listing = await self._list(scope)
            await self._delete_ghosts(scope, listing)
            self._note_unreached(scope, listing)
            if not listing.went_back:
                await self._wait_for_feed(scope)
            await self._fetch(scope, force=listing.went_back)
        except ApiError as error:
            if scope.trouble != str(error):
                _log.warning("Cannot relist", extra={"kind": str(scope), "cause": str(error)})
            scope.trouble = str(error)
            return False
        scope.trouble = ""
        scope.listed = True
        return True

    async def _list(self, scope: _Scope) -> _Listing:
        kind = scope.resource.kind
        began = self._clock.monotonic()
        known = max((cached.resource_version for cached in self._objects(scope)), default=0)
        entries: dict[Key, tuple[str, int]] = {}
        version = ""
        async for page in self._cluster.list_metadata(scope.resource, scope.namespace):
            if page.resource_version != version:
                entries.clear()  # the first page, or the list began anew
                version = page.resource_version
            for meta in page.items:
                entries[Key(kind, meta.namespace, meta.name)] = (meta.uid, int(meta.resource_version))
        went_back = int(version) < known
        if went_back:
            _log.warning(
                "The API server's store went back in time; taking over its state",
                extra={"kind": str(scope), "listed": version, "cached": known},
            )
        return _Listing(entries, int(version), went_back, began)

    async def _delete_ghosts(self, scope: _Scope, listing: _Listing) -> None:
        """What the list would name if it still existed. Newer than the list proves nothing, and stays."""
        ghosts = [
            cached
            for cached in self._objects(scope)
            if listing.entries.get(cached.key, ("",))[0] != cached.uid
            and (cached.resource_version <= listing.version or listing.went_back)
        ]
        for number, ghost in enumerate(ghosts, start=1):
            if self._cache.remove(ghost.key, ghost.uid) is not None:
                self._deleted += 1
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        if ghosts:
            _log.info(
                "Deletions that the feed had missed", extra={"kind": str(scope), "objects": len(ghosts)}
            )

    def _note_unreached(self, scope: _Scope, listing: _Listing) -> None:
        scope.unreached_since = listing.began
        scope.unreached = {
            key: entry
            for key, entry in listing.entries.items()
            if not self._reached(key, entry[1], exactly=listing.went_back)
        }

    async def _wait_for_feed(self, scope: _Scope) -> None:
        """The feed is most likely about to bring these: wait while it makes progress, and a little longer."""
        fewest, progress_at = len(scope.unreached), self._clock.monotonic()
        while self._prune(scope):
            now = self._clock.monotonic()
            if len(scope.unreached) < fewest:
                fewest, progress_at = len(scope.unreached), now
            elif now - progress_at >= self._patience:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _fetch(self, scope: _Scope, *, force: bool) -> None:
        """Fetch one by one what the feed did not bring."""
        for key, (uid, version) in list(scope.unreached.items()):
            if force or not self._reached(key, version):
                found = await self._cluster.get(scope.resource, key.namespace, key.name)
                if found is None:
                    self._cache.remove(key, uid)  # deleted since it was listed
                elif self._take_over(key, found, force=force):
                    self._fetched += 1
            scope.unreached.pop(key, None)

    def _take_over(self, key: Key, found: Json, *, force: bool) -> bool:
        try:
            return self._cache.upsert(key.kind, found, force=force) is not None
        except Exception:  # noqa: BLE001  one odd object must not end the hub, as it does not end the feed
            _log.exception("An object could not be taken in and is left out", extra={"object": str(key)})
            return False

    # ------------------------------------------------------------------ inside

    def _objects(self, scope: _Scope) -> Iterator[CachedObject]:
        return self._cache.objects(scope.resource.kind, scope.namespace)

    def _reached(self, key: Key, version: int, *, exactly: bool = False) -> bool:
        cached = self._cache.get(key)
        if cached is None:
            return False
        return cached.resource_version == version if exactly else cached.resource_version >= version

    def _prune(self, scope: _Scope) -> bool:
        """Forget what the cache has reached by now; whether anything is left."""
        if scope.unreached:
            scope.unreached = {
                key: entry for key, entry in scope.unreached.items() if not self._reached(key, entry[1])
            }
        return bool(scope.unreached)
