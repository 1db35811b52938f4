"""A whole operator for products on ports in memory: the real runtime, reconciler and decisions.

Only the edges are doubles: API server, the products themselves, the kubelet, time. Time is virtual, so
a test may let a day pass. `Stage.kubelet` stands for controllers and kubelet: a Deployment whose pod
template changed rolls out over some seconds, and its product is then what the test says it becomes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from deployments import deployment
from integration_hub.api.conditions import PENDING
from integration_hub.api.meta import format_time
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.domain.consent import Consent
from integration_hub.domain.product_figures import ProductFigures
from integration_hub.permissions import BRAKE_CONFIG_MAP
from integration_hub.ports import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    Json,
    Key,
)
from integration_hub.reconcilers.consumers import Consumers
from integration_hub.reconcilers.heal_brake import Fleet, HealBrake
from integration_hub.reconcilers.probing import Probes
from integration_hub.reconcilers.product_healing import Healer
from integration_hub.reconcilers.product_keys import ProductKeys
from integration_hub.reconcilers.product_links import ProductLinks, declare_indexes
from integration_hub.reconcilers.product_registration import ProductReconciler
from integration_hub.reconcilers.product_secret import ProductSecrets
from integration_hub.reconcilers.workloads import Workloads
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.controller import Controller
from integration_hub.runtime.due import DueTimes
from integration_hub.runtime.queue import WorkQueue
from integration_hub.runtime.status import StatusWriter, resource_of
from memory import MemoryEgress, MemoryEvents, MemorySecrets, answer, conditions_of, no_answer
from memory_cluster import MemoryCluster
from memory_store import MemoryStore
from virtual_time import FixedEntropy, VirtualClock, run

NAMESPACE = "team"
HUB = "integration-hub"
RESOURCE = resource_of(PRODUCT_REGISTRATION)
WELL: Json = {"status": "healthy", "version": "1.0.0", "uptime": 60, "metrics": {"cpu": 45.2}}
FIGURES = ProductFigures(
    product="dataflow",
    version="1.0.0",
    tier="custom",
    health="healthy",
    since=1_700_000_000.0,
    response_seconds=0.012,
    failures=0,
    last_seen=1_700_000_060.0,
    started=1_699_999_000.0,
    heals=2,
    measured={"cpu_usage": 45.2},
)
"""A product that is well, in figures."""


class MemoryDeployments:
    """What the metadata-only watch of Deployments knows of a MemoryCluster."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self.denied: set[str] = set()
        self.watching = True

    def served(self, namespace: str) -> bool | None:
        if not self.watching:
            return None
        return namespace not in self.denied

    def version(self, namespace: str, name: str) -> tuple[str, str] | None:
        found = self._cluster.read(DEPLOYMENTS, namespace, name)
        return (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) if found else None


class MemoryProductMetrics:
    def __init__(self) -> None:
        self.heals: list[tuple[str, str]] = []
        self.products: dict[tuple[str, str], ProductFigures] = {}
        self.brake = False

    def count_heal(self, action: str, result: str) -> None:
        self.heals.append((action, result))

    def set_product(self, namespace: str, name: str, figures: ProductFigures) -> None:
        self.products[namespace, name] = figures

    def drop_product(self, namespace: str, name: str) -> None:
        self.products.pop((namespace, name), None)

    def clear_products(self) -> None:
        self.products.clear()

    def set_heal_brake(self, *, on: bool) -> None:
        self.brake = on


