"""A connection that may be used: an Integration with its provider, its config checked, its mode chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from integration_hub.api.integration import IntegrationSpec
from integration_hub.api.provider import AuthMode, ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.ports.base import Json
from integration_hub.ports.cluster import Key
from integration_hub.ports.problem import Problem


@dataclass(frozen=True, slots=True)
class Link:
    """All that a call through one Integration needs to know; no secret in it.

    `config` has the schema's defaults applied. `hosts` are the authorities (host, or host:port) that
    credentials may go to. `provider_namespace` is empty for a cluster provider.
    """

    key: Key
    uid: str
    generation: int
    spec: IntegrationSpec
    provider_kind: str
    provider_namespace: str
    provider_name: str
    provider_uid: str
    provider_generation: int
    provider: ProviderSpec
    mode: AuthMode
    config: Mapping[str, Json] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        return self.key.namespace

    @property
    def account(self) -> str:
        """Names the provider account that limits are counted for: Integrations with one Secret share it."""
        named = self.spec.credentials
        owner = self.uid
        if named.secret_ref is not None:
            owner = f"{self.namespace}/{named.secret_ref.name}"
        elif named.vault_ref is not None:
            owner = f"{self.namespace}/vault/{named.vault_ref.path}"
        return f"{self.provider_uid}:{owner}"

    @property
    def provider_label(self) -> str:
        """For metrics, bounded: tenants name their own providers as they like."""
        return self.provider_name if not self.provider_namespace else "custom"


@dataclass(frozen=True, slots=True)
class NoLink:
    """Why an Integration cannot be used now: the condition's reason, and what a caller is told."""

    reason: Reason
    problem: Problem
