from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from heal_worlds import NOON, ago, heal, policy, record, workload, world
from integration_hub.api.product_registration import HealRecord, HealStatus
from integration_hub.api.reasons import Reason
from integration_hub.domain.healing import checks
from integration_hub.domain.healing.checks import CHECKS, LOOK_AGAIN, Check
from integration_hub.domain.healing.decide import decide
from integration_hub.domain.healing.world import Act, Escalate, HealWorld, Objection, Skip, Storm, Wait
from integration_hub.domain.rollout import DisruptionBudget

UNDER_WAY = ("True", "ReplicaSetUpdated")
LATER = NOON + LOOK_AGAIN


Row = tuple[Check, dict[str, Any], type[Objection], Reason, datetime | None]


def skip(check: Check, reason: Reason, **changes: Any) -> Row:
    return check, changes, Skip, reason, None


def wait(check: Check, reason: Reason, until: datetime, **changes: Any) -> Row:
    return check, changes, Wait, reason, until


def escalate(check: Check, reason: Reason, until: datetime | None, **changes: Any) -> Row:
    return check, changes, Escalate, reason, until


def past(*history: HealRecord) -> HealStatus:
    return heal(history=list(history))


ELSEWHERE = workload(annotations={"kubectl.kubernetes.io/restartedAt": "2026-11-21T11:58:00Z"})
RECREATED = workload(strategy={"type": "Recreate"})
USED_UP = past(*(record("failed", ago(minutes=minutes)) for minutes in (20, 40, 59)))
TAKEN_BACK = past(record("reverted", ago(hours=2)), record("reverted", ago(hours=23)))
FLAPPING = heal(transitions=[ago(minutes=1), ago(minutes=4), ago(minutes=14)])
IN_A_MINUTE = NOON + timedelta(minutes=1)

OBJECTIONS: dict[str, Row] = {
    "switched off": skip(checks.switched_off, Reason.HEAL_DISABLED, policy=policy(enabled=False)),
    "no workloadRef": skip(checks.nothing_to_act_on, Reason.HEAL_DISABLED, workload_name=None, workload=None),
    "namespace not served": skip(
        checks.not_served, Reason.WORKLOAD_ACCESS_DENIED, served=False, workload=None
    ),
    "no such Deployment": skip(checks.workload_missing, Reason.WORKLOAD_NOT_FOUND, workload=None),
    "no label": skip(checks.no_consent, Reason.HEAL_NO_CONSENT, policy=policy(consent="label")),
    "nobody asked at admission": skip(checks.no_consent, Reason.HEAL_NO_CONSENT, asked_at_admission=False),
    "a rival": skip(checks.rival_registration, Reason.DUPLICATE, rival="older"),
    "something is not on record yet": wait(
        checks.not_on_record, Reason.HEAL_WAITING, NOON, heal=heal(unhealthy_since=ago(minutes=9))
    ),
    "another Deployment than on record": wait(
        checks.not_on_record, Reason.HEAL_WAITING, NOON, pinned_uid="dep-0"
    ),
    "no Deployment on record": wait(checks.not_on_record, Reason.HEAL_WAITING, NOON, pinned_uid=None),
    "paused": skip(checks.paused, Reason.HEAL_WORKLOAD_PAUSED, workload=workload(paused=True)),
    "scaled to zero": skip(
        checks.scaled_to_zero, Reason.HEAL_SCALED_TO_ZERO, workload=workload(replicas=0, available=0)
    ),
    "an action is being verified": wait(
        checks.being_verified,
        Reason.HEAL_VERIFYING,
        NOON + timedelta(seconds=90),
        recorded=past(record("verifying", ago(seconds=30))),
    ),
    "rollout under way": wait(
        checks.rollout_in_progress,
        Reason.ROLLOUT_IN_PROGRESS,
        LATER,
        workload=workload(progressing=UNDER_WAY),
    ),
    "storm brake": skip(checks.storm, Reason.HEAL_STORM_BRAKE, storm=Storm.BRAKED),
    "maybe a storm": wait(checks.storm, Reason.HEAL_WAITING, LATER, storm=Storm.SUSPECTED),
    "the hub was away": wait(
        checks.grace, Reason.HEAL_GRACE, NOON + timedelta(seconds=30), observing_since=ago(seconds=90)
    ),
    "not unwell for long enough": wait(
        checks.young, Reason.HEAL_WAITING, IN_A_MINUTE, policy=policy(after_seconds=660)
    ),
    "recovering": wait(checks.recovering, Reason.HEAL_WAITING, LATER, recovering=True),
    "flapping": escalate(checks.flapping, Reason.HEAL_FLAPPING, IN_A_MINUTE, recorded=FLAPPING),
    "a dependency is down": skip(checks.dependency_down, Reason.HEAL_DEPENDENCY_DOWN, red_roots=("db",)),
    "taken back twice": escalate(checks.taken_back, Reason.HEAL_REVERTED, None, recorded=TAKEN_BACK),
    "the hour is used up": escalate(
        checks.attempts_used_up,
        Reason.HEAL_EXHAUSTED,
        IN_A_MINUTE,
        recorded=USED_UP,
        policy=policy(cooldown_seconds=10),
    ),
    "cooling down": wait(
        checks.cooling_down,
        Reason.HEAL_COOLING_DOWN,
        IN_A_MINUTE,
        recorded=past(record("succeeded", ago(minutes=4))),
    ),
    "cooling down twice as long": wait(
        checks.cooling_down,
        Reason.HEAL_COOLING_DOWN,
        NOON + timedelta(minutes=4),
        recorded=past(record("failed", ago(minutes=6))),
    ),
    "restarted by somebody else": wait(
        checks.restarted_elsewhere,
        Reason.HEAL_RESTARTED_ELSEWHERE,
        NOON + timedelta(minutes=3),
        workload=ELSEWHERE,
    ),
    "disruption budget": wait(
        checks.disruption_budget,
        Reason.HEAL_PDB_EXHAUSTED,
        LATER,
        workload=RECREATED,
        budgets=(DisruptionBudget("pdb", 0, 2),),
    ),
}


