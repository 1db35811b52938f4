"""What is said of a product: its conditions, its status, and the Events about what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from integration_hub.api.integration import HealthStatus
from integration_hub.api.meta import LocalReference
from integration_hub.api.product_key import ApiKeyStatus
from integration_hub.api.product_registration import (
    HealStatus,
    ProductHealth,
    ProductRegistrationSpec,
    ProductRegistrationStatus,
)
from integration_hub.api.reasons import Reason
from integration_hub.domain import conditions
from integration_hub.domain.conditions import ConditionReport, Finding, fails, holds, unknown
from integration_hub.domain.healing import episode
from integration_hub.domain.healing.episode import Note
from integration_hub.domain.healing.world import Escalate, Healthy, Outcome, Skip, Wait
from integration_hub.domain.product_health import Verdict
from integration_hub.domain.rollout import RolloutState, Workload

Json = Any

HEALTHY = "Healthy"
WORKLOAD_AVAILABLE = "WorkloadAvailable"
DEPENDENCIES_READY = "DependenciesReady"
API_KEY_READY = "ApiKeyReady"
"""That the product can speak to the hub. No part of Ready: a product works without it, too."""
HEALED = "Healed"
HEAL_SUSPENDED = "HealSuspended"
READY_FROM = (WORKLOAD_AVAILABLE, HEALTHY, DEPENDENCIES_READY)

_FOR_A_PERSON = (Reason.ADDRESS_BLOCKED, Reason.INVALID_URL, Reason.WORKLOAD_ACCESS_DENIED)
"""Reasons that do not pass by waiting."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that is worth an Event."""

    type: Literal["Normal", "Warning"]
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class ProductReport:
    """The whole status in its wire shape, and what is new in it."""

    status: dict[str, Json]
    occurrences: tuple[Occurrence, ...]


def report(
    spec: ProductRegistrationSpec,
    previous: ProductRegistrationStatus,
    findings: Mapping[str, Finding],
    health: ProductHealth,
    heal: HealStatus,
    *,
    notes: tuple[Note, ...],
    workload_uid: str | None,
    api_key: ApiKeyStatus | None,
    api_key_secret: str,
    generation: int,
    now: datetime,
) -> ProductReport:
    """Build the status of one product from what was found; `findings` in the order they are shown.

    `api_key_secret` is the name of the Secret with the product's key, empty where there is none.
    """
    parts = [each for each in READY_FROM if each in findings]
    told = conditions.build(
        [each.to_json() for each in previous.conditions],
        findings,
        ready_from=parts,
        ready_message="The product works.",
        generation=generation,
        now=now,
        stalled=any(findings[each].reason in _FOR_A_PERSON for each in parts),
    )
    other_version = previous.observed_version not in (None, spec.version)
    status = previous.model_copy(
        update={
            "observed_generation": generation,
            "conditions": (),
            "health": health,
            "heal": heal,
            "workload_uid": workload_uid,
            "api_key": api_key,
            "api_key_secret_ref": LocalReference(name=api_key_secret) if api_key_secret else None,
            "observed_version": spec.version,
            "previous_version": previous.observed_version if other_version else previous.previous_version,
            "updated_at": now if previous.observed_generation != generation else previous.updated_at,
        }
    )
    return ProductReport(
        {**status.to_json(), "conditions": told.conditions}, _occurrences(spec, previous, told, notes)
    )


def refuse(
    previous: ProductRegistrationStatus, problem: str, *, generation: int, now: datetime
) -> dict[str, Json]:
    """The status of an object whose spec cannot be read; what was known of it stays."""
    told = conditions.build(
        [each.to_json() for each in previous.conditions],
        {},
        ready=fails(Reason.INVALID_SPEC, f"The spec cannot be read: {problem}"),
        generation=generation,
        now=now,
        stalled=True,
    )
    known = previous.model_copy(update={"observed_generation": generation, "conditions": ()})
    return {**known.to_json(), "conditions": told.conditions}


def health_finding(verdict: Verdict) -> Finding:
    """The condition Healthy. Degraded is not healthy, though it is no reason to act."""
    if verdict.status is HealthStatus.HEALTHY:
        return holds(verdict.reason, verdict.message)
    if verdict.status is HealthStatus.UNKNOWN and verdict.reason not in _FOR_A_PERSON:
        return unknown(verdict.reason, verdict.message)
    return fails(verdict.reason, verdict.message)


