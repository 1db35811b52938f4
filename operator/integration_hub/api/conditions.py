"""Conditions: Kubernetes' own shape for what is true of an object (metav1.Condition)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from integration_hub.api.meta import ListMap, Model, Timestamp
from integration_hub.api.reasons import Reason

ConditionStatus = Literal["True", "False", "Unknown"]

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"

MAX_MESSAGE = 1024
"""Messages are clipped to this many characters: a status is no log."""


class Condition(Model):
    """One observation of an object, as in Kubernetes' metav1.Condition."""

    type: str = Field(
        description="What is observed, such as Ready or Connected.",
        max_length=64,
        pattern=r"^[A-Z][A-Za-z0-9]*$",
    )
    status: ConditionStatus = Field(description="Whether it holds: True, False or Unknown.")
    reason: str = Field(
        description="Stable CamelCase word for why; the reference documentation lists them all.",
        max_length=64,
        pattern=r"^[A-Z][A-Za-z0-9]*$",
    )
    message: str = Field(
        description="The same for a person: what is wrong and what to do about it.",
        max_length=MAX_MESSAGE,
    )
    last_transition_time: Timestamp = Field(description="When `status` last changed.")
    observed_generation: int | None = Field(
        default=None,
        description="The metadata.generation that this condition speaks of.",
        ge=-1,
        le=2**53,
    )


Conditions = Annotated[tuple[Condition, ...], ListMap(("type",)), Field(max_length=16)]

PENDING = {
    "type": READY,
    "status": "Unknown",
    "reason": Reason.PENDING.value,
    "message": "Waiting for the hub to look at this object for the first time.",
    "lastTransitionTime": "1970-01-01T00:00:00Z",
}
"""What the CRD defaults a new object's only condition to, so that nobody sees green too early."""


class StatusBase(Model):
    """What every status has."""

    observed_generation: int = Field(
        default=-1,
        description="The metadata.generation the hub last acted on; -1 before the first time.",
        ge=-1,
        le=2**53,
    )
    conditions: Conditions = Field(
        default=(),
        description="What the hub observed. Ready is always there; wait on it with `kubectl wait`.",
    )
