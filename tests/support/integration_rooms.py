"""The rooms that an Integration's reconciler works through, as the process has them, on ports in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from integration_hub.adapters.memory_cache import MemoryCache
from integration_hub.credentials.client import Clients
from integration_hub.credentials.exchange import Exchange
from integration_hub.credentials.holding import Holder
from integration_hub.credentials.keeper import HubKeeper
from integration_hub.credentials.oauth_endpoint import OAuthEndpoint
from integration_hub.credentials.owned_secret import OwnedBook
from integration_hub.credentials.reading import Reading
from integration_hub.credentials.refresh import Refresher
from integration_hub.credentials.rotation import KeySteps
from integration_hub.credentials.seal import KeyRing, Seal
from integration_hub.credentials.source import HubCredentials
from integration_hub.credentials.usage import Usage
from integration_hub.domain.consent import Consent
from integration_hub.egress.call import CallPipeline
from integration_hub.ports import Clock, Entropy, Expressions
from integration_hub.runtime.reflector import Service
from memory import MemoryEgress, MemoryMetrics, MemorySecrets
from memory_store import MemoryStore

KEY = "0123456789abcdef" * 4
CONSENT = Consent("integration-hub", "integration-hub")


class Versions:
    """ports.SecretVersions of what the watch in memory knows."""

    def __init__(self, secrets: MemorySecrets) -> None:
        self._secrets = secrets

    def version(self, namespace: str, name: str) -> tuple[str, str] | Literal["missing", "unknown"]:
        if self._secrets.service(namespace) is not Service.SERVED:
            return "unknown"
        return self._secrets.version(namespace, name) or "missing"


def connect_page(namespace: str, name: str) -> str:
    return f"https://hub.test/connect/{namespace}/{name}"


@dataclass(frozen=True)
class Rooms:
    source: HubCredentials
    keeper: HubKeeper
    calls: CallPipeline

    @classmethod
    def build(
        cls,
        *,
        secrets: MemorySecrets,
        egress: MemoryEgress,
        store: MemoryStore,
        expressions: Expressions,
        environment: Mapping[str, str],
        clock: Clock,
        entropy: Entropy,
        metrics: MemoryMetrics,
    ) -> Rooms:
        ring = KeyRing.parse(KEY, ())
        assert isinstance(ring, KeyRing)
        book = OwnedBook(secrets, Seal(ring), CONSENT)
        reading = Reading(secrets, book, Versions(secrets), CONSENT, clock)
        clients = Clients(secrets, environment, "integration-hub")
        endpoint = OAuthEndpoint(egress, expressions, clients, clock, entropy)
        holder = Holder(clock, lambda link: connect_page(link.namespace, link.key.name))
        exchange, usage = Exchange(endpoint), Usage(store, clock)
        refresher = Refresher(
            reading=reading,
            book=book,
            holder=holder,
            endpoint=endpoint,
            exchange=exchange,
            usage=usage,
            locks=store,
            wakeups=store,
            clock=clock,
            entropy=entropy,
            metrics=metrics,
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
        steps = KeySteps(reading, book, secrets, egress, expressions, clock)
        keeper = HubKeeper(source, reading, book, endpoint, steps, usage)
        calls = CallPipeline(
            egress,
            source,
            store,
            MemoryCache(clock.monotonic, limit_bytes=1_000_000),
            expressions=expressions,
            clock=clock,
            entropy=entropy,
            metrics=metrics,
        )
        return cls(source, keeper, calls)