@pytest.mark.parametrize("row", OBJECTIONS.values(), ids=OBJECTIONS)
def test_a_check_objects_and_its_objection_is_the_decision(row: Row) -> None:
    check, changes, kind, reason, until = row
    asked = world(**changes)
    objection = check(asked)
    assert isinstance(objection, kind)
    assert objection.reason is reason
    assert getattr(objection, "until", None) == until
    assert decide(asked) == objection


def test_every_check_is_in_the_table_and_on_the_list() -> None:
    assert {check for check, *_ in OBJECTIONS.values()} == set(CHECKS)


def test_the_hub_acts_where_nothing_objects() -> None:
    assert [check(world()) for check in CHECKS] == [None] * len(CHECKS)
    outcome = decide(world())
    assert isinstance(outcome, Act)
    assert outcome.why == "No answer."


LABELLED = workload(labels={"integrationhub.io/heal": "enabled"})
NO_OBJECTION: dict[str, dict[str, Any]] = {
    "the label is consent": {"policy": policy(consent="label"), "workload": LABELLED},
    "the label is consent where admission does not ask": {
        "asked_at_admission": False,
        "workload": LABELLED,
    },
    "the grace is over": {"observing_since": ago(seconds=120)},
    "unwell for long enough": {"policy": policy(after_seconds=600)},
    "two changes within the window": {
        "recorded": heal(transitions=[ago(minutes=1), ago(minutes=4), ago(minutes=15)])
    },
    "taken back once lately": {
        "recorded": past(record("reverted", ago(hours=2)), record("reverted", ago(hours=24)))
    },
    "the cool-down is over": {"recorded": past(record("succeeded", ago(minutes=5)))},
    "the double cool-down is over": {"recorded": past(record("failed", ago(minutes=10)))},
    "the first of three leaves the hour": {
        "recorded": past(*(record("failed", ago(minutes=minutes)) for minutes in (41, 50, 60)))
    },
    "somebody else's restart had its time": {
        "workload": workload(annotations={"kubectl.kubernetes.io/restartedAt": "2026-11-21T11:55:00Z"})
    },
    "a restart in the future proves nothing": {
        "workload": workload(annotations={"kubectl.kubernetes.io/restartedAt": "2036-01-01T00:00:00Z"})
    },
    "the strategy surges first": {"budgets": (DisruptionBudget("pdb", 0, 2),)},
    "no pod serves that a budget could protect": {
        "workload": RECREATED,
        "budgets": (DisruptionBudget("pdb", 0, 0),),
    },
    "the budget has room": {"workload": RECREATED, "budgets": (DisruptionBudget("pdb", 1, 2),)},
}


@pytest.mark.parametrize("changes", NO_OBJECTION.values(), ids=NO_OBJECTION)
def test_a_brake_does_not_hold_longer_than_it_should(changes: dict[str, Any]) -> None:
    assert isinstance(decide(world(**changes)), Act)


def test_of_two_objections_the_first_on_the_list_speaks() -> None:
    both = world(policy=policy(enabled=False), storm=Storm.BRAKED)
    assert decide(both) == checks.switched_off(both)


def test_messages_for_a_person_say_what_to_do() -> None:
    def said(asked: HealWorld) -> str:
        return getattr(decide(asked), "message", "")

    assert "integration-hub-heal-brake" in said(world(storm=Storm.BRAKED))
    assert "kubectl label deployment dataflow integrationhub.io/heal=enabled" in said(
        world(policy=policy(consent="label"))
    )
    assert "kubectl rollout resume deployment/dataflow" in said(world(workload=workload(paused=True)))


def test_nothing_is_done_for_a_product_that_is_not_unwell() -> None:
    for status in ("healthy", "degraded", "unknown"):
        calm = world()
        calm = replace(calm, verdict=replace(calm.verdict, status=type(calm.verdict.status)(status)))
        assert type(decide(calm)).__name__ == "Healthy"
