"""The hub may be killed at any moment: the Deployment is restarted once all the same."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_hub.ports import DEPLOYMENTS, Json, Resource
from memory import answer
from memory_cluster import MemoryCluster
from product_stage import NAMESPACE, RESOURCE, WELL, Stage, play
from virtual_time import run

HEAL_ID = "integrationhub.io/heal-id"


class KilledError(BaseException):
    """The process is gone: nothing of it goes on, and nothing catches it."""


class FusedCluster(MemoryCluster):
    """Kills the hub at its n-th request: before the API server sees it, or after, before the answer."""

    def __init__(self, fuses: tuple[int, ...], *, after: bool) -> None:
        super().__init__()
        self.fuses = list(fuses)
        self.after = after
        self.count = 0
        self.heal_ids: list[str] = []

    async def _enter(
        self, verb: str, resource: Resource, namespace: str, name: str, body: Json = None
    ) -> None:
        await super()._enter(verb, resource, namespace, name, body)
        self.count += 1
        if not self.after:
            self._burn()

    async def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        return self._answered(await super().get(resource, namespace, name))

    async def apply_status(self, *args: Any, **options: Any) -> Json:
        return self._answered(await super().apply_status(*args, **options))

    async def patch(self, resource: Resource, *args: Any, **options: Any) -> Json:
        patched = await super().patch(resource, *args, **options)
        if resource is DEPLOYMENTS:
            self.heal_ids.append(patched["spec"]["template"]["metadata"]["annotations"][HEAL_ID])
        return self._answered(patched)

    def _answered(self, answer: Any) -> Any:
        if self.after:
            self._burn()
        return answer

    def _burn(self) -> None:
        if self.fuses and self.count >= self.fuses[0]:
            self.fuses.pop(0)
            self.count = 0
            raise KilledError


class Replica:
    """One process after the other, each with a fresh memory and a cache from a fresh list."""

    def __init__(self, cluster: FusedCluster) -> None:
        self.cluster = cluster
        self.kills = 0

    async def live(self, minutes: float) -> Stage:
        stage = self._start()
        loop = asyncio.get_running_loop()
        until = loop.time() + minutes * 60
        kubelet = asyncio.create_task(stage.kubelet())
        try:
            while loop.time() < until:
                try:
                    result = await stage.products.reconcile(stage.key())
                    await asyncio.sleep(min(result.requeue_after or 5, 5))
                except KilledError:
                    self.kills += 1
                    before, stage = stage, self._start()
                    stage.answers, stage.after_restart = before.answers, before.after_restart
                    stage._templates = before._templates
                    kubelet.cancel()
                    kubelet = asyncio.create_task(stage.kubelet())
                    await asyncio.sleep(1)
        finally:
            kubelet.cancel()
        return stage

    def _start(self) -> Stage:
        stage = Stage(self.cluster)
        known = self.cluster.read(RESOURCE, NAMESPACE, "dataflow")
        if known is not None:
            stage.cache.upsert(stage.key().kind, known)
        return stage


def trouble(fuses: tuple[int, ...], *, after: bool) -> tuple[FusedCluster, Stage, int]:
    """A product that dies and that one restart brings back, with a hub that is killed now and then."""
    cluster = FusedCluster((), after=after)

    async def main() -> tuple[Stage, int]:
        first = Stage(cluster)
        first.well()
        first.deploy()
        first.register(workloadRef={"name": "dataflow"}, heal={"afterSeconds": 0}, healthIntervalSeconds=5)
        replica = Replica(cluster)
        stage = replica._start()
        stage.answers, stage._templates = first.answers, first._templates
        for _ in range(30):
            await stage.products.reconcile(stage.key())
            await asyncio.sleep(5)
        assert stage.health() == "healthy"
        cluster.fuses, cluster.count = list(fuses), 0

        original = replica._start

        def start() -> Stage:
            made = original()
            made.dead()
            made.after_restart["dataflow"] = answer(200, WELL)
            made._templates = first._templates
            return made

        replica._start = start  # type: ignore[method-assign]
        return await replica.live(10), replica.kills

    stage, kills = run(main())
    return cluster, stage, kills


@cache
def requests_of_one_heal() -> int:
    """How many requests the whole story takes when nobody is killed."""
    cluster, _, _ = trouble((), after=False)
    return cluster.count


def test_the_reference_run_heals_once_and_asks_the_api_server_a_few_times() -> None:
    cluster, stage, kills = trouble((), after=False)
    assert len(cluster.heal_ids) == 1
    assert stage.results() == ["succeeded"]
    assert kills == 0
    assert 5 <= cluster.count <= 25


@pytest.mark.parametrize("after", [False, True], ids=["before the request", "before the answer"])
def test_killed_at_any_request_the_deployment_is_restarted_exactly_once(after: bool) -> None:
    for fuse in range(1, requests_of_one_heal() + 1):
        cluster, stage, kills = trouble((fuse,), after=after)
        told = f"killed {'after' if after else 'before'} request {fuse}"
        assert kills == 1 or fuse == requests_of_one_heal(), told
        assert len(cluster.heal_ids) == 1, told
        assert stage.results() == ["succeeded"], told
        assert stage.heal()["count"] == 1, told
        assert stage.health() == "healthy", told


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fuses=st.lists(st.integers(1, 12), min_size=2, max_size=5).map(tuple), after=st.booleans())
def test_killed_again_and_again_the_deployment_is_restarted_exactly_once(
    fuses: tuple[int, ...], after: bool
) -> None:
    cluster, stage, _ = trouble(fuses, after=after)
    assert len(cluster.heal_ids) == 1
    assert stage.heal()["count"] == 1


def test_what_is_decided_on_old_news_of_its_own_record_is_decided_again() -> None:
    """Another leader has acted and recorded it, and this one's watch has not told of that yet."""

    async def story(stage: Stage) -> None:
        stage.well()
        stage.deploy()
        stage.register(workloadRef={"name": "dataflow"})
        await stage.minutes(5)
        stage.dead()
        await stage.seconds(100)
        assert stage.health() == "unhealthy"
        status = stage.status()
        done = {"id": "restart-1", "action": "restart", "reason": "", "result": "failed"}
        status["heal"]["history"] = [{**done, "at": stage.status()["heal"]["unhealthySince"]}]
        stage.cluster.put(RESOURCE, NAMESPACE, "dataflow", status=status)
        await stage.minutes(3)
        assert stage.patches() == [], "its cool-down is not over"
        await stage.minutes(10)
        assert len(stage.patches()) == 1

    play(story)
