"""002's way to make and to change an Integration: flat settings, sorted by what the provider declares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from integration_hub.api.errors import ErrorCode
from integration_hub.api.provider import AuthType, Category
from integration_hub.domain import naming
from integration_hub.domain.integration import provider_key
from integration_hub.domain.registration import Settings, SettingsProblem, one_form, sort_settings
from integration_hub.operations.change_integration import ChangeIntegration, EditInput
from integration_hub.operations.create_integration import CreateInput, CreateIntegration
from integration_hub.operations.integration_draft import IntegrationDraft
from integration_hub.operations.integration_view import IntegrationView
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.provider import Providers
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Caller, Json, Problem, SecretText
from integration_hub.providers.reading import ProviderReader


@dataclass(frozen=True, slots=True)
class RegisterInput:
    """`provider` is a name or uid; `category`, where it is given, must be the provider's."""

    namespace: str
    name: str
    provider: str
    category: Category | None = None
    description: str = ""
    configuration: Mapping[str, Json] = field(default_factory=dict)
    auth_type: AuthType | None = None
    credentials: Mapping[str, SecretText] = field(default_factory=dict, repr=False)
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class UpdateInput:
    """`settings` at the top level, `configuration` in their wrapper: either, or both if they agree."""

    namespace: str
    integration: str
    settings: Mapping[str, Json] = field(default_factory=dict)
    configuration: Mapping[str, Json] = field(default_factory=dict)
    name: str | None = None
    description: str | None = None
    credentials: Mapping[str, SecretText] = field(default_factory=dict, repr=False)
    force: bool = False
    trail: Trail = NO_TRAIL


class Registration:
    """Translates, and leaves the rest to `CreateIntegration` and `ChangeIntegration`."""

    def __init__(
        self,
        integrations: Integrations,
        providers: Providers,
        reader: ProviderReader,
        create: CreateIntegration,
        change: ChangeIntegration,
    ) -> None:
        self._integrations = integrations
        self._providers = providers
        self._reader = reader
        self._create = create
        self._change = change

    async def register(self, caller: Caller, asked: RegisterInput) -> IntegrationView | Problem:
        """Needs: create integrations. 002 names integrations freely, so the name tells them apart (C-07)."""
        settings = _sorted(asked.configuration, self._declared(asked.namespace, asked.provider))
        if isinstance(settings, Problem):
            return settings
        if settings.auto_sync and settings.schedule is None:
            return _NO_INTERVAL
        spec: dict[str, Json] = {"instance": naming.object_name(asked.name), **settings.changes()}
        if asked.description:
            spec["description"] = asked.description
        if asked.auth_type is not None:
            spec["authType"] = asked.auth_type.value
        draft = IntegrationDraft(
            asked.name, asked.provider, spec, category=asked.category, credentials=asked.credentials
        )
        return await self._create(caller, CreateInput(asked.namespace, draft, asked.trail))

    async def update(self, caller: Caller, asked: UpdateInput) -> IntegrationView | Problem:
        """Needs: patch integrations. What is not named stays as it is."""
        flat = one_form(asked.settings, asked.configuration)
        if isinstance(flat, SettingsProblem):
            return Problem(ErrorCode.INVALID_CONFIGURATION, flat.message)
        settings = _sorted(flat, self._declared_by(asked.namespace, asked.integration))
        if isinstance(settings, Problem):
            return settings
        named = {"displayName": asked.name, "description": asked.description}
        renamed = {name: value for name, value in named.items() if value is not None}

        def change(spec: dict[str, Json]) -> dict[str, Json] | Problem:
            changed = {**settings.onto(spec), **renamed}
            sync = changed.get("sync") or {}
            return _NO_INTERVAL if sync.get("auto") and not sync.get("schedule") else changed

        edit = EditInput(
            namespace=asked.namespace,
            integration=asked.integration,
            change=change,
            credentials=asked.credentials,
            force=asked.force,
            trail=asked.trail,
        )
        return await self._change.edit(caller, edit)

    def _declared(self, namespace: str, provider: str) -> Collection[str]:
        """Names in the provider's configSchema; that there is no such provider, others tell."""
        found = self._providers.find(namespace, provider)
        properties = found.schema.get("properties") if found is not None else None
        return tuple(properties) if isinstance(properties, Mapping) else ()

    def _declared_by(self, namespace: str, integration: str) -> Collection[str]:
        """Likewise of the provider that an Integration has."""
        found = self._integrations.find(namespace, integration)
        key = provider_key(found.load().get("spec") or {}, namespace) if found is not None else None
        known = self._reader.read(key) if key is not None else None
        schema = known.examined.config_schema if known is not None else None
        properties = schema.schema.get("properties") if schema is not None else None
        return tuple(properties) if isinstance(properties, Mapping) else ()


_NO_INTERVAL = Problem(
    ErrorCode.INVALID_CONFIGURATION, "configuration.autoSync: needs syncInterval, such as 30 (minutes)"
)


def _sorted(flat: Mapping[str, Json], declared: Collection[str]) -> Settings | Problem:
    settings = sort_settings(flat, declared)
    if isinstance(settings, SettingsProblem):
        return Problem(ErrorCode.INVALID_CONFIGURATION, f"configuration.{settings.message}")
    return settings
