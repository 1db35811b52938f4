"""Calls to outside systems, with everything that belongs to one: what egress offers above `send()`."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self

from integration_hub.api.reasons import Reason
from integration_hub.ports.link import Link
from integration_hub.ports.problem import Problem


class Purpose(StrEnum):
    """Why a call is made: in logs, audit and metrics."""

    CALL = "call"
    PROBE = "probe"
    TEST = "test"
    WIDGET = "widget"
    TOKEN = "token"  # noqa: S105 - a purpose
    ROTATION = "rotation"
    SYNC = "sync"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One call through a Link.

    `path` is appended to the provider's base as it stands (it may hold a query); `query` is added.
    `caller` is the user on whose behalf (empty: the hub itself). `trace` holds W3C `traceparent` and
    `tracestate`. `timeout_seconds` None: the Integration's. `wait_seconds`: how long a full budget may
    be waited for (0: fail at once). `cache_seconds` > 0: a GET's answer may come from, and is put
    into, the response cache. `retry`: False where the caller repeats by itself (probes). `repeatable`: it
    changes nothing although its method does not say so (a search by POST), so that it may be sent again.
    """

    method: str
    path: str = field(repr=False)
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    purpose: Purpose = Purpose.CALL
    caller: str = ""
    correlation_id: str = ""
    trace: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str = ""
    timeout_seconds: float | None = None
    wait_seconds: float = 0.0
    max_response_bytes: int = 8 * 1024 * 1024
    cache_seconds: int = 0
    retry: bool = True
    repeatable: bool = False
    probing: bool = False
    body_length: int | None = None


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """What a call came to, complete.

    `reason` is CONNECTED exactly when the far end answered and its provider's rules call that a
    success. `status` 0: no answer. Header names are lower-case; hop-by-hop headers and cookies are
    left out. `problem` is set unless it succeeded. `attempts` counts requests sent; 0 with `cached`,
    or when nothing was sent.
    """

    reason: Reason
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    truncated: bool = False
    detail: str = ""
    retry_after: float | None = None
    elapsed_seconds: float = 0.0
    attempts: int = 0
    cached: bool = False
    problem: Problem | None = None

    @property
    def success(self) -> bool:
        return self.reason is Reason.CONNECTED


class CallStream(Protocol):
    """An answer whose body has not been read. Use it as an asynchronous context manager."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names; hop-by-hop headers and cookies left out."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises PortError if the far end breaks off."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *raised: object) -> None: ...


class Calls(Protocol):
    """guard → budget → breaker → credentials → send → classify → retry → log, for every purpose."""

    async def call(self, link: Link, request: CallRequest) -> CallAnswer:
        """Never raises for what the far end does."""
        ...

    async def stream(
        self, link: Link, request: CallRequest, body: AsyncIterable[bytes] | None = None
    ) -> CallStream | CallAnswer:
        """The same with bodies passed through as they come, never held whole, and never repeated.

        A CallAnswer where nothing can be streamed: it then carries a problem. What `body` raises while
        it is sent is raised here.
        """
        ...

    def forget_answers(self, link_uid: str) -> None:
        """Drop what the response cache holds of this connection: its spec changed, or a hook came in."""
        ...
