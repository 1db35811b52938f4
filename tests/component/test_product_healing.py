from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from integration_hub.ports import DEPLOYMENTS, ApiError, Failure, Resource
from memory import answer, no_answer
from product_stage import NAMESPACE, WELL, Stage, play

REF: dict[str, Any] = {"workloadRef": {"name": "dataflow"}}
UNDER_WAY = ("True", "ReplicaSetUpdated")


async def healthy(stage: Stage, **heal: Any) -> None:
    """A product that is well, with a hub that has watched it long enough to act."""
    stage.well()
    stage.deploy()
    stage.register(**REF, heal=heal)
    await stage.minutes(5)
    assert stage.health() == "healthy"


async def ill(stage: Stage, *, cured_by_restart: bool = True, **heal: Any) -> None:
    """It dies, and a restart may bring it back."""
    await healthy(stage, **heal)
    stage.dead()
    if cured_by_restart:
        stage.after_restart["dataflow"] = answer(200, WELL)
    await stage.minutes(2)
    assert stage.health() == "unhealthy"


def test_a_dead_product_is_restarted_once_and_its_recovery_is_verified() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage)
        await stage.minutes(10)
        assert len(stage.patches()) == 1
        assert stage.health() == "healthy"
        heal = stage.heal()
        assert (heal["count"], heal["lastAction"]) == (1, "restart")
        assert [(each["action"], each["result"]) for each in heal["history"]] == [("restart", "succeeded")]
        assert "unhealthySince" not in heal
        assert stage.conditions()["Healed"] == ("True", "HealSucceeded")
        assert stage.events.reasons("dataflow")[2:] == [
            ("Warning", "ConnectionFailed"),
            ("Normal", "HealActionTaken"),
            ("Normal", "Healthy"),
            ("Normal", "HealSucceeded"),
        ]
        assert stage.metrics.heals == [("restart", "verifying"), ("restart", "succeeded")]

    play(story)


def test_the_patch_names_the_very_deployment_and_the_very_action() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage)
        before = stage.cluster.read(DEPLOYMENTS, NAMESPACE, "dataflow")
        assert before is not None
        await stage.minutes(1)
        [patch] = stage.patches()
        assert patch["metadata"]["uid"] == before["metadata"]["uid"]
        assert patch["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        annotations = patch["spec"]["template"]["metadata"]["annotations"]
        [record] = stage.heal()["history"]
        assert annotations == {
            "kubectl.kubernetes.io/restartedAt": record["at"],
            "integrationhub.io/heal-id": record["id"],
        }

    play(story)


def test_what_a_restart_does_not_cure_is_tried_ever_more_rarely() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage, cured_by_restart=False, maxActionsPerHour=10)
        await stage.minutes(180)
        times = [datetime.fromisoformat(each["at"]) for each in reversed(stage.heal()["history"])]
        gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(times)]
        assert len(gaps) >= 3
        assert all(gap >= 300 * 2 ** (number + 1) for number, gap in enumerate(gaps)), gaps
        assert set(stage.results()) == {"failed"}

    play(story)


def test_when_the_hour_is_used_up_a_person_is_called_once() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage, cured_by_restart=False, maxActionsPerHour=1, cooldownSeconds=10)
        await stage.minutes(45)
        assert len(stage.patches()) == 1
        assert stage.conditions()["HealSuspended"] == ("True", "HealExhausted")
        skipped = [note for note in stage.events.notes if note.reason == "HealActionSkipped"]
        assert len(skipped) == 1
        writes = stage.writes()
        await stage.minutes(10)
        assert stage.writes() == writes
        await stage.minutes(30)
        assert len(stage.patches()) == 2

    play(story)


