"""Conditions, built in one place for every kind.

A flow says what it found (`Finding`), this module turns that into Kubernetes' conditions: `Ready`
derived from the declared others, `lastTransitionTime` kept while a status stays the same,
`Reconciling` and `Stalled` only when true, messages within the schema's bound. What changed comes
back as `Transition`s, which is what Events are made of.

A message must not change while its reason stays the same and nothing is new for a person (no
counters, no times): every changed message costs a status write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integration_hub.api.conditions import MAX_MESSAGE, READY, RECONCILING, STALLED, ConditionStatus
from integration_hub.api.meta import format_time
from integration_hub.api.reasons import Reason

Json = Any


_BAD_WHEN_TRUE = frozenset({"RotationDue", "Anomalous", "CircuitOpen"})
"""Conditions that are there only while something is wrong; every other one should be True."""
_BAD_REASONS = frozenset({Reason.REFRESH_FAILED.value, Reason.VAULT_UNAVAILABLE.value})
"""Reasons that are trouble whatever the status: what still works and cannot be renewed or read again."""
_WANTED = frozenset({Reason.PAUSED.value, Reason.DELETING.value})


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look says about one condition: whether it holds, the stable word for why, and what to do."""

    status: ConditionStatus
    reason: Reason
    message: str

    @property
    def holds(self) -> bool:
        return self.status == "True"


def holds(reason: Reason, message: str) -> Finding:
    """A finding that is True."""
    return Finding("True", reason, message)


def fails(reason: Reason, message: str) -> Finding:
    """A finding that is False."""
    return Finding("False", reason, message)


def unknown(reason: Reason, message: str) -> Finding:
    """A finding that cannot be told yet."""
    return Finding("Unknown", reason, message)


@dataclass(frozen=True, slots=True)
class Transition:
    """A condition whose status or reason is new. `was` is None where the hub had said nothing before."""

    type: str
    was: ConditionStatus | None
    now: ConditionStatus
    reason: Reason
    message: str

    @property
    def flipped(self) -> bool:
        """Whether the status itself changed, not only the reason for it."""
        return self.was != self.now


@dataclass(frozen=True, slots=True)
class ConditionReport:
    """The conditions as they go into a status, the derived `Ready`, and what is new about them."""

    conditions: list[dict[str, Json]]
    ready: Finding
    transitions: tuple[Transition, ...]

    def transition(self, condition_type: str) -> Transition | None:
        """What is new about one condition, if anything is."""
        return next((each for each in self.transitions if each.type == condition_type), None)


def build(
    previous: Sequence[Mapping[str, Json]],
    findings: Mapping[str, Finding],
    *,
    ready_from: Sequence[str] = (),
    ready_message: str = "",
    ready: Finding | None = None,
    generation: int,
    now: datetime,
    reconciling: bool = False,
    stalled: bool = False,
) -> ConditionReport:
    """Turn findings into the whole list of conditions of one object.

    `previous` are the conditions of the object's present status. `findings` maps a condition type to
    what was found, in the order they shall be shown. `Ready` is derived from the types in
    `ready_from`, the most telling first; `ready_message` is what it says when all of them hold;
    `ready` is for what no condition tells (an object that its owner switched off), and then decides.
    `Reconciling` is added when `Ready` is Unknown or `reconciling` says that the hub is still at
    work; `Stalled` when `stalled` says that only a person can move an object that is not ready.
    Raises KeyError for a type in `ready_from` that has no finding: that is a bug in the flow.
    """
    if ready is None:
        ready = derive_ready([findings[each] for each in ready_from], ready_message)
    told = {READY: ready, **findings}
    echo = ready.reason, ready.message
    if reconciling or ready.status == "Unknown":
        told[RECONCILING] = Finding("True", *echo)
    if stalled and ready.status == "False":
        told[STALLED] = Finding("True", *echo)
    before = {each["type"]: each for each in previous if each.get("reason") != Reason.PENDING.value}
    conditions = [_condition(name, found, before.get(name), generation, now) for name, found in told.items()]
    return ConditionReport(conditions, ready, tuple(_transitions(told, before)))


def derive_ready(parts: Sequence[Finding], message: str) -> Finding:
    """The first part that fails speaks for all, then the first that is unknown; else all is well."""
    for status in ("False", "Unknown"):
        for part in parts:
            if part.status == status:
                return part
    return holds(Reason.SUCCEEDED, message)


def find(conditions: Sequence[Mapping[str, Json]], condition_type: str) -> Mapping[str, Json] | None:
    """One condition of a status by its type, or None."""
    return next((each for each in conditions if each.get("type") == condition_type), None)


def troubles(conditions: Sequence[Mapping[str, Json]]) -> frozenset[str]:
    """The reasons of all that is not as it should be; being switched off by its owner is as it should be."""
    bad = {
        each["reason"]
        for each in conditions
        if each["status"] == _bad_status(each["type"]) or each["reason"] in _BAD_REASONS
    }
    return frozenset(bad - _WANTED)


def _bad_status(condition_type: str) -> ConditionStatus | None:
    if condition_type in (RECONCILING, STALLED):
        return None
    return "True" if condition_type in _BAD_WHEN_TRUE else "False"


def clip(message: str, bound: int = MAX_MESSAGE) -> str:
    """Shorten a message to so many characters; an ellipsis shows where it was cut."""
    return message if len(message) <= bound else message[: bound - 1] + "…"


def _condition(
    name: str, found: Finding, before: Mapping[str, Json] | None, generation: int, now: datetime
) -> dict[str, Json]:
    unchanged = before is not None and before.get("status") == found.status
    since = before.get("lastTransitionTime") if before is not None and unchanged else None
    return {
        "type": name,
        "status": found.status,
        "reason": found.reason.value,
        "message": clip(found.message),
        "lastTransitionTime": since or format_time(now),
        "observedGeneration": generation,
    }


def _transitions(
    told: Mapping[str, Finding], before: Mapping[str, Mapping[str, Json]]
) -> Sequence[Transition]:
    """New statuses and reasons. `Reconciling` and `Stalled` only echo `Ready` and are left out."""
    found = []
    for name, now in told.items():
        if name in (RECONCILING, STALLED):
            continue
        was = before.get(name, {})
        if (was.get("status"), was.get("reason")) != (now.status, now.reason.value):
            found.append(Transition(name, was.get("status"), now.status, now.reason, clip(now.message)))
    return found
