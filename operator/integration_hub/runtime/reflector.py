"""The reflector: which Secrets (or Deployments) changed, known within moments and without their content.

A metadata-only list and watch per served namespace. A namespace is *served* when the operator may list
there; one that it may not is tried again now and then, since a grant announces itself nowhere. Where many
namespaces are wanted, one cluster-wide watch is tried instead of hundreds of connections.

Kept is only name -> (uid, resourceVersion). Every difference, seen live or found by a list after a gap,
is one call of `on_change`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from enum import StrEnum

from integration_hub.ports import ApiError, Clock, ClusterReader, Entropy, MetadataChange, Resource

_log = logging.getLogger(__name__)

_BACKOFF_SECONDS = 0.5
_BACKOFF_LIMIT_SECONDS = 30.0
_DENIED_SECONDS = 5.0
_DENIED_LIMIT_SECONDS = 60.0
_SHORT_WATCH_SECONDS = 1.0
_EVERYWHERE = ""
"""The scope of the one cluster-wide watch; no namespace is called so."""

OnChange = Callable[[str, str], None]
"""Told `(namespace, name)` of each object that appeared, changed or vanished."""

Version = tuple[str, str]
"""uid and resourceVersion: equal means untouched."""


class Service(StrEnum):
    """How far the reflector got with a namespace."""

    PENDING = "Pending"
    SERVED = "Served"
    DENIED = "Denied"


class _Scope:
    """What is known of one namespace, or of all."""

    __slots__ = ("denials", "names", "service", "task", "version")

    def __init__(self) -> None:
        self.service = Service.PENDING
        self.names: dict[str, dict[str, Version]] = {}
        self.version = ""
        self.denials = 0
        self.task: asyncio.Task[None] | None = None


class Reflector:
    """`serve` says which namespaces matter; `run` as a task. Belongs to one event loop."""

    def __init__(
        self,
        cluster: ClusterReader,
        clock: Clock,
        entropy: Entropy,
        resource: Resource,
        on_change: OnChange,
        *,
        everywhere_from: int = 20,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._entropy = entropy
        self._resource = resource
        self._on_change = on_change
        self._everywhere_from = everywhere_from
        self._wanted: frozenset[str] = frozenset()
        self._scopes: dict[str, _Scope] = {}
        self._changed = asyncio.Event()

    # ------------------------------------------------------------------ asking

    def serve(self, namespaces: Iterable[str]) -> None:
        """From now on, follow exactly these namespaces. Cheap when nothing is new."""
        wanted = frozenset(namespaces)
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    def version(self, namespace: str, name: str) -> Version | None:
        """What the object was last seen as; None where it is not there, or the namespace is not served."""
        scope = self._scope_of(namespace)
        return scope.names.get(namespace, {}).get(name) if scope is not None else None

    def service(self, namespace: str) -> Service:
        """Whether the namespace is followed."""
        scope = self._scope_of(namespace)
        return scope.service if scope is not None else Service.PENDING

    @property
    def watching(self) -> int:
        """Open scopes, for metrics."""
        return sum(scope.service is Service.SERVED for scope in self._scopes.values())

    # ------------------------------------------------------------------ living

    async def run(self) -> None:
        """Follow what is wanted until cancelled."""
        try:
            while True:
                self._changed.clear()
                self._arrange()
                await self._changed.wait()
        finally:
            for name in list(self._scopes):
                self._close(name)

    def _arrange(self) -> None:
        """Start and stop scopes, so that every wanted namespace is followed once."""
        everywhere = self._scopes.get(_EVERYWHERE)
        if len(self._wanted) >= self._everywhere_from and everywhere is None:
            everywhere = self._open(_EVERYWHERE)
        elif not self._wanted and everywhere is not None:
            self._close(_EVERYWHERE)
            everywhere = None
        # Until the cluster-wide watch has proved itself, those that run go on, but no new ones are opened.
        served = everywhere is not None and everywhere.service is Service.SERVED
        for name in list(self._scopes):
            if name != _EVERYWHERE and (name not in self._wanted or served):
                self._close(name)
        if everywhere is None or everywhere.service is Service.DENIED:
            for name in self._wanted - self._scopes.keys():
                self._open(name)

    def _open(self, name: str) -> _Scope:
        scope = self._scopes[name] = _Scope()
        where = name or "all namespaces"
        scope.task = asyncio.create_task(
            self._follow(name, scope), name=f"reflect-{self._resource.plural}-{where}"
        )
        return scope

    def _close(self, name: str) -> None:
        scope = self._scopes.pop(name)
        if scope.task is not None:
            scope.task.cancel()

    # ------------------------------------------------------------------ one scope

    async def _follow(self, name: str, scope: _Scope) -> None:
        backoff = _BACKOFF_SECONDS
        while True:
            began = self._clock.monotonic()
            try:
                if not scope.version:
                    await self._list(name, scope)
                await self._watch(name, scope)
                pause = 0.0
            except ApiError as error:
                pause = self._recover(name, scope, error, backoff)
            except Exception:  # noqa: BLE001
                # A bug met in one namespace must not leave it unwatched for ever.
                _log.exception("Following failed", extra={"kind": self._resource.plural, "namespace": name})
                scope.version, pause = "", backoff
            if self._clock.monotonic() - began > _BACKOFF_LIMIT_SECONDS:
                backoff = _BACKOFF_SECONDS  # it had worked for a while
            elif pause:
                backoff = min(backoff * 2, _BACKOFF_LIMIT_SECONDS)
            else:
                pause = _SHORT_WATCH_SECONDS  # a server that ends watches at once is not to be hammered
            await asyncio.sleep(pause * (0.5 + self._entropy.random()))

    def _recover(self, name: str, scope: _Scope, error: ApiError, backoff: float) -> float:
        """What an error means for the scope; the seconds to wait before going on."""
        if error.status == 403:
            if scope.service is not Service.DENIED:
                _log.info("Not allowed to follow", extra={"kind": self._resource.plural, "namespace": name})
            scope.version = ""
            scope.denials += 1
            self._set_service(name, scope, Service.DENIED)
            self._forget(scope)
            return min(_DENIED_SECONDS * 2.0 ** min(scope.denials - 1, 16), _DENIED_LIMIT_SECONDS)
        if error.status not in (0, 429):
            # Too old to be continued (410), too new for a restored etcd (504), or broken: list anew.
            scope.version = ""
        if error.status == 410:
            return _SHORT_WATCH_SECONDS
        _log.debug(
            "Following was interrupted",
            extra={"kind": self._resource.plural, "namespace": name, "cause": str(error)},
        )
        return max(backoff, error.retry_after or 0.0)

    async def _list(self, name: str, scope: _Scope) -> None:
        """Take over the present state; tell of everything that differs from the one before."""
        found: dict[str, dict[str, Version]] = {}
        version = ""
        async for page in self._cluster.list_metadata(self._resource, name or None):
            if page.resource_version != version:
                found.clear()
                version = page.resource_version
            for meta in page.items:
                found.setdefault(meta.namespace, {})[meta.name] = (meta.uid, meta.resource_version)
        before, scope.names = scope.names or self._known_so_far(name), found
        scope.version = version
        scope.denials = 0
        self._set_service(name, scope, Service.SERVED)
        for namespace in before.keys() | found.keys():
            was, now = before.get(namespace, {}), found.get(namespace, {})
            for known in was.keys() | now.keys():
                if was.get(known) != now.get(known):
                    self._tell(namespace, known)

    def _known_so_far(self, name: str) -> dict[str, dict[str, Version]]:
        """What the scopes of single namespaces knew, for the cluster-wide one that follows them."""
        if name != _EVERYWHERE:
            return {}
        return {
            namespace: names for scope in self._scopes.values() for namespace, names in scope.names.items()
        }

    async def _watch(self, name: str, scope: _Scope) -> None:
        """Follow until the server ends the watch, which it does every few minutes."""
        async for change in self._cluster.watch_metadata(self._resource, name or None, scope.version):
            scope.version = change.meta.resource_version
            if change.type != "BOOKMARK":
                self._take(scope, change)

    def _take(self, scope: _Scope, change: MetadataChange) -> None:
        meta = change.meta
        names = scope.names.setdefault(meta.namespace, {})
        if change.type == "DELETED":
            names.pop(meta.name, None)
            if not names:
                del scope.names[meta.namespace]
        elif names.get(meta.name) == (meta.uid, meta.resource_version):
            return
        else:
            names[meta.name] = (meta.uid, meta.resource_version)
        self._tell(meta.namespace, meta.name)

    # ------------------------------------------------------------------ inside

    def _scope_of(self, namespace: str) -> _Scope | None:
        everywhere = self._scopes.get(_EVERYWHERE)
        if everywhere is not None and everywhere.service is Service.SERVED:
            return everywhere
        return self._scopes.get(namespace)

    def _set_service(self, name: str, scope: _Scope, service: Service) -> None:
        changed = scope.service is not service
        scope.service = service
        if changed and name == _EVERYWHERE:
            self._changed.set()  # who follows the namespaces one by one: they, or this scope?

    def _forget(self, scope: _Scope) -> None:
        """A grant was withdrawn: what we knew is worth nothing now, and those who asked should look again."""
        before, scope.names = scope.names, {}
        for namespace, names in before.items():
            for known in names:
                self._tell(namespace, known)

    def _tell(self, namespace: str, name: str) -> None:
        if namespace not in self._wanted:
            return
        try:
            self._on_change(namespace, name)
        except Exception:  # noqa: BLE001
            # A bug in a listener must not end the watch.
            _log.exception("The listener failed", extra={"namespace": namespace, "name_": name})
