"""The seams: small protocols that flows are written against and adapters fulfil.

Nothing here knows a library. A test hands in memory-backed ports through the same front door
that `wiring.py` uses for the real ones. Outcomes that a caller must act on are values; a port
raises only for broken I/O (`PortError` and its children) or for a bug.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

Json = Any
"""A decoded JSON value. Kept loose on purpose: it is data that somebody else shaped."""


# --------------------------------------------------------------------------- errors


class PortError(Exception):
    """Something outside did not work. The parent of every error that a port raises."""


class ApiError(PortError):
    """The API server refused or could not be reached.

    `status` is the HTTP status (0: no answer at all); `reason` Kubernetes' own word
    (`NotFound`, `Conflict`, `Forbidden`, …); `retry_after` in seconds, when it named one.
    """

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class NotLeaderError(PortError):
    """A write was refused on our own side: this process does not hold the Lease (any more)."""


# --------------------------------------------------------------------------- leadership and budget


class Leadership(Protocol):
    """The right to write. Asked immediately before the bytes of every gated write are sent."""

    @property
    def fencing(self) -> int:
        """The number of this term, higher than that of every earlier leader; 0 before the first term."""
        ...

    def require(self) -> None:
        """Return if this process is the leader at this very moment; raise NotLeaderError otherwise."""
        ...


class RequestBudget(Protocol):
    """How fast the API server may be asked. Reads and writes have separate allowances."""

    async def take(self, use: Literal["read", "write"]) -> None:
        """Wait until one more request of this use may go out."""
        ...

    def pause(self, use: Literal["read", "write"], seconds: float) -> None:
        """The API server asked for quiet (429): let nothing of this use out for so long."""
        ...


# --------------------------------------------------------------------------- cluster


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind's address in the API: `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Where the API server is and as whom to speak to it, for who brings an HTTP client of his own.

    `authorization` is the whole header value; empty where the client certificate in `tls` speaks for us.
    """

    server: str
    authorization: SecretText
    tls: ssl.SSLContext
    tls_server_name: str = ""
    proxy: str = ""


class ApiLogin(Protocol):
    """Credentials that are kept fresh: tokens of ServiceAccounts are replaced about every hour."""

    async def access(self, *, refused: SecretText | None = None) -> ApiAccess:
        """The credentials of this moment. `refused` is what the API server has just answered 401 to.

        Raises PortError when there are none.
        """
        ...


SECRETS = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
EVENTS = Resource("", "v1", "events", "Event")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
HORIZONTAL_POD_AUTOSCALERS = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"
)
POD_DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Names one object: the unit of work of every queue, cache and due time."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """What a metadata-only list or watch tells of an object. Labels and annotations may be empty."""

    uid: str
    name: str
    namespace: str
    resource_version: str
    generation: int = 0
    deleting: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetadataPage:
    """One page of a metadata-only list.

    `resource_version` is the point in time that every page of one list belongs to. Where it differs
    from the page before, the list was too old to be continued and began anew: forget earlier pages.
    """

    items: Sequence[ObjectMeta]
    resource_version: str


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """One watch event of a metadata-only watch. `bookmark` carries only a resourceVersion."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    meta: ObjectMeta


class PatchType(StrEnum):
    """Content types of PATCH. Apply bodies are JSON, which is valid YAML."""

    APPLY = "application/apply-patch+yaml"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"


