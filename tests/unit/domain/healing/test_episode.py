from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from heal_worlds import NOON, ago, heal, policy, record, verdict, workload
from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import HealAction, HealStatus
from integration_hub.domain.healing import episode
from integration_hub.domain.healing.episode import Followed
from integration_hub.domain.rollout import Workload

WELL, ILL, NONE = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN
ROLLING = ("True", "ReplicaSetUpdated")


def follow(
    told: HealStatus,
    status: HealthStatus,
    before: HealthStatus = ILL,
    on: Workload | None = None,
    **options: Any,
) -> Followed:
    return episode.follow(told, verdict(status), before, on, policy=policy(), now=NOON, **options)


# --------------------------------------------------------------------------- trouble


def test_the_beginning_of_a_trouble_is_kept_until_it_ends() -> None:
    began = follow(HealStatus(), ILL, WELL).heal
    assert began.unhealthy_since == NOON
    assert follow(began, ILL).heal == began
    assert follow(began, HealthStatus.OFFLINE).heal == began
    assert follow(began, WELL).heal.unhealthy_since is None


def test_changes_between_well_and_unwell_are_counted_and_others_are_not() -> None:
    assert follow(HealStatus(), ILL, WELL).heal.transitions == [NOON]
    assert follow(HealStatus(), ILL, NONE).heal.transitions == []
    assert follow(HealStatus(), HealthStatus.DEGRADED, WELL).heal.transitions == []
    assert follow(heal(), WELL, ILL).heal.transitions == [NOON]


def test_old_changes_are_dropped_with_the_next_one() -> None:
    told = HealStatus(transitions=[ago(minutes=14), ago(minutes=16)])
    assert follow(told, ILL, WELL).heal.transitions == [NOON, ago(minutes=14)]


def test_a_replaced_workload_starts_the_trouble_anew() -> None:
    assert follow(heal(), ILL, replaced=True).heal.unhealthy_since == NOON
    assert follow(HealStatus(), WELL, WELL, replaced=True).heal == HealStatus()


# --------------------------------------------------------------------------- verification


@pytest.mark.parametrize(
    ("result", "status", "on", "at", "becomes"),
    [
        pytest.param("verifying", WELL, {}, 30, "succeeded", id="well again"),
        pytest.param("verifying", HealthStatus.DEGRADED, {}, 30, "succeeded", id="degraded works"),
        pytest.param("verifying", ILL, {}, 30, "verifying", id="still within its time"),
        pytest.param("verifying", ILL, {}, 120, "failed", id="its time is over"),
        pytest.param("verifying", NONE, {}, 120, "failed", id="nothing is known at its end"),
        pytest.param("verifying", WELL, {"progressing": ROLLING}, 30, "verifying", id="the rollout goes on"),
        pytest.param("verifying", WELL, {"progressing": ROLLING}, 120, "succeeded", id="the rollout is long"),
        pytest.param("verifying", ILL, {"annotations": {}}, 30, "reverted", id="taken back at once"),
        pytest.param("succeeded", WELL, {"annotations": {}}, 899, "reverted", id="taken back later"),
        pytest.param("failed", ILL, {"annotations": {}}, 899, "reverted", id="taken back after it failed"),
        pytest.param("succeeded", WELL, {"annotations": {}}, 901, "succeeded", id="a deployment long after"),
        pytest.param("succeeded", ILL, {}, 600, "succeeded", id="what helped has helped"),
        pytest.param("rejected", ILL, {"annotations": {}}, 60, "rejected", id="never was there"),
        pytest.param("dryRun", ILL, {"annotations": {}}, 60, "dryRun", id="never was meant to be there"),
        pytest.param("proposed", ILL, {}, 60, "proposed", id="waits for approval"),
        pytest.param("proposed", WELL, {}, 60, "rejected", id="lapses with the trouble"),
        pytest.param("proposed", ILL, {}, 660, "rejected", id="was for an earlier trouble"),
    ],
)
def test_what_comes_of_an_action(
    result: str, status: HealthStatus, on: dict[str, Any], at: int, becomes: str
) -> None:
    entry = record(result, ago(seconds=at), id="restart-1")
    annotations = {"integrationhub.io/heal-id": "restart-1"}
    followed = follow(heal(history=[entry]), status, ILL, workload(**{"annotations": annotations, **on}))
    [now] = followed.heal.history
    assert now.result == becomes
    assert (now.finished_at == NOON) is (becomes != result)
    assert [note.result for note in followed.notes] == ([becomes] if becomes != result else [])


