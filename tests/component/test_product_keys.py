"""The key of a product: made, kept, replaced, ended; and what the hub survives meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from integration_hub.api.integration import RESTART_ON, ROTATION_REQUESTED
from integration_hub.api.meta import format_time
from integration_hub.api.product_key import REVOCATION_REQUESTED
from integration_hub.domain import product_key
from integration_hub.ports import DEPLOYMENTS, ApiError, Json, SecretRead
from memory import MemorySecrets
from memory_cluster import MemoryCluster
from product_stage import NAMESPACE, RESOURCE, Stage, play
from virtual_time import run

SECRET = "product-dataflow-hub"
HUB, NINJA = "PRODUCT_HUB_API_KEY", "PRODUCT_NINJA_API_KEY"


async def registered(stage: Stage, **changes: Any) -> str:
    """A product with its first key; returns that."""
    stage.well()
    stage.register(**changes)
    await stage.seconds(3)
    return key(stage)


def key(stage: Stage) -> str:
    held = stage.secrets.data(NAMESPACE, SECRET)
    assert held is not None
    return held[HUB]


def told(stage: Stage) -> Json:
    return stage.status()["apiKey"]


def works(stage: Stage, text: str) -> bool:
    """Whether a gateway with this status would take it now."""
    uid = stage.cluster.read(RESOURCE, NAMESPACE, "dataflow")["metadata"]["uid"]  # type: ignore[index]
    now = stage.clock.now().isoformat()
    return any(
        product_key.matches(each["sha256"], uid, text)
        for each in told(stage)["keys"]
        if each.get("validUntil", "9") > now
    )


def annotate(stage: Stage, **annotations: str) -> None:
    names = {"rotate": ROTATION_REQUESTED, "revoke": REVOCATION_REQUESTED}
    stage.register(annotations={names[each]: value for each, value in annotations.items()})


def audited(stage: Stage) -> list[str]:
    return [each.action for each in stage.store.audit if each.resource == "productregistrations/key"]


def consumer(stage: Stage, name: str = "dataflow", secret: str = SECRET) -> None:
    """A Deployment that wants to be restarted with each new key."""
    stage.deploy(name)
    found = stage.cluster.read(DEPLOYMENTS, NAMESPACE, name)
    assert found is not None
    metadata = {"annotations": {RESTART_ON: secret}, "creationTimestamp": "2020-01-01T00:00:00Z"}
    stage.cluster.put(DEPLOYMENTS, NAMESPACE, name, metadata={**found["metadata"], **metadata})


def restarts(stage: Stage) -> int:
    return len(stage.patches())


def test_a_registration_gets_a_key_in_a_secret_that_it_owns() -> None:
    async def story(stage: Stage) -> None:
        made = await registered(stage)
        assert stage.secrets.data(NAMESPACE, SECRET) == {HUB: made, NINJA: made}
        assert isinstance(product_key.read(made), product_key.KeyId)
        assert works(stage, made)
        status = stage.status()
        assert status["apiKeySecretRef"] == {"name": SECRET}
        assert stage.conditions()["ApiKeyReady"] == ("True", "KeyIssued")
        assert [each["use"] for each in status["apiKey"]["keys"]] == ["Current"]
        assert "nextRotationAt" not in status["apiKey"]
        assert audited(stage) == ["issue"]

    play(story)


def test_a_key_that_nobody_touches_is_never_read_again() -> None:
    async def story(stage: Stage) -> None:
        await registered(stage)
        await stage.minutes(1)
        reads, writes = len(stage.secrets.reads), stage.writes()
        await stage.minutes(180)
        await stage.restart()
        await stage.minutes(180)
        assert (len(stage.secrets.reads), stage.writes()) == (reads, writes)

    play(story)


def test_while_the_watch_is_not_open_yet_a_key_is_neither_made_nor_doubted() -> None:
    async def story(stage: Stage) -> None:
        stage.secrets.watched = False
        stage.well()
        stage.register()
        await stage.minutes(1)
        assert stage.conditions()["ApiKeyReady"] == ("Unknown", "KeyPending")
        assert stage.conditions()["Ready"] == ("True", "Succeeded")
        stage.secrets.watched = True
        await stage.seconds(3)
        first, writes = key(stage), stage.writes()
        stage.secrets.watched = False
        await stage.restart()
        await stage.minutes(10)
        assert stage.conditions()["ApiKeyReady"] == ("True", "KeyIssued")
        assert (key(stage), stage.writes()) == (first, writes)

    play(story)


def test_while_the_api_server_does_not_answer_about_secrets_the_product_is_watched_as_before() -> None:
    async def story(stage: Stage) -> None:
        first = await registered(stage)
        reading = stage.secrets.read

        async def away(namespace: str, name: str) -> SecretRead:
            raise ApiError(0, "", f"{namespace}/{name}: nobody answers")

        stage.secrets.read = away  # type: ignore[method-assign]
        annotate(stage, rotate="one")
        stage.dead()
        await stage.minutes(3)
        assert stage.health() == "unhealthy"
        assert key(stage) == first
        stage.secrets.read = reading  # type: ignore[method-assign]
        await stage.minutes(1)
        assert key(stage) != first
        assert works(stage, key(stage))

    play(story)


def test_a_label_on_the_secret_costs_one_read_and_no_write() -> None:
    async def story(stage: Stage) -> None:
        await registered(stage)
        reads, writes = len(stage.secrets.reads), stage.writes()
        stage.secrets.touch(NAMESPACE, SECRET)
        await stage.minutes(30)
        assert (len(stage.secrets.reads), stage.writes()) == (reads + 1, writes)

    play(story)


def test_rotation_on_a_schedule_leaves_the_previous_key_working_for_the_overlap() -> None:
    async def story(stage: Stage) -> None:
        policy = {"rotation": {"interval": "3h"}, "overlap": "1h"}
        first = await registered(stage, apiKey=policy)
        assert told(stage)["nextRotationAt"] > told(stage)["lastRotatedAt"]
        await stage.minutes(3 * 60 - 1)
        assert key(stage) == first
        await stage.minutes(2)
        second = key(stage)
        assert second != first
        assert works(stage, first)
        assert works(stage, second)
        assert told(stage)["previousValidUntil"] > told(stage)["lastRotatedAt"]
        await stage.minutes(61)
        assert not works(stage, first)
        assert works(stage, second)
        assert "previousValidUntil" not in told(stage)
        assert len(told(stage)["keys"]) == 1
        assert audited(stage) == ["issue", "rotate"]
        assert stage.events.reasons("dataflow")[-1] == ("Normal", "KeyRotated")

    play(story)


def test_asked_for_it_rotates_once_for_each_request() -> None:
    async def story(stage: Stage) -> None:
        first = await registered(stage)
        annotate(stage, rotate="one")
        await stage.seconds(3)
        second = key(stage)
        assert second != first
        assert works(stage, first)
        assert told(stage)["rotationRequested"] == "one"
        await stage.minutes(60)
        assert key(stage) == second
        annotate(stage, rotate="two")
        await stage.seconds(3)
        assert key(stage) not in (first, second)
        assert works(stage, first)
        assert works(stage, second), "each of them was promised its overlap"

    play(story)


def test_two_rotations_within_one_second_are_told_apart_by_workloads() -> None:
    async def story(stage: Stage) -> None:
        await registered(stage)
        consumer(stage)
        annotate(stage, rotate="one")
        await stage.seconds(0.2)
        annotate(stage, rotate="two")
        await stage.seconds(0.2)
        assert told(stage)["rotationRequested"] == "two"
        assert restarts(stage) == 2

    play(story)


def test_revoked_every_earlier_key_is_dead_before_the_new_one_is_in_the_secret() -> None:
    async def story(stage: Stage) -> None:
        first = await registered(stage)
        annotate(stage, rotate="one")
        await stage.seconds(3)
        second = key(stage)
        seen: list[tuple[bool, bool]] = []
        changed = stage.secrets.changed
        assert changed is not None

        def written(namespace: str, name: str) -> None:
            seen.append((works(stage, first), works(stage, second)))
            changed(namespace, name)

        stage.secrets.changed = written
        annotate(stage, rotate="one", revoke="now")
        await stage.seconds(3)
        assert seen == [(False, False)]
        assert works(stage, key(stage))
        assert key(stage) not in (first, second)
        assert ("Warning", "KeyRevoked") in stage.events.reasons("dataflow")
        assert audited(stage) == ["issue", "rotate", "revoke", "rotate"]
        assert told(stage)["revocationRequested"] == "now"

    play(story)


def test_a_new_key_is_taken_before_anybody_can_hold_it() -> None:
    async def story(stage: Stage) -> None:
        await registered(stage)
        taken: list[bool] = []
        changed = stage.secrets.changed
        assert changed is not None

        def written(namespace: str, name: str) -> None:
            taken.append(works(stage, key(stage)))
            changed(namespace, name)

        stage.secrets.changed = written
        annotate(stage, rotate="one")
        await stage.seconds(3)
        assert taken == [True]

    play(story)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda secrets: secrets.drop(NAMESPACE, SECRET), id="deleted"),
        pytest.param(lambda secrets: secrets.touch(NAMESPACE, SECRET, **{HUB: "x"}), id="one name altered"),
        pytest.param(
            lambda secrets: secrets.touch(NAMESPACE, SECRET, **{HUB: "x", NINJA: "x"}), id="both altered"
        ),
        pytest.param(lambda secrets: secrets.touch(NAMESPACE, SECRET, more="x"), id="an entry added"),
    ],
)
def test_a_secret_that_does_not_hold_the_key_any_more_gets_another_and_the_old_one_is_dead(
    harm: Callable[[MemorySecrets], None],
) -> None:
    async def story(stage: Stage) -> None:
        first = await registered(stage)
        harm(stage.secrets)
        await stage.seconds(3)
        assert stage.secrets.data(NAMESPACE, SECRET) == {HUB: key(stage), NINJA: key(stage)}
        assert key(stage) != first
        assert not works(stage, first)
        assert works(stage, key(stage))
        assert audited(stage) == ["issue", "revoke", "rotate"]

    play(story)


def test_deleted_while_the_hub_was_away_it_is_made_anew_all_the_same() -> None:
    async def story(stage: Stage) -> None:
        first = await registered(stage)
        await stage.stop()
        stage.secrets.drop(NAMESPACE, SECRET)
        await stage.restart()
        await stage.minutes(1)
        assert key(stage) != first
        assert not works(stage, first)

    play(story)


def test_workloads_that_asked_for_it_are_restarted_with_each_new_key_and_not_for_the_first() -> None:
    async def story(stage: Stage) -> None:
        consumer(stage)
        consumer(stage, "other", "another-secret")
        await registered(stage)
        await stage.minutes(1)
        assert restarts(stage) == 0
        annotate(stage, rotate="one")
        await stage.minutes(1)
        assert restarts(stage) == 1
        await stage.restart()
        await stage.minutes(10)
        assert restarts(stage) == 1
        stage.secrets.drop(NAMESPACE, SECRET)
        await stage.minutes(1)
        assert restarts(stage) == 2

    play(story)


def test_a_workload_made_in_the_second_of_the_new_key_may_have_the_old_one_and_is_restarted() -> None:
    async def story(stage: Stage) -> None:
        await registered(stage)
        consumer(stage)
        made = stage.cluster.read(DEPLOYMENTS, NAMESPACE, "dataflow")
        assert made is not None
        now = {"creationTimestamp": format_time(stage.clock.now())}
        stage.cluster.put(DEPLOYMENTS, NAMESPACE, "dataflow", metadata={**made["metadata"], **now})
        annotate(stage, rotate="one")
        await stage.seconds(0.2)
        assert told(stage)["lastRotatedAt"] == now["creationTimestamp"]
        assert restarts(stage) == 1

    play(story)


def test_workloads_that_cannot_be_restarted_hold_up_nobody_for_long() -> None:
    async def story(stage: Stage) -> None:
        first = await registered(stage)
        consumer(stage)
        stage.cluster.trouble = lambda verb, resource, _: (
            ApiError(403, "Forbidden", "no") if (verb, resource) == ("patch", DEPLOYMENTS) else None
        )
        annotate(stage, rotate="one")
        await stage.minutes(2)
        second = key(stage)
        assert works(stage, first)
        assert works(stage, second)
        assert stage.health() == "healthy"
        await stage.minutes(20)
        assert [each["use"] for each in told(stage)["keys"]] == ["Current", "Previous"]

    play(story)


def test_a_namespace_that_does_not_let_the_hub_in_is_told_how_to_and_the_product_works_all_the_same() -> None:
    async def story(stage: Stage) -> None:
        stage.secrets.deny(NAMESPACE)
        stage.well()
        stage.register()
        await stage.minutes(1)
        assert stage.conditions()["Ready"] == ("True", "Succeeded")
        assert stage.conditions()["ApiKeyReady"] == ("False", "SecretAccessDenied")
        assert "create rolebinding integration-hub-tenant" in stage.message("ApiKeyReady")
        assert "apiKeySecretRef" not in stage.status()
        assert ("Warning", "SecretAccessDenied") in stage.events.reasons("dataflow")
        stage.secrets.serve(NAMESPACE)
        await stage.minutes(1)
        assert works(stage, key(stage))

    play(story)


def test_consent_taken_back_leaves_the_key_working_until_somebody_revokes_it() -> None:
    async def story(stage: Stage) -> None:
        first = await registered(stage)
        stage.secrets.deny(NAMESPACE)
        await stage.minutes(5)
        assert stage.conditions()["ApiKeyReady"] == ("False", "SecretAccessDenied")
        assert works(stage, first)
        annotate(stage, revoke="now")
        await stage.minutes(1)
        assert told(stage).get("keys", []) == []
        stage.secrets.serve(NAMESPACE)
        await stage.minutes(1)
        assert works(stage, key(stage))
        assert key(stage) != first

    play(story)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        pytest.param({"type": "Opaque"}, ("False", "SecretNotOurs"), id="a user's own"),
        pytest.param({"owners": ("another",)}, ("Unknown", "SecretNotOurs"), id="an earlier registration's"),
    ],
)
def test_a_secret_of_that_name_that_is_not_this_registrations_is_neither_read_nor_written(
    secret: Json, reason: tuple[str, str]
) -> None:
    async def story(stage: Stage) -> None:
        made = {"type": "integrationhub.io/product-key", "owners": ("another",), **secret}
        stage.secrets.put_as(NAMESPACE, SECRET, made["type"], made["owners"], **{HUB: "mine", NINJA: "mine"})
        stage.well()
        stage.register()
        await stage.minutes(1)
        assert stage.conditions()["ApiKeyReady"] == reason
        assert stage.secrets.data(NAMESPACE, SECRET) == {HUB: "mine", NINJA: "mine"}
        stage.secrets.drop(NAMESPACE, SECRET)
        await stage.minutes(1)
        assert works(stage, key(stage))

    play(story)


def test_a_product_that_shall_have_no_key_loses_it_and_its_secret_and_may_have_one_again() -> None:
    async def story(stage: Stage) -> None:
        first = await registered(stage)
        stage.register(apiKey={"enabled": False})
        await stage.seconds(3)
        assert stage.secrets.data(NAMESPACE, SECRET) is None
        assert "apiKey" not in stage.status()
        assert "apiKeySecretRef" not in stage.status()
        assert "ApiKeyReady" not in stage.conditions()
        stage.register()
        await stage.seconds(3)
        assert works(stage, key(stage))
        assert not works(stage, first)

    play(story)


def test_a_registration_made_anew_under_its_name_has_another_key() -> None:
    async def story(stage: Stage) -> None:
        first = await registered(stage)
        stage.delete()
        stage.secrets.drop(NAMESPACE, SECRET)
        second = await registered(stage)
        assert second != first
        assert not works(stage, first)

    play(story)


def test_the_key_itself_is_in_no_status_no_event_and_no_audit() -> None:
    async def story(stage: Stage) -> None:
        keys = [await registered(stage)]
        for request in ("one", "two"):
            annotate(stage, rotate=request)
            await stage.seconds(3)
            keys.append(key(stage))
        annotate(stage, rotate="two", revoke="now")
        await stage.seconds(3)
        keys.append(key(stage))
        shown = json.dumps([each.body for each in stage.cluster.requests], default=str)
        shown += repr(stage.events.notes) + repr(stage.store.audit) + repr(vars(stage.products))
        assert len(set(keys)) == 4
        for each in keys:
            assert each not in shown
            assert each[16:60] not in shown

    play(story)


# --------------------------------------------------------------------------- killed at any moment


class KilledError(BaseException):
    """The process is gone."""


class Fuse:
    """Kills the hub at its n-th effect: before it happens, or after, before the answer."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.count = at, after, 0
        self.burnt = False

    def reach(self, moment: str) -> None:
        if moment == "before":
            self.count += 1
        due = self.count == self.at and (moment == "after") is self.after
        if due and not self.burnt:
            self.burnt = True
            raise KilledError


