"""`send()`: guard, then connect. Every byte to an address that somebody else chose goes this way.

One request passes, in order: the URL rules, a place among the requests in flight, one name
resolution, the address table for *every* answer, and a connection to one of the addresses that
were checked (there is no second resolution, so a name cannot change its mind in between). What is
logged is host, status and milliseconds: never a path, a query or a header.

Whoever chose a name is not told what it resolves to, nor what kind of address that is: with names of
their own choice they could draw a map of the inside. The log tells administrators.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Self

from integration_hub.domain import url as urls
from integration_hub.domain.address import (
    Address,
    AddressPolicy,
    Refused,
    Trust,
    check,
    opens_any,
    parse_literal,
    range_name,
)
from integration_hub.domain.url import Target, UrlProblem
from integration_hub.egress.lanes import Lanes
from integration_hub.egress.request_log import RequestLog
from integration_hub.ports import (
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    HttpStream,
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
    """`ports.StreamingEgress`. Build one per process; it belongs to one event loop."""

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
        target = self._target(request)
        outcome: HttpResponse | HttpFailure
        if isinstance(target, HttpFailure):
            outcome, host = target, "(refused)"
        else:
            outcome, host = await self._send(request, target, started), target.host
        outcome = replace(outcome, elapsed_seconds=self.monotonic() - started)
        self._log.tell(request, host, outcome)
        return outcome

    async def open(
        self, request: HttpRequest, body: AsyncIterable[bytes] | None = None
    ) -> HttpStream | HttpFailure:
        """See `ports.StreamingEgress.open`. The places among those under way are held until it is closed."""
        started = self.monotonic()
        target = self._target(request)
        if isinstance(target, HttpFailure):
            self._log.tell(request, "(refused)", target)
            return target
        async with AsyncExitStack() as places:
            refused = await self._admit(request, target, started, places)
            outcome = refused or await self._open(request, target, body, started)
            if isinstance(outcome, HttpFailure):
                outcome = replace(outcome, elapsed_seconds=self.monotonic() - started)
                self._log.tell(request, target.host, outcome)
                return outcome
            self._log.tell(request, target.host, HttpResponse(outcome.status, {}, b"", False, 0.0))
            return _HeldStream(outcome, places.pop_all())

    def _target(self, request: HttpRequest) -> Target | HttpFailure:
        target = urls.parse(
            request.url,
            trust=request.destination.trust,
            namespace=request.destination.namespace,
            cluster_domain=self.cluster_domain,
        )
        if isinstance(target, UrlProblem):
            return HttpFailure(Failure.INVALID_URL, _sentence(target.message))
        return target

    async def _send(self, request: HttpRequest, target: Target, started: float) -> HttpResponse | HttpFailure:
        async with AsyncExitStack() as places:
            refused = await self._admit(request, target, started, places)
            if refused is not None:
                return refused
            deadline = started + _seconds(request)
            try:
                async with asyncio.timeout(deadline - self.monotonic()):
                    pinned = await self._pin(request, target, deadline)
                    if isinstance(pinned, HttpFailure):
                        return pinned
                    return await self.transport.exchange(pinned)
            except TimeoutError:
                return _late(request, target)

    async def _open(
        self, request: HttpRequest, target: Target, body: AsyncIterable[bytes] | None, started: float
    ) -> HttpStream | HttpFailure:
        deadline = started + _seconds(request)
        try:
            async with asyncio.timeout(deadline - self.monotonic()):
                pinned = await self._pin(request, target, deadline)
        except TimeoutError:
            return _late(request, target)
        if isinstance(pinned, HttpFailure):
            return pinned
        return await self.transport.open(replace(pinned, timeout_seconds=_seconds(request)), body)

    async def _admit(
        self, request: HttpRequest, target: Target, started: float, places: AsyncExitStack
    ) -> HttpFailure | None:
        """Wait for a place, held by `places`. Only what was sent and not answered is the far end's fault."""
        problem = _header_problem(request)
        if problem:
            return HttpFailure(Failure.PROTOCOL, problem)
        if self._in_flight >= self.limits.in_flight:
            return HttpFailure(
                Failure.OVERLOADED,
                f"{self._in_flight} requests are under way already; this one to {target.host} was not sent",
            )
        self._in_flight += 1
        places.callback(self._leave)
        lanes = (
            (self._by_namespace, request.destination.namespace),
            (self._by_host, (target.host, target.port)),
            (self._all, None),
        )
        try:
            for lane, key in lanes:
                if not lane.enter_now(key):
                    async with asyncio.timeout(started + _seconds(request) - self.monotonic()):
                        await lane.enter(key)
                places.callback(lane.leave, key)
        except TimeoutError:
            return HttpFailure(
                Failure.OVERLOADED,
                f"no place among the requests under way came free in time; this one to {target.host} was "
                "not sent",
            )
        return None

    def _leave(self) -> None:
        self._in_flight -= 1

    async def _pin(
        self, request: HttpRequest, target: Target, deadline: float
    ) -> PinnedRequest | HttpFailure:
        """Resolve once and check every address. A name that nothing could open is not even looked up."""
        if target.literal is None and target.needs_listing and not opens_any(self.policy, target.port):
            return HttpFailure(Failure.BLOCKED, _closed(target))
        if target.literal is not None:
            found: Resolution | HttpFailure = Resolution((str(target.literal),))
        else:
            found = await self.resolver.resolve(target.host, timeout_seconds=deadline - self.monotonic())
        if isinstance(found, HttpFailure):
            return found
        refusal = self._refusal(request, target, found)
        if refusal is not None:
            return refusal
        return PinnedRequest(
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
            gzip=request.gzip,
            body_length=request.body_length,
        )

    def _refusal(self, request: HttpRequest, target: Target, found: Resolution) -> HttpFailure | None:
        """Why these answers must not be connected to, if so. One bad answer refuses them all."""
        trust = request.destination.trust
        if not found.addresses:
            return HttpFailure(Failure.BLOCKED, f"{target.host} has no address")
        if trust == "product" and not target.needs_listing and not _stays_home(target.host, found):
            message = (
                f"Service {target.host} is an alias: a product must be a Service of its own namespace, no "
                "ExternalName"
            )
            return HttpFailure(Failure.BLOCKED, message, inside=f"alias for {found.canonical_name}")
        for text in found.addresses:
            address = parse_literal(text)
            verdict = (
                Refused("no plain address") if address is None else self._verdict(address, target, trust)
            )
            if isinstance(verdict, Refused):
                return HttpFailure(Failure.BLOCKED, _closed(target), inside=f"{text}: {verdict.reason}")
        return None

    def _verdict(self, address: Address, target: Target, trust: Trust) -> Refused | None:
        verdict = check(address, target.port, self.policy, trust)
        if isinstance(verdict, Refused):
            return verdict
        return Refused("not on the allow-list") if target.needs_listing and not verdict.listed else None


