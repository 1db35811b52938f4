"""The rooms that an Integration's reconciler works through, as the process has them, on ports in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from integration_hub.adapters.memory_cache import MemoryCache
from integration_hub.credentials.keeper import HubKeeper
from integration_hub.credentials.seal import KeyRing, Seal
from integration_hub.credentials.source import HubCredentials
from integration_hub.domain.consent import Consent
from integration_hub.egress.call import CallPipeline
from integration_hub.ports import Clock, Entropy, Expressions, SecretSource
from integration_hub.runtime.reflector import Service
from integration_hub.wiring.credentials import RoomPorts, assemble
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
        vault: SecretSource,
        store: MemoryStore,
        expressions: Expressions,
        environment: Mapping[str, str],
        clock: Clock,
        entropy: Entropy,
        metrics: MemoryMetrics,
    ) -> Rooms:
        ring = KeyRing.parse(KEY, ())
        assert isinstance(ring, KeyRing)
        room = assemble(
            RoomPorts(
                secrets=secrets,
                owned=secrets,
                versions=Versions(secrets),
                seal=Seal(ring),
                consent=CONSENT,
                egress=egress,
                expressions=expressions,
                environment=environment,
                hub_namespace="integration-hub",
                connect_page=connect_page,
                audit=store,
                locks=store,
                wakeups=store,
                metrics=metrics,
                clock=clock,
                entropy=entropy,
                further=(vault,),
            )
        )
        calls = CallPipeline(
            egress,
            room.source,
            store,
            MemoryCache(clock.monotonic, limit_bytes=1_000_000),
            expressions=expressions,
            clock=clock,
            entropy=entropy,
            metrics=metrics,
        )
        return cls(room.source, room.keeper, calls)
