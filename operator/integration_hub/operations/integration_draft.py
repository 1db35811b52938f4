"""What somebody wants an Integration to be, judged before anything is written: as its reconciler would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION, IntegrationSpec
from integration_hub.api.provider import INTEGRATION_PROVIDER, AuthType, Category
from integration_hub.api.reasons import Reason
from integration_hub.domain import integration as decisions
from integration_hub.domain.conditions import Finding
from integration_hub.domain.integration import Basis
from integration_hub.operations.provider import FoundProvider, Providers
from integration_hub.ports import Json, Key, Problem, SecretText
from integration_hub.providers.linking import Linker

_YOUNGEST = "9999-12-31T23:59:59Z"


@dataclass(frozen=True, slots=True)
class IntegrationDraft:
    """`provider` is a name or uid. `spec` has the CRD's keys, but for displayName and providerRef.

    `category` None: whatever the provider's is. `credentials` by SEC-03's names; they never reach the spec.
    """

    display_name: str
    provider: str
    spec: Mapping[str, Json] = field(default_factory=dict)
    category: Category | None = None
    credentials: Mapping[str, SecretText] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """providers.reading.Observed for what is not written yet: younger than all that is there."""

    key: Key
    obj: Json
    uid: str = ""
    generation: int = 0
    created: str = _YOUNGEST
    deleting: bool = False
    status_mark: int = 0

    @property
    def age(self) -> tuple[str, str]:
        return self.created, self.uid

    def load(self) -> Json:
        return self.obj


class Judge:
    """Finds the provider that a draft names, and says what is wrong with a spec."""

    def __init__(self, providers: Providers, linker: Linker) -> None:
        self._providers = providers
        self._linker = linker

    def spec_of(self, namespace: str, draft: IntegrationDraft) -> dict[str, Json] | Problem:
        """The whole spec that a draft comes to; nothing but the provider is judged."""
        found = self._providers.find(namespace, draft.provider)
        if found is None:
            return Problem(
                ErrorCode.INVALID_CONFIGURATION,
                f"provider: there is no {draft.provider[:253]!r} that this namespace may connect"
                f"{self._providers.guess(namespace, draft.provider)}",
            )
        if draft.category is not None and draft.category is not found.spec.category:
            return Problem(
                ErrorCode.INVALID_CONFIGURATION,
                f"type: {found.key.name} is of type {found.spec.category.value}, not {draft.category.value}",
            )
        spec: dict[str, Json] = {
            "displayName": draft.display_name,
            "providerRef": reference(found, namespace),
            **draft.spec,
        }
        if "authType" not in spec:
            chosen = scheme_for(found, draft.credentials)
            if chosen is not None:
                spec["authType"] = chosen.value
        return spec

    def problem(
        self, namespace: str, name: str, spec: Mapping[str, Json], *, uid: str = ""
    ) -> Problem | None:
        """What is wrong with a whole spec: fields, claim, provider, config; None if nothing."""
        try:
            read = IntegrationSpec.model_validate(spec)
        except ValidationError as error:
            return Problem(ErrorCode.INVALID_REQUEST, _fields(error))
        key = Key(INTEGRATION.kind, namespace, name)
        basis = self._linker.basis(_Candidate(key, {"spec": spec}, uid), {"spec": spec}, read)
        return _judged(basis)


def reference(found: FoundProvider, namespace: str) -> dict[str, Json]:
    """spec.providerRef for a provider."""
    kind, owner = found.key.kind, found.key.namespace
    named: dict[str, Json] = {"kind": kind, "name": found.key.name}
    if kind == INTEGRATION_PROVIDER.kind and owner != namespace:
        named["namespace"] = owner
    return named


def scheme_for(found: FoundProvider, given: Mapping[str, SecretText]) -> AuthType | None:
    """The provider's scheme that these credentials are for; None: its default will do."""
    offered = [mode.type for mode in found.spec.auth_modes]
    if "apiKey" in given:
        fitting = [AuthType.API_KEY, AuthType.BEARER]
    elif "refreshToken" in given:
        fitting = [AuthType.OAUTH2]
    elif "accessToken" in given:
        fitting = [AuthType.OAUTH2, AuthType.BEARER]
    elif "password" in given:
        fitting = [AuthType.BASIC]
    else:
        return None
    if offered[0] in fitting:
        return None
    return next((each for each in fitting if each in offered), None)


def _judged(basis: Basis) -> Problem | None:
    accepted = decisions.accepted(basis)
    if not accepted.holds:
        code = ErrorCode.CONFLICT if accepted.reason is Reason.DUPLICATE else ErrorCode.INVALID_CONFIGURATION
        return Problem(code, accepted.message)
    configured = decisions.config_valid(basis)
    if not configured.holds:
        return Problem(ErrorCode.INVALID_CONFIGURATION, _without_prefix(configured))
    if basis.mode is None:
        return Problem(
            ErrorCode.INVALID_CONFIGURATION, "authType: the provider has no such way to authenticate"
        )
    return None


def _without_prefix(finding: Finding) -> str:
    """HTTP callers know no spec: they wrote `config`."""
    return (
        finding.message.replace("spec.sync.schedule", "syncFrequency")
        .replace("spec.config", "config")
        .replace("spec.region", "region")
    )


def _fields(error: ValidationError) -> str:
    """Each field with what is wrong; never a value."""
    told = [
        f"{'.'.join(str(step) for step in each['loc'])}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return "; ".join(told[:5])
