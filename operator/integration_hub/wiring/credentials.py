"""The credentials of connections: from the settings' keys to the source that calls ask."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

from integration_hub.adapters.kubernetes import KubernetesOwnedSecrets, KubernetesSecrets
from integration_hub.credentials.client import Clients
from integration_hub.credentials.exchange import Exchange
from integration_hub.credentials.holding import Holder
from integration_hub.credentials.keeper import HubKeeper
from integration_hub.credentials.kubernetes_source import KubernetesSource
from integration_hub.credentials.oauth_endpoint import OAuthEndpoint
from integration_hub.credentials.owned_secret import OwnedBook
from integration_hub.credentials.reading import Reading
from integration_hub.credentials.refresh import Refresher, TokenMetrics
from integration_hub.credentials.registration import Registrar
from integration_hub.credentials.rotation import KeySteps
from integration_hub.credentials.seal import KeyProblem, KeyRing, Seal
from integration_hub.credentials.source import HubCredentials
from integration_hub.credentials.usage import Usage
from integration_hub.domain.consent import Consent
from integration_hub.ports import (
    AuditLog,
    Clock,
    Cluster,
    Egress,
    Entropy,
    Expressions,
    Locks,
    OwnedSecrets,
    Secrets,
    SecretSource,
    SecretVersions,
    Store,
    Wakeups,
)
from integration_hub.runtime.reflector import Reflector, Service
from integration_hub.settings import Settings
from integration_hub.wiring.way_out import SettingsError


class WatchedVersions:
    """The watch of Secrets as credentials ask it (ports.SecretVersions)."""

    def __init__(self, reflector: Reflector) -> None:
        self._reflector = reflector

    def version(self, namespace: str, name: str) -> tuple[str, str] | Literal["missing", "unknown"]:
        if self._reflector.service(namespace) is not Service.SERVED:
            return "unknown"
        return self._reflector.version(namespace, name) or "missing"


@dataclass(frozen=True, slots=True)
class CredentialPorts:
    """What credentials stand on. `cluster` is not gated by leadership: who stores a token compares and
    swaps, and a person's grant has to be stored by the replica that they came to.
    """

    settings: Settings
    cluster: Cluster
    egress: Egress
    vault: SecretSource
    store: Store
    secrets_watch: Reflector
    consent: Consent
    expressions: Expressions
    metrics: TokenMetrics
    clock: Clock
    entropy: Entropy


@dataclass(frozen=True, slots=True)
class RoomPorts:
    """What the room is assembled from. `secrets` reads any Secret, `owned` writes the hub's own.

    `further`: places besides Secrets that users may name.
    `environment` names OAuth clients; `connect_page` is where a person connects an Integration, by
    namespace and name.
    """

    secrets: Secrets
    owned: OwnedSecrets
    versions: SecretVersions
    seal: Seal
    consent: Consent
    egress: Egress
    expressions: Expressions
    environment: Mapping[str, str]
    hub_namespace: str
    connect_page: Callable[[str, str], str]
    audit: AuditLog
    locks: Locks
    wakeups: Wakeups
    metrics: TokenMetrics
    clock: Clock
    entropy: Entropy
    further: tuple[SecretSource, ...] = ()


@dataclass(frozen=True, slots=True)
class CredentialRoom:
    """The source, what is done to credentials rather than with them, and what these are made of."""

    source: HubCredentials
    keeper: HubKeeper
    endpoint: OAuthEndpoint
    usage: Usage
    reading: Reading
    clients: Clients
    registrar: Registrar
    seal: Seal
    book: OwnedBook
    holder: Holder
    refresher: Refresher


def build_credentials(ports: CredentialPorts) -> CredentialRoom:
    """The room over the API server. Raises SettingsError for a key that is missing or wrong."""
    settings = ports.settings
    return assemble(
        RoomPorts(
            secrets=KubernetesSecrets(ports.cluster),
            owned=KubernetesOwnedSecrets(ports.cluster),
            versions=WatchedVersions(ports.secrets_watch),
            seal=seal_of(settings),
            consent=ports.consent,
            egress=ports.egress,
            expressions=ports.expressions,
            environment=os.environ,
            hub_namespace=settings.namespace,
            connect_page=connect_page(settings.public_url),
            audit=ports.store,
            locks=ports.store,
            wakeups=ports.store,
            metrics=ports.metrics,
            clock=ports.clock,
            entropy=ports.entropy,
            further=(ports.vault,),
        )
    )


def assemble(ports: RoomPorts) -> CredentialRoom:
    """The room over any ports, those in memory too. Nothing is read or asked for yet."""
    clock, entropy, expressions = ports.clock, ports.entropy, ports.expressions
    book = OwnedBook(ports.owned, ports.seal, ports.consent)
    secrets = KubernetesSource(ports.secrets, ports.versions, ports.consent)
    reading = Reading((secrets, *ports.further), book, ports.versions, clock)
    clients = Clients(ports.secrets, ports.environment, ports.hub_namespace)
    endpoint = OAuthEndpoint(ports.egress, expressions, clients, clock, entropy)
    holder = Holder(clock, lambda link: ports.connect_page(link.namespace, link.key.name))
    exchange, usage = Exchange(endpoint), Usage(ports.audit, clock)
    refresher = Refresher(
        reading=reading,
        book=book,
        holder=holder,
        endpoint=endpoint,
        exchange=exchange,
        usage=usage,
        locks=ports.locks,
        wakeups=ports.wakeups,
        clock=clock,
        entropy=entropy,
        metrics=ports.metrics,
    )
    source = HubCredentials(
        reading=reading,
        book=book,
        holder=holder,
        refresher=refresher,
        exchange=exchange,
        expressions=expressions,
        usage=usage,
        clock=clock,
        entropy=entropy,
    )
    steps = KeySteps(reading, book, ports.owned, ports.egress, expressions, clock)
    return CredentialRoom(
        source=source,
        keeper=HubKeeper(source, reading, book, endpoint, steps, usage),
        endpoint=endpoint,
        usage=usage,
        reading=reading,
        clients=clients,
        registrar=Registrar(endpoint, book, reading),
        seal=ports.seal,
        book=book,
        holder=holder,
        refresher=refresher,
    )


def seal_of(settings: Settings) -> Seal:
    """The key ring, or none where that is asked for. Raises SettingsError, in which no key stands."""
    if settings.encryption_mode == "none":
        return Seal(None)
    if settings.token_encryption_key is None:
        raise SettingsError(
            "token_encryption_key: TOKEN_ENCRYPTION_KEY is not set, so tokens could not be sealed; "
            "`openssl rand -hex 32` makes one (or set encryption_mode to none, to store them as any Secret)"
        )
    ring = KeyRing.parse(_text(settings.token_encryption_key), _several(settings.token_encryption_old_keys))
    if isinstance(ring, KeyProblem):
        raise SettingsError(f"token_encryption_key: {ring.message}")
    return Seal(ring)


def connect_page(public_url: str) -> Callable[[str, str], str]:
    """Where a person connects an Integration, by namespace and name; empty without a public address."""
    root = public_url.rstrip("/")
    return lambda namespace, name: f"{root}/connect/{namespace}/{name}" if root else ""


def _text(secret: SecretStr) -> str:
    return secret.get_secret_value().strip()


def _several(secret: SecretStr | None) -> list[str]:
    return [part for part in _text(secret).split(",") if part.strip()] if secret is not None else []
