"""The way out: what egress offers, and the wire and the resolver that it stands on."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from integration_hub.ports.base import PortError


@dataclass(frozen=True, slots=True)
class Destination:
    """Whose address this is, which decides what it may reach (design: where bytes may go).

    `tenant`: an outside system, public addresses and the administrator's allow-list only.
    `product`: Services of `namespace` only, plus the allow-list; a dotless host becomes
    `<host>.<namespace>.svc`. `administrator`: what the hub's own settings name, such as the issuer of
    callers' tokens: https, in private networks too.
    """

    trust: Literal["tenant", "product", "administrator"]
    namespace: str


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One outbound request. URL, headers and body may hold secrets: none is ever logged or shown by repr.

    `gzip`: the answer may travel compressed; it is unpacked, up to `max_response_bytes`. `streamed`: the
    body is handed over apart, as it comes, and `body` is empty: a signature cannot cover it.
    `body_length`: of a streamed body, where it is known; else it travels in chunks.
    """

    method: str
    url: str = field(repr=False)
    destination: Destination
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout_seconds: float = 30.0
    max_response_bytes: int = 65_536
    gzip: bool = False
    streamed: bool = False
    body_length: int | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete answer, body capped (`truncated` says so). Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    elapsed_seconds: float


class Failure(StrEnum):
    """Why no answer came. Stable words: they end up in condition reasons."""

    BLOCKED = "AddressBlocked"
    INVALID_URL = "InvalidURL"
    DNS = "NameNotResolved"
    CONNECT = "ConnectionFailed"
    TLS = "TLSFailed"
    TIMEOUT = "Timeout"
    PROTOCOL = "ProtocolError"
    OVERLOADED = "EgressOverloaded"


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """No answer. `message` is fit for a user: it names host and cause, never a query or a secret.

    `inside` is for the administrator's log alone: what a name resolved to, and why that is closed.
    """

    failure: Failure
    message: str
    elapsed_seconds: float = 0.0
    inside: str = field(default="", repr=False)


class Egress(Protocol):
    """The one way out for every byte to an address that a tenant can influence."""

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Guarded, pinned, capped; follows no redirect; never raises for what the far end does."""
        ...


class HttpStream(Protocol):
    """An answer whose head has come and whose body has not. Whoever has it must `close` it.

    Header names are lower-case. `elapsed_seconds` is the time until the head came.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def elapsed_seconds(self) -> float: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, no faster than it is taken. Raises StreamBrokenError."""
        ...

    async def close(self) -> None:
        """Let go: a body that was not read to its end closes the connection. May be called twice."""
        ...


class StreamBrokenError(PortError):
    """A body ended before its end. `failure.message` is fit for a user."""

    def __init__(self, failure: HttpFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class StreamingEgress(Egress, Protocol):
    """The way out for bodies of any length as well."""

    async def open(
        self, request: HttpRequest, body: AsyncIterable[bytes] | None = None
    ) -> HttpStream | HttpFailure:
        """As `send`, but bodies pass through as they come.

        `timeout_seconds` is how long nothing may move: until the head comes, and from one piece to the
        next. `body` needs `request.streamed`. What `body` itself raises is raised here.
        """
        ...


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name stands for: its addresses in order of preference, and its canonical name if known."""

    addresses: Sequence[str]
    canonical_name: str = ""


class Resolver(Protocol):
    """Name to addresses. Decides nothing: every answer is checked by the caller."""

    async def resolve(self, host: str, *, timeout_seconds: float) -> Resolution | HttpFailure: ...


@dataclass(frozen=True, slots=True)
class PinnedRequest:
    """A request whose addresses were checked: connect to one of these and to no other.

    `host` goes into SNI and is what the certificate must be for; `authority` into the Host header;
    `path` (with query) goes on the wire as it is.
    """

    method: str
    scheme: Literal["http", "https"]
    host: str
    authority: str
    port: int
    path: str = field(repr=False)
    addresses: Sequence[str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeout_seconds: float
    max_response_bytes: int
    gzip: bool = False
    body_length: int | None = None


class Transport(Protocol):
    """The wire underneath `Egress`. Follows no redirect, uses no proxy, unpacks only what was asked for."""

    async def exchange(self, request: PinnedRequest) -> HttpResponse | HttpFailure: ...

    async def open(
        self, request: PinnedRequest, body: AsyncIterable[bytes] | None = None
    ) -> HttpStream | HttpFailure:
        """See `StreamingEgress.open`."""
        ...
