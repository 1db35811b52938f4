"""One process: builds everything, starts it, and ends it in order.

One process is one `Hub`. Reading goes on in every replica, so that a standby's cache is warm;
reconciling begins when this process leads *and* its cache was compared with a whole list, because a
decision on half of the world (a provider that is not there yet) would be a wrong one.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from integration_hub import __version__
from integration_hub.adapters.cel import CelExpressions
from integration_hub.adapters.clock import SystemClock, SystemEntropy
from integration_hub.adapters.kubernetes import (
    Connection,
    EventRecorder,
    FeedLogin,
    KubernetesCluster,
    KubernetesSecrets,
    LoginError,
)
from integration_hub.api.kinds import KINDS
from integration_hub.handlers.feed import Feed
from integration_hub.handlers.probes import ProbeServer
from integration_hub.logs import configure
from integration_hub.metrics import Metrics
from integration_hub.permissions import LEASE_NAME
from integration_hub.ports import DEPLOYMENTS, SECRETS, ApiError, NotLeaderError
from integration_hub.providers.catalogue import load_catalogue
from integration_hub.reconcilers.catalogue import MANAGER, Catalogue
from integration_hub.runtime.budget import ApiBudget
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.controller import Controller
from integration_hub.runtime.due import DueTimes
from integration_hub.runtime.health import FeedFacts, Health, LeaderFacts, LoopLag
from integration_hub.runtime.leader import Elector, LeaseTimes
from integration_hub.runtime.queue import WorkQueue
from integration_hub.runtime.reflector import Reflector
from integration_hub.runtime.relist import Relist
from integration_hub.runtime.status import StatusWriter, resource_of
from integration_hub.runtime_metrics import RuntimeCollector
from integration_hub.settings import Settings
from integration_hub.wiring.kinds import Kinds, Parts
from integration_hub.wiring.way_out import SettingsError, WayOut

FIELD_MANAGER = "integration-hub-operator"
COMPONENT = "integration-hub"

_SYNC_LOOK_SECONDS = 0.1
_CATALOGUE_RETRY_SECONDS = 15.0
_log = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    configure(level=settings.log_level, form=settings.log_format)
    try:
        return asyncio.run(_serve(settings))
    except (LoginError, SettingsError) as error:
        sys.stderr.write(f"integration-hub: {error}\n")
        return 1


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hub = await Hub.build(settings)
    return await hub.run(stop)


class Hub:
    """Everything of one process; `build`, then `run` once."""

    def __init__(self, settings: Settings, connection: Connection, login: FeedLogin) -> None:
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
        self._wire_kinds()
        self._wire_probes()
        self._synced = False
        self._led = False
        self._look = asyncio.Event()
        self._elector.subscribe(self._gained, self._lost)

    # ------------------------------------------------------------------ putting together

    def _wire_api_server(self) -> None:
        """Reads by anyone, writes by the leader, both within the budget."""
        settings = self._settings
        ungated = KubernetesCluster(
            self._connection, field_manager=FIELD_MANAGER, budget=None, leadership=None
        )
        self._elector = Elector(
            ungated,
            self._clock,
            self._entropy,
            namespace=settings.namespace,
            name=LEASE_NAME,
            identity=settings.identity,
            times=LeaseTimes(
                settings.lease_duration_seconds,
                settings.lease_renew_deadline_seconds,
                settings.lease_retry_seconds,
            ),
        )
        self._budget = ApiBudget(self._clock, self._entropy, rate=settings.api_qps, burst=settings.api_burst)
        self._cluster = self._cluster_as(FIELD_MANAGER)
        self._events = EventRecorder(
            self._cluster,
            self._clock,
            self._entropy,
            resources=self._resources,
            component=COMPONENT,
            instance=settings.identity,
        )

    def _cluster_as(self, manager: str) -> KubernetesCluster:
        return KubernetesCluster(
            self._connection, field_manager=manager, budget=self._budget, leadership=self._elector
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

    def _wire_kinds(self) -> None:
        self._secrets_watch = Reflector(
            self._cluster, self._clock, self._entropy, SECRETS, self._secret_changed
        )
        self._deployments_watch = Reflector(
            self._cluster, self._clock, self._entropy, DEPLOYMENTS, self._deployment_changed
        )
        self._kinds = Kinds(
            Parts(
                settings=self._settings,
                cluster=self._cluster,
                secrets=KubernetesSecrets(self._cluster),
                events=self._events,
                cache=self._cache,
                controller=self._controller,
                status=StatusWriter(self._cluster, self._cache, observe=self._metrics.observe_status),
                egress=self._way_out.egress,
                expressions=CelExpressions(),
                secrets_watch=self._secrets_watch,
                deployments_watch=self._deployments_watch,
                clock=self._clock,
                entropy=self._entropy,
                metrics=self._metrics,
            )
        )
        self._catalogue = Catalogue(self._cluster_as(MANAGER), self._cache, load_catalogue())
        if self._settings.watch_namespaces:
            self._catalogue.offer()

    def _wire_probes(self) -> None:
        settings, elector = self._settings, self._elector
        self._loop_lag = LoopLag(self._clock)
        self._health = Health(
            self._loop_lag,
            synced=lambda: self._synced,
            lag=lambda: self._relist.state().lag_seconds,
            feed=self._feed_facts,
            leader=lambda: LeaderFacts(elector.leading, elector.holder, elector.fencing),
        )
        self._registry.register(
            RuntimeCollector(
                queue=self._queue.stats,
                feed=self._feed.state,
                objects=lambda: {kind.kind: self._cache.count(kind.kind) for kind in KINDS},
                cache_lag=lambda: self._relist.state().lag_seconds,
                loop_lag=self._loop_lag.worst,
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
        """Log in and put everything together; nothing is sent yet. Raises LoginError, SettingsError."""
        clock, kubeconfig, context = SystemClock(), settings.kubeconfig, settings.context
        connection = await Connection.open(
            clock, user_agent=_user_agent(settings), kubeconfig=kubeconfig, context=context
        )
        try:
            login = await FeedLogin.open(clock, kubeconfig=kubeconfig, context=context)
            return cls(settings, connection, login)
        except BaseException:
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
        lasting = {_task(part) for part in (self._loop_lag.run, self._elector.run, self._events.run)}
        stopping = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait({*reading, *lasting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in done if task is not stopping]
        for task in failed:
            _log.error("A part of the hub ended", extra={"part": task.get_name()}, exc_info=task.exception())
        await self._end(reading, lasting)
        stopping.cancel()
        _log.info("The hub ended")
        return 1 if failed else 0

    def _reading_parts(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """All but what the last words need: the Lease, Events, and the measure of the event loop."""
        return [
            self._feed.run,
            self._relist.run,
            self._secrets_watch.run,
            self._deployments_watch.run,
            self._serve_namespaces,
            self._lead,
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
        await self._way_out.close()
        await self._connection.close()

    # ------------------------------------------------------------------ leading

    def _gained(self, fencing: int) -> None:
        _log.info("This process leads", extra={"fencing": fencing})
        self._led = True
        self._metrics.leader.set(1)
        self._look.set()

    def _lost(self) -> None:
        _log.info("This process no longer leads")
        self._led = False
        self._metrics.leader.set(0)
        self._look.set()

    async def _lead(self) -> None:
        """Reconcile while this process leads, from the moment on that its cache is whole."""
        while not self._whole():  # noqa: ASYNC110 - two rooms know; neither has an event of being whole
            await asyncio.sleep(_SYNC_LOOK_SECONDS)
        self._synced = True
        _log.info(
            "The cache is whole", extra={"objects": sum(self._cache.count(kind.kind) for kind in KINDS)}
        )
        catalogue: asyncio.Task[None] | None = None
        while True:
            if self._led and not self._controller.running:
                self._controller.start()
                if self._settings.catalogue_install and not self._settings.watch_namespaces:
                    catalogue = asyncio.create_task(self._install_catalogue(), name="catalogue")
            elif not self._led and self._controller.running:
                if catalogue is not None:
                    catalogue.cancel()
                await self._controller.stop()
                await self._kinds.stop()
            await self._look.wait()
            self._look.clear()

    def _whole(self) -> bool:
        relist = self._relist.state()
        return self._feed.state().listed and relist.complete and not relist.lag_seconds

    async def _install_catalogue(self) -> None:
        while True:
            try:
                await self._catalogue.install()
                return
            except NotLeaderError:
                return
            except ApiError as error:
                _log.warning("The catalogue cannot be applied, will retry", extra={"cause": str(error)})
            await asyncio.sleep(_CATALOGUE_RETRY_SECONDS)

    async def _serve_namespaces(self) -> None:
        """Follow Secrets and Deployments where our objects are, and nowhere else."""
        changed = asyncio.Event()
        self._cache.subscribe(lambda change: changed.set() if None in (change.before, change.after) else None)
        while True:
            self._secrets_watch.serve(self._cache.namespaces("Integration"))
            self._deployments_watch.serve(self._cache.namespaces("ProductRegistration"))
            await changed.wait()
            await asyncio.sleep(_SYNC_LOOK_SECONDS)  # a burst of objects is one change of namespaces
            changed.clear()

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
