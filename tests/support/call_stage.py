"""A stage for calls: a pipeline on a real way out, and a far end on loopback that a test directs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from integration_hub.adapters.cel import CelExpressions
from integration_hub.adapters.http import AiohttpTransport
from integration_hub.adapters.memory_cache import MemoryCache
from integration_hub.adapters.resolve import SystemResolver
from integration_hub.api.integration import IntegrationSpec
from integration_hub.api.provider import ProviderSpec
from integration_hub.domain.address import AddressPolicy, AllowList
from integration_hub.egress.call import CallPipeline
from integration_hub.egress.send import GuardedEgress
from integration_hub.ports import (
    CallRequest,
    Clock,
    CredentialFacts,
    CredentialProblem,
    Entropy,
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    HttpStream,
    Key,
    Link,
    Presented,
    ResponseCache,
    SecretText,
    StreamingEgress,
)
from memory_store import MemoryStore

HOST = "vendor.example.com"
TOKEN = "canary-token-5f0c1d2e3b4a"
EXPRESSIONS = CelExpressions()


class WallClock:
    """ports.Clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class QuickEntropy:
    """ports.Entropy: the same draw each time, uuids that count up."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value
        self._uuids = 0

    def random(self) -> float:
        return self.value

    def uuid(self) -> str:
        self._uuids += 1
        return f"01970000-0000-7000-8000-{self._uuids:012x}"


def link(
    *, name: str = "chat", uid: str = "", provider: Mapping[str, Any] | None = None, **spec: Any
) -> Link:
    """A connection whose far end answers at `http://vendor.example.com:PORT` (`provider['baseUrl']`)."""
    declared = ProviderSpec.model_validate(
        {
            "displayName": "Vendor",
            "category": "custom",
            "baseUrl": f"https://{HOST}/api",
            "authModes": [{"type": "BEARER"}],
            **(provider or {}),
        }
    )
    given = {
        "providerRef": {"name": "vendor"},
        "credentials": {"secretRef": {"name": "vendor-token"}},
        "retry": {"enabled": False},
        **spec,
    }
    return Link(
        key=Key("Integration", "team", name),
        uid=uid or f"uid-{name}",
        generation=1,
        spec=IntegrationSpec.model_validate(given),
        provider_kind="ClusterIntegrationProvider",
        provider_namespace="",
        provider_name="vendor",
        provider_uid="uid-vendor",
        provider_generation=1,
        provider=declared,
        mode=declared.auth_modes[0],
    )


@dataclass
class Vault:
    """ports.CredentialSource: a bearer token; renewing gives the next one, or what `refusal` says."""

    tokens: list[str] = field(default_factory=lambda: [TOKEN, "canary-renewed-7a6b5c4d3e2f"])
    problem: CredentialProblem | None = None
    refusal: CredentialProblem | None = None
    query: Mapping[str, SecretText] = field(default_factory=dict)
    sign: Any = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    renewed: int = 0

    async def present(
        self, link: Link, *, caller: str = "", purpose: str = ""
    ) -> Presented | CredentialProblem:
        self.asked.append((caller, purpose))
        return self.problem or self._presented()

    async def renew(self, link: Link, refused: Presented) -> Presented | CredentialProblem:
        self.renewed += 1
        if self.refusal is not None:
            return self.refusal
        self.tokens = [*self.tokens[1:], self.tokens[0]]
        return self._presented()

    async def facts(self, link: Link) -> CredentialFacts | CredentialProblem:
        return self.problem or CredentialFacts(version=self._presented().version)

    async def refresh(self, link: Link) -> CredentialFacts | CredentialProblem:
        return await self.facts(link)

    def _presented(self) -> Presented:
        token = SecretText(self.tokens[0])
        return Presented(
            headers={"Authorization": SecretText(f"Bearer {self.tokens[0]}")},
            query=self.query,
            sign=self.sign,
            version=str(hash(self.tokens[0])),
            secrets=(token, *self.query.values()),
        )


@dataclass
class Figures:
    """egress.call.CallMetrics that remembers."""

    calls: list[tuple[str, str, str]] = field(default_factory=list)
    sent: int = 0
    received: int = 0
    circuits: list[tuple[str, str]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def observe_call(
        self, provider: str, purpose: str, outcome: str, seconds: float, *, sent: int, received: int
    ) -> None:
        assert seconds >= 0
        self.calls.append((provider, purpose, outcome))
        self.sent += sent
        self.received += received

    def observe_rate_wait(self, provider: str, seconds: float) -> None:
        self.waits.append(seconds)

    def set_circuit(self, namespace: str, name: str, state: str) -> None:
        self.circuits.append((name, state))

    def drop_circuit(self, namespace: str, name: str) -> None:
        self.circuits.append((name, "gone"))


@dataclass
class Stage:
    """Everything around one pipeline. `restart` builds another one on the same store."""

    egress: StreamingEgress
    store: Any  # MemoryStore, or a real one
    clock: Clock
    entropy: Entropy
    cache: ResponseCache
    vault: Vault = field(default_factory=Vault)
    figures: Figures = field(default_factory=Figures)
    calls: CallPipeline = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> CallPipeline:
        self.calls = CallPipeline(
            self.egress,
            self.vault,
            self.store,
            self.cache,
            expressions=EXPRESSIONS,
            clock=self.clock,
            entropy=self.entropy,
            metrics=self.figures,
        )
        return self.calls


def stage(egress: StreamingEgress, clock: Clock | None = None, **more: Any) -> Stage:
    """A stage on any egress, in memory unless told."""
    clock = clock or WallClock()
    return Stage(
        egress,
        more.pop("store", None) or MemoryStore(clock, shared=more.pop("shared", False)),
        clock,
        more.pop("entropy", None) or QuickEntropy(),
        more.pop("cache", None) or MemoryCache(clock.monotonic),
        **more,
    )


@dataclass
class ScriptedEgress:
    """ports.StreamingEgress in memory: `answers` in turn, the last one for ever; each takes `seconds`."""

    answers: list[HttpResponse | HttpFailure]
    seconds: float = 0.0
    sent_at: list[float] = field(default_factory=list)

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        self.sent_at.append(asyncio.get_running_loop().time())
        if self.seconds:
            await asyncio.sleep(self.seconds)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def open(
        self, request: HttpRequest, body: AsyncIterable[bytes] | None = None
    ) -> HttpStream | HttpFailure:
        raise AssertionError("nothing is streamed here")


def reply(status: int = 200, **headers: str) -> HttpResponse:
    """An answer without a body; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, named, b"", truncated=False, elapsed_seconds=0.01)


