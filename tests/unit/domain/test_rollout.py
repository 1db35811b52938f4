from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from deployments import deployment
from integration_hub.domain.rollout import (
    DisruptionBudget,
    RolloutState,
    Workload,
    budgets_over,
    read_rollout,
    read_workload,
    selects,
)

UNDER_WAY = ("True", "ReplicaSetUpdated")


@pytest.mark.parametrize(
    ("made", "state", "available", "full"),
    [
        pytest.param({}, RolloutState.COMPLETE, True, True, id="rolled out"),
        pytest.param({"replicas": None}, RolloutState.COMPLETE, True, True, id="replicas defaulted to one"),
        pytest.param({"replicas": 0, "available": 0}, RolloutState.SCALED_TO_ZERO, True, True, id="zero"),
        pytest.param({"paused": True}, RolloutState.PAUSED, True, True, id="paused"),
        pytest.param(
            {"paused": True, "generation": 4, "observed": 3},
            RolloutState.PAUSED,
            True,
            True,
            id="paused with a change waiting",
        ),
        pytest.param(
            {"generation": 2, "observed": 1}, RolloutState.PROGRESSING, True, True, id="not yet observed"
        ),
        pytest.param(
            {"generation": 2, "observed": 1, "progressing": ("False", "ProgressDeadlineExceeded")},
            RolloutState.PROGRESSING,
            True,
            True,
            id="the deadline that passed is the old template's",
        ),
        pytest.param(
            {"progressing": ("False", "ProgressDeadlineExceeded"), "available": 0},
            RolloutState.FAILED,
            False,
            False,
            id="deadline exceeded, nothing serves",
        ),
        pytest.param(
            {"progressing": ("False", "ProgressDeadlineExceeded"), "running": 2},
            RolloutState.FAILED,
            True,
            True,
            id="deadline exceeded, old pods serve",
        ),
        pytest.param(
            {"available": 0, "conditions": [{"type": "ReplicaFailure", "status": "True"}], "updated": 0},
            RolloutState.FAILED,
            False,
            False,
            id="quota refuses pods",
        ),
        pytest.param(
            {"replicas": 3, "updated": 1, "running": 3, "available": 3},
            RolloutState.PROGRESSING,
            True,
            True,
            id="one of three updated",
        ),
        pytest.param(
            {"running": 2, "progressing": UNDER_WAY},
            RolloutState.PROGRESSING,
            True,
            True,
            id="old pods remain",
        ),
        pytest.param(
            {"available": 0, "progressing": UNDER_WAY},
            RolloutState.PROGRESSING,
            False,
            False,
            id="new pods are not ready yet",
        ),
        pytest.param(
            {"available": 0}, RolloutState.COMPLETE, False, False, id="was complete and lost its pods since"
        ),
        pytest.param(
            {"replicas": 4, "available": 3, "enough": True},
            RolloutState.COMPLETE,
            True,
            False,
            id="lost one of four",
        ),
        pytest.param(
            {"available": 0, "progressing": None}, RolloutState.COMPLETE, False, False, id="endless deadline"
        ),
    ],
)
def test_the_state_of_a_rollout_is_read_from_the_deployment(
    made: dict[str, Any], state: RolloutState, available: bool, full: bool
) -> None:
    rollout = read_rollout(deployment(**made))
    assert (rollout.state, rollout.available, rollout.full) == (state, available, full)


def test_a_deployment_nobody_has_looked_at_yet_is_in_progress() -> None:
    fresh = deployment()
    del fresh["status"]
    rollout = read_rollout(fresh)
    assert rollout.state is RolloutState.PROGRESSING
    assert not rollout.available


@pytest.mark.parametrize(
    ("replicas", "strategy", "takes_down"),
    [
        pytest.param(1, {"type": "Recreate"}, True, id="recreate"),
        pytest.param(1, {"type": "RollingUpdate"}, False, id="a quarter of one is none"),
        pytest.param(4, {"type": "RollingUpdate"}, True, id="a quarter of four"),
        pytest.param(9, {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}, False, id="surge only"),
        pytest.param(9, {"rollingUpdate": {"maxUnavailable": 2}}, True, id="two"),
        pytest.param(
            1, {"rollingUpdate": {"maxUnavailable": "10%", "maxSurge": 0}}, True, id="none and none"
        ),
        pytest.param(
            3, {"rollingUpdate": {"maxUnavailable": "odd"}}, True, id="unreadable is the worse case"
        ),
    ],
)
def test_whether_a_rollout_ends_pods_before_others_serve(
    replicas: int, strategy: dict[str, Any], takes_down: bool
) -> None:
    made = deployment(replicas=replicas, available=replicas, strategy=strategy)
    assert read_rollout(made).takes_down is takes_down


def test_a_workload_tells_the_heal_that_made_its_template() -> None:
    workload = read_workload(
        deployment(
            labels={"team": "a"},
            annotations={
                "integrationhub.io/heal-id": "restart-1",
                "kubectl.kubernetes.io/restartedAt": "2026-11-21T12:00:00+02:00",
            },
        )
    )
    assert workload == Workload(
        name="dataflow",
        uid="dep-1",
        resource_version="100",
        rollout=workload.rollout,
        labels={"team": "a"},
        pod_labels={"app": "dataflow"},
        heal_id="restart-1",
        restarted_at=datetime(2026, 11, 21, 10, 0, tzinfo=UTC),
    )


@pytest.mark.parametrize("written", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_a_restart_time_that_is_none_is_ignored(written: str) -> None:
    made = deployment(annotations={"kubectl.kubernetes.io/restartedAt": written})
    assert read_workload(made).restarted_at is None


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        pytest.param(None, False, id="none selects nothing"),
        pytest.param({}, True, id="empty selects everything"),
        pytest.param({"matchLabels": {"app": "a"}}, True, id="equal"),
        pytest.param({"matchLabels": {"app": "b"}}, False, id="other value"),
        pytest.param({"matchLabels": {"app": "a", "tier": "x"}}, False, id="label missing"),
        pytest.param(
            {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a"]}]}, True, id="in"
        ),
        pytest.param(
            {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, False, id="not in"
        ),
        pytest.param({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True, id="exists"),
        pytest.param({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False, id="absent"),
        pytest.param(
            {"matchExpressions": [{"key": "app", "operator": "New"}]}, True, id="unknown is a match"
        ),
    ],
)
def test_label_selectors_match_as_the_api_server_says(selector: dict[str, Any] | None, matches: bool) -> None:
    assert selects(selector, {"app": "a"}) is matches


def test_only_budgets_over_the_workloads_pods_count() -> None:
    def budget(name: str, app: str) -> dict[str, Any]:
        return {
            "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {"disruptionsAllowed": 0, "currentHealthy": 2},
        }

    workload = read_workload(deployment())
    assert budgets_over([budget("mine", "dataflow"), budget("other", "pulse")], workload) == (
        DisruptionBudget("mine", 0, 2),
    )
