"""Credentials on ports in memory: the whole room, an API server, a store, and a token endpoint with habits.

`Stage.process()` is one hub process; several share the API server, the store and the far end, as
replicas do. Time is virtual.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from integration_hub.adapters.cel import CelExpressions
from integration_hub.adapters.kubernetes import KubernetesOwnedSecrets, KubernetesSecrets
from integration_hub.api.integration import IntegrationSpec
from integration_hub.api.provider import ProviderSpec
from integration_hub.credentials.client import Clients
from integration_hub.credentials.holding import Holder
from integration_hub.credentials.keeper import HubKeeper
from integration_hub.credentials.oauth_endpoint import OAuthEndpoint
from integration_hub.credentials.owned_secret import OwnedBook, owned_name
from integration_hub.credentials.reading import Reading
from integration_hub.credentials.refresh import Refresher
from integration_hub.credentials.seal import KeyRing, Seal
from integration_hub.credentials.source import HubCredentials
from integration_hub.domain.consent import Consent
from integration_hub.ports import SECRETS, Clock, Egress, HttpRequest, Key, Link, Presented
from integration_hub.providers import auth
from integration_hub.wiring.credentials import CredentialRoom, RoomPorts, assemble
from memory import Answer, MemoryEgress, answer
from memory_cluster import MemoryCluster
from memory_store import MemoryStore
from memory_vault import MemoryVault
from virtual_time import FixedEntropy, VirtualClock, run

NAMESPACE = "team-a"
KEY = "0123456789abcdef" * 4
OLD_KEY = "fedcba9876543210" * 4
PROVIDER: dict[str, Any] = {
    "displayName": "Example",
    "category": "custom",
    "baseUrl": "https://api.example.com/v1",
    "authModes": [{"type": "OAUTH2"}],
    "oauth": {
        "authorizeUrl": "https://auth.example.com/authorize",
        "tokenUrl": "https://auth.example.com/token",
        "revokeUrl": "https://auth.example.com/revoke",
        "scopes": ["read", "write"],
        "clientEnvPrefix": "EXAMPLE",
    },
}
ENVIRONMENT = {"EXAMPLE_CLIENT_ID": "hub-client", "EXAMPLE_CLIENT_SECRET": "hub-client-secret"}


def link(
    name: str = "chat",
    *,
    uid: str = "uid-chat",
    generation: int = 1,
    provider: Mapping[str, Any] | None = None,
    mode: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    secret: str = "",
    provider_namespace: str = "",
    **spec: Any,
) -> Link:
    """A connection; `mode` in place of the provider's, `secret` the name of the Secret it refers to."""
    declared = {**PROVIDER, **(provider or {}), **({"authModes": [mode]} if mode else {})}
    read = ProviderSpec.model_validate(declared)
    credentials = {**({"secretRef": {"name": secret}} if secret else {}), **spec.pop("credentials", {})}
    integration = IntegrationSpec.model_validate(
        {"providerRef": {"name": "example"}, "credentials": credentials, **spec}
    )
    chosen = auth.mode_of(read, None)
    assert chosen is not None
    return Link(
        key=Key("Integration", NAMESPACE, name),
        uid=uid,
        generation=generation,
        spec=integration,
        provider_kind="IntegrationProvider" if provider_namespace else "ClusterIntegrationProvider",
        provider_namespace=provider_namespace,
        provider_name="example",
        provider_uid="uid-example",
        provider_generation=1,
        provider=read,
        mode=chosen,
        config=config or {},
        hosts=("api.example.com", "auth.example.com"),
    )


@dataclass
class FarEnd:
    """A token endpoint with refresh-token rotation and reuse detection, as strict as the strictest.

    `trouble` is answered instead, if set. `rotates` False: the refresh token stays.
    """

    rotates: bool = True
    life: Any = 3600
    trouble: Answer | None = None
    valid: dict[str, str] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    asked: list[dict[str, str]] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)
    families: int = 0
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def family(self) -> str:
        """A new authorization: its first refresh token."""
        self.families += 1
        return self._refresh_token(f"family-{self.families}")

    def __call__(self, request: HttpRequest) -> Answer:
        fields = dict(parse_qsl(request.body.decode()))
        self.asked.append(fields)
        self.requests.append(request)
        if self.trouble is not None:
            return self.trouble
        if request.url.endswith("/revoke"):
            self.valid.pop(fields["token"], None)
            self.tokens.discard(fields["token"])
            return answer(200, {})
        match fields.get("grant_type"):
            case "refresh_token":
                return self._refresh(fields["refresh_token"])
            case "authorization_code":
                return self._issue(self._family_of_code())
            case _:
                return self._issue("")

    def _refresh(self, token: str) -> Answer:
        family = self.valid.get(token)
        if family is None:
            # Reuse of a spent token ends the family (RFC 9700, section 4.14.2).
            for other, known in list(self.valid.items()):
                if token in self.spent and known == token.rpartition("-")[0]:
                    del self.valid[other]
            return answer(400, {"error": "invalid_grant", "error_description": f"no such token {token}"})
        if self.rotates:
            del self.valid[token]
            self.spent.add(token)
            return self._issue(family)
        return self._issue("")

    def _family_of_code(self) -> str:
        self.families += 1
        return f"family-{self.families}"

    def _issue(self, family: str) -> Answer:
        token = f"access-{next(self._count):04d}"
        self.tokens.add(token)
        body: dict[str, Any] = {"access_token": token, "token_type": "bearer"}
        if self.life is not None:
            body["expires_in"] = self.life
        if family:
            body["refresh_token"] = self._refresh_token(family)
        return answer(200, body)

    def _refresh_token(self, family: str) -> str:
        token = f"{family}-{next(self._count):04d}"
        self.valid[token] = family
        return token


