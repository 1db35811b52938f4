"""What a Deployment tells of the product that it runs.

Read from the Deployment object alone, as `kubectl rollout status` does. A rollout that was completed
once and lost replicas since is not "in progress": the Deployment controller leaves its Progressing
condition at `NewReplicaSetAvailable` then, and that is how the two are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil, floor
from typing import Any

Json = Any

HEAL_ID = "integrationhub.io/heal-id"
"""Pod template annotation that names the healing action behind the template's last change."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""Pod template annotation that `kubectl rollout restart` writes; ours does the same."""

COMPLETED = "NewReplicaSetAvailable"
DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"


class RolloutState(StrEnum):
    """Where the rollout stands; the first that applies, in this order."""

    SCALED_TO_ZERO = "ScaledToZero"
    PAUSED = "Paused"
    FAILED = "Failed"
    PROGRESSING = "Progressing"
    COMPLETE = "Complete"


@dataclass(frozen=True, slots=True)
class Rollout:
    """The rollout in four facts.

    `available`: at least as many replicas serve as the strategy promises. `full`: every replica that
    was asked for serves. `takes_down`: a rollout may end a serving pod before its replacement serves.
    """

    state: RolloutState
    available: bool
    full: bool
    takes_down: bool


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, as far as health and healing look at it."""

    name: str
    uid: str
    resource_version: str
    rollout: Rollout
    labels: Mapping[str, str] = field(default_factory=dict)
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    heal_id: str = ""
    restarted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DisruptionBudget:
    """A PodDisruptionBudget over the workload's pods: how many it lets go now, how many serve now."""

    name: str
    disruptions_allowed: int
    current_healthy: int


def read_workload(deployment: Mapping[str, Json]) -> Workload:
    """Read a Deployment as the API server returned it (apps/v1)."""
    metadata = deployment["metadata"]
    template = _mapping(_mapping(deployment.get("spec")).get("template"))
    pod = _mapping(template.get("metadata"))
    annotations = _mapping(pod.get("annotations"))
    return Workload(
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        rollout=read_rollout(deployment),
        labels=_mapping(metadata.get("labels")),
        pod_labels=_mapping(pod.get("labels")),
        heal_id=annotations.get(HEAL_ID, ""),
        restarted_at=_time(annotations.get(RESTARTED_AT)),
    )


def read_rollout(deployment: Mapping[str, Json]) -> Rollout:
    """Tell where the rollout of a Deployment stands."""
    spec = _mapping(deployment.get("spec"))
    status = _mapping(deployment.get("status"))
    conditions: dict[str, Mapping[str, Json]] = {
        each.get("type", ""): each for each in status.get("conditions") or () if isinstance(each, dict)
    }
    desired = _count(spec.get("replicas"), default=1)
    serving = _count(status.get("availableReplicas"))
    available = conditions.get("Available")
    return Rollout(
        state=_state(deployment, conditions, desired),
        available=available.get("status") == "True" if available else serving >= desired,
        full=serving >= desired,
        takes_down=_takes_down(_mapping(spec.get("strategy")), desired),
    )


def budgets_over(budgets: Sequence[Mapping[str, Json]], workload: Workload) -> tuple[DisruptionBudget, ...]:
    """Those PodDisruptionBudgets (policy/v1) that select the workload's pods."""
    return tuple(
        DisruptionBudget(
            name=budget["metadata"]["name"],
            disruptions_allowed=_count(_mapping(budget.get("status")).get("disruptionsAllowed")),
            current_healthy=_count(_mapping(budget.get("status")).get("currentHealthy")),
        )
        for budget in budgets
        if selects(_mapping(budget.get("spec")).get("selector"), workload.pod_labels)
    )


def selects(selector: Mapping[str, Json] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches. None selects nothing, an empty one everything (policy/v1).

    An operator we do not know counts as a match: a budget too many is the safe mistake.
    """
    if selector is None:
        return False
    exact = all(labels.get(key) == value for key, value in _mapping(selector.get("matchLabels")).items())
    return exact and all(_expression_matches(each, labels) for each in selector.get("matchExpressions") or ())


def _expression_matches(expression: Mapping[str, Json], labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return True


def _state(
    deployment: Mapping[str, Json], conditions: Mapping[str, Mapping[str, Json]], desired: int
) -> RolloutState:
    spec, status = _mapping(deployment.get("spec")), _mapping(deployment.get("status"))
    if desired == 0:
        return RolloutState.SCALED_TO_ZERO
    if spec.get("paused"):
        return RolloutState.PAUSED
    if _count(status.get("observedGeneration")) < _count(deployment["metadata"].get("generation")):
        return RolloutState.PROGRESSING  # what status says is of an older template
    progressing = conditions.get("Progressing", {})
    if progressing.get("status") == "False" and progressing.get("reason") == DEADLINE_EXCEEDED:
        return RolloutState.FAILED
    if conditions.get("ReplicaFailure", {}).get("status") == "True":
        return RolloutState.FAILED  # pods cannot even be created: quota, admission
    updated = _count(status.get("updatedReplicas"))
    if updated < desired or _count(status.get("replicas")) > updated:
        return RolloutState.PROGRESSING
    if progressing and progressing.get("reason") != COMPLETED:
        return RolloutState.PROGRESSING
    return RolloutState.COMPLETE  # with an endless deadline there is no Progressing condition


def _takes_down(strategy: Mapping[str, Json], desired: int) -> bool:
    if strategy.get("type") == "Recreate":
        return True
    rolling = _mapping(strategy.get("rollingUpdate"))
    unavailable = floor(_share(rolling.get("maxUnavailable", "25%"), desired))
    surge = ceil(_share(rolling.get("maxSurge", "25%"), desired))
    return unavailable > 0 or surge == 0  # the controller makes 0 and 0 into one unavailable


def _share(bound: Json, desired: int) -> float:
    """An IntOrString of a rolling update, in pods."""
    if isinstance(bound, str) and bound.endswith("%") and bound[:-1].isdigit():
        return desired * int(bound[:-1]) / 100
    return float(_count(bound, default=desired))


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Json, *, default: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _time(value: Json) -> datetime | None:
    """An annotation's time; people and tools write what they like there, so anything else is none."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
