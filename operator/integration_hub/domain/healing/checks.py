"""The policy of healing: reasons not to act, in order. The first that objects is the answer.

Each check is a plain function of the world. Read `CHECKS` as the policy.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from integration_hub.api.reasons import Reason
from integration_hub.domain.healing import episode
from integration_hub.domain.healing.world import Escalate, HealWorld, Objection, Skip, Storm, Wait
from integration_hub.domain.rollout import HEAL_ID, RolloutState
from integration_hub.permissions import BRAKE_CONFIG_MAP

CONSENT_LABEL = "integrationhub.io/heal"
CONSENT_VALUE = "enabled"
LOOK_AGAIN = timedelta(seconds=30)
"""When to look again at what gives no time of its own and no sign when it changes."""

Check = Callable[[HealWorld], Objection | None]


def switched_off(world: HealWorld) -> Objection | None:
    if world.policy.enabled:
        return None
    return Skip(Reason.HEAL_DISABLED, "Healing is switched off by spec.heal.enabled.")


def nothing_to_act_on(world: HealWorld) -> Objection | None:
    if world.workload_name is None:
        return Skip(
            Reason.HEAL_DISABLED, "There is nothing to heal with: spec.workloadRef names no Deployment."
        )
    return None


def not_served(world: HealWorld) -> Objection | None:
    if world.served:
        return None
    return Skip(Reason.WORKLOAD_ACCESS_DENIED, "The hub may not touch Deployments of this namespace.")


def workload_missing(world: HealWorld) -> Objection | None:
    if world.workload is not None:
        return None
    return Skip(Reason.WORKLOAD_NOT_FOUND, f"There is no Deployment {world.workload_name} to act on.")


def no_consent(world: HealWorld) -> Objection | None:
    """Consent `admission` was asked by the API server, of whoever set workloadRef, if it has the policy."""
    asked = world.policy.consent == "admission" and world.asked_at_admission
    if asked or world.workload is None:
        return None
    if world.workload.labels.get(CONSENT_LABEL) == CONSENT_VALUE:
        return None
    return Skip(
        Reason.HEAL_NO_CONSENT,
        f"Deployment {world.workload.name} does not agree to be healed: kubectl label deployment "
        f"{world.workload.name} {CONSENT_LABEL}={CONSENT_VALUE}",
    )


def rival_registration(world: HealWorld) -> Objection | None:
    if world.rival is None:
        return None
    return Skip(Reason.DUPLICATE, f"The older registration {world.rival} heals this Deployment.")


def not_on_record(world: HealWorld) -> Objection | None:
    """The ids of actions come from the persisted record, so what was seen just now is recorded first."""
    replaced = world.workload is not None and world.workload.uid != world.pinned_uid
    if world.heal == world.recorded and not replaced:
        return None
    return Wait(world.now, Reason.HEAL_WAITING, "The trouble is being recorded.")


def being_verified(world: HealWorld) -> Objection | None:
    record = episode.being_verified(world.heal)
    if record is None:
        return None
    until = episode.verified_by(record, world.policy)
    return Wait(
        until, Reason.HEAL_VERIFYING, f"{record.action.value} ({record.id}) was taken; its effect is awaited."
    )


def rollout_in_progress(world: HealWorld) -> Objection | None:
    if world.workload is None or world.workload.rollout.state is not RolloutState.PROGRESSING:
        return None
    message = f"A rollout of Deployment {world.workload.name} is under way and is left alone."
    return Wait(world.now + LOOK_AGAIN, Reason.ROLLOUT_IN_PROGRESS, message)


def paused(world: HealWorld) -> Objection | None:
    if world.workload is None or world.workload.rollout.state is not RolloutState.PAUSED:
        return None
    name = world.workload.name
    return Skip(
        Reason.HEAL_WORKLOAD_PAUSED, f"Deployment {name} is paused: kubectl rollout resume deployment/{name}"
    )


def scaled_to_zero(world: HealWorld) -> Objection | None:
    if world.workload is None or world.workload.rollout.state is not RolloutState.SCALED_TO_ZERO:
        return None
    return Skip(Reason.HEAL_SCALED_TO_ZERO, f"Deployment {world.workload.name} is meant to have no pods.")


def storm(world: HealWorld) -> Objection | None:
    match world.storm:
        case Storm.BRAKED:
            message = (
                "Too much of the fleet is in trouble at once, so nothing is healed until a person says so."
            )
            return Skip(Reason.HEAL_STORM_BRAKE, f"{message} {RESET}")
        case Storm.SUSPECTED:
            message = "Many products stopped answering at once; the hub waits until it is sure of the cause."
            return Wait(world.now + LOOK_AGAIN, Reason.HEAL_WAITING, message)
        case _:
            return None


def grace(world: HealWorld) -> Objection | None:
    """After our own absence everything looks old, and nothing has been proved yet."""
    until = world.observing_since + world.evidence_span
    if world.now >= until:
        return None
    return Wait(until, Reason.HEAL_GRACE, "The hub was away itself; it watches for a while before it acts.")


def young(world: HealWorld) -> Objection | None:
    began = world.heal.unhealthy_since or world.now
    until = began + timedelta(seconds=world.policy.after_seconds)
    if world.now >= until:
        return None
    return Wait(until, Reason.HEAL_WAITING, "The trouble is younger than spec.heal.afterSeconds.")


def recovering(world: HealWorld) -> Objection | None:
    if not world.recovering:
        return None
    return Wait(world.now + LOOK_AGAIN, Reason.HEAL_WAITING, "The product's latest answers were good.")


def flapping(world: HealWorld) -> Objection | None:
    changes = episode.flaps(world.heal, world.now)
    if len(changes) < episode.FLAP_COUNT:
        return None
    message = "Health changed three times and more within 15 minutes; a restart would hide why."
    return Escalate(Reason.HEAL_FLAPPING, message, changes[episode.FLAP_COUNT - 1] + episode.FLAP_WINDOW)


def dependency_down(world: HealWorld) -> Objection | None:
    if not world.red_roots:
        return None
    roots = ", ".join(world.red_roots)
    return Skip(Reason.HEAL_DEPENDENCY_DOWN, f"The cause lies deeper and comes first: {roots}.")


def taken_back(world: HealWorld) -> Objection | None:
    if episode.reverts(world.heal, world.now) < episode.REVERTS:
        return None
    message = (
        f"Another manager took the hub's changes back twice, so they are not repeated. Let it ignore the pod "
        f"template annotation {HEAL_ID}, or switch healing off."
    )
    return Escalate(Reason.HEAL_REVERTED, message)


def attempts_used_up(world: HealWorld) -> Objection | None:
    recent = episode.attempts(world.heal, world.now)
    limit = world.policy.max_actions_per_hour
    if len(recent) < limit:
        return None
    message = "All actions of this hour were used and did not help for long; a person is needed."
    return Escalate(Reason.HEAL_EXHAUSTED, message, recent[limit - 1].at + episode.HOUR)


def cooling_down(world: HealWorld) -> Objection | None:
    until = episode.cooled_down_at(world.heal, world.policy, world.now)
    if until is None or world.now >= until:
        return None
    return Wait(until, Reason.HEAL_COOLING_DOWN, "The last action is too recent for another.")


def restarted_elsewhere(world: HealWorld) -> Objection | None:
    """Somebody else's restart is given the time that ours would get. A time to come proves nothing."""
    if world.workload is None or world.workload.restarted_at is None:
        return None
    at = world.workload.restarted_at
    until = at + timedelta(seconds=max(world.policy.verify_seconds, world.policy.cooldown_seconds))
    if not at <= world.now < until:
        return None
    return Wait(until, Reason.HEAL_RESTARTED_ELSEWHERE, "The Deployment was restarted just now.")


def disruption_budget(world: HealWorld) -> Objection | None:
    """A budget objects only where pods that still serve would be ended before others serve.

    A dead product has no disruption left to its budget, and must be healed all the same.
    """
    if world.workload is None or not world.workload.rollout.takes_down:
        return None
    for budget in world.budgets:
        if budget.current_healthy > 0 and budget.disruptions_allowed == 0:
            message = f"PodDisruptionBudget {budget.name} allows no disruption of the pods that still serve."
            return Wait(world.now + LOOK_AGAIN, Reason.HEAL_PDB_EXHAUSTED, message)
    return None


RESET = (
    f"After finding the cause, take the brake off: remove the key tripped from ConfigMap {BRAKE_CONFIG_MAP} "
    "in the hub's namespace."
)

CHECKS: tuple[Check, ...] = (
    switched_off,
    nothing_to_act_on,
    not_served,
    workload_missing,
    no_consent,
    rival_registration,
    not_on_record,
    paused,
    scaled_to_zero,
    being_verified,
    rollout_in_progress,
    storm,
    grace,
    young,
    recovering,
    flapping,
    dependency_down,
    taken_back,
    attempts_used_up,
    cooling_down,
    restarted_elsewhere,
    disruption_budget,
)
