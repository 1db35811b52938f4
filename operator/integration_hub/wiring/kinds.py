"""The reconcilers of every kind, what wakes them, and what they may reach."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from integration_hub.adapters.kubernetes import KubernetesOwnedSecrets
from integration_hub.api.integration import INTEGRATION
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER
from integration_hub.domain.consent import Consent
from integration_hub.metrics import Metrics
from integration_hub.ports import Clock, Cluster, Egress, Entropy, Events, Key
from integration_hub.reconcilers import integration_links, product_links
from integration_hub.reconcilers.circuits import Circuits
from integration_hub.reconcilers.consumers import Consumers
from integration_hub.reconcilers.departing import Departures
from integration_hub.reconcilers.heal_brake import Fleet, HealBrake
from integration_hub.reconcilers.integration import IntegrationParts, IntegrationReconciler
from integration_hub.reconcilers.integration_errands import Errands
from integration_hub.reconcilers.integration_links import PROVIDER_KINDS, IntegrationLinks
from integration_hub.reconcilers.integration_upkeep import Upkeep
from integration_hub.reconcilers.probing import Probes
from integration_hub.reconcilers.product_healing import Healer
from integration_hub.reconcilers.product_keys import ProductKeys
from integration_hub.reconcilers.product_links import ProductLinks
from integration_hub.reconcilers.product_registration import ProductReconciler
from integration_hub.reconcilers.product_secret import ProductSecrets
from integration_hub.reconcilers.projecting import Projector
from integration_hub.reconcilers.provider import ProviderReconciler
from integration_hub.reconcilers.rotating import Rotation
from integration_hub.reconcilers.vitals import Vitals
from integration_hub.reconcilers.workloads import Workloads
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.controller import Controller
from integration_hub.runtime.reflector import Reflector, Service
from integration_hub.runtime.status import StatusWriter
from integration_hub.runtime.wakeups import WakeupDrain
from integration_hub.settings import Settings
from integration_hub.wiring.credentials import connect_page
from integration_hub.wiring.shared import Shared

PROVIDERS = (CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER)


@dataclass(frozen=True, slots=True)
class Parts:
    """What reconcilers are built from."""

    settings: Settings
    shared: Shared
    consent: Consent
    cluster: Cluster
    events: Events
    cache: ObjectCache
    controller: Controller
    status: StatusWriter
    egress: Egress
    secrets_watch: Reflector
    deployments_watch: Reflector
    clock: Clock
    entropy: Entropy
    metrics: Metrics


class DeploymentIndex:
    """The watch of Deployments as products ask it (reconcilers.workloads.DeploymentIndex)."""

    def __init__(self, reflector: Reflector) -> None:
        self._reflector = reflector

    def served(self, namespace: str) -> bool | None:
        """Whether the hub may look there; None while that is not known."""
        service = self._reflector.service(namespace)
        return None if service is Service.PENDING else service is Service.SERVED

    def version(self, namespace: str, name: str) -> tuple[str, str] | None:
        """Its uid and resourceVersion, None where there is no such Deployment."""
        return self._reflector.version(namespace, name)


class Kinds:
    """Builds the reconcilers and registers them, with the maps that say whom a change concerns."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._integration_links = IntegrationLinks(parts.cache)
        self._product_links = ProductLinks(parts.cache)
        self._integrations = self._wire_integrations()
        self._products = self._wire_products()

    def duties(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """What runs beside the reconcilers while this process leads."""
        drain = WakeupDrain(self._parts.shared.store, self._parts.controller.enqueue, self._heard)
        return drain.run, self._vitals.run

    async def stop(self) -> None:
        """This process no longer leads: end what is under way, forget what another leader knows better."""
        await self._integrations.stop()
        await self._products.stop()

    def secret_changed(self, namespace: str, name: str) -> None:
        self._parts.controller.enqueue(self._integration_links.users_of_secret(namespace, name))
        self._parts.controller.enqueue(self._product_links.of_secret(namespace, name))

    def deployment_changed(self, namespace: str, name: str) -> None:
        self._parts.controller.enqueue(self._product_links.of_workload(namespace, name))

    # ------------------------------------------------------------------ inside

    def _suspected(self, keys: Iterable[Key]) -> None:
        """What calls tell of these connections is worth a look."""
        suspects = tuple(keys)
        self._integrations.suspect(suspects)
        self._parts.controller.enqueue(suspects)

    async def _heard(self, keys: Sequence[Key]) -> None:
        """Ahead of the looks that wakeups ask for."""
        await self._integrations.heard(key for key in keys if key.kind == INTEGRATION.kind)

    def _wire_integrations(self) -> IntegrationReconciler:
        parts, links, controller = self._parts, self._integration_links, self._parts.controller
        shared = parts.shared
        integration_links.declare_indexes(parts.cache)
        reported = [kind for kind in PROVIDERS if kind.namespaced or not parts.settings.watch_namespaces]
        for kind in reported:
            provider = ProviderReconciler(
                kind,
                cache=parts.cache,
                reader=shared.reader,
                status=parts.status,
                events=parts.events,
                clock=parts.clock,
            )
            controller.register(kind.kind, provider)
        store, credentials = shared.store, shared.credentials.source
        self._vitals = Vitals(store, parts.cache, parts.clock, self._suspected)
        errands = Errands(
            calls=shared.calls,
            credentials=credentials,
            expressions=shared.expressions,
            health=store,
            clock=parts.clock,
            metrics=parts.metrics,
        )
        keeper = shared.credentials.keeper
        integrations = IntegrationReconciler(
            IntegrationParts(
                cache=parts.cache,
                linker=shared.linker,
                status=parts.status,
                watch=parts.secrets_watch,
                credentials=credentials,
                errands=errands,
                upkeep=self._upkeep(errands),
                departures=Departures(parts.cluster, parts.cache, keeper, parts.events, parts.clock),
                probes=Probes(controller.enqueue),
                circuits=Circuits(store),
                vitals=self._vitals,
                events=parts.events,
                clock=parts.clock,
                entropy=parts.entropy,
                metrics=parts.metrics,
                consent=parts.consent,
                connect_url=connect_page(parts.settings.public_url),
                forget=self._forget,
            )
        )
        controller.register(INTEGRATION.kind, integrations)
        controller.on_change(INTEGRATION.kind, links.rivals)
        names = {kind.kind for kind in reported}
        controller.on_change(
            INTEGRATION.kind,
            lambda change: (key for key in links.named_providers(change) if key.kind in names),
        )
        for kind_name in PROVIDER_KINDS:
            controller.on_change(kind_name, links.users_of_provider)
        return integrations

    def _upkeep(self, errands: Errands) -> Upkeep:
        parts, keeper = self._parts, self._parts.shared.credentials.keeper
        consumers = Consumers(parts.cluster, parts.clock)
        owned = KubernetesOwnedSecrets(parts.cluster)
        projector = Projector(owned, keeper, parts.shared.expressions, parts.clock)
        rotation = Rotation(keeper, errands.try_out, consumers, parts.clock)
        return Upkeep(projector, consumers, rotation, parts.events)

    async def _forget(self, uid: str) -> None:
        """An Integration is gone: drop what every room remembers of it."""
        shared = self._parts.shared
        shared.credentials.source.forget(uid)
        shared.calls.forget(uid)
        await shared.store.forget_integration(uid)

    def _wire_products(self) -> ProductReconciler:
        parts, links, controller = self._parts, self._product_links, self._parts.controller
        product_links.declare_indexes(parts.cache)
        workloads = Workloads(parts.cluster, DeploymentIndex(parts.deployments_watch))
        brake = HealBrake(parts.cluster, parts.clock, parts.settings.namespace)
        fleet = Fleet()
        healer = Healer(
            cluster=parts.cluster,
            cache=parts.cache,
            links=links,
            workloads=workloads,
            events=parts.events,
            brake=brake,
            fleet=fleet,
            asked_at_admission=parts.settings.heal_admission_policy,
        )
        products = ProductReconciler(
            cache=parts.cache,
            status=parts.status,
            events=parts.events,
            egress=parts.egress,
            workloads=workloads,
            links=links,
            healer=healer,
            brake=brake,
            fleet=fleet,
            consent=parts.consent,
            clock=parts.clock,
            entropy=parts.entropy,
            metrics=parts.metrics,
            probes=Probes(controller.enqueue),
            keys=self._product_keys(),
        )
        controller.register(PRODUCT_REGISTRATION.kind, products)
        controller.on_change(PRODUCT_REGISTRATION.kind, links.dependents)
        return products

    def _product_keys(self) -> ProductKeys:
        parts = self._parts
        return ProductKeys(
            secrets_kept=ProductSecrets(KubernetesOwnedSecrets(parts.cluster), parts.consent),
            watch=parts.secrets_watch,
            consumers=Consumers(parts.cluster, parts.clock),
            audit=parts.shared.store,
            clock=parts.clock,
        )
