"""The gateway as callers meet it, over ASGI, on ports in memory: the real application and operations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from types import TracebackType
from typing import Any, Self

import httpx2

from credential_stage import Stage as CredentialStage
from integration_hub.adapters.cel import CelExpressions
from integration_hub.adapters.tokens.product_keys import ProductKeyAuthenticator
from integration_hub.adapters.tokens.routing import Authenticators
from integration_hub.api.integration import INTEGRATION
from integration_hub.api.meta import KindInfo, format_time
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER
from integration_hub.domain import product_key
from integration_hub.gateway.app import build_app
from integration_hub.gateway.parts import GatewayLimits, GatewayParts, Probe
from integration_hub.ports import Calls, Json, Key
from integration_hub.providers.linking import Linker
from integration_hub.providers.reading import ProviderReader
from integration_hub.reconcilers.integration_links import declare_indexes
from integration_hub.runtime.cache import CachedObject, ObjectCache
from integration_hub.runtime.status import resource_of
from integration_hub.wiring.known_keys import CachedKeys
from integration_hub.wiring.operations import OperationPorts, build_operations
from memory_calls import MemoryCalls
from memory_identity import MemoryAuthenticator, MemoryAuthorizer
from memory_intake import MemoryIntake

PUBLIC_URL = "https://hub.example.com"
NAMESPACE = "project-123"
OTHER = "project-456"
ALICE = "alice"
"""May do everything in NAMESPACE, which is also her token's."""
BOB = "bob"
"""May do everything in OTHER, which is also his token's."""
GITHUB: dict[str, Any] = {
    "displayName": "GitHub",
    "category": "version-control",
    "baseUrl": "{{ config.apiEndpoint }}",
    "authModes": [{"type": "BEARER"}, {"type": "OAUTH2"}],
    "oauth": {
        "authorizeUrl": "https://github.com/login/oauth/authorize",
        "tokenUrl": "https://github.com/login/oauth/access_token",
    },
    "configSchema": {"apiEndpoint": {"type": "string", "default": "https://api.github.com"}},
    "defaultHeaders": {"Accept": "application/vnd.github+json"},
    "audiences": ["cto"],
}


class StillClock:
    """ports.Clock that a test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def pass_by(self, **span: float) -> None:
        self.moment += timedelta(**span)


class CountingEntropy:
    """ports.Entropy without chance."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def random(self) -> float:
        return 0.5

    def uuid(self) -> str:
        return f"01890000-0000-7000-8000-{next(self._numbers):012d}"