class ClusterReader(Protocol):
    """Reads from the API server, each charged to the read budget."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """The whole object, or None where there is none. Raises ApiError otherwise."""
        ...

    async def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = ""
    ) -> list[Json]:
        """All objects of a kind (in one namespace, or everywhere), paged inside."""
        ...

    def list_metadata(
        self, resource: Resource, namespace: str | None = None, *, page_size: int = 500
    ) -> AsyncIterator[MetadataPage]:
        """Pages of a metadata-only list (PartialObjectMetadataList), consistent among themselves."""
        ...

    def watch_metadata(
        self, resource: Resource, namespace: str | None, resource_version: str
    ) -> AsyncIterator[MetadataChange]:
        """Metadata-only watch with bookmarks; ends quietly at its timeout, raises 410 when too old."""
        ...


class ClusterWriter(Protocol):
    """Writes to the API server, each charged to the write budget, each gated by leadership."""

    async def apply_status(
        self, resource: Resource, namespace: str, name: str, status: Json, *, resource_version: str
    ) -> Json:
        """Server-side apply of the whole status, refused (ApiError 409) if the object moved on."""
        ...

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Json,
        patch_type: PatchType,
        *,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
        manager: str = "",
    ) -> Json:
        """PATCH with our field manager, or the one named; returns the object after it."""
        ...

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json: ...

    async def replace(self, resource: Resource, namespace: str, name: str, body: Json) -> Json: ...

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str | None = None) -> None:
        """Delete, with a uid precondition when given. Absent already is fine."""
        ...


class Cluster(ClusterReader, ClusterWriter, Protocol):
    """Both halves."""


@dataclass(frozen=True, slots=True)
class EventNote:
    """A Kubernetes Event to be recorded: on transitions only, never with a secret in it."""

    key: Key
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    action: str = "Reconcile"


class Events(Protocol):
    """Records Events. Never blocks and never fails its caller: an Event is a courtesy."""

    def record(self, note: EventNote) -> None: ...


# --------------------------------------------------------------------------- secrets


class SecretText:
    """A secret value that cannot be printed, logged or serialised by accident: redaction by type."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Call this only where the byte leaves for its destination."""
        return self._value

    def __repr__(self) -> str:
        return "SecretText(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and self._value == other._value

    def __hash__(self) -> int:
        return hash(("SecretText", self._value))


class SecretState(StrEnum):
    FOUND = "Found"
    MISSING = "Missing"
    DENIED = "Denied"


@dataclass(frozen=True, slots=True)
class SecretRead:
    """The answer to reading a Secret: three outcomes a user can act on, as a value.

    `undecodable` names keys whose bytes are not UTF-8 text; they are left out of `data`.
    """

    state: SecretState
    data: Mapping[str, SecretText] = field(default_factory=dict)
    resource_version: str = ""
    undecodable: Sequence[str] = ()


class Secrets(Protocol):
    """Values of Secrets, read on use and never cached."""

    async def read(self, namespace: str, name: str) -> SecretRead: ...


# --------------------------------------------------------------------------- egress


@dataclass(frozen=True, slots=True)
class Destination:
    """Whose address this is, which decides what it may reach (design: where bytes may go).

    `tenant`: an outside system, public addresses and the administrator's allow-list only.
    `product`: Services of `namespace` only, plus the allow-list; a dotless host becomes
    `<host>.<namespace>.svc`.
    """

    trust: Literal["tenant", "product"]
    namespace: str


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One outbound request. URL, headers and body may hold secrets: none is ever logged or shown by repr."""

    method: str
    url: str = field(repr=False)
    destination: Destination
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout_seconds: float = 30.0
    max_response_bytes: int = 65_536


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
    """No answer. `message` is fit for a user: it names host and cause, never a query or a secret."""

    failure: Failure
    message: str
    elapsed_seconds: float = 0.0


class Egress(Protocol):
    """The one way out for every byte to an address that a tenant can influence."""

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Guarded, pinned, capped; follows no redirect; never raises for what the far end does."""
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


class Transport(Protocol):
    """The wire underneath `Egress`. Follows no redirect, uses no proxy, decompresses nothing."""

    async def exchange(self, request: PinnedRequest) -> HttpResponse | HttpFailure: ...


# --------------------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class ExpressionError:
    """A CEL expression that does not compile or evaluate; `message` is for the author."""

    message: str


class Program(Protocol):
    """A compiled CEL expression, safe to share and to evaluate many times."""

    def evaluate(self, variables: Mapping[str, Json]) -> Json | ExpressionError:
        """Its value, or why there is none. Bounded in time and size; never raises."""
        ...


class Expressions(Protocol):
    """The one expression language, CEL."""

    def compile(self, source: str, variables: Sequence[str]) -> Program | ExpressionError:
        """Compile (and remember) `source`, which may use the named variables, each of any type."""
        ...


# --------------------------------------------------------------------------- time and chance


class Clock(Protocol):
    def now(self) -> datetime:
        """Wall clock, timezone-aware UTC. For display and for times that outlive the process."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump. For deadlines."""
        ...


class Entropy(Protocol):
    def random(self) -> float:
        """Uniform in [0, 1), for jitter."""
        ...

    def uuid(self) -> str:
        """A fresh UUIDv7."""
        ...
