"""What is told of an Integration as Events: changes that a person wants to hear of, each once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from integration_hub.api.conditions import READY
from integration_hub.api.reasons import Reason
from integration_hub.domain import conditions
from integration_hub.domain.conditions import ConditionReport, Finding, Transition
from integration_hub.domain.integration.credentials import CREDENTIALS_READY
from integration_hub.domain.integration.world import Basis
from integration_hub.ports import EventNote, Json, Key

_ALSO_TOLD = ("TokenValid", "CircuitOpen", "RotationDue", "Anomalous", "Projected")
"""Conditions with Events of their own, unless Ready says the same already."""
_TROUBLE = frozenset(
    {
        Reason.REFRESH_FAILED,
        Reason.VAULT_UNAVAILABLE,
        Reason.ROTATION_DUE,
        Reason.CIRCUIT_OPEN,
        Reason.LATENCY_ANOMALOUS,
        Reason.ERRORS_ANOMALOUS,
    }
)
"""Reasons of conditions that are bad news although they are True."""


def events_of(basis: Basis, told: ConditionReport, connected: Finding) -> tuple[EventNote, ...]:
    """One Event for a change of `Ready`, which in its good case says what `Connected` says; then the rest."""
    notes = []
    ready = told.transition(READY)
    if ready is not None and ready.now != "Unknown":
        if ready.now == "True":
            ready = replace(ready, reason=connected.reason)
        notes.append(note(basis.key, basis.uid, ready))
    said = {each.reason for each in notes}
    others = _others(basis.previous.get("conditions", ()), told)
    notes += [note(basis.key, basis.uid, each) for each in others if each.reason.value not in said]
    return tuple(notes)


def note(key: Key, uid: str, transition: Transition) -> EventNote:
    calm = transition.reason is Reason.PAUSED or (
        transition.now == "True" and transition.reason not in _TROUBLE
    )
    severity: Literal["Normal", "Warning"] = "Normal" if calm else "Warning"
    return EventNote(key, uid, severity, transition.reason.value, transition.message)


def _others(previous: object, told: ConditionReport) -> Iterator[Transition]:
    """News of the further conditions. The first good word of one is no news; that a circuit closed is."""
    before = {each["type"]: each for each in _conditions(previous)}
    for transition in told.transitions:
        if transition.type == CREDENTIALS_READY and _unread(transition):
            yield transition
        if transition.type not in _ALSO_TOLD or transition.now == "Unknown":
            continue
        good = transition.now == "True" and transition.reason not in _TROUBLE
        if good and before.get(transition.type, {}).get("status") in (None, "Unknown"):
            continue
        yield transition
    closed = "CircuitOpen" in before and not conditions.find(told.conditions, "CircuitOpen")
    if closed:
        yield Transition("CircuitOpen", "True", "False", Reason.CIRCUIT_CLOSED, "Calls go through again.")


def _unread(transition: Transition) -> bool:
    """Whether credentials go on working and their place cannot be asked any more."""
    return transition.now == "True" and transition.reason is Reason.VAULT_UNAVAILABLE


def _conditions(previous: object) -> tuple[Mapping[str, Json], ...]:
    return tuple(previous) if isinstance(previous, list | tuple) else ()