@pytest.mark.parametrize(
    ("spec", "made", "told"),
    [
        pytest.param({"enabled": False}, {}, None, id="switched off"),
        pytest.param({"consent": "label"}, {}, "HealNoConsent", id="no label"),
        pytest.param({}, {"available": 0, "progressing": UNDER_WAY}, None, id="a rollout that is under way"),
        pytest.param({}, {"paused": True}, "HealWorkloadPaused", id="paused"),
        pytest.param({}, {"replicas": 0, "available": 0}, "HealScaledToZero", id="scaled to zero"),
        pytest.param(
            {},
            {"available": 0, "progressing": ("False", "ProgressDeadlineExceeded")},
            "HealActionNotAllowed",
            id="the template itself is at fault",
        ),
        pytest.param({"allowedActions": ["scale"]}, {}, "HealActionNotAllowed", id="no allowed action"),
        pytest.param({"allowedActions": []}, {}, "HealActionNotAllowed", id="no action at all"),
    ],
)
def test_a_product_is_left_alone(spec: dict[str, Any], made: dict[str, Any], told: str | None) -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage, **spec)
        stage.deploy(**made)
        stage.dead()
        await stage.minutes(60)
        assert stage.patches() == []
        suspended = stage.conditions().get("HealSuspended")
        assert suspended == (("True", told) if told else None)

    play(story)


@pytest.mark.parametrize("failure", [Failure.DNS, Failure.TLS])
def test_what_new_pods_cannot_change_is_not_restarted(failure: Failure) -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.dead(failure=failure)
        await stage.minutes(30)
        assert stage.patches() == []
        assert stage.conditions()["HealSuspended"] == ("True", "HealActionNotAllowed")

    play(story)


def test_the_label_on_the_deployment_is_consent() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage, consent="label")
        stage.deploy(labels={"integrationhub.io/heal": "enabled"})
        stage.dead()
        await stage.minutes(5)
        assert len(stage.patches()) == 1

    play(story)


@pytest.mark.parametrize(("label", "heals"), [({}, 0), ({"integrationhub.io/heal": "enabled"}, 1)])
def test_without_the_admission_policy_only_the_label_is_consent(label: dict[str, str], heals: int) -> None:
    """Where nobody asked who named the Deployment, naming it proves nothing."""

    async def story(stage: Stage) -> None:
        stage.asked_at_admission = False
        await stage.restart()
        await healthy(stage)
        stage.deploy(labels=label)
        stage.dead()
        await stage.minutes(5)
        assert len(stage.patches()) == heals

    play(story)


def test_a_rollout_that_ends_without_effect_is_followed_by_the_heal() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.dead()
        stage.deploy(available=0, progressing=UNDER_WAY)
        await stage.minutes(20)
        assert stage.patches() == []
        assert stage.conditions()["Healed"] == ("False", "RolloutInProgress")
        stage.deploy(available=0)
        await stage.minutes(1)
        assert len(stage.patches()) == 1

    play(story)


def test_a_product_that_goes_up_and_down_is_not_restarted() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage, afterSeconds=0)
        stage.deploy(paused=True)  # so that the first trouble is not healed at once
        for _ in range(2):
            stage.dead()
            await stage.minutes(2)
            stage.well()
            await stage.minutes(1)
        stage.dead()
        stage.deploy()
        await stage.minutes(6)
        assert stage.patches() == []
        assert stage.conditions()["HealSuspended"] == ("True", "HealFlapping")
        await stage.minutes(15)
        assert len(stage.patches()) == 1, "what stays down is no longer flapping"

    play(story)


def test_a_dependency_in_trouble_is_healed_first() -> None:
    async def story(stage: Stage) -> None:
        for name, needs in (("web", ["db"]), ("db", [])):
            stage.well(name)
            stage.deploy(name)
            stage.register(name, workloadRef={"name": name}, dependencies=needs)
        await stage.minutes(5)
        stage.dead("web")
        stage.dead("db")
        await stage.minutes(4)
        patched = [each.name for each in stage.cluster.requests if each.verb == "patch"]
        assert patched == ["db"]
        assert stage.conditions("web")["HealSuspended"] == ("True", "HealDependencyDown")
        stage.well("db")
        await stage.minutes(5)
        patched = [each.name for each in stage.cluster.requests if each.verb == "patch"]
        assert patched == ["db", "web"]

    play(story)


