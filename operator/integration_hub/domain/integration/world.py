"""Everything a decision about one Integration rests on, gathered once and frozen.

No secret value is in here: of credentials, only whether they are there and how long they last. So
nothing that is decided or written from a world can leak one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from integration_hub.api.conditions import READY
from integration_hub.api.integration import INTEGRATION, IntegrationSpec, ProviderRef
from integration_hub.api.provider import AuthMode, AuthType
from integration_hub.domain import conditions
from integration_hub.domain.anomaly import Anomaly
from integration_hub.domain.conditions import Finding
from integration_hub.domain.config_schema import InvalidConfig, ValidConfig
from integration_hub.domain.consent import Consent
from integration_hub.domain.integration.facts import HealthFacts, Inputs
from integration_hub.domain.integration.requested import Checked
from integration_hub.domain.provider import Examined
from integration_hub.ports import BreakerRow, CredentialFacts, CredentialProblem, Json, Key

YOUNG_SECONDS = 5.0
"""Age up to which something that is missing counts as not there yet."""


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """A provider that exists, with what came of examining it. `namespace` is empty for a cluster's."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    examined: Examined


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another Integration of the namespace that claims the same provider, environment and instance.

    `created` is its creationTimestamp as written: RFC 3339 in UTC sorts as text.
    """

    name: str
    uid: str
    created: str


@dataclass(frozen=True, slots=True)
class Address:
    """Where calls would go: `authority` is host, or host:port; `hosts` all that credentials may go to."""

    authority: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddressProblem:
    """Why there is no address. `unreadable` tells a bad URL from one that cannot be put together."""

    message: str
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Basis:
    """What an Integration rests on before a Secret is read or anything is called.

    A call and a probe are both judged by it, so that they never disagree. `previous` is its present
    status. `provider` is None where there is none. `config` and `address` are None where the provider
    cannot be used. `mode` is the authentication mode asked for, None if the provider has no such mode.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    spec: IntegrationSpec
    previous: Mapping[str, Json]
    provider: KnownProvider | None
    siblings: tuple[Sibling, ...]
    config: ValidConfig | InvalidConfig | None
    address: Address | AddressProblem | None
    mode: AuthMode | None
    now: datetime

    @property
    def young(self) -> bool:
        """Whether it was only just created and not judged yet: what it refers to may come along with it."""
        ready = conditions.find(self.previous.get("conditions", ()), READY)
        if not self.created or (ready is not None and ready.get("status") != "Unknown"):
            return False
        return abs((self.now - datetime.fromisoformat(self.created)).total_seconds()) < YOUNG_SECONDS

    @property
    def key(self) -> Key:
        return Key(INTEGRATION.kind, self.namespace, self.name)

    @property
    def secret_name(self) -> str:
        """Name of the Secret that the spec refers to, or empty."""
        reference = self.spec.credentials.secret_ref
        return reference.name if reference is not None else ""

    @property
    def watched(self) -> bool:
        """Whether a watch tells of a change of the credentials; what Vault holds is only known by reading."""
        return self.spec.credentials.vault_ref is None


@dataclass(frozen=True, slots=True)
class IntegrationWorld(Basis):
    """One Integration and all that bears on it.

    `credentials` is None on a look that did not ask for them; `recheck`: something happened to them
    that no other version tells; `woken`: somebody wants it tried anew. `secret_version` is the
    resourceVersion of the Secret that the spec names, by the watch: empty when there is none, None when
    unknown. `circuit` is None while calls go through. `failed_calls` is what the store counted since
    its creation, None if nobody asked it yet. `projected` is what came of the Secret for workloads, None
    on a look that did not touch it, and `bound` the name of the one that there is. `checked` is what the
    tests in the spec came to, if they were run. `rotation_requested` is the moment since which others are
    wanted, as written. `tick` is monotonic seconds, `jitter` in [0, 1).
    """

    test_requested: str
    credentials: CredentialFacts | CredentialProblem | None
    secret_version: str | None
    facts: HealthFacts
    consent: Consent
    tick: float
    jitter: float
    recheck: bool = False
    woken: bool = False
    circuit: BreakerRow | None = None
    anomaly: Anomaly | None = None
    failed_calls: int | None = None
    projected: Finding | None = None
    bound: str = ""
    checked: tuple[Checked, ...] = ()
    connect_url: str = ""
    rotation_requested: str = ""

    @classmethod
    def on(cls, basis: Basis, **rest: Any) -> Self:
        """A world on this basis; `rest` are its own fields."""
        return cls(**{each.name: getattr(basis, each.name) for each in fields(Basis)}, **rest)

    @property
    def needs_credentials(self) -> bool:
        """Whether calls of this mode carry any."""
        mode = self.mode
        return mode is not None and bool(
            mode.type is not AuthType.NONE or mode.extra_headers or mode.extra_query
        )

    @property
    def recorded(self) -> Inputs:
        """What the present status was decided on."""
        return Inputs.of_status(self.previous)

    @property
    def inputs(self) -> Inputs:
        """What a decision made now rests on, as far as it can be told without reading the Secret.

        A token that the hub renewed is no new input: it is the same grant.
        """
        version = self.secret_version
        if isinstance(self.credentials, CredentialFacts) and self.credentials.secret_version:
            version = self.credentials.secret_version
        if not self.needs_credentials or not self.spec.credentials.place:
            version = ""
        provider = self.provider
        return Inputs(
            self.generation,
            provider.uid if provider is not None else "",
            provider.generation if provider is not None else 0,
            self.recorded.secret_version if version is None else version,
        )

    @property
    def circuit_wait(self) -> float:
        """Seconds for which no call is let through; 0 where one may be tried."""
        row = self.circuit
        if row is None or row.state != "open" or row.retry_at is None:
            return 0.0
        return max((row.retry_at - self.now).total_seconds(), 0.0)


def owner_namespace(reference: ProviderRef, namespace: str) -> str:
    """The namespace a provider is looked up in: empty for a cluster's, the Integration's own by default."""
    if reference.kind == "ClusterIntegrationProvider":
        return ""
    return reference.namespace or namespace
