"""`send()`: guard, then connect. Every byte to an address that somebody else chose goes this way.

One request passes, in order: the URL rules, a place among the requests in flight, one name
resolution, the address table for *every* answer, and a connection to one of the addresses that
were checked (there is no second resolution, so a name cannot change its mind in between). What is
logged is host, status and milliseconds: never a path, a query or a header.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Self

from integration_hub.domain import url as urls
from integration_hub.domain.address import AddressPolicy, Refused, check, parse_literal
from integration_hub.domain.url import Target, UrlProblem
from integration_hub.egress.lanes import Lanes
from integration_hub.egress.request_log import RequestLog
from integration_hub.ports import (
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    PinnedRequest,
    Resolution,
    Resolver,
    Transport,
)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"}
    | {"proxy-authorization", "proxy-connection", "expect"}
)
MAX_HEADER_BYTES = 16_384
MAX_TIMEOUT_SECONDS = 300.0
MAX_RESPONSE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EgressLimits:
    """How much may be under way.

    `in_flight` counts those that wait as well: beyond it, further ones fail at once as overloaded.
    `at_once` are really being sent, of them so many for one host and for one namespace.
    """

    in_flight: int = 2_048
    at_once: int = 128
    at_once_per_host: int = 64
    at_once_per_namespace: int = 32

    @classmethod
    def of(cls, connections: int) -> Self:
        """Limits for so many connections: half of them for one host, a quarter for one namespace.

        So no host can take all of them, and no namespace all that there is for one host.
        """
        return cls(
            in_flight=max(20 * connections, 1_024),
            at_once=connections,
            at_once_per_host=min(connections, max(16, connections // 2)),
            at_once_per_namespace=min(connections, max(8, connections // 4)),
        )


@dataclass(slots=True)
class GuardedEgress:
    """`ports.Egress`. Build one per process; it belongs to one event loop."""

    transport: Transport
    resolver: Resolver
    policy: AddressPolicy = field(default_factory=AddressPolicy)
    limits: EgressLimits = field(default_factory=EgressLimits)
    cluster_domain: str = "cluster.local"
    monotonic: Callable[[], float] = time.monotonic
    _in_flight: int = 0
    _by_namespace: Lanes = field(init=False)
    _by_host: Lanes = field(init=False)
    _all: Lanes = field(init=False)
    _log: RequestLog = field(init=False)

    def __post_init__(self) -> None:
        self._by_namespace = Lanes(self.limits.at_once_per_namespace)
        self._by_host = Lanes(self.limits.at_once_per_host)
        self._all = Lanes(self.limits.at_once)
        self._log = RequestLog(self.monotonic)

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """See `ports.Egress.send`. The deadline covers waiting, resolving, connecting and reading."""
        started = self.monotonic()
        target = urls.parse(
            request.url,
            trust=request.destination.trust,
            namespace=request.destination.namespace,
            cluster_domain=self.cluster_domain,
        )
        outcome: HttpResponse | HttpFailure
        if isinstance(target, UrlProblem):
            outcome, host = HttpFailure(Failure.INVALID_URL, _sentence(target.message)), "(refused)"
        else:
            outcome, host = await self._admit(request, target, started), target.host
        elapsed = self.monotonic() - started
        outcome = replace(outcome, elapsed_seconds=elapsed)
        self._log.tell(request, host, outcome)
        return outcome

    async def _admit(
        self, request: HttpRequest, target: Target, started: float
    ) -> HttpResponse | HttpFailure:
        problem = _header_problem(request)
        if problem:
            return HttpFailure(Failure.PROTOCOL, problem)
        if self._in_flight >= self.limits.in_flight:
            return HttpFailure(
                Failure.OVERLOADED,
                f"{self._in_flight} requests are under way already; this one to {target.host} was not sent",
            )
        deadline = started + min(max(request.timeout_seconds, 0.001), MAX_TIMEOUT_SECONDS)
        self._in_flight += 1
        try:
            return await self._in_turn(request, target, deadline)
        finally:
            self._in_flight -= 1

    async def _in_turn(
        self, request: HttpRequest, target: Target, deadline: float
    ) -> HttpResponse | HttpFailure:
        """Wait for a place, then send. Only what was sent and not answered is the far end's fault."""
        lanes = (
            (self._by_namespace, request.destination.namespace),
            (self._by_host, (target.host, target.port)),
            (self._all, None),
        )
        async with AsyncExitStack() as places:
            try:
                async with asyncio.timeout(deadline - self.monotonic()):
                    for lane, key in lanes:
                        await places.enter_async_context(lane.place(key))
            except TimeoutError:
                return HttpFailure(
                    Failure.OVERLOADED,
                    f"no place among the requests under way came free in time; this one to {target.host} was "
                    "not sent",
                )
            try:
                async with asyncio.timeout(deadline - self.monotonic()):
                    return await self._guarded(request, target, deadline)
            except TimeoutError:
                return HttpFailure(
                    Failure.TIMEOUT,
                    f"{target.host} gave no complete answer within {request.timeout_seconds:g} s",
                )

    async def _guarded(
        self, request: HttpRequest, target: Target, deadline: float
    ) -> HttpResponse | HttpFailure:
        if target.literal is not None:
            found: Resolution | HttpFailure = Resolution((str(target.literal),))
        else:
            found = await self.resolver.resolve(target.host, timeout_seconds=deadline - self.monotonic())
        if isinstance(found, HttpFailure):
            return found
        refusal = self._refusal(request, target, found)
        if refusal:
            return HttpFailure(Failure.BLOCKED, refusal)
        return await self.transport.exchange(
            PinnedRequest(
                method=request.method,
                scheme="https" if target.scheme == "https" else "http",
                host=target.host,
                authority=target.authority,
                port=target.port,
                path=target.path,
                addresses=found.addresses,
                headers=request.headers,
                body=request.body,
                timeout_seconds=max(deadline - self.monotonic(), 0.001),
                max_response_bytes=min(request.max_response_bytes, MAX_RESPONSE_BYTES),
            )
        )

    def _refusal(self, request: HttpRequest, target: Target, found: Resolution) -> str:
        """Why these answers must not be connected to, or empty. One bad answer refuses them all."""
        trust = request.destination.trust
        if not found.addresses:
            return f"{target.host} has no address"
        if trust == "product" and not target.needs_listing and not _stays_home(target.host, found):
            return (
                f"Service {target.host} is an alias for {found.canonical_name}: a product must be a Service "
                "of its own namespace, not an ExternalName"
            )
        for text in found.addresses:
            address = parse_literal(text)
            if address is None:
                return f"{target.host} resolves to {text!r}, which is no plain address"
            verdict = check(address, target.port, self.policy, trust)
            if isinstance(verdict, Refused):
                where = (
                    f"{target.host} is"
                    if target.literal
                    else f"{target.host} resolves to {address}, which is"
                )
                return f"{where} closed ({verdict.reason}); {_ask(address, target.port)}"
            if target.needs_listing and not verdict.listed:
                return f"{target.needs_listing}; otherwise {_ask(address, target.port)}"
        return ""


def _stays_home(host: str, found: Resolution) -> bool:
    """Whether the canonical name is still the Service itself: `<host>` or `<host>.<cluster domain>`."""
    canonical = found.canonical_name.lower().removesuffix(".")
    return not canonical or canonical == host or canonical.startswith(f"{host}.")


def _ask(address: object, port: int) -> str:
    shown = f"{address}/128:{port}" if ":" in str(address) else f"{address}/32:{port}"
    return f"an administrator may open it by adding {shown} to the egress allow-list"


def _header_problem(request: HttpRequest) -> str:
    size = 0
    for name, value in request.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            return "a request header has an invalid name"
        if name.lower() in _OURS:
            return f"the request header {name} is set by the hub itself and cannot be given"
        if not _HEADER_VALUE.fullmatch(value):
            return f"the value of request header {name} holds a line break or a character that cannot be sent"
        size += len(name) + len(value) + 4
    if size > MAX_HEADER_BYTES:
        return f"the request headers are larger than {MAX_HEADER_BYTES} bytes"
    if not request.method.isalpha() or not request.method.isupper():
        return "the request method is not one"
    return ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
