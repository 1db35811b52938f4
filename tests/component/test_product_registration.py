from __future__ import annotations

from typing import Any

import pytest

from integration_hub.ports import Failure, Key
from memory import answer, conditions_of
from product_stage import NAMESPACE, Stage, play

REF: dict[str, Any] = {"workloadRef": {"name": "dataflow"}}


async def healthy(stage: Stage, **changes: Any) -> None:
    """The usual beginning: a product that runs in a Deployment, and all is well."""
    stage.well()
    stage.deploy()
    stage.register(**{**REF, **changes})
    await stage.seconds(2)
    assert stage.conditions()["Ready"] == ("True", "Succeeded"), stage.status()


def test_a_product_that_answers_is_healthy_and_costs_no_further_api_call() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        assert stage.conditions() == {
            "Ready": ("True", "Succeeded"),
            "Healthy": ("True", "Healthy"),
            "WorkloadAvailable": ("True", "WorkloadAvailable"),
            "ApiKeyReady": ("True", "KeyIssued"),
        }
        assert stage.status()["health"]["metrics"] == {"cpu_usage": 45.2}
        asked = len(stage.cluster.requests)
        await stage.minutes(60)
        assert len(stage.egress.requests) > 100
        assert len(stage.cluster.requests) == asked

    play(story)


def test_the_first_write_tells_everything_and_the_second_that_the_key_is_in_its_secret() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        assert stage.writes() == 2
        first = next(each.body for each in stage.cluster.requests if each.verb == "apply_status")
        assert conditions_of(first)["Ready"] == ("True", "Succeeded")
        assert conditions_of(first)["ApiKeyReady"] == ("Unknown", "KeyPending")
        status = stage.status()
        assert status["observedGeneration"] == 1
        assert status["observedVersion"] == "1.0.0"
        assert status["health"]["reportedVersion"] == "1.0.0"
        assert status["health"]["lastSeen"] == status["health"]["since"]
        assert stage.events.reasons("dataflow") == [
            ("Normal", "ProductRegistered"),
            ("Normal", "KeyIssued"),
        ]

    play(story)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        pytest.param({}, "http://dataflow:8080/health", id="below the API"),
        pytest.param({"apiEndpoint": "http://dataflow:8080/"}, "http://dataflow:8080/health", id="one slash"),
        pytest.param({"apiEndpoint": "http://dataflow/v1?x=1"}, "http://dataflow/v1/health", id="no query"),
        pytest.param({"healthEndpoint": "http://dataflow:9/live"}, "http://dataflow:9/live", id="as given"),
    ],
)
def test_the_health_endpoint_is_asked_on_behalf_of_the_namespace(given: dict[str, Any], asked: str) -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage, **given)
        request = stage.egress.requests[0]
        assert (request.method, request.url) == ("GET", asked)
        assert (request.destination.trust, request.destination.namespace) == ("product", NAMESPACE)
        assert request.timeout_seconds == 5

    play(story)


def test_lost_packets_change_nothing_until_the_threshold_is_reached() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        before = stage.writes()
        stage.dead()
        await stage.seconds(62)  # two probes failed
        stage.well()
        await stage.minutes(10)
        assert stage.writes() == before
        stage.dead()
        await stage.seconds(100)
        assert stage.health() == "unhealthy"
        assert stage.conditions()["Healthy"] == ("False", "ConnectionFailed")
        assert stage.status()["health"]["signal"] == "probe"
        assert stage.events.reasons("dataflow")[-1] == ("Warning", "ConnectionFailed")

    play(story)


def test_since_is_when_the_verdict_changed_and_stays() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage, heal={"enabled": False})
        stage.dead()
        await stage.minutes(5)
        since = stage.status()["health"]["since"]
        stage.register(**REF, heal={"enabled": False}, version="1.0.1")
        await stage.minutes(5)
        assert stage.status()["health"]["since"] == since
        stage.well()
        await stage.minutes(1)
        assert stage.status()["health"]["since"] > since

    play(story)


def test_a_slow_product_holds_up_nobody() -> None:
    async def story(stage: Stage) -> None:
        stage.egress.seconds = 4.0
        for number in range(12):
            stage.well(f"p{number}")
            stage.register(f"p{number}")
        await stage.seconds(6)
        assert {stage.health(f"p{number}") for number in range(12)} == {"healthy"}

    play(story)