SILENCE = HttpFailure(Failure.TIMEOUT, "no answer", 0.5)

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FarEnd:
    """A server on loopback. `answer` may be replaced; `seen` are the requests as they came."""

    answer: Answering
    port: int = 0
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://{HOST}:{self.port}/api"

    def link(self, *, provider: Mapping[str, Any] | None = None, **more: Any) -> Link:
        return link(provider={"baseUrl": self.base, **(provider or {})}, **more)


async def _ok(_request: web.Request) -> web.StreamResponse:
    return web.json_response({"ok": True})


@asynccontextmanager
async def far_end(*, read_bodies: bool = True) -> AsyncIterator[FarEnd]:
    """Serve until the end of the block."""
    served = FarEnd(_ok)

    async def handle(request: web.Request) -> web.StreamResponse:
        served.seen.append(request)
        if read_bodies:
            served.bodies.append(await request.read())
        return await served.answer(request)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        served.port = int(runner.addresses[0][1])
        yield served
    finally:
        await runner.cleanup()


@asynccontextmanager
async def way_out(*ports: int) -> AsyncIterator[GuardedEgress]:
    """The real egress, allowed to reach these ports of loopback under HOST."""
    transport = AiohttpTransport()
    resolver = SystemResolver({HOST: "127.0.0.1"})
    allow = AllowList.parse([f"127.0.0.0/8:{port}" for port in ports])
    assert isinstance(allow, AllowList)
    try:
        yield GuardedEgress(transport, resolver, AddressPolicy(allow))
    finally:
        await transport.close()
        await resolver.close()


def get(path: str = "/me", **more: Any) -> CallRequest:
    return CallRequest("GET", path, **more)


def post(path: str = "/things", **more: Any) -> CallRequest:
    return CallRequest("POST", path, **more)


def messages(store: MemoryStore) -> Sequence[str]:
    return [record.message for record in store.calls]