def test_of_two_registrations_of_one_deployment_the_older_heals() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.well("other")
        stage.register("other", apiEndpoint="http://other:8080", workloadRef={"name": "dataflow"})
        await stage.minutes(5)
        stage.dead("other")
        await stage.minutes(10)
        assert stage.patches() == []
        assert stage.conditions("other")["HealSuspended"] == ("True", "Duplicate")

    play(story)


def test_somebody_elses_restart_is_given_its_time() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.dead()
        await stage.seconds(100)
        now = stage.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        stage.deploy(annotations={"kubectl.kubernetes.io/restartedAt": now})
        await stage.minutes(4)
        assert stage.patches() == []
        assert stage.conditions()["Healed"] == ("False", "HealRestartedElsewhere")
        await stage.minutes(2)
        assert len(stage.patches()) == 1

    play(story)


def test_another_manager_that_takes_heals_back_is_not_fought() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage, cooldownSeconds=30)
        stage.dead()
        for _ in range(60):
            await stage.minutes(1)
            if "integrationhub.io/heal-id" in stage.template():
                stage.deploy()  # as a GitOps tool that replaces what it did not write
        assert len(stage.patches()) == 2
        assert stage.results() == ["reverted", "reverted"]
        assert stage.conditions()["HealSuspended"] == ("True", "HealReverted")
        assert stage.events.reasons("dataflow").count(("Warning", "HealReverted")) == 2

    play(story)


def test_a_disruption_budget_protects_pods_that_still_serve() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.deploy(strategy={"type": "Recreate"})
        stage.budget("dataflow", allowed=0, healthy=1)
        stage.dead()
        await stage.minutes(10)
        assert stage.patches() == []
        assert stage.conditions()["Healed"] == ("False", "HealDisruptionBudgetExhausted")
        stage.budget("dataflow", allowed=0, healthy=0)  # none serves: nothing is left to protect
        await stage.minutes(2)
        assert len(stage.patches()) == 1

    play(story)


def test_a_dry_run_tells_the_same_and_touches_nothing() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage, mode="DryRun")
        await stage.minutes(30)
        assert stage.patches() == []
        assert stage.results() == ["dryRun"]
        assert stage.heal()["count"] == 0
        assert stage.conditions()["HealSuspended"] == ("True", "HealDryRun")
        assert stage.events.reasons("dataflow").count(("Normal", "HealDryRun")) == 1

    play(story)


def test_a_proposal_is_carried_out_when_it_is_approved() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage, mode="Propose")
        await stage.minutes(10)
        assert stage.patches() == []
        assert stage.results() == ["proposed"]
        heal_id = stage.heal()["history"][0]["id"]
        assert f"heal-approve={heal_id}" in stage.message("HealSuspended")
        stage.register(
            **REF, heal={"mode": "Propose"}, annotations={"integrationhub.io/heal-approve": "restart-other"}
        )
        await stage.minutes(10)
        assert stage.patches() == []
        stage.register(
            **REF, heal={"mode": "Propose"}, annotations={"integrationhub.io/heal-approve": heal_id}
        )
        await stage.minutes(10)
        assert stage.results() == ["succeeded"]
        assert len(stage.patches()) == 1

    play(story)


def test_an_approval_is_good_for_one_trouble_only() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage, mode="Propose")
        await stage.minutes(5)
        heal_id = stage.heal()["history"][0]["id"]
        stage.well()
        await stage.minutes(2)
        assert stage.results() == ["rejected"]
        stage.register(
            **REF, heal={"mode": "Propose"}, annotations={"integrationhub.io/heal-approve": heal_id}
        )
        stage.dead()
        await stage.minutes(30)
        assert stage.patches() == []
        assert stage.results() == ["proposed", "rejected"]

    play(story)


