"""What the record of a product's healing says, and how it is kept.

The record is `status.heal`: it is all that the hub knows after a restart, so limits and cool-downs are
worked out from it and never from memory. Every entry counts as an attempt, proposals and rehearsals too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import HealAction, HealPolicy, HealRecord, HealStatus
from integration_hub.api.reasons import Reason
from integration_hub.domain.product_health import Verdict
from integration_hub.domain.rollout import RolloutState, Workload

HISTORY = 10
TRANSITIONS = 8
HOUR = timedelta(hours=1)
MEMORY = timedelta(days=1)
"""Failures and reverts older than this no longer count."""
LONGEST_COOLDOWN = timedelta(days=1)
REVERT_WATCH = timedelta(minutes=15)
"""How long after an action a vanished annotation is blamed on somebody who takes our changes back."""
FLAP_WINDOW = timedelta(minutes=15)
FLAP_COUNT = 3
REVERTS = 2

Result = Literal["proposed", "dryRun", "verifying", "succeeded", "failed", "reverted", "rejected"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something about healing that is worth an Event."""

    reason: Reason
    message: str
    action: HealAction
    result: Result
    normal: bool = True


@dataclass(frozen=True, slots=True)
class Followed:
    """The record brought up to date, and what is new."""

    heal: HealStatus
    notes: tuple[Note, ...] = ()


# --------------------------------------------------------------------------- reading the record


def latest(heal: HealStatus) -> HealRecord | None:
    """The newest entry."""
    return heal.history[0] if heal.history else None


def being_verified(heal: HealStatus) -> HealRecord | None:
    """The action whose effect is awaited, if any: always the newest entry."""
    record = latest(heal)
    return record if record is not None and record.result == "verifying" else None


def verified_by(record: HealRecord, policy: HealPolicy) -> datetime:
    """When the effect of an action has to show at the latest."""
    return record.at + timedelta(seconds=policy.verify_seconds)


def attempts(heal: HealStatus, now: datetime) -> list[HealRecord]:
    """Entries of the last hour, newest first."""
    return [each for each in heal.history if each.at > now - HOUR]


def futile(heal: HealStatus, now: datetime) -> int:
    """How many actions in a row, up to now, did not help."""
    count = 0
    for record in heal.history:
        if record.result == "succeeded" or record.at <= now - MEMORY:
            break
        count += record.result in ("failed", "reverted", "rejected")
    return count


def cooled_down_at(heal: HealStatus, policy: HealPolicy, now: datetime) -> datetime | None:
    """When the next action may be taken: the cool-down doubles with each action that did not help."""
    record = latest(heal)
    if record is None:
        return None
    pause = timedelta(seconds=policy.cooldown_seconds) * (1 << futile(heal, now))
    return record.at + min(pause, LONGEST_COOLDOWN)


def reverts(heal: HealStatus, now: datetime) -> int:
    """How often lately somebody took an action back."""
    return sum(each.result == "reverted" and each.at > now - MEMORY for each in heal.history)


def flaps(heal: HealStatus, now: datetime) -> list[datetime]:
    """Changes between well and unwell within the window in which too many of them mean nothing."""
    return [each for each in heal.transitions if each > now - FLAP_WINDOW]


# --------------------------------------------------------------------------- keeping the record


def heal_id(heal: HealStatus, action: HealAction, uid: str, workload_uid: str) -> str:
    """The id of the next action: the same on every try until the record has a new newest entry.

    It is written on the workload together with the action. Whoever finds the id of the action that it
    is about to take there already knows that the action was taken and only its record was lost.
    """
    record = latest(heal)
    if record is not None and record.result == "proposed":
        return record.id
    seed = (uid, workload_uid, str(heal.unhealthy_since), record.id if record else "")
    return f"{action.value}-{sha256('|'.join(seed).encode()).hexdigest()[:12]}"


