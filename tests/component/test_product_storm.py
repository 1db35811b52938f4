from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_hub.permissions import BRAKE_CONFIG_MAP
from integration_hub.ports import CONFIG_MAPS, ApiError, Resource
from memory import answer
from product_stage import HUB, WELL, Stage, play


async def fleet(stage: Stage, size: int, **heal: Any) -> list[str]:
    """So many healthy products, each with its Deployment, watched long enough to be healed."""
    names = [f"p{number}" for number in range(size)]
    for name in names:
        stage.well(name)
        stage.deploy(name)
        stage.register(name, workloadRef={"name": name}, heal=heal)
        stage.after_restart[name] = answer(200, WELL)
    await stage.minutes(5)
    return names


def brake(stage: Stage) -> dict[str, str]:
    found = stage.cluster.read(CONFIG_MAPS, HUB, BRAKE_CONFIG_MAP)
    return found["data"] if found else {}


def test_when_most_of_the_fleet_falls_silent_nothing_is_healed() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 10, afterSeconds=0)
        for name in names[:7]:
            stage.dead(name)
        await stage.minutes(120)
        assert stage.patches() == []
        assert "tripped" in brake(stage)
        assert stage.metrics.brake
        for name in names[:7]:
            assert stage.conditions(name)["HealSuspended"] == ("True", "HealStormBrake")
        alerts = [note for note in stage.events.notes if note.reason == "HealStormBrake"]
        assert len(alerts) == 1

    play(story)


def test_a_few_products_of_many_are_healed() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 20)
        for name in names[:4]:
            stage.dead(name)
        await stage.minutes(10)
        assert len(stage.patches()) == 4
        assert brake(stage) == {}

    play(story)


def test_two_products_of_three_are_no_storm() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 3)
        for name in names[:2]:
            stage.dead(name)
        await stage.minutes(10)
        assert len(stage.patches()) == 2

    play(story)


def newcomers(stage: Stage, number: int) -> None:
    """So many products that never worked: a typing error in a template that they share."""
    for name in (f"new{each}" for each in range(number)):
        stage.dead(name)
        stage.deploy(name)
        stage.register(name, workloadRef={"name": name}, heal={"allowedActions": []})


@pytest.mark.parametrize("restarted", [False, True], ids=["one hub", "another hub"])
def test_products_that_never_worked_are_no_storm(restarted: bool) -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 4)
        newcomers(stage, 6)
        await stage.minutes(5)
        assert stage.health("new0") == "unhealthy"
        if restarted:
            await stage.restart()
            await stage.minutes(5)
        stage.dead(names[0])
        await stage.minutes(5)
        assert brake(stage) == {}
        assert len(stage.patches()) == 1, "the one that worked is healed"

    play(story)


def test_products_that_never_worked_do_not_hide_a_storm_among_the_others() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 4)
        newcomers(stage, 20)
        await stage.minutes(5)
        for name in names[:3]:
            stage.dead(name)
        await stage.minutes(10)
        assert "tripped" in brake(stage), "three of four, though three of twenty-four"
        assert stage.patches() == []

    play(story)


def test_a_product_counts_from_its_first_good_answer_on_whatever_hub_looks() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 4)
        await stage.restart()
        for name in names[:3]:  # dead before the new hub has seen any of them well
            stage.dead(name)
        await stage.minutes(10)
        assert "tripped" in brake(stage)
        assert stage.patches() == []

    play(story)


def test_the_brake_outlives_the_hub() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 4)
        for name in names:
            stage.dead(name)
        await stage.minutes(5)
        await stage.restart()
        stage.well("p1")
        stage.well("p2")
        stage.well("p3")
        await stage.minutes(30)
        assert stage.patches() == [], "one product is no storm, but nobody took the brake off"

    play(story)


def test_once_a_person_takes_the_brake_off_products_are_healed_again() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 5)
        for name in names[:3]:
            stage.dead(name)
        await stage.minutes(30)
        assert stage.patches() == []
        stage.take_brake_off()
        await stage.minutes(5)
        assert len(stage.patches()) == 3
        assert "countedFrom" in brake(stage)
        assert {stage.health(name) for name in names} == {"healthy"}

    play(story)


def test_the_next_storm_puts_the_brake_on_again() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 5)
        for name in names[:3]:
            stage.dead(name)
        await stage.minutes(5)
        stage.take_brake_off()
        await stage.minutes(30)
        healed = len(stage.patches())
        for name in names:
            stage.dead(name)
        await stage.minutes(30)
        assert len(stage.patches()) == healed
        assert "tripped" in brake(stage)
        assert len([note for note in stage.events.notes if note.reason == "HealStormBrake"]) == 2

    play(story)