def workload_finding(workload: Workload | None, name: str, denied: str) -> Finding:
    """The condition WorkloadAvailable; `denied` says what to do where the hub may not look, else empty."""
    if denied:
        message = f"The hub may not see Deployments here. Let it in: {denied}"
        return fails(Reason.WORKLOAD_ACCESS_DENIED, message)
    if workload is None:
        return fails(Reason.WORKLOAD_NOT_FOUND, f"There is no Deployment {name} in this namespace.")
    rollout = workload.rollout
    if rollout.state is RolloutState.SCALED_TO_ZERO:
        return fails(Reason.WORKLOAD_UNAVAILABLE, f"Deployment {name} is scaled to zero.")
    if rollout.state is RolloutState.FAILED:
        return fails(Reason.ROLLOUT_FAILED, f"The rollout of Deployment {name} does not get on.")
    if rollout.state is RolloutState.PROGRESSING:
        message = f"Deployment {name} is being rolled out."
        return (holds if rollout.available else unknown)(Reason.ROLLOUT_IN_PROGRESS, message)
    if not rollout.available:
        return fails(Reason.WORKLOAD_UNAVAILABLE, f"Deployment {name} has too few available replicas.")
    return holds(Reason.WORKLOAD_AVAILABLE, f"Deployment {name} is available.")


def heal_findings(outcome: Outcome, heal: HealStatus) -> dict[str, Finding]:
    """The conditions about healing: Healed while there is something to tell, HealSuspended while held."""
    record = episode.latest(heal)
    match outcome:
        case Skip(Reason.HEAL_DISABLED):
            return {}
        case Skip(reason, message) | Escalate(reason, message):
            return {HEAL_SUSPENDED: holds(reason, message)}
        case Wait(_, reason, message) if reason is not Reason.HEAL_VERIFYING:
            return {HEALED: fails(reason, message)}
        case Healthy() if record is None or record.result not in ("verifying", "succeeded", "failed"):
            return {}
    if record is None:
        return {}
    what = f"{record.action.value} ({record.id})"
    if record.result == "verifying":
        return {HEALED: unknown(Reason.HEAL_VERIFYING, f"{what} was taken; its effect is awaited.")}
    if record.result == "succeeded":
        return {HEALED: holds(Reason.HEAL_SUCCEEDED, f"{what} helped.")}
    return {HEALED: fails(Reason.HEAL_ACTION_FAILED, f"{what} did not help.")}


def _occurrences(
    spec: ProductRegistrationSpec,
    previous: ProductRegistrationStatus,
    told: ConditionReport,
    notes: tuple[Note, ...],
) -> tuple[Occurrence, ...]:
    found: list[Occurrence] = []
    if previous.observed_version is None:
        message = f"{spec.product_name} {spec.version} is registered as {spec.product_id}."
        found.append(Occurrence("Normal", Reason.PRODUCT_REGISTERED, message))
    elif previous.observed_version != spec.version:
        message = f"{spec.product_id} went from version {previous.observed_version} to {spec.version}."
        found.append(Occurrence("Normal", Reason.PRODUCT_UPDATED, message))
    health = told.transition(HEALTHY)
    if health is not None and health.flipped and (health.now == "False" or health.was == "False"):
        kind: Literal["Normal", "Warning"] = "Warning" if health.now == "False" else "Normal"
        found.append(Occurrence(kind, health.reason, health.message))
    key = told.transition(API_KEY_READY)
    if key is not None and key.now == "False":
        found.append(Occurrence("Warning", key.reason, key.message))
    found.extend(
        Occurrence("Normal" if note.normal else "Warning", note.reason, note.message) for note in notes
    )
    held = told.transition(HEAL_SUSPENDED)
    announced = (Reason.HEAL_DRY_RUN, Reason.HEAL_PROPOSED, Reason.HEAL_REVERTED)
    if held is not None and held.reason not in announced:
        found.append(
            Occurrence("Warning", Reason.HEAL_ACTION_SKIPPED, f"{held.reason.value}: {held.message}")
        )
    return tuple(found)