class Stage:
    """See the module's text. Register products, break them, let time pass, look at status."""

    def __init__(self, cluster: MemoryCluster | None = None, secrets: MemorySecrets | None = None) -> None:
        self.clock = VirtualClock()
        self.cluster = cluster or MemoryCluster()
        self.deployments = MemoryDeployments(self.cluster)
        self.egress = MemoryEgress(self._far_end)
        self.events = MemoryEvents()
        self.metrics = MemoryProductMetrics()
        self.secrets = secrets or MemorySecrets()
        self.store = MemoryStore()
        self.answers: dict[str, HttpResponse | HttpFailure] = {}
        self.after_restart: dict[str, HttpResponse | HttpFailure] = {}
        self.rollout_seconds = 10.0
        self.asked_at_admission = True
        self._templates: dict[str, Json] = {}
        self._versions: dict[str, str] = {}
        self.cache = ObjectCache()
        declare_indexes(self.cache)
        self.build()

    def build(self) -> None:
        """The operator's own parts: what a restart makes anew."""
        self.links = ProductLinks(self.cache)
        queue = WorkQueue(self.clock, FixedEntropy())
        self.controller = Controller(self.cache, queue, DueTimes(self.clock, queue), self.clock, workers=4)
        self.brake = HealBrake(self.cluster, self.clock, HUB)
        fleet = Fleet()
        workloads = Workloads(self.cluster, self.deployments)
        self.products = ProductReconciler(
            cache=self.cache,
            status=StatusWriter(self.cluster, self.cache),
            events=self.events,
            egress=self.egress,
            workloads=workloads,
            links=self.links,
            healer=Healer(
                cluster=self.cluster,
                cache=self.cache,
                links=self.links,
                workloads=workloads,
                events=self.events,
                brake=self.brake,
                fleet=fleet,
                asked_at_admission=self.asked_at_admission,
            ),
            brake=self.brake,
            fleet=fleet,
            consent=Consent(HUB, HUB),
            clock=self.clock,
            entropy=FixedEntropy(),
            metrics=self.metrics,
            probes=Probes(self.controller.enqueue),
            keys=ProductKeys(
                secrets_kept=ProductSecrets(self.secrets, Consent(HUB, HUB)),
                watch=self.secrets,
                consumers=Consumers(self.cluster, self.clock),
                audit=self.store,
                clock=self.clock,
            ),
        )
        self.secrets.changed = lambda namespace, name: self.controller.enqueue(
            self.links.of_secret(namespace, name)
        )
        self.controller.register(PRODUCT_REGISTRATION.kind, self.products)
        self.controller.on_change(PRODUCT_REGISTRATION.kind, self.links.dependents)

    async def restart(self) -> None:
        """End the operator and start another on the same cluster: memory is lost, statuses are not."""
        await self.stop()
        self.cache._listeners.clear()
        self.build()
        self.controller.start()

    async def stop(self) -> None:
        await self.controller.stop()
        await self.products.stop()

    # ------------------------------------------------------------------ the world

    def _far_end(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        host = urlsplit(request.url).hostname or ""
        return self.answers.get(host, no_answer(Failure.DNS, f"{host} does not resolve"))

    def well(self, name: str = "dataflow", body: Json = None) -> None:
        self.answers[name] = answer(200, WELL if body is None else body)

    def dead(self, name: str = "dataflow", failure: Failure = Failure.CONNECT) -> None:
        self.answers[name] = no_answer(failure, f"{name}:8080 refuses the connection")

    async def kubelet(self) -> None:
        """Roll out Deployments whose template changed, second by second, and tell of all that changed."""
        while True:
            for found in self.cluster.all(DEPLOYMENTS, NAMESPACE):
                await self._attend(found)
            await asyncio.sleep(2)

    async def _attend(self, found: Json) -> None:
        name, template = found["metadata"]["name"], found["spec"]["template"]
        before = self._templates.setdefault(name, template)
        if before != template:
            self._templates[name] = template
            self._roll(name, "ReplicaSetUpdated")
            asyncio.get_running_loop().call_later(self.rollout_seconds, self._rolled_out, name)
        version = self.cluster.read(DEPLOYMENTS, NAMESPACE, name)["metadata"]["resourceVersion"]  # type: ignore[index]
        if self._versions.get(name) != version:
            self._versions[name] = version
            self.told(name)

    def _roll(self, name: str, reason: str) -> None:
        found = self.cluster.read(DEPLOYMENTS, NAMESPACE, name)
        assert found is not None
        status = found["status"]
        for each in status["conditions"]:
            if each["type"] == "Progressing":
                each["reason"] = reason
        status["observedGeneration"] = found["metadata"]["generation"]
        self.cluster.put(DEPLOYMENTS, NAMESPACE, name, status=status)

    def _rolled_out(self, name: str) -> None:
        if self.cluster.read(DEPLOYMENTS, NAMESPACE, name) is None:
            return
        self._roll(name, "NewReplicaSetAvailable")
        if name in self.after_restart:
            self.answers[name] = self.after_restart[name]

    def told(self, name: str) -> None:
        """The watch tells of a Deployment."""
        self.controller.enqueue(self.links.of_workload(NAMESPACE, name))

    # ------------------------------------------------------------------ the user's hands

    def register(self, name: str = "dataflow", *, annotations: Json = None, **changes: Any) -> None:
        """Create or change a ProductRegistration, and have the watch tell of it."""
        known = self.cluster.read(RESOURCE, NAMESPACE, name)
        created = {"creationTimestamp": format_time(self.clock.now())}
        spec = {
            "productId": name,
            "productName": name.title(),
            "version": "1.0.0",
            "apiEndpoint": f"http://{name}:8080",
            **changes,
        }
        before = known["metadata"] if known else created
        parts: Json = {"spec": spec, "metadata": {**before, "name": name, "annotations": annotations or {}}}
        if known is None:
            parts["status"] = {"observedGeneration": -1, "conditions": [PENDING]}
        self.cache.upsert(PRODUCT_REGISTRATION.kind, self.cluster.put(RESOURCE, NAMESPACE, name, **parts))

    def deploy(self, name: str = "dataflow", **made: Any) -> None:
        """Create or change the Deployment behind the controllers' back, and have the watch tell of it."""
        body = deployment(name, **made)
        parts = {"spec": body["spec"], "status": body["status"]}
        parts["metadata"] = {"name": name, "labels": body["metadata"]["labels"]}
        made_now = self.cluster.put(DEPLOYMENTS, NAMESPACE, name, **parts)
        status = {**body["status"], "observedGeneration": made_now["metadata"]["generation"]}
        if "observed" in made:
            status["observedGeneration"] = made["observed"]
        self.cluster.put(DEPLOYMENTS, NAMESPACE, name, status=status)
        self._templates[name] = body["spec"]["template"]
        self.told(name)

    def budget(self, name: str, *, allowed: int, healthy: int) -> None:
        self.cluster.put(
            POD_DISRUPTION_BUDGETS,
            NAMESPACE,
            name,
            spec={"selector": {"matchLabels": {"app": name}}},
            status={"disruptionsAllowed": allowed, "currentHealthy": healthy},
        )

    def delete(self, name: str = "dataflow") -> None:
        known = self.cluster.read(RESOURCE, NAMESPACE, name)
        assert known is not None
        self.cluster.drop(RESOURCE, NAMESPACE, name)
        self.cache.remove(self.key(name), known["metadata"]["uid"])

    def take_brake_off(self) -> None:
        found = self.cluster.read(CONFIG_MAPS, HUB, BRAKE_CONFIG_MAP)
        assert found is not None
        found["data"].pop("tripped")
        self.cluster.put(CONFIG_MAPS, HUB, BRAKE_CONFIG_MAP, data=found["data"])

    # ------------------------------------------------------------------ what there is to see

    def key(self, name: str = "dataflow") -> Key:
        return Key(PRODUCT_REGISTRATION.kind, NAMESPACE, name)

    def status(self, name: str = "dataflow") -> Json:
        found = self.cluster.read(RESOURCE, NAMESPACE, name)
        assert found is not None
        return found["status"]

    def health(self, name: str = "dataflow") -> str:
        return str(self.status(name)["health"]["status"])

    def heal(self, name: str = "dataflow") -> Json:
        return self.status(name)["heal"]

    def results(self, name: str = "dataflow") -> list[str]:
        """Results of the record, newest first."""
        return [each["result"] for each in self.heal(name)["history"]]

    def conditions(self, name: str = "dataflow") -> dict[str, tuple[str, str]]:
        return conditions_of(self.status(name))

    def message(self, condition: str, name: str = "dataflow") -> str:
        found = [each for each in self.status(name)["conditions"] if each["type"] == condition]
        return str(found[0]["message"])

    def patches(self) -> list[Json]:
        """Bodies of all patches of Deployments so far."""
        asked = self.cluster.requests
        return [each.body for each in asked if each.verb == "patch" and each.resource == "deployments"]

    def writes(self) -> int:
        return sum(each.verb in ("apply_status", "patch", "create") for each in self.cluster.requests)

    def template(self, name: str = "dataflow") -> dict[str, str]:
        found = self.cluster.read(DEPLOYMENTS, NAMESPACE, name)
        assert found is not None
        annotations: dict[str, str] = found["spec"]["template"]["metadata"]["annotations"]
        return annotations

    async def seconds(self, count: float) -> None:
        await asyncio.sleep(count)

    async def minutes(self, count: float) -> None:
        await asyncio.sleep(count * 60)


def play(story: Callable[[Stage], Awaitable[None]]) -> None:
    """Run a story on a fresh, started stage in virtual time."""

    async def main() -> None:
        stage = Stage()
        stage.controller.start()
        kubelet = asyncio.create_task(stage.kubelet())
        try:
            await story(stage)
            assert not kubelet.done(), kubelet.exception()
        finally:
            kubelet.cancel()
            await stage.stop()

    run(main())
