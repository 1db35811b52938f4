from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heal_worlds import NOON, ago, heal, policy, record, verdict, workload, world
from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import HealAction, HealPolicy, HealRecord, HealStatus
from integration_hub.api.reasons import Reason
from integration_hub.domain.healing import episode
from integration_hub.domain.healing.decide import decide
from integration_hub.domain.healing.ladder import choose
from integration_hub.domain.healing.world import Act, Announce, HealWorld, Recover, Skip
from integration_hub.domain.rollout import Workload


def meant(asked: HealWorld) -> str:
    assert asked.workload is not None
    return episode.heal_id(asked.recorded, HealAction.RESTART, asked.uid, asked.workload.uid)


def carrying(heal_id: str, **made: Any) -> Workload:
    annotations = {
        "integrationhub.io/heal-id": heal_id,
        "kubectl.kubernetes.io/restartedAt": "2026-11-21T11:59:00Z",
    }
    return workload(annotations=annotations, **made)


def test_an_action_found_on_the_deployment_is_recorded_and_not_repeated() -> None:
    found = decide(world(workload=carrying(meant(world()), progressing=("True", "ReplicaSetUpdated"))))
    assert isinstance(found, Recover)
    assert found.heal_id == meant(world())
    assert found.at == ago(minutes=1)


def test_it_is_recorded_even_if_the_product_is_well_by_now() -> None:
    asked = world(workload=carrying(meant(world())), verdict=verdict(HealthStatus.HEALTHY, Reason.HEALTHY))
    assert isinstance(decide(asked), Recover)


def test_an_action_that_is_on_record_is_not_found_again() -> None:
    told = heal(history=[record("verifying", ago(minutes=1), id=meant(world()))])
    assert not isinstance(decide(world(recorded=told, workload=carrying(meant(world())))), Recover)


@pytest.mark.parametrize(
    "reason", [Reason.NAME_NOT_RESOLVED, Reason.TLS_FAILED, Reason.UNEXPECTED_ANSWER], ids=str
)
def test_what_new_pods_cannot_change_is_no_case_for_a_restart(reason: Reason) -> None:
    outcome = decide(world(verdict=verdict(reason=reason)))
    assert isinstance(outcome, Skip)
    assert outcome.reason is Reason.HEAL_ACTION_NOT_ALLOWED


def test_a_template_that_does_not_roll_out_is_no_case_for_a_restart() -> None:
    failed = workload(progressing=("False", "ProgressDeadlineExceeded"))
    assert isinstance(decide(world(workload=failed)), Skip)


class Rung:
    """A rung for tests that always suits."""

    def __init__(self, action: HealAction) -> None:
        self.action = action

    def unsuited(self, world: HealWorld) -> str | None:
        return None

    def patch(self, workload: Workload, heal_id: str, now: datetime) -> Any:
        return {}


def test_the_ladder_is_climbed_from_its_mildest_rung() -> None:
    ladder = (Rung(HealAction.RESTART), Rung(HealAction.ROLLBACK))
    both = policy(allowed_actions=["restart", "rollback"])

    def next_after(*actions: str) -> str:
        history = [
            record("failed", ago(minutes=number + 1), action=action)
            for number, action in enumerate(reversed(actions))
        ]
        rung = choose(world(policy=both, recorded=heal(history=history)), ladder)
        assert not isinstance(rung, str)
        return rung.action.value

    assert next_after() == "restart"
    assert next_after("restart") == "rollback"
    assert next_after("restart", "rollback") == "restart"


def test_rungs_of_an_earlier_trouble_do_not_count() -> None:
    ladder = (Rung(HealAction.RESTART), Rung(HealAction.ROLLBACK))
    both = policy(allowed_actions=["restart", "rollback"])
    rung = choose(world(policy=both, recorded=heal(history=[record("succeeded", ago(hours=1))])), ladder)
    assert not isinstance(rung, str)
    assert rung.action is HealAction.RESTART


def test_only_allowed_rungs_are_used() -> None:
    assert isinstance(choose(world(policy=policy(allowed_actions=["scale"]))), str)


def test_a_dry_run_is_announced_once_for_each_trouble() -> None:
    first = decide(world(policy=policy(mode="DryRun")))
    assert isinstance(first, Announce)
    told = heal(history=[record("dryRun", ago(minutes=9), id=first.heal_id)])
    again = decide(world(policy=policy(mode="DryRun"), recorded=told))
    assert isinstance(again, Skip)
    assert again.reason is Reason.HEAL_DRY_RUN
    earlier = heal(history=[record("dryRun", ago(hours=2))])
    assert isinstance(decide(world(policy=policy(mode="DryRun"), recorded=earlier)), Announce)


def test_a_proposal_waits_for_its_own_id() -> None:
    asks = policy(mode="Propose")
    first = decide(world(policy=asks))
    assert isinstance(first, Announce)
    told = heal(history=[record("proposed", ago(minutes=9), id=first.heal_id)])
    waiting = decide(world(policy=asks, recorded=told))
    assert isinstance(waiting, Skip)
    command = "kubectl annotate --overwrite productregistration dataflow"
    assert f"{command} integrationhub.io/heal-approve={first.heal_id}" in waiting.message
    assert isinstance(decide(world(policy=asks, recorded=told, approved_id="other")), Skip)
    approved = decide(world(policy=asks, recorded=told, approved_id=first.heal_id))
    assert isinstance(approved, Act)
    assert approved.heal_id == first.heal_id


# --------------------------------------------------------------------------- the budget, whatever happens


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(1, 10),
    cooldown=st.sampled_from([10, 60, 300]),
    verify=st.sampled_from([5, 60, 120]),
    fates=st.lists(st.sampled_from(["ill", "well", "reverted", "refused"]), min_size=20, max_size=120),
    step=st.sampled_from([7, 30, 61]),
)
def test_never_more_actions_within_an_hour_than_allowed(
    limit: int, cooldown: int, verify: int, fates: list[str], step: int
) -> None:
    chosen = HealPolicy(
        max_actions_per_hour=limit, cooldown_seconds=cooldown, verify_seconds=verify, after_seconds=0
    )
    told, now, taken, on, before = HealStatus(), NOON, list[datetime](), "", HealthStatus.HEALTHY
    for fate in fates:
        now += timedelta(seconds=step)
        status = HealthStatus.HEALTHY if fate == "well" else HealthStatus.UNHEALTHY
        on = "" if fate == "reverted" else on
        seen, judged = carrying(on) if on else workload(), verdict(status)
        followed = episode.follow(told, judged, before, seen, policy=chosen, now=now).heal
        outcome = decide(
            world(now=now, recorded=told, heal=followed, policy=chosen, verdict=judged, workload=seen)
        )
        told = followed
        if isinstance(outcome, Act):
            taken.append(now)
            on = on if fate == "refused" else outcome.heal_id
            result = "rejected" if fate == "refused" else "verifying"
            entry = HealRecord(id=outcome.heal_id, action=outcome.action, at=now, reason="", result=result)
            told = episode.begin(told, entry, chosen)
        before = status
        assert len(told.history) <= 10
    for start in taken:
        within = [each for each in taken if start <= each < start + timedelta(hours=1)]
        assert len(within) <= limit
    gaps = [later - sooner for sooner, later in pairwise(taken)]
    assert all(gap >= timedelta(seconds=cooldown) for gap in gaps)
