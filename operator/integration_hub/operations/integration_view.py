"""An Integration as it is shown to those who may see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from integration_hub.api.integration import (
    Environment,
    IntegrationSpec,
    IntegrationStatus,
    Phase,
    ProviderRef,
)
from integration_hub.api.meta import GROUP
from integration_hub.api.provider import AuthType, Category
from integration_hub.domain.integration import KnownProvider, provider_key
from integration_hub.ports import Json, Key
from integration_hub.providers.reading import ProviderReader
from integration_hub.runtime.cache import CachedObject

CREATED_BY = f"{GROUP}/created-by"
"""Annotation with the user on whose behalf the gateway created an object (C-08)."""


@dataclass(frozen=True, slots=True)
class IntegrationView:
    """`auth_type` is the one in use. `category` None and `provider_uid` empty: there is no such provider."""

    key: Key
    uid: str
    spec: IntegrationSpec
    status: IntegrationStatus
    created: str
    created_by: str
    labels: Mapping[str, str]
    provider_uid: str
    category: Category | None
    auth_type: AuthType | None

    @property
    def name(self) -> str:
        """As people know it."""
        return self.spec.display_name or self.key.name

    @property
    def phase(self) -> Phase:
        """Where it stands. One that nobody has looked at yet waits, or is switched off."""
        return _phase(self.spec.enabled, self.status.phase)

    @property
    def environment(self) -> Environment:
        return self.spec.environment


def phase_of(spec: Json, status: Json) -> Phase:
    """The same of a raw spec and status."""
    return _phase(spec.get("enabled") is not False, _PHASES.get(status.get("phase") or ""))


def _phase(enabled: bool, told: Phase | None) -> Phase:
    """`told` by a status that may be older than the spec: of one just switched on it still says PAUSED."""
    if not enabled:
        return Phase.PAUSED
    return Phase.PENDING_AUTH if told is None or told is Phase.PAUSED else told


_PHASES = {phase.value: phase for phase in Phase}


def view(found: CachedObject, obj: Json, reader: ProviderReader) -> IntegrationView:
    """What can be shown of a cached Integration; `obj` is it decoded."""
    metadata = obj["metadata"]
    spec, status = _spec(obj), _status(obj)
    named = provider_key(obj.get("spec") or {}, found.key.namespace)
    known = reader.read(named) if named is not None else None
    return IntegrationView(
        key=found.key,
        uid=found.uid,
        spec=spec,
        status=status,
        created=found.created,
        created_by=(metadata.get("annotations") or {}).get(CREATED_BY, ""),
        labels=metadata.get("labels") or {},
        provider_uid=known.uid if known is not None else "",
        category=known.examined.spec.category if known is not None else None,
        auth_type=spec.auth_type or _default_mode(known),
    )


def _default_mode(known: KnownProvider | None) -> AuthType | None:
    return known.examined.spec.auth_modes[0].type if known is not None else None


def _spec(obj: Json) -> IntegrationSpec:
    """One from before a change of the schema is shown as far as it can be read."""
    raw = obj.get("spec") or {}
    try:
        return IntegrationSpec.model_validate(raw)
    except ValidationError:
        name = (raw.get("providerRef") or {}).get("name") or "unknown"
        return IntegrationSpec.model_construct(
            provider_ref=ProviderRef.model_construct(name=name),
            display_name=str(raw.get("displayName") or ""),
        )


def _status(obj: Json) -> IntegrationStatus:
    try:
        return IntegrationStatus.model_validate(obj.get("status") or {})
    except ValidationError:
        return IntegrationStatus()