@pytest.mark.parametrize(
    ("failure", "reason", "verdict"),
    [
        pytest.param(Failure.BLOCKED, ("False", "AddressBlocked"), "unknown", id="not an address of its own"),
        pytest.param(Failure.INVALID_URL, ("False", "InvalidURL"), "unknown", id="no address at all"),
        pytest.param(Failure.DNS, ("False", "NameNotResolved"), "unhealthy", id="no such Service"),
        pytest.param(Failure.TIMEOUT, ("False", "Timeout"), "unhealthy", id="too slow"),
        pytest.param(Failure.OVERLOADED, ("Unknown", "ProbePending"), "unknown", id="the hub's own trouble"),
    ],
)
def test_why_no_answer_came_is_told_by_a_stable_word(
    failure: Failure, reason: tuple[str, str], verdict: str
) -> None:
    async def story(stage: Stage) -> None:
        stage.dead(failure=failure)
        stage.register()
        await stage.minutes(5)
        assert stage.conditions()["Healthy"] == reason
        assert stage.health() == verdict

    play(story)


def test_a_degraded_product_is_told_of_and_not_touched() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.well(body={"status": "degraded"})
        await stage.minutes(30)
        assert stage.health() == "degraded"
        assert stage.conditions()["Ready"] == ("False", "ReportedDegraded")
        assert stage.patches() == []

    play(story)


def test_a_deployment_that_lost_its_pods_makes_the_product_unhealthy_whatever_the_probe_says() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage, heal={"enabled": False})
        stage.deploy(available=0)
        await stage.seconds(1)
        assert stage.health() == "unhealthy"
        assert stage.status()["health"]["signal"] == "rollout"
        assert stage.conditions()["WorkloadAvailable"] == ("False", "WorkloadUnavailable")
        stage.deploy()
        await stage.seconds(1)
        assert stage.conditions()["Ready"] == ("True", "Succeeded")

    play(story)


def test_a_rollout_in_progress_is_not_unhealthy_by_itself() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.deploy(available=0, progressing=("True", "ReplicaSetUpdated"))
        await stage.minutes(10)
        assert stage.health() == "healthy"
        assert stage.conditions()["WorkloadAvailable"] == ("Unknown", "RolloutInProgress")
        assert stage.patches() == []

    play(story)


def test_a_namespace_that_does_not_let_the_hub_in_is_told_how_to() -> None:
    async def story(stage: Stage) -> None:
        stage.deployments.denied.add(NAMESPACE)
        stage.well()
        stage.deploy()
        stage.register(**REF)
        await stage.seconds(2)
        assert stage.health() == "healthy"
        assert stage.conditions()["WorkloadAvailable"] == ("False", "WorkloadAccessDenied")
        assert stage.conditions()["Stalled"] == ("True", "WorkloadAccessDenied")
        assert "create rolebinding integration-hub-tenant" in stage.message("WorkloadAvailable")
        stage.deployments.denied.clear()
        stage.told("dataflow")
        await stage.seconds(2)
        assert stage.conditions()["Ready"] == ("True", "Succeeded")

    play(story)


def test_a_deployment_that_does_not_exist_is_named() -> None:
    async def story(stage: Stage) -> None:
        stage.well()
        stage.register(workloadRef={"name": "dataflwo"})
        await stage.seconds(2)
        assert stage.conditions()["Ready"] == ("False", "WorkloadNotFound")
        assert "dataflwo" in stage.message("Ready")

    play(story)


def test_without_a_watch_the_deployment_is_read_directly() -> None:
    async def story(stage: Stage) -> None:
        stage.deployments.watching = False
        await healthy(stage)
        assert stage.conditions()["WorkloadAvailable"] == ("True", "WorkloadAvailable")

    play(story)


def test_a_new_version_is_recorded_with_the_one_before() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.register(**REF, version="1.1.0")
        await stage.seconds(2)
        status = stage.status()
        assert (status["observedVersion"], status["previousVersion"]) == ("1.1.0", "1.0.0")
        assert stage.events.reasons("dataflow")[-1] == ("Normal", "ProductUpdated")
        stage.register(**REF, version="1.1.0", owner="team-x")
        await stage.seconds(2)
        assert stage.status()["previousVersion"] == "1.0.0"

    play(story)


def test_nothing_to_go_by_is_said_instead_of_guessed() -> None:
    async def story(stage: Stage) -> None:
        stage.register(probe="Disabled")
        await stage.seconds(2)
        assert stage.conditions()["Ready"] == ("Unknown", "NoSignal")
        assert stage.egress.requests == []

    play(story)


def test_another_address_starts_the_judgement_anew() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.dead("pulse")
        stage.register(**REF, apiEndpoint="http://pulse:8080")
        await stage.seconds(2)
        assert stage.health() == "unknown"
        assert stage.egress.requests[-1].url == "http://pulse:8080/health"
        await stage.minutes(3)
        assert stage.health() == "unhealthy"

    play(story)


