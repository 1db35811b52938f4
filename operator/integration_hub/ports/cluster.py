"""The API server: resources, objects, reads, writes, Events."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from integration_hub.ports.base import Json
from integration_hub.ports.secrets import SecretText


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
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
PODS = Resource("", "v1", "pods", "Pod")
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
