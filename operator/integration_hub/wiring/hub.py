"""One process: builds everything, starts it, and ends it in order.

One process is one `Hub`. Reading goes on in every replica, so that a standby's cache is warm;
reconciling begins when this process leads *and* its cache was compared with a whole list, because a
decision on half of the world (a provider that is not there yet) would be a wrong one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from integration_hub import __version__
from integration_hub.adapters.clock import SystemClock, SystemEntropy
from integration_hub.adapters.kubernetes import (
    Connection,
    EventRecorder,
    FeedLogin,
)
from integration_hub.api.kinds import KINDS
from integration_hub.domain.consent import Consent
from integration_hub.handlers.feed import Feed
from integration_hub.handlers.probes import ProbeServer
from integration_hub.metrics import Metrics
from integration_hub.providers.catalogue import load_catalogue
from integration_hub.reconcilers.catalogue import MANAGER, Catalogue
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.controller import Controller
from integration_hub.runtime.due import DueTimes
from integration_hub.runtime.health import FeedFacts, Health, LeaderFacts, LoopLag
from integration_hub.runtime.queue import WorkQueue
from integration_hub.runtime.relist import Relist
from integration_hub.runtime.status import StatusWriter, resource_of
from integration_hub.runtime_metrics import RuntimeCollector
from integration_hub.settings import Settings
from integration_hub.store import DatabaseStore
from integration_hub.wiring.api_server import ApiServer
from integration_hub.wiring.kinds import Kinds, Parts
from integration_hub.wiring.shared import SharedPorts, StoreWatch, build_shared, open_the_store
from integration_hub.wiring.term import Term
from integration_hub.wiring.watches import Watches
from integration_hub.wiring.way_out import SettingsError, WayOut

if TYPE_CHECKING:
    from integration_hub.gateway.server import GatewayServer

COMPONENT = "integration-hub"

_log = logging.getLogger(__name__)
Part = Callable[[], Coroutine[Any, Any, None]]
"""Something that runs as long as the process does."""


class Hub:
    """Everything of one process; `build`, then `run` once."""

    def __init__(
        self, settings: Settings, connection: Connection, login: FeedLogin, store: DatabaseStore
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._clock, self._entropy = SystemClock(), SystemEntropy()
        self._resources = [
            resource_of(kind) for kind in KINDS if kind.namespaced or not settings.watch_namespaces
        ]
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._metrics = Metrics(self._registry)
        self._cache = ObjectCache()
        self._wire_api_server()
        self._wire_feed(login)
        self._way_out = WayOut.build(settings, connection.host)
        self._metrics.watch_pool(self._way_out.transport.open_connections)
        self._wire_shared(store)
        self._wire_kinds()
        self._wire_probes()
        self._door = self._wire_door() if "gateway" in settings.roles else None
        self._elector.subscribe(self._term.gained, self._term.lost)

    # ------------------------------------------------------------------ putting together

    def _wire_api_server(self) -> None:
        settings, clock, entropy = self._settings, self._clock, self._entropy
        self._api_server = ApiServer(self._connection, settings, clock, entropy)
        self._elector, self._cluster = self._api_server.elector, self._api_server.cluster
        self._events = EventRecorder(
            self._cluster,
            clock,
            entropy,
            resources=self._resources,
            component=COMPONENT,
            instance=settings.identity,
        )

    def _wire_feed(self, login: FeedLogin) -> None:
        """What fills the cache and keeps it true, and what works on it."""
        settings, clock, entropy = self._settings, self._clock, self._entropy
        self._relist = Relist(
            self._cluster,
            self._cache,
            clock,
            entropy,
            resources=self._resources,
            namespaces=settings.watch_namespaces,
            interval_seconds=settings.relist_seconds,
        )
        self._feed = Feed(
            self._resources,
            self._cache,
            login,
            clock,
            entropy,
            on_listed=self._relist.request,
            namespaces=settings.watch_namespaces,
            user_agent=f"{_user_agent(settings)} feed",
        )
        self._queue = WorkQueue(clock, entropy)
        self._controller = Controller(
            self._cache,
            self._queue,
            DueTimes(clock, self._queue),
            clock,
            workers=settings.workers,
            observe=self._metrics.observe_reconcile,
        )

    def _wire_shared(self, store: DatabaseStore) -> None:
        """What a reconciler and a caller's request both go through."""
        settings, clock, entropy = self._settings, self._clock, self._entropy
        self._watches = Watches(
            self._cluster,
            self._cache,
            clock,
            entropy,
            secret_changed=self._secret_changed,
            deployment_changed=self._deployment_changed,
        )
        self._consent = Consent(
            hub_namespace=settings.namespace,
            service_account=settings.service_account,
            role_kind="role" if settings.watch_namespaces else "clusterrole",
        )
        self._shared = build_shared(
            SharedPorts(
                settings=settings,
                cluster=self._api_server.for_callers,
                cache=self._cache,
                way_out=self._way_out,
                store=store,
                secrets_watch=self._watches.secrets,
                consent=self._consent,
                metrics=self._metrics,
                clock=clock,
                entropy=entropy,
            )
        )

    def _wire_door(self) -> GatewayServer:
        # A process without this role does without a seventh of the program's memory.
        from integration_hub.wiring.door import DoorPorts, access_reviewer, open_door  # noqa: PLC0415
        from integration_hub.wiring.known_keys import CachedKeys  # noqa: PLC0415
        from integration_hub.wiring.operations import OperationPorts, build_operations  # noqa: PLC0415

        settings, shared, clock = self._settings, self._shared, self._clock
        operations = build_operations(
            OperationPorts(
                cache=self._cache,
                cluster=self._api_server.for_callers,
                authorizer=access_reviewer(settings, self._api_server.for_callers, clock),
                reader=shared.reader,
                linker=shared.linker,
                calls=shared.calls,
                credentials=shared.credentials,
                intake=shared.credentials.keeper,
                public_url=settings.public_url,
                store=shared.store,
                expressions=shared.expressions,
                clock=clock,
                entropy=self._entropy,
            )
        )
        ports = DoorPorts(
            settings=settings,
            reviews=self._api_server.for_callers,
            egress=self._way_out.egress,
            store=shared.store,
            metrics=self._metrics,
            health=self._health,
            known_keys=CachedKeys(self._cache),
            clock=clock,
            entropy=self._entropy,
        )
        return open_door(ports, operations)

    def _wire_kinds(self) -> None:
        self._kinds = Kinds(
            Parts(
                settings=self._settings,
                shared=self._shared,
                consent=self._consent,
                cluster=self._cluster,
                events=self._events,
                cache=self._cache,
                controller=self._controller,
                status=StatusWriter(self._cluster, self._cache, observe=self._metrics.observe_status),
                egress=self._way_out.egress,
                secrets_watch=self._watches.secrets,
                deployments_watch=self._watches.deployments,
                clock=self._clock,
                entropy=self._entropy,
                metrics=self._metrics,
            )
        )
        self._catalogue = Catalogue(self._api_server.cluster_as(MANAGER), self._cache, load_catalogue())
        namespaced = bool(self._settings.watch_namespaces)
        if namespaced:
            self._catalogue.offer()
        installs = self._settings.catalogue_install and not namespaced
        self._term = Term(
            self._controller,
            self._metrics,
            whole=self._whole,
            objects=self._objects,
            duties=(*self._kinds.duties(), *((self._catalogue.keep_installing,) if installs else ())),
            stop_kinds=self._kinds.stop,
        )

    def _objects(self) -> int:
        return sum(self._cache.count(kind.kind) for kind in KINDS)

    def _wire_probes(self) -> None:
        settings, elector = self._settings, self._elector
        self._loop_lag = LoopLag(self._clock)
        self._store_watch = StoreWatch(self._shared.store)
        self._health = Health(
            self._loop_lag,
            synced=lambda: self._term.synced,
            lag=lambda: self._relist.state().lag_seconds,
            feed=self._feed_facts,
            leader=lambda: LeaderFacts(elector.leading, elector.holder, elector.fencing),
            further=lambda: (self._store_watch.check(),),
        )
        self._registry.register(
            RuntimeCollector(
                queue=self._queue.stats,
                feed=self._feed.state,
                objects=lambda: {kind.kind: self._cache.count(kind.kind) for kind in KINDS},
                cache_lag=lambda: self._relist.state().lag_seconds,
                loop_lag=self._loop_lag.worst,
                store=self._shared.store.stats,
            )
        )
        self._probes = ProbeServer(
            self._health, self._registry, host=settings.probe_host, port=settings.probe_port
        )

    def _secret_changed(self, namespace: str, name: str) -> None:
        self._kinds.secret_changed(namespace, name)

    def _deployment_changed(self, namespace: str, name: str) -> None:
        self._kinds.deployment_changed(namespace, name)

    @classmethod
    async def build(cls, settings: Settings) -> Hub:
        """Log in, open the store, put everything together. Raises LoginError, SettingsError, StoreError."""
        clock, kubeconfig, context = SystemClock(), settings.kubeconfig, settings.context
        connection = await Connection.open(
            clock, user_agent=_user_agent(settings), kubeconfig=kubeconfig, context=context
        )
        try:
            login = await FeedLogin.open(clock, kubeconfig=kubeconfig, context=context)
            store = await open_the_store(settings, clock, SystemEntropy())
        except BaseException:
            await connection.close()
            raise
        try:
            hub = cls(settings, connection, login, store)
            await hub._shared.calls.restore()
            return hub
        except BaseException:
            await store.close()
            await connection.close()
            raise

    # ------------------------------------------------------------------ living

    async def run(self, stop: asyncio.Event) -> int:
        """Work until `stop` is set, then end in order. A part that ends by itself ends the process."""
        try:
            await self._probes.start()
        except OSError as error:
            await self._close()
            raise SettingsError(f"cannot serve probes on port {self._settings.probe_port}: {error}") from None
        _log.info("The hub is up", extra={"version": __version__, "identity": self._settings.identity})
        reading = {_task(part) for part in self._reading_parts()}
        lasting = {_task(part) for part in self._lasting_parts()}
        stopping = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait({*reading, *lasting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in done if task is not stopping]
        for task in failed:
            _log.error("A part of the hub ended", extra={"part": task.get_name()}, exc_info=task.exception())
        await self._end(reading, lasting)
        stopping.cancel()
        _log.info("The hub ended")
        return 1 if failed else 0

    def _lasting_parts(self) -> list[Part]:
        """What the last words need: the Lease, Events, and the measure of the event loop."""
        parts: list[Part] = [self._loop_lag.run, self._events.run]
        return [*parts, self._elector.run] if "operator" in self._settings.roles else parts

    def _reading_parts(self) -> list[Part]:
        """All the others. The door is the first to be told that it is over."""
        door: list[Part] = [self._door.run] if self._door is not None else []
        return [
            *door,
            self._shared.store.run,
            self._store_watch.run,
            self._feed.run,
            self._relist.run,
            self._watches.secrets.run,
            self._watches.deployments.run,
            self._watches.follow_namespaces,
            self._term.run,
        ]

    async def _end(self, reading: set[asyncio.Task[None]], lasting: set[asyncio.Task[None]]) -> None:
        """Not ready any more; finish what is in hand; say the last word; give the Lease back; let go.

        Each step has its own bound; together they stay below ten seconds whatever hangs.
        """
        self._health.stopping = True
        for task in reading:
            task.cancel()  # first, since the feed takes seconds to end; and nothing is begun any more
        await self._controller.stop(self._settings.shutdown_seconds)
        await self._kinds.stop()
        await self._events.drain(1.0)
        await self._elector.release()
        for task in lasting:
            task.cancel()
        await asyncio.gather(*reading, *lasting, return_exceptions=True)
        await self._close()

    async def _close(self) -> None:
        await self._probes.stop()
        await self._shared.close()
        await self._way_out.close()
        await self._connection.close()

    # ------------------------------------------------------------------ duties

    def _whole(self) -> bool:
        relist = self._relist.state()
        return self._feed.state().listed and relist.complete and not relist.lag_seconds

    def _feed_facts(self) -> FeedFacts:
        state = self._feed.state()
        alive = state.running and state.good_age == 0.0
        detail = "every watch is open" if alive else state.last_end or "not every watch is open"
        facts = {
            "restarts": state.restarts,
            "events": state.events,
            "lastEventAgeSeconds": state.last_event_age,
        }
        return FeedFacts(alive, state.good_age, detail, facts)


def _user_agent(settings: Settings) -> str:
    """Which replica it was stands in the API server's audit log."""
    return f"{COMPONENT}/{__version__} ({settings.identity})"


def _task(part: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
    return asyncio.create_task(part(), name=getattr(part, "__qualname__", "part"))