class MemoryFigures:
    """gateway.parts.GatewayMetrics that remembers."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str, int]] = []
        self.refusals: list[str] = []

    def observe_request(self, caller: str, route: str, method: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((caller, route, method, status))

    def count_refusal(self, why: str) -> None:
        self.refusals.append(why)


class GatewayStage:
    """Use it as an asynchronous context manager; `ask` as a caller, and look at what the ports saw.

    `client` is at `address`, as the gateway sees it; `at` makes one elsewhere.
    """

    def __init__(self, limits: GatewayLimits | None = None, *, through: Calls | None = None) -> None:
        """`through`: what calls go through, in place of `calls`, which remembers and sends nothing."""
        self.figures = MemoryFigures()
        self.clock = StillClock()
        rooms = CredentialStage(self.clock)
        self.vendor, self.store, self.cluster = rooms.far_end, rooms.store, rooms.cluster
        self.egress = rooms.egress
        self.calls = MemoryCalls()
        self.intake = MemoryIntake()
        self.authenticator = MemoryAuthenticator()
        self.authorizer = MemoryAuthorizer()
        self.cache = ObjectCache()
        declare_indexes(self.cache)
        self._versions = count(1)
        for user, namespace in ((ALICE, NAMESPACE), (BOB, OTHER)):
            self.authenticator.introduce(user, namespace)
            self.authorizer.grant(user, namespace=namespace)
        expressions = CelExpressions()
        reader = ProviderReader(self.cache, expressions)
        linker = Linker(self.cache, reader, expressions, self.clock)
        self.operations = build_operations(
            OperationPorts(
                cache=self.cache,
                cluster=self.cluster,
                authorizer=self.authorizer,
                reader=reader,
                linker=linker,
                calls=through or self.calls,
                credentials=rooms.process().room,
                intake=self.intake,
                public_url=PUBLIC_URL,
                store=self.store,
                expressions=expressions,
                clock=self.clock,
                entropy=CountingEntropy(),
            )
        )
        products = ProductKeyAuthenticator(CachedKeys(self.cache), self.clock)
        parts = GatewayParts(
            authenticator=Authenticators(products=products, kubernetes=self.authenticator),
            operations=self.operations,
            idempotency=self.store,
            clock=self.clock,
            entropy=CountingEntropy(),
            live=lambda: Probe(ok=True, report={}),
            ready=lambda: Probe(ok=self.ready, report={"checks": {"store": "a detail for nobody outside"}}),
            metrics=self.figures,
            limits=limits or GatewayLimits(),
            version="1.2.3",
            public_url=PUBLIC_URL,
        )
        self.ready = True
        self.app = build_app(parts)
        self.client = self.at("10.0.0.7")

    def at(self, address: str) -> httpx2.AsyncClient:
        """A client at this address. A bug in the gateway is an answer, as it is outside."""
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False, client=(address, 40_000))
        return httpx2.AsyncClient(transport=transport, base_url="http://hub.test")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    # ------------------------------------------------------------------ objects

    def put(
        self, info: KindInfo, name: str, spec: Json, *, namespace: str = "", status: Json = None, **meta: Any
    ) -> CachedObject:
        """Have the watch tell of an object."""
        version = next(self._versions)
        metadata = {
            "name": name,
            "uid": f"uid-{namespace or 'cluster'}-{name}",
            "resourceVersion": str(version),
            "generation": version,
            "creationTimestamp": "2026-11-21T10:00:00Z",
            **meta,
        }
        if info.namespaced:
            metadata["namespace"] = namespace
        obj: dict[str, Any] = {"metadata": metadata, "spec": spec}
        if status is not None:
            obj["status"] = status
        self.cluster.take(resource_of(info), obj)
        self.cache.upsert(info.kind, obj)
        found = self.cache.get(Key(info.kind, namespace if info.namespaced else "", name))
        assert found is not None
        return found

    def provider(self, name: str = "github", **changes: Any) -> CachedObject:
        return self.put(CLUSTER_INTEGRATION_PROVIDER, name, {**GITHUB, **changes})

    def own_provider(self, name: str, spec: Json, *, namespace: str = NAMESPACE) -> CachedObject:
        return self.put(INTEGRATION_PROVIDER, name, spec, namespace=namespace)

    def integration(
        self,
        name: str = "gh",
        *,
        namespace: str = NAMESPACE,
        status: Json = None,
        meta: Json = None,
        **changes: Any,
    ) -> CachedObject:
        """`meta` is more of its metadata, such as labels."""
        spec = {"providerRef": {"name": "github"}, "credentials": {"secretRef": {"name": "gh"}}, **changes}
        return self.put(INTEGRATION, name, spec, namespace=namespace, status=status, **(meta or {}))

    def product(
        self,
        name: str = "dataflow",
        *,
        namespace: str = NAMESPACE,
        keys: Sequence[str] = (),
        until: datetime | None = None,
        status: Json = None,
        **changes: Any,
    ) -> CachedObject:
        """A ProductRegistration whose status knows these keys; all but the first end at `until`."""
        uid = f"uid-{namespace}-{name}"
        moment = "2026-11-21T10:00:00Z"
        entries: list[Json] = []
        for key in keys:
            read = product_key.read(key)
            assert isinstance(read, product_key.KeyId)
            entry: Json = {"id": read.id, "sha256": product_key.fingerprint(uid, key), "issuedAt": moment}
            more = {"use": "Previous", "validUntil": format_time(until)} if entries and until else {}
            entries.append({**entry, "use": "Current", **more})
        spec = {
            "productId": f"itechsmart-{name}",
            "productName": name.title(),
            "version": "1.0.0",
            "apiEndpoint": f"http://{name}:8080",
            **changes,
        }
        known = {"apiKey": {"keys": entries, "lastRotatedAt": moment}, **(status or {})}
        return self.put(PRODUCT_REGISTRATION, name, spec, namespace=namespace, status=known)

    def integrations_uid(self, name: str, *, namespace: str = NAMESPACE) -> str:
        found = self.cache.get(Key(INTEGRATION.kind, namespace, name))
        assert found is not None
        return found.uid

    # ------------------------------------------------------------------ callers

    async def ask(
        self, method: str, path: str, body: Json = None, *, user: str = ALICE, **headers: str
    ) -> httpx2.Response:
        """Send a request; header names are written with underscores."""
        named = {"Authorization": f"Bearer {user}"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, path, json=body if body is not None else None, headers=named)