def begin(heal: HealStatus, record: HealRecord, policy: HealPolicy) -> HealStatus:
    """Enter an action, or the proposal or rehearsal of one; an approved proposal becomes the action."""
    taken = record.result not in ("proposed", "dryRun", "rejected")
    history = [record, *(each for each in heal.history if each.id != record.id)]
    entered = heal.model_copy(
        update={
            "count": heal.count + taken,
            "last_action": record.action if taken else heal.last_action,
            "last_action_at": record.at if taken else heal.last_action_at,
        }
    )
    return _with_history(entered, history, policy, record.at)


def follow(
    heal: HealStatus,
    verdict: Verdict,
    before: HealthStatus,
    workload: Workload | None,
    *,
    policy: HealPolicy,
    now: datetime,
    replaced: bool = False,
) -> Followed:
    """Bring the record up to date with what was seen just now.

    Keeps the beginning of the trouble and the changes of verdict, ends the verification of an action,
    notices that somebody took an action back, and lets a proposal lapse with the trouble it was for.
    `before` is the verdict in status; `replaced`: the workload is another object than it was.
    """
    heal = _trouble(heal, verdict, before, now, anew=replaced)
    record = latest(heal)
    if record is None:
        return Followed(heal)
    result = _result(heal, record, verdict, workload=None if replaced else workload, policy=policy, now=now)
    if result == record.result:
        return Followed(heal)
    ended = record.model_copy(update={"result": result, "finished_at": now})
    heal = _with_history(heal, [ended, *heal.history[1:]], policy, now)
    return Followed(heal, (_note(ended),))


def _trouble(
    heal: HealStatus, verdict: Verdict, before: HealthStatus, now: datetime, *, anew: bool
) -> HealStatus:
    began = heal.unhealthy_since
    if verdict.bad == (began is not None):
        return heal.model_copy(update={"unhealthy_since": now}) if anew and began else heal
    known = HealthStatus.UNKNOWN not in (before, verdict.status)
    recent = [now, *flaps(heal, now)] if known else heal.transitions
    return heal.model_copy(
        update={"unhealthy_since": now if verdict.bad else None, "transitions": recent[:TRANSITIONS]}
    )


def _result(
    heal: HealStatus,
    record: HealRecord,
    verdict: Verdict,
    *,
    workload: Workload | None,
    policy: HealPolicy,
    now: datetime,
) -> Result:
    """The result of the newest entry as of now."""
    if record.result == "proposed":
        lapsed = heal.unhealthy_since is None or record.at < heal.unhealthy_since
        return "rejected" if lapsed else "proposed"
    if record.result not in ("verifying", "succeeded", "failed"):
        return record.result
    if workload is not None and workload.heal_id != record.id and now - record.at <= REVERT_WATCH:
        return "reverted"
    if record.result != "verifying":
        return record.result
    works = verdict.status in (HealthStatus.HEALTHY, HealthStatus.DEGRADED)
    rolling = workload is not None and workload.rollout.state is RolloutState.PROGRESSING
    if works and not rolling:
        return "succeeded"
    if now < verified_by(record, policy):
        return "verifying"
    return "succeeded" if works else "failed"


def _with_history(
    heal: HealStatus, history: list[HealRecord], policy: HealPolicy, now: datetime
) -> HealStatus:
    entered = heal.model_copy(update={"history": history[:HISTORY]})
    return entered.model_copy(update={"next_allowed_at": cooled_down_at(entered, policy, now)})


def _note(record: HealRecord) -> Note:
    what = f"{record.action.value} ({record.id})"
    match record.result:
        case "succeeded":
            return Note(
                Reason.HEAL_SUCCEEDED, f"{what} helped: the product works again.", record.action, "succeeded"
            )
        case "failed":
            message = f"{what} did not help within the time given to it."
            return Note(Reason.HEAL_ACTION_FAILED, message, record.action, "failed", normal=False)
        case "reverted":
            message = f"{what} was taken back on the Deployment by another manager."
            return Note(Reason.HEAL_REVERTED, message, record.action, "reverted", normal=False)
        case _:
            message = f"{what} was not approved before the trouble ended."
            return Note(Reason.HEAL_ACTION_SKIPPED, message, record.action, "rejected")
