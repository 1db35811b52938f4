"""Durable data: what must outlive the process and is no Kubernetes object.

Small protocols by subject; one store fulfils them all. Times are aware UTC. Whatever is recorded by
a plain method is buffered and durable within a second (a kill -9 may lose that second); whatever is
awaited is committed when it returns. What a process recorded, it finds again at once. Methods that are
awaited raise StoreError when the database cannot be used; recording never raises and never waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from integration_hub.ports.base import PortError

Level = Literal["debug", "info", "warn", "error"]
FIGURES_KEPT = timedelta(hours=48)
"""How far back sums of calls by the minute go. Those since the first call stay."""


class StoreError(PortError):
    """The database cannot be reached or used."""


# --------------------------------------------------------------------------- request logs and figures


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One attempt of one call, redacted before it gets here. `id` is given by the store, growing.

    `outcome` is a Reason's word; `status` 0 without an answer. `request_body` and `response_body` are
    empty unless spec.logging.bodies asks for them.
    """

    at: datetime
    namespace: str
    integration: str
    integration_uid: str
    provider: str
    purpose: str
    caller: str
    correlation_id: str
    method: str
    path: str
    status: int
    outcome: str
    success: bool
    milliseconds: float
    attempt: int
    bytes_sent: int
    bytes_received: int
    message: str
    level: Level
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    request_body: str = ""
    response_body: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Newest first. `levels` empty: all. `before`: id of the last entry of the page before."""

    namespace: str
    integration_uid: str = ""
    levels: Sequence[Level] = ()
    since: datetime | None = None
    before: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class CallFigures:
    """Sums over a window, or since the first call where no window is asked for. Probes count as calls.

    `untimed`: of `total`, those that took no time, since they were refused before anything was sent.
    """

    total: int = 0
    successful: int = 0
    failed: int = 0
    milliseconds: float = 0.0
    bytes_sent: int = 0
    bytes_received: int = 0
    last_activity: datetime | None = None
    untimed: int = 0

    @property
    def average_milliseconds(self) -> float | None:
        """Of the calls that took any; None where there were none."""
        timed = self.total - self.untimed
        return self.milliseconds / timed if timed > 0 else None


@dataclass(frozen=True, slots=True)
class FiguresPoint:
    """Sums of one minute, for trends and anomalies."""

    at: datetime
    figures: CallFigures


class CallLog(Protocol):
    """Requests, and what they add up to. Figures outlive the retention of single entries."""

    def record_call(self, record: CallRecord) -> None: ...

    async def find_calls(self, query: CallQuery) -> Sequence[CallRecord]: ...

    async def call_figures(
        self, namespace: str, uids: Sequence[str], *, since: datetime | None = None
    ) -> Mapping[str, CallFigures]:
        """By Integration uid; those without a call are left out. `uids` empty: all of the namespace.

        Sums are kept by the minute, for FIGURES_KEPT: `since` counts from the beginning of its minute.
        """
        ...

    async def call_series(self, uid: str, *, since: datetime) -> Sequence[FiguresPoint]:
        """The minutes that saw a call, oldest first, from the one of `since` on."""
        ...

    async def forget_integration(self, uid: str) -> None:
        """The Integration is gone: drop its figures, health, breaker and windows; logs age by themselves.

        Its windows are those with the key `uid` or `uid/...`.
        """
        ...


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One use of a credential, or one thing somebody did. `outcome`: allowed, denied, failed."""

    at: datetime
    namespace: str
    actor: str
    action: str
    resource: str
    name: str
    outcome: str
    detail: str = ""
    correlation_id: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    namespace: str
    name: str = ""
    actor: str = ""
    since: datetime | None = None
    before: str = ""
    limit: int = 100


class AuditLog(Protocol):
    def record_audit(self, record: AuditRecord) -> None: ...

    async def find_audit(self, query: AuditQuery) -> Sequence[AuditRecord]: ...


# --------------------------------------------------------------------------- health


@dataclass(frozen=True, slots=True)
class HealthPoint:
    """One check. `milliseconds` None without an answer."""

    at: datetime
    uid: str
    success: bool
    milliseconds: float | None


@dataclass(frozen=True, slots=True)
class HealthWindow:
    """Checks within a window. `milliseconds` is of the last answer."""

    checks: int = 0
    failures: int = 0
    milliseconds: float | None = None
    last_check: datetime | None = None


