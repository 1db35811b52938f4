"""Connect a project by a custom integration, which another project may have made (CUS-10, CUS-13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.api.provider import INTEGRATION_PROVIDER, AuthType
from integration_hub.domain import gitops, naming
from integration_hub.domain.config_schema import InvalidConfig
from integration_hub.domain.provider import may_use
from integration_hub.domain.registration import SettingsProblem, sort_settings
from integration_hub.operations.admission import Admission
from integration_hub.operations.create_integration import CreateInput, CreateIntegration
from integration_hub.operations.find_custom import CustomIntegration, FindCustom
from integration_hub.operations.integration_draft import IntegrationDraft
from integration_hub.operations.integration_view import IntegrationView
from integration_hub.operations.integration_writer import refused
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import (
    Access,
    ApiError,
    Caller,
    Cluster,
    Json,
    PatchType,
    Problem,
    SecretText,
)
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.status import resource_of

_RESOURCE = resource_of(INTEGRATION_PROVIDER)
_TRIES = 3


@dataclass(frozen=True, slots=True)
class DeployInput:
    """`namespace` is the caller's own, `target` the project that is to be connected.

    `configuration` is flat, as 002 has it; `credentials` by SEC-03's names. `name` empty: the custom
    integration's own.
    """

    namespace: str
    custom: str
    target: str
    configuration: Mapping[str, Json] = field(default_factory=dict)
    auth_type: AuthType | None = None
    credentials: Mapping[str, SecretText] = field(default_factory=dict, repr=False)
    name: str = ""
    trail: Trail = NO_TRAIL


class DeployCustom:
    """Judge all, then share, then connect.

    Deploying into another project is sharing with it: where its owner has not done so yet, the caller
    must be one who could (patch integrationproviders there), and then it is done on their behalf.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        finder: FindCustom,
        create: CreateIntegration,
        cluster: Cluster,
        cache: ObjectCache,
    ) -> None:
        self._admission = admission
        self._finder = finder
        self._create = create
        self._cluster = cluster
        self._cache = cache

    async def __call__(self, caller: Caller, asked: DeployInput) -> IntegrationView | Problem:
        """Needs: get integrationproviders in its namespace (or in one it is shared with), and create
        integrations in the target.
        """
        custom = await self._finder.get(caller, asked.namespace, asked.custom, asked.trail)
        if isinstance(custom, Problem):
            return custom
        draft = _draft(custom, asked)
        if isinstance(draft, Problem):
            return draft
        access = Access("create", INTEGRATION.plural, asked.target)
        refusal = await self._admission.refusal(caller, access, asked.trail)
        if refusal is not None:
            return refusal
        unshared = await self._share(caller, custom, asked)
        if unshared is not None:
            return unshared
        return await self._create(caller, CreateInput(asked.target, draft, asked.trail))

    async def _share(self, caller: Caller, custom: CustomIntegration, asked: DeployInput) -> Problem | None:
        """None once the target may use it."""
        owner = custom.key.namespace
        if may_use(custom.spec, owner, asked.target):
            return None
        access = Access("patch", INTEGRATION_PROVIDER.plural, owner, custom.key.name)
        refusal = await self._admission.refusal(caller, access, asked.trail)
        if refusal is not None:
            return Problem(
                refusal.code,
                f"{custom.name} is not shared with {asked.target}, and you may not share it: somebody who "
                f"may patch integrationproviders in {owner} can add {asked.target} to its spec.sharedWith.",
                refusal.retry_after,
            )
        try:
            return await self._grant(custom, asked.target)
        except ApiError as error:
            return refused(error, owner)

    async def _grant(self, custom: CustomIntegration, target: str) -> Problem | None:
        """Add the target to `sharedWith` of this very object, whatever else happens to it meanwhile."""
        owner, name = custom.key.namespace, custom.key.name
        for _ in range(_TRIES):
            fresh = await self._cluster.get(_RESOURCE, owner, name)
            if fresh is None or fresh["metadata"]["uid"] != custom.uid:
                return Problem(ErrorCode.NOT_FOUND, f"The custom integration {name} is gone.")
            metadata = fresh["metadata"]
            tool = gitops.keeper(metadata.get("labels") or {}, metadata.get("annotations") or {})
            if tool:
                return Problem(
                    ErrorCode.MANAGED_BY_GITOPS,
                    f"{name} is kept by {tool}: add {target} to its spec.sharedWith in its repository.",
                )
            shared = list(fresh["spec"].get("sharedWith") or [])
            if target in shared:
                self._cache.upsert(INTEGRATION_PROVIDER.kind, fresh)
                return None
            change = {
                "metadata": {"resourceVersion": metadata["resourceVersion"]},
                "spec": {"sharedWith": [*shared, target]},
            }
            try:
                answer = await self._cluster.patch(_RESOURCE, owner, name, change, PatchType.MERGE)
            except ApiError as error:
                if error.status != 409:
                    raise
                continue
            self._cache.upsert(INTEGRATION_PROVIDER.kind, answer)
            return None
        return Problem(ErrorCode.CONFLICT, f"{name} is being changed by others.", 1.0)


def _draft(custom: CustomIntegration, asked: DeployInput) -> IntegrationDraft | Problem:
    """The Integration that this comes to, its settings checked by the custom integration's own schema."""
    schema = custom.config_schema
    if schema is None or custom.problem:
        return Problem(ErrorCode.INVALID_CONFIGURATION, f"{custom.name} cannot be used: {custom.problem}")
    settings = sort_settings(asked.configuration, schema.schema.get("properties") or {})
    if isinstance(settings, SettingsProblem):
        return Problem(ErrorCode.INVALID_CONFIGURATION, f"configuration.{settings.message}")
    judged = schema.validate(settings.config)
    if isinstance(judged, InvalidConfig):
        return Problem(
            ErrorCode.INVALID_CONFIGURATION, judged.message.replace("spec.config", "configuration")
        )
    spec: dict[str, Json] = {"description": custom.description, **settings.changes()}
    if asked.auth_type is not None:
        if all(mode.type is not asked.auth_type for mode in custom.spec.auth_modes):
            offered = ", ".join(mode.type.value for mode in custom.spec.auth_modes)
            return Problem(
                ErrorCode.INVALID_CONFIGURATION, f"credentials.type: {custom.name} is connected by {offered}"
            )
        spec["authType"] = asked.auth_type.value
    if asked.name:
        spec["instance"] = naming.object_name(asked.name)
    return IntegrationDraft(asked.name or custom.name, custom.uid, spec, credentials=asked.credentials)
