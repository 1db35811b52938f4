"""The reconcilers of every kind, what wakes them, and what they may reach."""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER
from integration_hub.domain.consent import Consent
from integration_hub.domain.integration import Inputs
from integration_hub.metrics import Metrics
from integration_hub.ports import Clock, Cluster, Egress, Entropy, Events, Expressions, Secrets
from integration_hub.reconcilers.integration import Attempt, IntegrationReconciler
from integration_hub.reconcilers.integration_links import (
    PROVIDER_KINDS,
    IntegrationLinks,
    declare_indexes,
)
from integration_hub.reconcilers.probing import Probes
from integration_hub.reconcilers.provider import ProviderReader, ProviderReconciler
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.controller import Controller
from integration_hub.runtime.reflector import Reflector, Service
from integration_hub.runtime.status import StatusWriter
from integration_hub.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What reconcilers are built from."""

    settings: Settings
    cluster: Cluster
    secrets: Secrets
    events: Events
    cache: ObjectCache
    controller: Controller
    status: StatusWriter
    egress: Egress
    expressions: Expressions
    secrets_watch: Reflector
    deployments_watch: Reflector
    clock: Clock
    entropy: Entropy
    metrics: Metrics


class SecretIndex:
    """The watch of Secrets as Integrations ask it (reconcilers.integration.SecretVersions)."""

    def __init__(self, reflector: Reflector) -> None:
        self._reflector = reflector

    def version(self, namespace: str, name: str) -> str | None:
        """The resourceVersion; empty if there is no such Secret; None where nothing is watched (yet)."""
        if self._reflector.service(namespace) is not Service.SERVED:
            return None
        found = self._reflector.version(namespace, name)
        return found[1] if found is not None else ""


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
        self._links = IntegrationLinks(parts.cache)
        self._integrations = self._wire_integrations(
            Consent(
                hub_namespace=parts.settings.namespace,
                service_account=parts.settings.service_account,
                role_kind="role" if parts.settings.watch_namespaces else "clusterrole",
            )
        )

    def start(self) -> None:
        """This process begins to lead."""

    async def stop(self) -> None:
        """This process no longer leads: end what is under way, forget what another leader knows better."""
        await self._integrations.stop()

    def secret_changed(self, namespace: str, name: str) -> None:
        self._parts.controller.enqueue(self._links.users_of_secret(namespace, name))

    def deployment_changed(self, namespace: str, name: str) -> None:
        pass

    # ------------------------------------------------------------------ inside

    def _wire_integrations(self, consent: Consent) -> IntegrationReconciler:
        parts, controller = self._parts, self._parts.controller
        declare_indexes(parts.cache)
        reader = ProviderReader(parts.cache, parts.expressions)
        for kind in (CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER):
            controller.register(
                kind.kind,
                ProviderReconciler(
                    kind,
                    cache=parts.cache,
                    reader=reader,
                    status=parts.status,
                    events=parts.events,
                    clock=parts.clock,
                ),
            )
        probes: Probes[Inputs, Attempt] = Probes(controller.enqueue)
        integrations = IntegrationReconciler(
            cache=parts.cache,
            providers=reader,
            status=parts.status,
            secrets=parts.secrets,
            versions=SecretIndex(parts.secrets_watch),
            egress=parts.egress,
            expressions=parts.expressions,
            events=parts.events,
            probes=probes,
            clock=parts.clock,
            entropy=parts.entropy,
            metrics=parts.metrics,
            consent=consent,
        )
        controller.register(INTEGRATION.kind, integrations)
        controller.on_change(INTEGRATION.kind, self._links.rivals)
        controller.on_change(INTEGRATION.kind, self._links.named_providers)
        for kind_name in PROVIDER_KINDS:
            controller.on_change(kind_name, self._links.users_of_provider)
        return integrations
