"""The seams: small protocols that flows are written against and adapters fulfil.

Nothing here knows a library. A test hands in memory-backed ports through the same front door
that `wiring.py` uses for the real ones. Outcomes that a caller must act on are values; a port
raises only for broken I/O (`PortError` and its children) or for a bug.
"""

from __future__ import annotations

from integration_hub.ports.base import (
    ApiError,
    Json,
    Leadership,
    NotLeaderError,
    PortError,
    RequestBudget,
)
from integration_hub.ports.chance import (
    Clock,
    Entropy,
)
from integration_hub.ports.cluster import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    LEASES,
    NAMESPACES,
    POD_DISRUPTION_BUDGETS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    SECRETS,
    ApiAccess,
    ApiLogin,
    Cluster,
    ClusterReader,
    ClusterWriter,
    EventNote,
    Events,
    Key,
    MetadataChange,
    MetadataPage,
    ObjectMeta,
    PatchType,
    Resource,
)
from integration_hub.ports.egress import (
    Destination,
    Egress,
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    PinnedRequest,
    Resolution,
    Resolver,
    Transport,
)
from integration_hub.ports.expressions import (
    ExpressionError,
    Expressions,
    Program,
)
from integration_hub.ports.secrets import (
    SecretRead,
    Secrets,
    SecretState,
    SecretText,
)

__all__ = [
    "CONFIG_MAPS",
    "DEPLOYMENTS",
    "EVENTS",
    "HORIZONTAL_POD_AUTOSCALERS",
    "LEASES",
    "NAMESPACES",
    "POD_DISRUPTION_BUDGETS",
    "REPLICA_SETS",
    "ROLE_BINDINGS",
    "SECRETS",
    "ApiAccess",
    "ApiError",
    "ApiLogin",
    "Clock",
    "Cluster",
    "ClusterReader",
    "ClusterWriter",
    "Destination",
    "Egress",
    "Entropy",
    "EventNote",
    "Events",
    "ExpressionError",
    "Expressions",
    "Failure",
    "HttpFailure",
    "HttpRequest",
    "HttpResponse",
    "Json",
    "Key",
    "Leadership",
    "MetadataChange",
    "MetadataPage",
    "NotLeaderError",
    "ObjectMeta",
    "PatchType",
    "PinnedRequest",
    "PortError",
    "Program",
    "RequestBudget",
    "Resolution",
    "Resolver",
    "Resource",
    "SecretRead",
    "SecretState",
    "SecretText",
    "Secrets",
    "Transport",
]