def test_after_its_own_absence_the_hub_watches_before_it_acts() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage, afterSeconds=600)
        await stage.stop()
        await stage.minutes(30)  # nobody watches, and the trouble grows old
        await stage.restart()
        await stage.minutes(1.5)
        assert stage.patches() == []
        await stage.minutes(3)
        assert len(stage.patches()) == 1

    play(story)


def test_what_recovered_during_the_hubs_absence_is_not_restarted() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage, afterSeconds=600)
        await stage.stop()
        stage.well()
        await stage.minutes(30)
        await stage.restart()
        await stage.minutes(10)
        assert stage.patches() == []
        assert stage.health() == "healthy"

    play(story)


@pytest.mark.parametrize(
    ("status", "reason", "results"),
    [
        pytest.param(403, "Forbidden", ["rejected"], id="not allowed"),
        pytest.param(422, "Invalid", ["rejected"], id="an admission policy objects"),
        pytest.param(409, "Conflict", [], id="somebody is editing it"),
        pytest.param(500, "InternalError", [], id="the API server is unwell"),
    ],
)
def test_a_patch_that_is_refused_is_told_and_not_hammered(
    status: int, reason: str, results: list[str]
) -> None:
    def trouble(verb: str, resource: Resource, name: str) -> Exception | None:
        refused = verb == "patch" and resource.plural == "deployments"
        return ApiError(status, reason, "no") if refused else None

    async def story(stage: Stage) -> None:
        await ill(stage)
        stage.cluster.trouble = trouble
        await stage.minutes(3)
        assert stage.results() == results
        assert stage.heal()["count"] == 0
        stage.cluster.trouble = None
        await stage.minutes(15)
        assert stage.results()[0] == "succeeded"

    play(story)


def test_a_replaced_deployment_is_given_its_own_time() -> None:
    async def story(stage: Stage) -> None:
        await ill(stage, afterSeconds=300)
        stage.cluster.drop(DEPLOYMENTS, NAMESPACE, "dataflow")
        await stage.seconds(30)
        stage.deploy()
        await stage.minutes(4.5)
        assert stage.patches() == []
        await stage.minutes(2)
        assert len(stage.patches()) == 1
        assert stage.status()["workloadUid"] == stage.patches()[0]["metadata"]["uid"]

    play(story)


def test_a_product_that_answers_again_is_not_restarted_while_it_proves_itself() -> None:
    async def story(stage: Stage) -> None:
        stage.well()
        stage.deploy()
        stage.register(**REF, successThreshold=10, heal={"afterSeconds": 120})
        await stage.minutes(5)
        stage.dead()
        await stage.seconds(100)
        stage.well()
        await stage.minutes(4)
        assert stage.health() == "unhealthy"
        assert stage.patches() == []
        assert stage.conditions()["Healed"] == ("False", "HealWaiting")

    play(story)


def test_the_record_keeps_ten_entries_newest_first() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage, cooldownSeconds=10, afterSeconds=0)
        stage.after_restart["dataflow"] = answer(200, WELL)
        for _ in range(12):
            stage.answers["dataflow"] = no_answer(Failure.CONNECT)
            await stage.minutes(30)
        times = [each["at"] for each in stage.heal()["history"]]
        assert len(times) == 10
        assert times == sorted(times, reverse=True)
        assert stage.heal()["count"] == 12

    play(story)


def test_however_much_there_is_to_say_a_status_stays_small() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage, cooldownSeconds=10, afterSeconds=0, maxActionsPerHour=10)
        stage.answers["dataflow"] = no_answer(Failure.TIMEOUT, "no answer, " * 1000)
        await stage.minutes(60 * 8)
        assert len(stage.heal()["history"]) == 10
        assert len(json.dumps(stage.status())) < 10_000

    play(story)
