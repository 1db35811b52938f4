"""Connect a provider for a workspace: the Integration that is there, or a new one (OAU-02)."""

from __future__ import annotations

from dataclasses import dataclass, field

from integration_hub.api.authentication import AuthType
from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import Environment
from integration_hub.domain.integration import provider_key
from integration_hub.operations.connect import Connect, ConnectAnswer, ConnectInput
from integration_hub.operations.create_integration import CreateInput, CreateIntegration
from integration_hub.operations.integration_draft import IntegrationDraft
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.provider import FoundProvider, Providers
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Caller, Json, Problem
from integration_hub.runtime.cache import CachedObject


@dataclass(frozen=True, slots=True)
class ConnectProviderInput:
    """`slug` is the provider's code. `config` is for an Integration that is not there yet."""

    namespace: str
    slug: str
    environment: Environment = Environment.PRODUCTION
    instance: str = ""
    config: dict[str, Json] = field(default_factory=dict)
    trail: Trail = NO_TRAIL


class ConnectProvider:
    """Needs: create integrations/connect; and create integrations where there is none yet."""

    def __init__(
        self, providers: Providers, integrations: Integrations, create: CreateIntegration, connect: Connect
    ) -> None:
        self._providers = providers
        self._integrations = integrations
        self._create = create
        self._connect = connect

    async def __call__(self, caller: Caller, asked: ConnectProviderInput) -> ConnectAnswer | Problem:
        """The vendor's page for this workspace. Safe to repeat: the second time the first one is found."""
        provider = await self._providers.get(caller, asked.namespace, asked.slug)
        if isinstance(provider, Problem):
            return provider
        found = self._present(provider, asked)
        if found is not None:
            name = found.key.name
        else:
            if not any(mode.type is AuthType.OAUTH2 for mode in provider.spec.auth_modes):
                return Problem(
                    ErrorCode.INVALID_CONFIGURATION,
                    f"slug: {asked.slug} is not connected by a person's consent: create an integration "
                    "with credentials instead",
                )
            wanted = CreateInput(asked.namespace, _draft(provider, asked), asked.trail)
            made = await self._create(caller, wanted)
            if isinstance(made, Problem):
                return made
            name = made.key.name
        return await self._connect(caller, ConnectInput(asked.namespace, name, trail=asked.trail))

    def _present(self, provider: FoundProvider, asked: ConnectProviderInput) -> CachedObject | None:
        """The workspace's Integration of this provider, environment and instance."""
        for each in self._integrations.all(asked.namespace):
            spec = each.load().get("spec") or {}
            environment = spec.get("environment") or Environment.PRODUCTION.value
            if (
                provider_key(spec, asked.namespace) == provider.key
                and environment == asked.environment.value
                and (spec.get("instance") or "") == asked.instance
            ):
                return each
        return None


def _draft(provider: FoundProvider, asked: ConnectProviderInput) -> IntegrationDraft:
    spec: dict[str, Json] = {
        "authType": AuthType.OAUTH2.value,
        "environment": asked.environment.value,
        "config": asked.config,
    }
    if asked.instance:
        spec["instance"] = asked.instance
    return IntegrationDraft(provider.spec.display_name, provider.uid, spec)
