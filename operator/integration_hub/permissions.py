"""What the hub may do in a cluster, as data: the one source of the chart's RBAC and of its proof.

Least privilege: no wildcard, no cluster-wide read of Secrets, no write outside our own kinds but
Events, one Lease, two ConfigMaps by name, and (in served namespaces only) Secrets that the hub owns
and `patch` of Deployments.
"""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.api.meta import GROUP


@dataclass(frozen=True, slots=True)
class Permission:
    """One RBAC rule; `why` is for the reader of the reference, not for the API server."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()


LEASE_NAME = "integration-hub"
BRAKE_CONFIG_MAP = "integration-hub-heal-brake"

READ = ("get", "list", "watch")
NAMESPACED_KINDS = ("integrations", "integrationproviders", "productregistrations")
CLUSTER_KINDS = ("clusterintegrationproviders",)
EVERY_KIND = (*CLUSTER_KINDS, *NAMESPACED_KINDS)


def _status_of(kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{kind}/status" for kind in kinds)


CALLER_REVIEWS = (
    Permission(("authentication.k8s.io",), ("tokenreviews",), ("create",), "learn whose a caller's token is"),
    Permission(
        ("authorization.k8s.io",), ("subjectaccessreviews",), ("create",), "learn what a caller may do"
    ),
)
LOCAL_CALLER_REVIEWS = (
    Permission(
        ("authorization.k8s.io",),
        ("localsubjectaccessreviews",),
        ("create",),
        "learn what a caller may do in this namespace",
    ),
    Permission(
        ("",),
        ("serviceaccounts", "pods"),
        ("get",),
        "see whether those whom a caller's token names are still there",
    ),
)

WATCH = (
    Permission((GROUP,), NAMESPACED_KINDS, READ, "watch our namespaced kinds"),
    Permission((GROUP,), _status_of(NAMESPACED_KINDS), ("patch",), "report on them by server-side apply"),
    Permission(("",), ("events",), ("create", "patch"), "record transitions"),
)
WATCH_NAMESPACED = (*WATCH, *LOCAL_CALLER_REVIEWS)

INSTALLER = (Permission((GROUP,), _status_of(NAMESPACED_KINDS), ("patch",), "let a hub report on them"),)
"""What the role admin of a namespace lacks of `WATCH_NAMESPACED`: nobody can grant what they do not hold."""

OPERATOR = (
    Permission((GROUP,), CLUSTER_KINDS, READ, "watch the cluster's providers"),
    Permission((GROUP,), CLUSTER_KINDS, ("create", "patch"), "apply the bundled catalogue"),
    Permission((GROUP,), _status_of(CLUSTER_KINDS), ("patch",), "report on them by server-side apply"),
    *WATCH,
    *CALLER_REVIEWS,
)

OWN_NAMESPACE = (
    Permission(("coordination.k8s.io",), ("leases",), ("create",), "become the leader"),
    Permission(
        ("coordination.k8s.io",), ("leases",), ("get", "update"), "stay the leader", names=(LEASE_NAME,)
    ),
    Permission(("",), ("configmaps",), ("create",), "remember a tripped storm brake"),
    Permission(
        ("",),
        ("configmaps",),
        ("get", "patch", "update"),
        "read and set the storm brake",
        names=(BRAKE_CONFIG_MAP,),
    ),
)

TENANT = (
    Permission(("",), ("secrets",), READ, "read the credentials that Integrations name"),
    Permission(
        ("",),
        ("secrets",),
        ("create", "update", "delete"),
        "keep what the hub obtains or makes in Secrets that it owns (intg-NAME-hub, product-NAME-hub)",
    ),
    Permission(
        (GROUP,),
        ("integrations", "integrationproviders"),
        ("create", "patch", "delete"),
        "write them for callers of the HTTP API who may do so themselves",
    ),
    Permission(("apps",), ("deployments",), (*READ, "patch"), "see rollouts; heal by patching"),
    Permission(("apps",), ("replicasets",), ("get", "list"), "see what a rollout replaces"),
    Permission(("autoscaling",), ("horizontalpodautoscalers",), ("get", "list"), "respect autoscalers"),
    Permission(("policy",), ("poddisruptionbudgets",), ("get", "list"), "respect disruption budgets"),
)

VIEW = (
    Permission((GROUP,), EVERY_KIND, READ, "see every kind of the hub"),
    Permission(
        (GROUP,),
        ("integrations/logs", "integrations/widgets"),
        ("get",),
        "read what went through a connection, and its dashboard data",
    ),
)
EDIT = (
    Permission(
        (GROUP,),
        NAMESPACED_KINDS,
        ("create", "update", "patch", "delete", "deletecollection"),
        "manage the hub's kinds in a namespace",
    ),
    Permission(
        (GROUP,),
        ("integrations/call", "integrations/test", "integrations/connect"),
        ("create",),
        "call through a connection, try it, connect its account and take it back",
    ),
)
ADMIN: tuple[Permission, ...] = (
    *EDIT,
    Permission((GROUP,), ("integrations/audit",), ("list",), "read who did what in a namespace"),
)
"""Subresources that no object has, such as integrations/call: the HTTP API asks for them."""


def role_for(verb: str, resource: str) -> str:
    """The least of view, edit and admin that holds this right on our kinds; empty if none does."""
    for role, held in (("view", VIEW), ("edit", EDIT), ("admin", ADMIN)):
        if any(GROUP in each.groups and resource in each.resources and verb in each.verbs for each in held):
            return role
    return ""