def test_dependencies_are_followed_to_the_root_of_the_trouble() -> None:
    async def story(stage: Stage) -> None:
        for name, needs in (("web", ["api"]), ("api", ["db"]), ("db", [])):
            stage.well(name)
            stage.register(name, dependencies=needs)
        await stage.seconds(2)
        assert stage.conditions("web")["DependenciesReady"] == ("True", "DependenciesReady")
        stage.dead("db")
        stage.dead("api")
        await stage.minutes(3)
        assert stage.conditions("web")["Ready"] == ("False", "DependencyDown")
        assert stage.message("DependenciesReady", "web") == "In trouble: api. The cause is db."
        stage.well("db")
        stage.well("api")
        await stage.minutes(2)
        assert stage.conditions("web")["Ready"] == ("True", "Succeeded")

    play(story)


def test_a_dependency_that_is_nowhere_is_named() -> None:
    async def story(stage: Stage) -> None:
        stage.well("web")
        stage.register("web", dependencies=["api"])
        await stage.seconds(2)
        assert stage.conditions("web")["DependenciesReady"] == ("Unknown", "DependencyUnknown")
        stage.well("api")
        stage.register("api")
        await stage.seconds(2)
        assert stage.conditions("web")["DependenciesReady"] == ("True", "DependenciesReady")

    play(story)


def test_a_restarted_hub_takes_over_without_a_write_or_a_rush() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        before, asked = stage.writes(), len(stage.egress.requests)
        await stage.restart()
        await stage.seconds(10)
        assert len(stage.egress.requests) == asked, "a settled product is probed within its interval"
        await stage.minutes(5)
        assert len(stage.egress.requests) > asked
        assert stage.writes() == before

    play(story)


def test_a_deleted_product_is_forgotten() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.delete()
        await stage.seconds(1)
        asked = len(stage.egress.requests)
        await stage.minutes(5)
        assert len(stage.egress.requests) == asked
        assert stage.metrics.products == {}

    play(story)


def test_a_spec_that_cannot_be_read_is_said_to_be_so() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        stage.register(apiEndpoint=7)
        await stage.seconds(2)
        assert stage.conditions()["Ready"] == ("False", "InvalidSpec")
        assert "apiEndpoint" in stage.message("Ready")
        stage.register(**REF)
        await stage.seconds(2)
        assert stage.conditions()["Ready"] == ("True", "Succeeded")

    play(story)


def test_what_an_answer_holds_never_causes_a_write_while_the_verdict_stands() -> None:
    async def story(stage: Stage) -> None:
        await healthy(stage)
        before = stage.writes()
        for number in range(200):
            stage.answers["dataflow"] = answer(
                200, {"status": "healthy", "version": str(number), "uptime": 7, "metrics": {"cpu": number}}
            )
            await stage.seconds(30)
        assert stage.writes() == before

    play(story)


# --------------------------------------------------------------------------- answers that come late


def test_a_late_answer_from_where_the_product_was_counts_for_nothing() -> None:
    async def story(stage: Stage) -> None:
        stage.well()
        stage.egress.seconds = 3
        stage.register(healthEndpoint="http://dataflow:8080/old")
        await stage.seconds(1)
        stage.dead()
        stage.register(healthEndpoint="http://dataflow:8080/new", failureThreshold=1)
        await stage.seconds(10)
        assert [request.url.rsplit("/")[-1] for request in stage.egress.requests[:2]] == ["old", "new"]
        assert stage.status()["health"]["status"] == "unhealthy"

    play(story)


def test_a_probe_under_way_is_ended_when_probing_is_switched_off() -> None:
    async def story(stage: Stage) -> None:
        stage.well()
        stage.egress.seconds = 30
        stage.register()
        await stage.seconds(1)
        stage.register(probe="Disabled")
        await stage.seconds(1)
        assert stage.products._probes.running(Key("ProductRegistration", NAMESPACE, "dataflow")) is None

    play(story)


# --------------------------------------------------------------------------- a hub that was restarted


@pytest.mark.parametrize(
    ("body", "deployed"),
    [
        pytest.param(None, {}, id="well"),
        pytest.param({"fine": True}, {}, id="well in words of its own"),
        pytest.param({"status": "degraded"}, {}, id="degraded"),
        pytest.param({"status": "down"}, {}, id="unwell"),
        pytest.param("dead", {}, id="dead"),
        pytest.param("dead", {"available": 0}, id="dead and without replicas"),
    ],
)
@pytest.mark.parametrize(
    "named", [{}, {**REF, "heal": {"enabled": False}}], ids=["alone", "with its Deployment"]
)
def test_a_restarted_hub_says_the_same_of_a_product_in_the_same_words(
    body: Any, deployed: dict[str, Any], named: dict[str, Any]
) -> None:
    async def story(stage: Stage) -> None:
        if body == "dead":
            stage.dead()
        else:
            stage.well(body=body)
        stage.deploy(**deployed)
        stage.register(**named)
        await stage.minutes(10)
        before, writes = stage.status(), stage.writes()
        await stage.restart()
        await stage.minutes(10)
        assert stage.status() == before
        assert stage.writes() == writes

    play(story)
