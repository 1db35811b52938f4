"""Secrets for workloads, keys that are replaced, and what is undone when an Integration goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from integration_hub.api.integration import INTEGRATION, RESTART_ON, SKIP_CLEANUP
from integration_hub.api.meta import format_time
from integration_hub.ports import DEPLOYMENTS, HttpRequest, Json, SecretText
from integration_hub.providers.token_answer import Token
from integration_hub.reconcilers.departing import FINALIZER
from integration_stage import NAMESPACE, SLACK, Stage, connected, play
from memory import Answer, answer

# --------------------------------------------------------------------------- Secrets for workloads


def project(name: str = "slack-binding") -> dict[str, Any]:
    return {"secretRef": {"name": "slack-token"}, "project": {"secretName": name}}


def test_workloads_get_what_is_in_use_and_every_change_of_it() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, credentials=project())
        held = stage.secrets.data(NAMESPACE, "slack-binding")
        assert held is not None
        assert {key: value for key, value in held.items() if key != "revision"} == {
            "type": "slack",
            "provider": "integration-hub",
            "host": "slack.com",
            "uri": "https://slack.com/api",
            "token": "xoxb-1",
        }
        assert stage.status()["binding"] == {"name": "slack-binding"}
        assert stage.conditions()["Projected"] == ("True", "Projected")
        stage.secrets.put(NAMESPACE, "slack-token", token="xoxb-2")
        await stage.settle(2)
        renewed = stage.secrets.data(NAMESPACE, "slack-binding")
        assert renewed is not None
        assert renewed["token"] == "xoxb-2"
        assert renewed["revision"] > held["revision"]

    play(story)


def test_two_changes_within_a_second_are_two_revisions() -> None:
    """Workloads are told by the revision which of the two they run on."""

    async def story(stage: Stage) -> None:
        await connected(stage, credentials=project())
        revisions = []
        for token in ("xoxb-2", "xoxb-3", "xoxb-4"):
            stage.secrets.put(NAMESPACE, "slack-token", token=token)
            await stage.settle(0.2)
            held = stage.secrets.data(NAMESPACE, "slack-binding")
            assert held is not None
            assert held["token"] == token
            revisions.append(held["revision"])
        assert revisions == sorted(set(revisions))

    play(story)


def test_a_secret_for_workloads_is_written_once_and_mended_when_it_is_deleted() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, credentials=project())
        await stage.minutes(30)
        assert stage.secrets.writes == [(NAMESPACE, "slack-binding")]
        assert stage.writes() == 1
        stage.secrets.drop(NAMESPACE, "slack-binding")
        await stage.settle(2)
        assert stage.secrets.data(NAMESPACE, "slack-binding") is not None
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_somebody_elses_secret_is_never_overwritten() -> None:
    async def story(stage: Stage) -> None:
        stage.secrets.put(NAMESPACE, "slack-binding", mine="precious")
        stage.provider()
        stage.secrets.put(NAMESPACE, "slack-token", token="xoxb-1")
        stage.integration(credentials=project())
        await stage.settle(2)
        assert stage.ready() == ("False", "SecretNotOurs")
        assert "slack-binding" in stage.message("Projected")
        assert stage.secrets.data(NAMESPACE, "slack-binding") == {"mine": "precious"}
        assert "binding" not in stage.status()
        stage.secrets.drop(NAMESPACE, "slack-binding")
        await stage.settle(2)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_it_goes_when_nobody_asks_for_it_and_moves_when_its_name_does() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, credentials=project())
        stage.integration(credentials=project("slack-other"))
        await stage.settle(2)
        assert stage.secrets.data(NAMESPACE, "slack-binding") is None
        assert stage.secrets.data(NAMESPACE, "slack-other") is not None
        stage.integration()
        await stage.settle(2)
        assert stage.secrets.data(NAMESPACE, "slack-other") is None
        assert "binding" not in stage.status()
        assert "Projected" not in stage.conditions()

    play(story)


# --------------------------------------------------------------------------- who is restarted


def deployment(stage: Stage, name: str = "shop", secret: str = "slack-binding", **status: Any) -> None:
    done = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    stage.cluster.put(
        DEPLOYMENTS,
        NAMESPACE,
        name,
        metadata={
            "name": name,
            "annotations": {RESTART_ON: secret},
            "creationTimestamp": format_time(stage.clock.now() - timedelta(hours=2)),
        },
        spec={"replicas": 1, "template": {"metadata": {}}},
        status={**done, **status},
    )


def restarts(stage: Stage, name: str = "shop") -> str:
    found = stage.cluster.read(DEPLOYMENTS, NAMESPACE, name)
    assert found is not None
    annotations: Mapping[str, Json] = found["spec"]["template"]["metadata"].get("annotations") or {}
    return str(annotations.get("kubectl.kubernetes.io/restartedAt", ""))


def test_who_asked_for_it_is_restarted_once_for_new_credentials() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage, credentials=project())
        await stage.minutes(90)
        deployment(stage)
        deployment(stage, "other", "another-binding")
        stage.secrets.put(NAMESPACE, "slack-token", token="xoxb-2")
        await stage.settle(2)
        first = restarts(stage)
        assert first
        assert restarts(stage, "other") == ""
        await stage.restart()
        await stage.minutes(30)
        assert restarts(stage) == first

    play(story)


# --------------------------------------------------------------------------- rotation

ROTATING: dict[str, Any] = {
    "authModes": [
        {
            "type": "BEARER",
            "rotation": {
                "request": {"url": "/keys", "encoding": "json"},
                "values": {"token": "body.key"},
                "revoke": {
                    "url": "/keys/revoke",
                    "encoding": "json",
                    "fields": {"key": "{{ secret.token }}"},
                },
            },
        }
    ]
}
ROTATED = {
    "secretRef": {"name": "slack-token"},
    "rotation": {"interval": "1d", "writeBack": True},
}


class KeyVendor:
    """Makes keys, takes them back, and accepts those that are valid."""

    def __init__(self) -> None:
        self.valid = {"xoxb-1"}
        self.accepts_new = True
        self.made: list[str] = []
        self.ended: list[str] = []

    def __call__(self, request: HttpRequest) -> Answer:
        named = {name.lower(): value for name, value in request.headers.items()}
        token = named.get("authorization", "").removeprefix("Bearer ")
        if request.url.endswith("/keys"):
            key = f"xoxb-new-{len(self.made) + 1}"
            self.made.append(key)
            if self.accepts_new:
                self.valid.add(key)
            return answer(200, {"key": key})
        if request.url.endswith("/keys/revoke"):
            ended = json.loads(request.body)["key"]
            self.ended.append(ended)
            self.valid.discard(ended)
            return answer(200, {})
        return answer(200 if token in self.valid else 401, {})


def test_an_old_key_is_only_marked_where_the_vendor_offers_no_replacement() -> None:
    async def story(stage: Stage) -> None:
        credentials = {**ROTATED, "rotation": {"interval": "1d"}}
        await connected(stage, credentials=credentials, healthCheck={"intervalSeconds": 3600})
        assert stage.status()["credentials"]["nextRotationAt"]
        await stage.minutes(25 * 60)
        assert stage.conditions()["RotationDue"] == ("True", "RotationDue")
        assert stage.status()["credentials"]["rotationDue"] is True
        assert stage.ready() == ("True", "Succeeded")
        assert ("Warning", "RotationDue") in stage.events.reasons("chat")
        stage.secrets.put(NAMESPACE, "slack-token", token="xoxb-fresh")
        await stage.settle(2)
        assert "RotationDue" not in stage.conditions()
        assert "rotationDue" not in stage.status()["credentials"]
        assert stage.status()["credentials"]["lastRotatedAt"] == format_time(
            stage.clock.now() - timedelta(seconds=2)
        )

    play(story)


def rotating(stage: Stage) -> KeyVendor:
    vendor = KeyVendor()
    stage.egress.far_end = vendor
    spec = {name: value for name, value in SLACK.items() if name not in ("oauth", "classes")}
    stage.provider(**{**spec, **ROTATING, "oauth": None, "classes": []})
    stage.secrets.put(NAMESPACE, "slack-token", token="xoxb-1")
    stage.integration(credentials=ROTATED, healthCheck={"intervalSeconds": 3600})
    return vendor


def test_a_key_is_made_tried_put_in_use_and_its_predecessor_ended() -> None:
    async def story(stage: Stage) -> None:
        vendor = rotating(stage)
        await stage.settle(2)
        assert stage.ready() == ("True", "Succeeded"), stage.status()
        await stage.minutes(25 * 60)
        assert vendor.made == ["xoxb-new-1"]
        assert vendor.ended == ["xoxb-1"]
        assert stage.secrets.data(NAMESPACE, "slack-token") == {"token": "xoxb-new-1"}
        assert stage.ready() == ("True", "Succeeded")
        assert ("Normal", "CredentialsRotated") in stage.events.reasons("chat")
        assert "RotationDue" not in stage.conditions()
        everything = json.dumps(stage.status()) + repr(stage.events.notes)
        assert "xoxb-" not in everything

    play(story)


def test_a_key_that_is_refused_is_given_up_and_the_old_one_goes_on() -> None:
    async def story(stage: Stage) -> None:
        vendor = rotating(stage)
        vendor.accepts_new = False
        await stage.settle(2)
        await stage.minutes(24 * 60 + 10)
        assert vendor.made == ["xoxb-new-1"]
        assert vendor.ended == ["xoxb-new-1"]
        assert stage.secrets.data(NAMESPACE, "slack-token") == {"token": "xoxb-1"}
        assert stage.ready() == ("True", "Succeeded")
        assert ("Warning", "RotationFailed") in stage.events.reasons("chat")

    play(story)


def test_a_replacement_goes_on_where_a_crash_left_it() -> None:
    async def story(stage: Stage) -> None:
        vendor = rotating(stage)
        vendor.accepts_new = False
        await stage.settle(2)
        await stage.minutes(24 * 60)
        await stage.settle(5)
        assert vendor.made == ["xoxb-new-1"], "under way, and refused so far"
        vendor.valid.add("xoxb-new-1")
        await stage.restart()
        await stage.minutes(5)
        assert vendor.made == ["xoxb-new-1"]
        assert vendor.ended == ["xoxb-1"]
        assert stage.secrets.data(NAMESPACE, "slack-token") == {"token": "xoxb-new-1"}

    play(story)


# --------------------------------------------------------------------------- going


GRANTING: dict[str, Any] = {
    "authModes": [{"type": "OAUTH2"}],
    "oauth": {
        "authorizeUrl": "https://slack.com/authorize",
        "tokenUrl": "https://slack.com/token",
        "revokeUrl": "https://slack.com/revoke",
        "clientEnvPrefix": "EXAMPLE",
    },
    "classes": [],
}


async def person_connects(stage: Stage) -> None:
    """What the gateway does once a person has agreed."""
    observed = stage.cache.get(stage.key("chat"))
    assert observed is not None
    link = stage.linker.parting(observed, observed.load())
    token = Token(SecretText("at-1"), SecretText("rt-1"), 3600.0)
    assert await stage.rooms.source.connected(link, token, "team") is None  # type: ignore[arg-type]


async def with_a_grant(stage: Stage) -> list[str]:
    """Connected by a person; the urls of what is asked of the far end from then on."""
    asked: list[str] = []

    def far_end(request: HttpRequest) -> Answer:
        asked.append(request.url)
        return answer(200, {})

    stage.egress.far_end = far_end
    stage.environment.update({"EXAMPLE_CLIENT_ID": "hub", "EXAMPLE_CLIENT_SECRET": "s"})
    stage.provider(**GRANTING)
    stage.integration(authType="OAUTH2", credentials={})
    await stage.settle(1)
    await person_connects(stage)
    await stage.settle(2)
    assert stage.ready() == ("True", "Succeeded"), stage.status()
    asked.clear()
    return asked


def finalizers(stage: Stage) -> list[str]:
    found = stage.cluster.read(stage.resource(), NAMESPACE, "chat")
    return list(found["metadata"].get("finalizers") or ()) if found is not None else []


def test_a_grant_is_ended_at_the_far_end_before_its_integration_goes() -> None:
    async def story(stage: Stage) -> None:
        asked = await with_a_grant(stage)
        assert finalizers(stage) == [FINALIZER]
        assert stage.status()["oauth"]["expiresAt"]
        stage.begin_deletion("chat")
        await stage.settle(2)
        assert "https://slack.com/revoke" in asked
        assert finalizers(stage) == []
        assert not [each for each in stage.events.notes if each.reason == "CleanupAbandoned"]

    play(story)


def test_a_far_end_that_cannot_end_it_holds_nobody_up_for_more_than_five_minutes() -> None:
    async def story(stage: Stage) -> None:
        await with_a_grant(stage)
        stage.egress.far_end = lambda _: answer(503, {})
        stage.begin_deletion("chat")
        await stage.minutes(4)
        assert finalizers(stage) == [FINALIZER]
        await stage.minutes(2)
        assert finalizers(stage) == []
        assert ("Warning", "CleanupAbandoned") in stage.events.reasons("chat")

    play(story)


def test_who_is_in_a_hurry_skips_it() -> None:
    async def story(stage: Stage) -> None:
        asked = await with_a_grant(stage)
        stage.begin_deletion("chat", annotations={SKIP_CLEANUP: "true"})
        await stage.settle(1)
        assert finalizers(stage) == []
        assert asked == []

    play(story)


def test_nothing_of_a_gone_integration_is_kept() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        await stage.minutes(5)
        assert stage.store.health
        stage.delete(INTEGRATION, "chat")
        await stage.settle(1)
        assert stage.store.health == []
        assert stage.metrics.ready == {}

    play(story)
