"""What is known of every list and watch of the feed: the book that /readyz and the supervisor read.

Written in kopf's thread from its HTTP traffic, read in the main thread. Every write is one assignment of
a plain value, which the interpreter makes whole; nobody acts on two of them being consistent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from integration_hub.ports import Resource

_BOOKMARK_SECONDS = 90.0
"""The API server sends one about every minute."""


class ByteCounter(Protocol):
    """An open response's body. Bookmarks are bytes too, so a healthy watch never rests for long."""

    @property
    def total_bytes(self) -> int: ...


@dataclass(slots=True)
class Stream:
    """One kind in one namespace (None: everywhere). Times are monotonic seconds."""

    resource: Resource
    namespace: str | None
    asked: bool = False
    listing: bool = False
    listed: bool = False
    open: bool = False
    heard_at: float = 0.0
    trouble: str = ""
    body: ByteCounter | None = None
    seen_bytes: int = 0

    @property
    def name(self) -> str:
        kind = f"{self.resource.plural}.{self.resource.group}".rstrip(".")
        return f"{kind} in {self.namespace}" if self.namespace else kind


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream at one moment, for people and machines. `silent_seconds`: since its last byte."""

    name: str
    open: bool
    silent_seconds: float
    trouble: str


class StreamBook:
    """All streams of one run of the feed, found by the path of a request."""

    def __init__(
        self,
        resources: Sequence[Resource],
        namespaces: Sequence[str],
        monotonic: Callable[[], float],
        *,
        on_listed: Callable[[], None],
        on_trouble: Callable[[str, str], None],
    ) -> None:
        self._monotonic = monotonic
        self._on_listed = on_listed
        self._on_trouble = on_trouble
        self._streams: dict[str, Stream] = {}
        self._discovery = {f"/apis/{resource.group}/{resource.version}" for resource in resources}
        self.discovered_at: float | None = None
        for resource in resources:
            for namespace in namespaces or (None,):
                stream = Stream(resource, namespace if resource.namespaced else None)
                self._streams.setdefault(_path(stream), stream)

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams.values())

    def find(self, path: str) -> Stream | None:
        return self._streams.get(path)

    # ------------------------------------------------------------------ written by the traffic

    def answered(self, path: str, *, watching: bool, status: int, body: ByteCounter) -> None:
        """The API server answered a request for `path`; its headers are here, its body is to come."""
        if path in self._discovery and status == 200:
            self.discovered_at = self._monotonic()
        stream = self._streams.get(path)
        if stream is None:
            return
        stream.asked = True
        stream.heard_at = self._monotonic()
        if status != 200:
            self._lost(stream, f"the API server answered {status}")
            return
        if not watching:
            stream.listing = True
            stream.open = False
            return
        stream.seen_bytes = 0
        stream.body = body
        stream.open = True
        if stream.trouble:
            stream.trouble = ""
            self._on_trouble(stream.name, "")
        if stream.listing:
            stream.listing, stream.listed = False, True
            self._on_listed()

    def failed(self, path: str, reason: str) -> None:
        """No answer came to a request for `path`."""
        stream = self._streams.get(path)
        if stream is not None:
            stream.asked = True
            self._lost(stream, reason)

    def _lost(self, stream: Stream, reason: str) -> None:
        stream.open = False
        stream.body = None
        if stream.trouble != reason:
            stream.trouble = reason
            self._on_trouble(stream.name, reason)

    # ------------------------------------------------------------------ read by the supervisor

    def sample(self) -> None:
        """Look at how many bytes each open watch has brought by now. Call about every second."""
        now = self._monotonic()
        for stream in self._streams.values():
            body = stream.body
            if body is not None and body.total_bytes != stream.seen_bytes:
                stream.seen_bytes = body.total_bytes
                stream.heard_at = now

    def good(self) -> bool:
        """Every watch is open and was heard of within the time in which a bookmark is due."""
        return all(stream.open for stream in self._streams.values()) and not self.silent(_BOOKMARK_SECONDS)

    def listed(self) -> bool:
        """Every stream has brought one whole list."""
        return all(stream.listed for stream in self._streams.values())

    def busy(self) -> bool:
        """A list is still going on, or has yet to begin."""
        return any(stream.listing or not stream.listed for stream in self._streams.values())

    def silent(self, seconds: float) -> list[str]:
        """Names of the open watches that have brought nothing for so long: dead, not quiet."""
        now = self._monotonic()
        return [
            stream.name
            for stream in self._streams.values()
            if stream.open and now - stream.heard_at > seconds
        ]

    def missing(self, seconds: float) -> list[str]:
        """Names of the kinds that were never asked for since discovery: the API server does not know them."""
        if self.discovered_at is None or self._monotonic() - self.discovered_at < seconds:
            return []
        return [stream.name for stream in self._streams.values() if not stream.asked]

    def states(self) -> tuple[StreamState, ...]:
        now = self._monotonic()
        return tuple(
            StreamState(
                stream.name,
                stream.open,
                round(now - stream.heard_at, 1) if stream.heard_at else 0.0,
                stream.trouble,
            )
            for stream in self._streams.values()
        )


@dataclass(frozen=True, slots=True)
class FeedState:
    """The feed at one moment, for /readyz. Times in seconds; `last_event_age` is None before the first.

    `good_age` is how old the last known good view is: 0 while every watch is open and heard.
    """

    running: bool
    listed: bool
    good_age: float | None
    uptime: float
    restarts: int
    events: int
    last_event_age: float | None
    last_end: str
    streams: tuple[StreamState, ...] = field(default=())

    @property
    def alive(self) -> bool:
        return self.running and self.good_age == 0.0


def _path(stream: Stream) -> str:
    resource = stream.resource
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    middle = f"/namespaces/{stream.namespace}" if stream.namespace else ""
    return f"{root}{middle}/{resource.plural}"
