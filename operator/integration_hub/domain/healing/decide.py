"""The decision: whether to act on an unwell product, and with what."""

from __future__ import annotations

from collections.abc import Sequence

from integration_hub.api.product_registration import HealAction
from integration_hub.api.reasons import Reason
from integration_hub.domain.healing import episode
from integration_hub.domain.healing.checks import CHECKS
from integration_hub.domain.healing.ladder import LADDER, Rung, choose
from integration_hub.domain.healing.world import (
    Act,
    Announce,
    Healthy,
    HealWorld,
    Outcome,
    Recover,
    Skip,
)

APPROVE_ANNOTATION = "integrationhub.io/heal-approve"


def decide(world: HealWorld, ladder: Sequence[Rung] = LADDER) -> Outcome:
    """What to do now. Pure: the same world gives the same answer."""
    unrecorded = _unrecorded(world, ladder)
    if unrecorded is not None:
        return unrecorded
    if not world.verdict.bad:
        return Healthy()
    for check in CHECKS:
        objection = check(world)
        if objection is not None:
            return objection
    rung = choose(world, ladder)
    if isinstance(rung, str):
        return Skip(Reason.HEAL_ACTION_NOT_ALLOWED, f"No action is suitable: {rung}.")
    return _by_mode(world, rung.action)


def _unrecorded(world: HealWorld, ladder: Sequence[Rung]) -> Recover | None:
    """An action that was taken by a process that ended before it could record it."""
    if world.workload is None or not world.workload.heal_id:
        return None
    for rung in ladder:
        if world.workload.heal_id == _meant(world, rung.action):
            why = "Taken before the hub restarted; its record was made up for."
            return Recover(rung.action, world.workload.heal_id, world.workload.restarted_at or world.now, why)
    return None


def _meant(world: HealWorld, action: HealAction) -> str:
    workload_uid = world.workload.uid if world.workload is not None else ""
    return episode.heal_id(world.recorded, action, world.uid, workload_uid)


def _by_mode(world: HealWorld, action: HealAction) -> Outcome:
    heal_id, why = _meant(world, action), world.verdict.message
    record = episode.latest(world.heal)
    began = world.heal.unhealthy_since
    announced = record is not None and began is not None and record.at >= began
    match world.policy.mode:
        case "DryRun":
            if announced and record is not None and record.result == "dryRun":
                message = (
                    f"In mode Auto the hub would {action.value} the Deployment now; see status.heal.history."
                )
                return Skip(Reason.HEAL_DRY_RUN, message)
            return Announce("dryRun", action, heal_id, why)
        case "Propose" if world.approved_id != heal_id:
            if announced and record is not None and record.result == "proposed":
                return Skip(Reason.HEAL_PROPOSED, _proposal(world, action, heal_id))
            return Announce("proposed", action, heal_id, why)
        case _:
            return Act(action, heal_id, why)


def _proposal(world: HealWorld, action: HealAction, heal_id: str) -> str:
    return (
        f"The hub proposes to {action.value} the Deployment. Approve with: kubectl annotate --overwrite "
        f"productregistration {world.name} {APPROVE_ANNOTATION}={heal_id}"
    )