class HealthLog(Protocol):
    def record_health(self, point: HealthPoint) -> None: ...

    async def health_windows(self, uids: Sequence[str], *, since: datetime) -> Mapping[str, HealthWindow]:
        """By uid; those without a check are left out. `since` counts from the beginning of its minute."""
        ...


# --------------------------------------------------------------------------- state shared by replicas


@dataclass(frozen=True, slots=True)
class WindowLimit:
    """At most `requests` within the last `seconds`."""

    requests: int
    seconds: int


class Windows(Protocol):
    """Sliding windows of calls, shared by all replicas, remembered over restarts."""

    async def take(self, key: str, limits: Sequence[WindowLimit], now: datetime) -> float:
        """Count one call if every limit allows it: 0.0. Else seconds until it may be tried again.

        Never lets more through than a limit says. A window of up to 1,000 calls is kept to the millisecond;
        beyond that a call may count up to a 500th of the window too long.
        """
        ...

    async def hold(self, key: str, until: datetime) -> None:
        """The far end asked for quiet (Retry-After, nothing remaining): let nothing through until then."""
        ...

    async def used(self, key: str, seconds: int, now: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """A breaker's state as written; `version` grows by one with every write."""

    state: Literal["closed", "open", "halfOpen"] = "closed"
    failures: int = 0
    successes: int = 0
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    version: int = 0


class Breakers(Protocol):
    async def load_breakers(self) -> Mapping[str, BreakerRow]:
        """All that are not closed and untouched, by Integration uid: read at start and on a wakeup."""
        ...

    async def save_breaker(self, uid: str, row: BreakerRow) -> BreakerRow:
        """Compare-and-swap on `row.version`. Returns what stands now: the new row, or the other's."""
        ...


class Locks(Protocol):
    """Short leases across replicas, such as the one to refresh a token."""

    async def try_lock(self, name: str, holder: str, seconds: float) -> int:
        """A fencing number above 0 if it is ours now (or still); 0 if another holds it."""
        ...

    async def unlock(self, name: str, holder: str) -> None: ...


class OneTime(Protocol):
    """Values that may be used once, such as an OAuth state. Keyed by a hash: the store never has the key."""

    async def put_once(self, digest: str, value: str, expires: datetime) -> None:
        """Keep `value` until then; one that is already kept by that digest is replaced."""
        ...

    async def take_once(self, digest: str, now: datetime) -> str | None:
        """The value, and gone; None if there is none, it was used, or it has expired."""
        ...


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer that belongs to an idempotency key. `fingerprint` is of the request's body."""

    fingerprint: str
    status: int
    body: bytes


class IdempotencyKeys(Protocol):
    async def begin(
        self, caller: str, key: str, fingerprint: str, expires: datetime
    ) -> Literal["new", "running"] | KeptAnswer:
        """`new`: go on, and `finish`. `running`: another request with it is under way.

        One whose process died is taken for under way for five minutes, then the key may be used again.
        """
        ...

    async def finish(self, caller: str, key: str, answer: KeptAnswer) -> None: ...

    async def abandon(self, caller: str, key: str) -> None:
        """It came to nothing that may be repeated from memory: the key may be used again."""
        ...


@dataclass(frozen=True, slots=True)
class Wakeup:
    """A fact about an object that the leader should look at."""

    kind: str
    namespace: str
    name: str
    reason: str


class Wakeups(Protocol):
    async def wake(self, wakeup: Wakeup) -> None:
        """Tell whoever drains. One row per object; the last reason stands."""
        ...

    async def drain(self, limit: int = 1000) -> Sequence[Wakeup]:
        """Take what is there, and gone: only the leader drains."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return when there may be something to drain, or after so long."""
        ...


class Store(
    CallLog, AuditLog, HealthLog, Windows, Breakers, Locks, OneTime, IdempotencyKeys, Wakeups, Protocol
):
    """All of it: SQLite or PostgreSQL."""

    @property
    def shared(self) -> bool:
        """Whether other processes use it too."""
        ...

    async def ready(self) -> str:
        """Empty if it works; else what is wrong."""
        ...

    async def close(self) -> None:
        """Write what is buffered and let go."""
        ...
