"""The one frozen value that a healing decision is made from, and the values that come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from integration_hub.api.product_registration import HealAction, HealPolicy, HealStatus
from integration_hub.api.reasons import Reason
from integration_hub.domain.product_health import Verdict
from integration_hub.domain.rollout import DisruptionBudget, Workload


class Storm(StrEnum):
    """How much of the fleet is in trouble at once."""

    CALM = "Calm"
    SUSPECTED = "Suspected"  # enough products stopped answering, not often enough to be sure
    BRAKED = "Braked"  # the storm brake is on, until a person takes it off


@dataclass(frozen=True, slots=True)
class HealWorld:
    """Everything a healing decision looks at.

    `name` and `uid` are the registration's. `recorded` is what its persisted status says of healing;
    `heal` the same brought up to date by `episode.follow` with what was seen just now. They differ only
    between a change and its record, and nothing is done in that gap.

    `asked_at_admission` False: no admission policy asks who names a Deployment, so the Deployment itself
    has to agree by its label. `served` False: the hub may not touch Deployments of this namespace.
    `workload` None: no Deployment of this name. `observing_since`: since when this process watches
    without a break. `evidence_span`: how long it takes to tell a dead product from a lost packet, with a
    margin. `red_roots`: the products at the bottom of the trouble that this one depends on. `rival`: an
    older registration with the same Deployment.
    """

    now: datetime
    name: str
    uid: str
    policy: HealPolicy
    verdict: Verdict
    recovering: bool
    recorded: HealStatus
    heal: HealStatus
    pinned_uid: str | None
    workload_name: str | None
    workload: Workload | None
    asked_at_admission: bool
    served: bool
    observing_since: datetime
    evidence_span: timedelta
    approved_id: str = ""
    red_roots: tuple[str, ...] = ()
    rival: str | None = None
    storm: Storm = Storm.CALM
    budgets: tuple[DisruptionBudget, ...] = ()


# --------------------------------------------------------------------------- outcomes


@dataclass(frozen=True, slots=True)
class Healthy:
    """There is nothing to heal."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: look again at `until`."""

    until: datetime
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Not as things are; something else has to change first."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Escalate:
    """The hub has done what it may; a person is needed. It looks again at `until`, if given."""

    reason: Reason
    message: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Patch the workload. `heal_id` is the same on every try of the same action."""

    action: HealAction
    heal_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Say what would be done, and do not do it: it needs approval, or the mode is DryRun."""

    result: Literal["proposed", "dryRun"]
    action: HealAction
    heal_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Recover:
    """The workload already carries the action that was meant: it was taken and never recorded."""

    action: HealAction
    heal_id: str
    at: datetime
    why: str


Objection = Wait | Skip | Escalate
Outcome = Healthy | Wait | Skip | Escalate | Act | Announce | Recover
