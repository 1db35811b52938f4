"""A whole operator for Integrations on ports in memory: the real runtime, reconcilers and decisions.

Only the edges are doubles: API server, Secrets, the far end, time. Time is virtual, so a test may let
an hour pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.conditions import PENDING
from integration_hub.api.integration import INTEGRATION, TEST_REQUESTED
from integration_hub.api.meta import KindInfo, format_time
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER
from integration_hub.ports import Json, Key, Resource
from integration_hub.providers.linking import Linker
from integration_hub.providers.reading import ProviderReader
from integration_hub.reconcilers.circuits import Circuits
from integration_hub.reconcilers.consumers import Consumers
from integration_hub.reconcilers.departing import Departures
from integration_hub.reconcilers.integration import IntegrationParts, IntegrationReconciler
from integration_hub.reconcilers.integration_errands import Errands
from integration_hub.reconcilers.integration_links import IntegrationLinks, declare_indexes
from integration_hub.reconcilers.integration_upkeep import Upkeep
from integration_hub.reconcilers.probing import Probes
from integration_hub.reconcilers.projecting import Projector
from integration_hub.reconcilers.provider import ProviderReconciler
from integration_hub.reconcilers.rotating import Rotation
from integration_hub.reconcilers.vitals import Vitals
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.controller import Controller
from integration_hub.runtime.due import DueTimes
from integration_hub.runtime.queue import WorkQueue
from integration_hub.runtime.status import StatusWriter, resource_of
from integration_hub.runtime.wakeups import WakeupDrain
from integration_rooms import CONSENT, Rooms, connect_page
from memory import MemoryEgress, MemoryEvents, MemoryMetrics, MemorySecrets, conditions_of
from memory_cluster import MemoryCluster
from memory_store import MemoryStore
from memory_vault import MemoryVault
from virtual_time import FixedEntropy, VirtualClock, run

NAMESPACE = "team-a"
SLACK: dict[str, Any] = {
    "displayName": "Slack",
    "category": "communication",
    "baseUrl": "https://slack.com/api",
    "authModes": [{"type": "BEARER"}, {"type": "NONE"}, {"type": "OAUTH2"}],
    "oauth": {"tokenUrl": "https://slack.com/api/oauth.v2.access"},
    "probe": {"path": "/auth.test", "intervalSeconds": 60},
    "classes": [
        {
            "when": "status == 200 && body.ok == false",
            "result": "expired",
            "message": "Slack says {{ body.error }}.",
        }
    ],
    "configSchema": {"channel": {"type": "string", "default": "general"}},
}


class Stage:
    """See the module's text. `start` it, change the world, `settle`, look at `status`."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.cluster = MemoryCluster()
        self.cache = ObjectCache()
        self.secrets = MemorySecrets(self._secret_changed)
        self.egress = MemoryEgress()
        self.vault = MemoryVault(self.clock)
        self.events = MemoryEvents()
        self.metrics = MemoryMetrics()
        self.store = MemoryStore(self.clock)
        self.environment: dict[str, str] = {}
        self._duties: list[asyncio.Task[None]] = []
        declare_indexes(self.cache)
        self.links = IntegrationLinks(self.cache)
        self._build()

    def _build(self) -> None:
        """The operator's own parts: what a restart makes anew."""
        entropy = FixedEntropy()
        expressions = CelExpressions()
        queue = WorkQueue(self.clock, entropy)
        self.due = DueTimes(self.clock, queue)
        self.controller = Controller(self.cache, queue, self.due, self.clock, workers=4)
        status = StatusWriter(self.cluster, self.cache)
        self.reader = ProviderReader(self.cache, expressions)
        self.linker = Linker(self.cache, self.reader, expressions, self.clock)
        self.circuits = Circuits(self.store)
        self.vitals = Vitals(self.store, self.cache, self.clock, self._suspected)
        self.rooms = Rooms.build(
            secrets=self.secrets,
            egress=self.egress,
            vault=self.vault.source(),
            store=self.store,
            expressions=expressions,
            environment=self.environment,
            clock=self.clock,
            entropy=entropy,
            metrics=self.metrics,
        )
        errands = Errands(
            calls=self.rooms.calls,
            credentials=self.rooms.source,
            expressions=expressions,
            health=self.store,
            clock=self.clock,
            metrics=self.metrics,
        )
        keeper, consumers = self.rooms.keeper, Consumers(self.cluster, self.clock)
        projector = Projector(self.secrets, keeper, expressions, self.clock)
        rotation = Rotation(keeper, errands.try_out, consumers, self.clock)
        self.integrations = IntegrationReconciler(
            IntegrationParts(
                cache=self.cache,
                linker=self.linker,
                status=status,
                watch=self.secrets,
                credentials=self.rooms.source,
                errands=errands,
                upkeep=Upkeep(projector, consumers, rotation, self.events),
                departures=Departures(self.cluster, self.cache, keeper, self.events, self.clock),
                probes=Probes(self.controller.enqueue),
                circuits=self.circuits,
                vitals=self.vitals,
                events=self.events,
                clock=self.clock,
                entropy=entropy,
                metrics=self.metrics,
                consent=CONSENT,
                connect_url=connect_page,
                forget=self.store.forget_integration,
            )
        )
        self.wakeups = WakeupDrain(self.store, self.controller.enqueue, self.integrations.heard)
        self.controller.register(INTEGRATION.kind, self.integrations)
        self.controller.on_change(INTEGRATION.kind, self.links.rivals)
        self.controller.on_change(INTEGRATION.kind, self.links.named_providers)
        for info in (CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER):
            self.controller.register(
                info.kind,
                ProviderReconciler(
                    info,
                    cache=self.cache,
                    reader=self.reader,
                    status=status,
                    events=self.events,
                    clock=self.clock,
                ),
            )
            self.controller.on_change(info.kind, self.links.users_of_provider)

    def _suspected(self, keys: Iterable[Key]) -> None:
        suspects = tuple(keys)
        self.integrations.suspect(suspects)
        self.controller.enqueue(suspects)

    def _secret_changed(self, namespace: str, name: str) -> None:
        self.controller.enqueue(self.links.users_of_secret(namespace, name))

    async def restart(self) -> None:
        """End the operator and start another on the same cluster: memory is lost, statuses are not."""
        await self.stop()
        self.cache._listeners.clear()
        self._build()
        self.start()
        await self.settle()

    def start(self) -> None:
        """This process leads."""
        self.controller.start()
        self._duties = [asyncio.create_task(each) for each in (self.wakeups.run(), self.vitals.run())]

    async def stop(self) -> None:
        for duty in self._duties:
            duty.cancel()
        await asyncio.gather(*self._duties, return_exceptions=True)
        await self.controller.stop()
        await self.integrations.stop()

    async def settle(self, seconds: float = 0.05) -> None:
        """Let so much time pass, and what is due in it happen."""
        await asyncio.sleep(seconds)

    # ------------------------------------------------------------------ the user's hands

    def apply(
        self, info: KindInfo, name: str, spec: Json, *, namespace: str = NAMESPACE, **metadata: Any
    ) -> None:
        """Create or change an object, and have the watch tell of it."""
        place = namespace if info.namespaced else ""
        resource = resource_of(info)
        known = self.cluster.read(resource, place, name)
        before = known["metadata"] if known else {"creationTimestamp": format_time(self.clock.now())}
        parts: dict[str, Any] = {"spec": spec, "metadata": {**before, "name": name, **metadata}}
        if known is None:
            parts["status"] = {"observedGeneration": -1, "conditions": [PENDING]}
        self.cache.upsert(info.kind, self.cluster.put(resource, place, name, **parts))

    def provider(self, name: str = "slack", **changes: Any) -> None:
        self.apply(CLUSTER_INTEGRATION_PROVIDER, name, {**SLACK, **changes})

    def integration(self, name: str = "chat", *, namespace: str = NAMESPACE, **changes: Any) -> None:
        spec = {
            "providerRef": {"name": "slack"},
            "credentials": {"secretRef": {"name": "slack-token"}},
            **changes,
        }
        self.apply(INTEGRATION, name, spec, namespace=namespace)

    def ask_for_test(self, value: str, name: str = "chat") -> None:
        known = self._read(INTEGRATION, name)
        self.apply(INTEGRATION, name, known["spec"], annotations={TEST_REQUESTED: value})

    def begin_deletion(self, name: str, **metadata: Any) -> None:
        """Delete an Integration that a finalizer holds back."""
        known = self._read(INTEGRATION, name)
        self.apply(
            INTEGRATION, name, known["spec"], deletionTimestamp=format_time(self.clock.now()), **metadata
        )

    def delete(self, info: KindInfo, name: str, *, namespace: str = NAMESPACE) -> None:
        place = namespace if info.namespaced else ""
        known = self._read(info, name, place)
        self.cluster.drop(resource_of(info), place, name)
        self.cache.remove(Key(info.kind, place, name), known["metadata"]["uid"])

    # ------------------------------------------------------------------ what there is to see

    def _read(self, info: KindInfo, name: str, namespace: str = NAMESPACE) -> Json:
        found = self.cluster.read(resource_of(info), namespace, name)
        assert found is not None, f"{name} is not there"
        return found

    def status(self, name: str = "chat", *, namespace: str = NAMESPACE) -> Json:
        return self._read(INTEGRATION, name, namespace)["status"]

    def key(self, name: str) -> Key:
        return Key(INTEGRATION.kind, NAMESPACE, name)

    def resource(self) -> Resource:
        return resource_of(INTEGRATION)

    def provider_status(self, name: str = "slack") -> Json:
        return self._read(CLUSTER_INTEGRATION_PROVIDER, name, "")["status"]

    def conditions(self, name: str = "chat", *, namespace: str = NAMESPACE) -> dict[str, tuple[str, str]]:
        return conditions_of(self.status(name, namespace=namespace))

    def ready(self, name: str = "chat", *, namespace: str = NAMESPACE) -> tuple[str, str]:
        """Status and reason of Ready."""
        return self.conditions(name, namespace=namespace)["Ready"]

    def message(self, condition: str = "Ready", name: str = "chat") -> str:
        found = [each for each in self.status(name)["conditions"] if each["type"] == condition]
        return str(found[0]["message"])

    def writes(self, resource: Resource | None = None) -> int:
        """Status writes so far."""
        plural = (resource or resource_of(INTEGRATION)).plural
        return sum(each.verb == "apply_status" and each.resource == plural for each in self.cluster.requests)

    async def minutes(self, count: float) -> None:
        await self.settle(timedelta(minutes=count).total_seconds())


def play(story: Callable[[Stage], Awaitable[None]]) -> None:
    """Run a story on a fresh, started stage in virtual time."""

    async def main() -> None:
        stage = Stage()
        stage.start()
        try:
            await story(stage)
        finally:
            await stage.stop()

    run(main())


async def connected(stage: Stage, **changes: Any) -> None:
    """The usual beginning: a provider, a Secret, an Integration, all well."""
    stage.provider()
    stage.secrets.put(NAMESPACE, "slack-token", token="xoxb-1")
    stage.integration(**changes)
    await stage.settle(1)
    assert stage.ready() == ("True", "Succeeded"), stage.status()
