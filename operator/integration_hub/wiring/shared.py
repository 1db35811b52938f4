"""What every role of a process works with, one of each: the store, credentials, calls, links."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256

from integration_hub.adapters.cel import CelExpressions
from integration_hub.adapters.memory_cache import MemoryCache
from integration_hub.domain.consent import Consent
from integration_hub.egress.call import CallPipeline
from integration_hub.metrics import Metrics
from integration_hub.ports import (
    Clock,
    Cluster,
    Entropy,
    Expressions,
    ResponseCache,
    StoreError,
)
from integration_hub.providers.linking import Linker
from integration_hub.providers.reading import ProviderReader
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.health import Check
from integration_hub.runtime.reflector import Reflector
from integration_hub.settings import Settings
from integration_hub.store import DatabaseStore, StoreLimits, open_store
from integration_hub.wiring.credentials import CredentialPorts, CredentialRoom, build_credentials
from integration_hub.wiring.vault import Vault
from integration_hub.wiring.way_out import SettingsError, WayOut

Closer = Callable[[], Awaitable[None]]
STORE_LOOK_SECONDS = 5.0
LAST_TOKEN_SECONDS = 2.0
_CACHE_KEY = b"integration-hub response cache"


class StoreWatch:
    """Looks after the store from time to time, so that readiness can tell without asking it."""

    def __init__(self, store: DatabaseStore) -> None:
        self._store = store
        self._trouble = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._trouble = await self._store.ready()
            await asyncio.sleep(STORE_LOOK_SECONDS)

    def check(self) -> Check:
        return Check("store", ok=not self._trouble, detail=self._trouble or "in use")


@dataclass(frozen=True, slots=True)
class Shared:
    """One of each. `calls` and `credentials` are what both a reconciler and a caller's request go through."""

    store: DatabaseStore
    expressions: Expressions
    reader: ProviderReader
    linker: Linker
    credentials: CredentialRoom
    calls: CallPipeline
    vault: Vault
    close_cache: Closer

    async def close(self) -> None:
        """See what is being obtained to its end and stored, write what is buffered, and let go."""
        await self.credentials.source.close(LAST_TOKEN_SECONDS)
        await self.vault.close()
        await self.close_cache()
        await self.store.close()


@dataclass(frozen=True, slots=True)
class SharedPorts:
    """What they stand on. `cluster` is not gated by leadership (see `CredentialPorts`)."""

    settings: Settings
    cluster: Cluster
    cache: ObjectCache
    way_out: WayOut
    store: DatabaseStore
    secrets_watch: Reflector
    consent: Consent
    metrics: Metrics
    clock: Clock
    entropy: Entropy


def build_shared(ports: SharedPorts) -> Shared:
    """Nothing is asked for yet. Raises SettingsError."""
    expressions, clock, egress = CelExpressions(), ports.clock, ports.way_out.egress
    vault = Vault.build(ports.settings, ports.way_out, clock)
    reader = ProviderReader(ports.cache, expressions)
    credentials = build_credentials(
        CredentialPorts(
            settings=ports.settings,
            cluster=ports.cluster,
            egress=egress,
            vault=vault.source,
            store=ports.store,
            secrets_watch=ports.secrets_watch,
            consent=ports.consent,
            expressions=expressions,
            metrics=ports.metrics,
            clock=clock,
            entropy=ports.entropy,
        )
    )
    answers, close_answers = response_cache(ports.settings, clock)
    calls = CallPipeline(
        egress,
        credentials.source,
        ports.store,
        answers,
        expressions=expressions,
        clock=clock,
        entropy=ports.entropy,
        metrics=ports.metrics,
    )
    linker = Linker(ports.cache, reader, expressions, clock)
    return Shared(ports.store, expressions, reader, linker, credentials, calls, vault, close_answers)


async def open_the_store(settings: Settings, clock: Clock, entropy: Entropy) -> DatabaseStore:
    """SQLite in the data folder, or PostgreSQL. Raises SettingsError, in which no password stands."""
    url = settings.store_url.get_secret_value() if settings.store_url is not None else ""
    limits = StoreLimits(
        call_days=settings.request_log_days,
        call_rows=settings.request_log_rows,
        audit_days=settings.audit_days,
        connections=settings.store_connections,
    )
    try:
        return await open_store(url, clock, entropy, data_dir=settings.data_dir, limits=limits)
    except StoreError as error:
        raise SettingsError(f"store: {error}") from None


def response_cache(settings: Settings, clock: Clock) -> tuple[ResponseCache, Closer]:
    """In process, or in the Redis that replicas share; and what closes it. Raises SettingsError."""
    if settings.redis_url is None:
        return MemoryCache(clock.monotonic, limit_bytes=settings.cache_bytes), _nothing
    key = settings.token_encryption_key
    if key is None:
        raise SettingsError(
            "redis_url: what lies in Redis is sealed, so TOKEN_ENCRYPTION_KEY has to be set as well"
        )
    try:
        # Its library is an extra.
        from integration_hub.adapters.redis_cache import RedisCache  # noqa: PLC0415
    except ModuleNotFoundError:
        raise SettingsError("redis_url: needs the extra `redis` of integration-hub") from None
    derived = sha256(_CACHE_KEY + bytes.fromhex(key.get_secret_value())).digest()
    try:
        cache = RedisCache(settings.redis_url.get_secret_value(), derived, monotonic=clock.monotonic)
    except ValueError:
        raise SettingsError("redis_url: it is no URL such as redis://redis:6379/0") from None
    return cache, cache.close


async def _nothing() -> None:
    return