class Fused:
    """What both ends have in common: the fuse."""

    fuse: Fuse | None = None

    async def fused(self, effect: Coroutine[Any, Any, Any]) -> Any:
        if self.fuse is None:
            return await effect
        try:
            self.fuse.reach("before")
        except KilledError:
            effect.close()
            raise
        done = await effect
        self.fuse.reach("after")
        return done


class FusedCluster(Fused, MemoryCluster):
    async def apply_status(self, *args: Any, **options: Any) -> Json:
        return await self.fused(super().apply_status(*args, **options))

    async def patch(self, *args: Any, **options: Any) -> Json:
        return await self.fused(super().patch(*args, **options))


class FusedSecrets(Fused, MemorySecrets):
    async def create(self, *args: Any, **options: Any) -> Any:
        return await self.fused(super().create(*args, **options))

    async def replace(self, *args: Any, **options: Any) -> Any:
        return await self.fused(super().replace(*args, **options))


@dataclass(frozen=True)
class Survived:
    """What there is after a rotation by a hub that was killed once (or never) and started again."""

    killed: bool
    replaced: bool
    works: bool
    first_works: bool
    uses: list[str]
    restarts: int


def survived(at: int, *, after: bool, request: str) -> Survived:
    cluster, secrets = FusedCluster(), FusedSecrets()
    fuse = Fuse(at, after=after)

    async def life(stage: Stage, seconds: int) -> None:
        known = cluster.read(RESOURCE, NAMESPACE, "dataflow")
        if known is not None:
            stage.cache.upsert(stage.key().kind, known)
        for _ in range(seconds):
            await stage.products.reconcile(stage.key())
            await stage.seconds(1)

    async def main() -> Survived:
        stage = Stage(cluster, secrets)
        stage.well()
        consumer(stage)
        stage.register()
        await life(stage, 5)
        first = key(stage)
        cluster.fuse = secrets.fuse = fuse
        annotate(stage, **{request: "now"})
        try:
            await life(stage, 10)
        except KilledError:
            stage = Stage(cluster, secrets)
            stage.well()
            await life(stage, 30)
        return Survived(
            killed=fuse.burnt,
            replaced=key(stage) != first,
            works=works(stage, key(stage)),
            first_works=works(stage, first),
            uses=[each["use"] for each in told(stage)["keys"]],
            restarts=restarts(stage),
        )

    return run(main())


@pytest.mark.parametrize("request_", ["rotate", "revoke"])
@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "before its answer"])
def test_killed_at_any_effect_the_key_is_replaced_and_the_one_in_the_secret_works(
    after: bool, request_: str
) -> None:
    """Status, Secret, Deployment, status: four effects, and a fifth that never comes."""
    for at in range(1, 6):
        found = survived(at, after=after, request=request_)
        case = f"killed {'after' if after else 'before'} effect {at}: {found}"
        assert found.killed is (at < 5), case
        assert found.replaced, case
        assert found.works, case
        assert found.first_works is (request_ == "rotate"), case
        assert found.uses[0] == "Current", case
        assert "Next" not in found.uses, case
        assert found.restarts == 1, case