def test_without_the_workload_nothing_is_said_to_be_taken_back() -> None:
    told = heal(history=[record("succeeded", ago(seconds=30))])
    assert follow(told, WELL, WELL, None).heal.history == told.history
    assert follow(told, WELL, WELL, workload(uid="dep-2"), replaced=True).heal.history == told.history


# --------------------------------------------------------------------------- limits


def test_the_cool_down_doubles_with_each_futile_action_and_ends_with_a_useful_one() -> None:
    def pause(*results: str) -> timedelta:
        times = [ago(minutes=number) for number in range(len(results))]
        told = heal(history=[record(result, at) for result, at in zip(results, times, strict=True)])
        until = episode.cooled_down_at(told, policy(cooldown_seconds=60), NOON)
        assert until is not None
        return until - NOON

    assert pause("verifying") == timedelta(minutes=1)
    assert pause("failed") == timedelta(minutes=2)
    assert pause("failed", "rejected", "reverted") == timedelta(minutes=8)
    assert pause("failed", "succeeded", "failed") == timedelta(minutes=2)
    assert pause(*["failed"] * 10) == timedelta(minutes=1024)
    assert episode.cooled_down_at(HealStatus(), policy(), NOON) is None


def test_no_cool_down_is_longer_than_a_day() -> None:
    told = heal(history=[record("failed", NOON) for _ in range(10)])
    assert episode.cooled_down_at(told, policy(cooldown_seconds=86_400), NOON) == NOON + timedelta(days=1)


def test_failures_of_yesterday_are_forgotten() -> None:
    told = heal(history=[record("failed", ago(hours=25)), record("failed", ago(hours=26))])
    assert episode.futile(told, NOON) == 0


# --------------------------------------------------------------------------- entering


def test_an_action_is_entered_newest_first_and_counted() -> None:
    told = heal(count=4, history=[record("failed", ago(hours=number + 1)) for number in range(10)])
    entered = episode.begin(told, record("verifying", NOON, id="new"), policy())
    assert [each.id for each in entered.history][:2] == ["new", told.history[0].id]
    assert len(entered.history) == 10
    assert (entered.count, entered.last_action, entered.last_action_at) == (5, HealAction.RESTART, NOON)
    assert entered.next_allowed_at is not None


@pytest.mark.parametrize("result", ["proposed", "dryRun", "rejected"])
def test_what_was_not_done_is_not_counted(result: str) -> None:
    entered = episode.begin(heal(count=4), record(result, NOON), policy())
    assert (entered.count, entered.last_action) == (4, None)
    assert entered.history[0].result == result


def test_an_approved_proposal_becomes_the_action() -> None:
    proposed = episode.begin(heal(), record("proposed", ago(minutes=5), id="restart-1"), policy())
    entered = episode.begin(proposed, record("verifying", NOON, id="restart-1"), policy())
    assert [(each.id, each.result) for each in entered.history] == [("restart-1", "verifying")]


# --------------------------------------------------------------------------- ids


def the_id(told: HealStatus, uid: str = "reg-1", workload_uid: str = "dep-1") -> str:
    return episode.heal_id(told, HealAction.RESTART, uid, workload_uid)


def test_the_id_of_the_next_action_stays_until_the_record_changes() -> None:
    told = heal(history=[record("verifying", ago(minutes=5), id="a")])
    ended = heal(history=[record("failed", ago(minutes=5), id="a", finished_at=NOON)])
    assert the_id(told) == the_id(ended)
    assert the_id(told).startswith("restart-")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"told": heal(unhealthy_since=ago(minutes=9))}, id="another trouble"),
        pytest.param({"told": heal(history=[record("failed", ago(minutes=5))])}, id="after an action"),
        pytest.param({"uid": "reg-2"}, id="another registration"),
        pytest.param({"workload_uid": "dep-2"}, id="another Deployment"),
    ],
)
def test_another_action_has_another_id(other: dict[str, Any]) -> None:
    assert the_id(**{"told": heal(), **other}) != the_id(heal())


def test_a_proposal_keeps_its_id_when_it_is_carried_out() -> None:
    proposed = heal(history=[record("proposed", ago(minutes=5), id="restart-7")])
    assert the_id(proposed) == "restart-7"


def test_the_id_survives_the_wire() -> None:
    """A process that restarts knows the record from JSON, in whole seconds."""
    told = heal(unhealthy_since=datetime.fromisoformat("2026-11-21T11:50:00+00:00"))
    assert the_id(HealStatus.model_validate(told.to_json())) == the_id(told)