def test_a_reset_before_a_restart_of_the_hub_is_remembered() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 5)
        for name in names[:3]:
            stage.dead(name)
        await stage.minutes(5)
        stage.take_brake_off()
        await stage.restart()
        await stage.minutes(10)
        assert len(stage.patches()) == 3
        assert "tripped" not in brake(stage)

    play(story)


def test_products_scaled_to_zero_on_purpose_are_no_storm() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 8)
        for name in names[:5]:
            stage.deploy(name, replicas=0, available=0)
            stage.dead(name)
        await stage.minutes(5)
        assert brake(stage) == {}
        stage.dead("p7")
        await stage.minutes(5)
        assert len(stage.patches()) == 1

    play(story)


def test_a_fleet_with_old_troubles_is_still_healed() -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 6)
        for name in names[:4]:  # one after the other: that is no storm
            del stage.after_restart[name]
            stage.dead(name)
            await stage.minutes(30)
        assert brake(stage) == {}
        before = len(stage.patches())
        stage.dead("p5")
        await stage.minutes(5)
        assert len(stage.patches()) > before

    play(story)


def test_while_the_brake_cannot_be_read_nothing_is_healed() -> None:
    def trouble(verb: str, resource: Resource, name: str) -> Exception | None:
        return ApiError(503, "ServiceUnavailable", "no") if resource.plural == "configmaps" else None

    async def story(stage: Stage) -> None:
        names = await fleet(stage, 4)
        stage.cluster.trouble = trouble
        stage.dead(names[0])
        await stage.minutes(20)
        assert stage.health("p0") == "unhealthy"
        assert stage.patches() == []
        stage.cluster.trouble = None
        await stage.minutes(2)
        assert len(stage.patches()) == 1

    play(story)


def test_a_brake_that_could_not_be_saved_is_saved_later() -> None:
    def trouble(verb: str, resource: Resource, name: str) -> Exception | None:
        return ApiError(503, "ServiceUnavailable", "no") if resource.plural == "configmaps" else None

    async def story(stage: Stage) -> None:
        names = await fleet(stage, 4)
        stage.dead(names[0])
        await stage.minutes(1.5)
        stage.cluster.trouble = lambda verb, resource, name: (
            trouble(verb, resource, name) if verb == "patch" else None
        )
        for name in names:
            stage.dead(name)
        await stage.minutes(10)
        assert stage.patches() == []
        assert brake(stage) == {}
        stage.cluster.trouble = None
        await stage.minutes(2)
        assert "tripped" in brake(stage)
        assert stage.patches() == []

    play(story)


@st.composite
def storms(draw: st.DrawFn) -> tuple[int, list[tuple[int, float]]]:
    """Storms that can be told in time: afterSeconds, and (probe interval, seconds until silent) of each.

    With patience, intervals may differ; without any they are the same, and the last product falls
    silent before the first has been found dead.
    """
    size = draw(st.integers(3, 8))
    if draw(st.booleans()):
        interval, lag, after = st.sampled_from([5, 10, 30]), st.floats(0, 20), 60
    else:
        same = draw(st.sampled_from([5, 10, 30]))
        interval, lag, after = st.just(same), st.floats(0, same / 2), 0
    return after, [(draw(interval), draw(lag)) for _ in range(size)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(storm=storms(), spared=st.integers(0, 8))
def test_no_storm_heals_anything_however_it_arrives(
    storm: tuple[int, list[tuple[int, float]]], spared: int
) -> None:
    after, struck = storm

    async def story(stage: Stage) -> None:
        for number, (interval, _) in enumerate([*struck, *[(30, 0.0)] * spared]):
            name = f"p{number}"
            stage.well(name)
            stage.deploy(name)
            stage.register(
                name,
                workloadRef={"name": name},
                healthIntervalSeconds=interval,
                heal={"afterSeconds": after, "cooldownSeconds": 10},
            )
        await stage.minutes(5)
        passed = 0.0
        for lag, number in sorted((lag, number) for number, (_, lag) in enumerate(struck)):
            await stage.seconds(lag - passed)
            passed = lag
            stage.dead(f"p{number}")
        await stage.minutes(10)
        assert stage.patches() == []
        assert "tripped" in brake(stage)

    play(story)


@pytest.mark.parametrize("written", ["yes", "2026-11-21T00:00:00Z", ""])
def test_a_person_may_put_the_brake_on_by_hand(written: str) -> None:
    async def story(stage: Stage) -> None:
        names = await fleet(stage, 4)
        stage.cluster.put(CONFIG_MAPS, HUB, BRAKE_CONFIG_MAP, data={"tripped": written})
        stage.dead(names[0])
        await stage.minutes(20)
        assert stage.patches() == []
        stage.take_brake_off()
        await stage.minutes(5)
        assert len(stage.patches()) == 1

    play(story)