class CountingMetrics:
    def __init__(self) -> None:
        self.results: list[tuple[str, str]] = []

    def count_token_request(self, provider: str, result: str) -> None:
        self.results.append((provider, result))


class _Entropy(FixedEntropy):
    """ports.Entropy with a chance of the test's own."""

    def __init__(self, chance: Callable[[], float]) -> None:
        super().__init__()
        self.random = chance  # type: ignore[method-assign]


class ClusterVersions:
    """ports.SecretVersions: what a watch of the memory's API server would tell. `down`: nothing is known."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self.down = False

    def version(self, namespace: str, name: str) -> tuple[str, str] | Literal["missing", "unknown"]:
        if self.down:
            return "unknown"
        found = self._cluster.read(SECRETS, namespace, name)
        return (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) if found else "missing"


@dataclass
class Process:
    """One hub process."""

    source: HubCredentials
    refresher: Refresher
    reading: Reading
    book: OwnedBook
    endpoint: OAuthEndpoint
    holder: Holder
    metrics: CountingMetrics
    clients: Clients
    keeper: HubKeeper
    seal: Seal
    room: CredentialRoom


class Stage:
    """See the module's text."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or VirtualClock()
        self.cluster = MemoryCluster()
        self.store = MemoryStore(self.clock, shared=True)
        self.far_end = FarEnd()
        self.egress = MemoryEgress(self.far_end)
        self.versions = ClusterVersions(self.cluster)
        self.vault = MemoryVault(self.clock)
        self.environment = dict(ENVIRONMENT)
        self._processes = 0

    def process(
        self,
        *,
        keys: tuple[str, ...] | None = (KEY,),
        egress: Any = None,
        through: Callable[[Any], Any] = lambda port: port,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> Process:
        """`keys`: the ring, the one that seals first; None: encryption mode none.

        `through` wraps each port that has effects; `chance` is drawn from for jitter.
        """
        ring = KeyRing.parse(keys[0], keys[1:]) if keys else None
        assert ring is None or isinstance(ring, KeyRing)
        self._processes += 1
        entropy = _Entropy(chance)
        entropy._uuids = self._processes * 1_000_000
        expressions = CelExpressions()
        consent = Consent("integration-hub", "integration-hub")
        cluster, store = through(self.cluster), through(self.store)
        metrics = CountingMetrics()
        way_out: Egress = egress or through(self.egress)
        room = assemble(
            RoomPorts(
                secrets=KubernetesSecrets(cluster),
                owned=KubernetesOwnedSecrets(cluster),
                versions=self.versions,
                seal=Seal(ring),
                consent=consent,
                egress=way_out,
                expressions=expressions,
                environment=self.environment,
                hub_namespace="integration-hub",
                connect_page=lambda _, name: f"https://hub.example.com/connect/{name}",
                audit=self.store,
                locks=store,
                wakeups=store,
                metrics=metrics,
                clock=self.clock,
                entropy=entropy,
                further=(self.vault.source(),),
            )
        )
        return Process(
            room.source,
            room.refresher,
            room.reading,
            room.book,
            room.endpoint,
            room.holder,
            metrics,
            room.clients,
            room.keeper,
            room.seal,
            room,
        )

    # ------------------------------------------------------------------ the user's hands

    def secret(self, name: str, *, namespace: str = NAMESPACE, **data: str) -> None:
        """Create or change a Secret."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.cluster.put(SECRETS, namespace, name, data=encoded, type="Opaque")

    def owned(self, name: str = "chat") -> dict[str, str] | None:
        """What lies in the owned Secret, decoded and not opened."""
        found = self.cluster.read(SECRETS, NAMESPACE, owned_name(name))
        if found is None:
            return None
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def writes(self) -> int:
        return sum(each.verb in ("create", "replace", "delete") for each in self.cluster.requests)

    def everything_stored(self) -> str:
        """All that a canary could be found in: the API server's objects, the store's rows."""
        kept = json.dumps([self.cluster.all(SECRETS), repr(self.store.audit)])
        decoded = [
            base64.b64decode(value).decode()
            for each in self.cluster.all(SECRETS)
            if each.get("type") != "Opaque"
            for value in each["data"].values()
        ]
        return kept + "".join(decoded)


def sent(presented: object) -> str:
    """The token that is sent, of a Presented with a bearer token."""
    assert isinstance(presented, Presented), presented
    return presented.headers["Authorization"].reveal().removeprefix("Bearer ")


def play(story: Callable[[Stage], Awaitable[None]]) -> None:
    """Run a story in virtual time."""

    async def main() -> None:
        await story(Stage())

    run(main())
