"""The ladder: what can be done for an unwell product, mildest first.

A rung is one pure decision (`unsuited`: why it would not help here) and one patch. A new rung is a new
class in `LADDER`; checks, record, verification and events are the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from integration_hub.api.meta import format_time
from integration_hub.api.product_registration import HealAction
from integration_hub.api.reasons import Reason
from integration_hub.domain.healing.episode import latest
from integration_hub.domain.healing.world import HealWorld
from integration_hub.domain.rollout import HEAL_ID, RESTARTED_AT, RolloutState, Workload

Json = Any

BEYOND_RESTART = {
    Reason.NAME_NOT_RESOLVED: "its name does not resolve",
    Reason.TLS_FAILED: "its certificate is not accepted",
    Reason.UNEXPECTED_ANSWER: "its health endpoint is not where spec.healthEndpoint says",
}
"""Troubles that new pods of the same template have as well."""


class Rung(Protocol):
    """One thing that can be done."""

    @property
    def action(self) -> HealAction: ...

    def unsuited(self, world: HealWorld) -> str | None:
        """Why this would not help here, or None if it may."""
        ...

    def patch(self, workload: Workload, heal_id: str, now: datetime) -> Json:
        """The strategic merge patch of the Deployment that does it."""
        ...


class Restart:
    """New pods from the same template, at the pace of the Deployment's own strategy."""

    action = HealAction.RESTART

    def unsuited(self, world: HealWorld) -> str | None:
        if world.workload is not None and world.workload.rollout.state is RolloutState.FAILED:
            return "the present template does not roll out, and a restart would roll out the same"
        cause = BEYOND_RESTART.get(world.verdict.reason)
        return f"{cause}, and a restart would not change that" if cause else None

    def patch(self, workload: Workload, heal_id: str, now: datetime) -> Json:
        return guarded(workload, {RESTARTED_AT: format_time(now), HEAL_ID: heal_id})


LADDER: tuple[Rung, ...] = (Restart(),)


def guarded(workload: Workload, annotations: dict[str, str], template: Json | None = None) -> Json:
    """A patch of the pod template that the API server refuses unless the Deployment is the one we saw."""
    return {
        "metadata": {"uid": workload.uid, "resourceVersion": workload.resource_version},
        "spec": {"template": {"metadata": {"annotations": annotations}, **(template or {})}},
    }


def choose(world: HealWorld, ladder: Sequence[Rung] = LADDER) -> Rung | str:
    """The mildest allowed rung that suits, the least tried one of this trouble; or why there is none."""
    allowed = [rung for rung in ladder if rung.action in world.policy.allowed_actions]
    if not allowed:
        return "spec.heal.allowedActions lists none that the hub can take"
    suited, why = [], []
    for rung in allowed:
        objection = rung.unsuited(world)
        if objection is None:
            suited.append(rung)
        else:
            why.append(f"{rung.action.value}: {objection}")
    return min(suited, key=lambda rung: _tried(world, rung)) if suited else "; ".join(why)


def _tried(world: HealWorld, rung: Rung) -> int:
    began = world.heal.unhealthy_since
    if latest(world.heal) is None or began is None:
        return 0
    return sum(each.action is rung.action and each.at >= began for each in world.heal.history)