@dataclass(slots=True)
class _HeldStream:
    """A stream and the places it takes."""

    stream: HttpStream
    places: AsyncExitStack

    @property
    def status(self) -> int:
        return self.stream.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.stream.headers

    @property
    def elapsed_seconds(self) -> float:
        return self.stream.elapsed_seconds

    def chunks(self) -> AsyncIterator[bytes]:
        return self.stream.chunks()

    async def close(self) -> None:
        try:
            await self.stream.close()
        finally:
            await self.places.aclose()


def _seconds(request: HttpRequest) -> float:
    return min(max(request.timeout_seconds, 0.001), MAX_TIMEOUT_SECONDS)


def _late(request: HttpRequest, target: Target) -> HttpFailure:
    return HttpFailure(
        Failure.TIMEOUT, f"{target.host} gave no complete answer within {request.timeout_seconds:g} s"
    )


def _stays_home(host: str, found: Resolution) -> bool:
    """Whether the canonical name is still the Service itself: `<host>` or `<host>.<cluster domain>`."""
    canonical = found.canonical_name.lower().removesuffix(".")
    return not canonical or canonical == host or canonical.startswith(f"{host}.")


def _closed(target: Target) -> str:
    """Of an address that somebody wrote, what they could look up themselves; of a name's, nothing."""
    literal = target.literal
    if literal is None:
        why = target.needs_listing or f"{target.host} leads to an address that is closed"
        entry = f"its address with port {target.port}"
    else:
        closed = f"{literal} is closed ({range_name(literal) or 'by the administrator'})"
        why = closed if range_name(literal) else target.needs_listing or closed
        entry = f"{literal}/{literal.max_prefixlen}:{target.port}"
    return f"{why}; an administrator may open it by adding {entry} to the egress allow-list"


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
