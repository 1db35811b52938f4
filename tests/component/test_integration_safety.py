"""What must not happen to an Integration whatever its far end, its provider or its rivals do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER
from integration_hub.ports import HttpRequest, Key
from integration_hub.runtime.controller import Result
from integration_stage import NAMESPACE, Stage, connected, play
from memory import answer

CANARY = 'canary-"k3y"/with+odd=signs-0123456789'

# --------------------------------------------------------------------------- secrets in echoes


def echo(request: HttpRequest) -> Any:
    """An error page that shows the whole request, as debug pages of frameworks do."""
    return answer(500, {"you_sent": dict(request.headers), "url": request.url})


@pytest.mark.parametrize(
    ("mode", "data"),
    [
        pytest.param({"type": "BEARER"}, {"token": CANARY}, id="bearer"),
        pytest.param({"type": "BASIC"}, {"username": "robot", "password": CANARY}, id="basic-in-base64"),
        pytest.param({"type": "API_KEY", "apiKey": {"name": "X-Key"}}, {"apiKey": CANARY}, id="header"),
        pytest.param(
            {"type": "API_KEY", "apiKey": {"in": "query", "name": "key"}}, {"apiKey": CANARY}, id="query"
        ),
    ],
)
@pytest.mark.parametrize(
    "message",
    [
        pytest.param("{{ string(body.you_sent.size()) }} {{ text }}", id="page"),
        pytest.param(
            "{{ body.url }} {{ has(body.you_sent.Authorization) ? body.you_sent.Authorization : '' }}",
            id="parts",
        ),
        pytest.param("x" * 470 + "{{ text }}", id="cut-in-the-middle-of-it"),
    ],
)
def test_an_echoed_credential_is_in_no_status_and_no_event(
    mode: dict[str, Any], data: dict[str, Any], message: str
) -> None:
    async def story(stage: Stage) -> None:
        stage.egress.far_end = echo
        rule = {"when": "status == 500", "result": "config", "message": message}
        stage.provider(authModes=[mode], classes=[rule], configSchema={})
        stage.secrets.put(NAMESPACE, "slack-token", **data)
        stage.integration()
        await stage.settle(1)
        assert stage.ready() == ("False", "ConfigRefused")
        shown = json.dumps([stage.status(), [vars_of(note) for note in stage.events.notes]])
        sent = stage.egress.requests[0]
        for secret in forms(CANARY, sent):
            for part in (secret, secret[:12], secret[-12:]):
                assert part not in shown

    play(story)


def vars_of(note: Any) -> list[str]:
    return [note.reason, note.message]


def forms(canary: str, sent: HttpRequest) -> set[str]:
    """How the credential travelled, beside itself."""
    travelled = {sent.headers.get("Authorization", "").partition(" ")[2], sent.url.partition("key=")[2]}
    return {canary, *travelled} - {""}


def test_a_short_secret_inside_a_longer_one_does_not_save_the_rest_of_it() -> None:
    async def story(stage: Stage) -> None:
        stage.egress.far_end = lambda _: answer(500, {"error": "no such key: longer-secret"})
        rule = {"when": "status == 500", "result": "config", "message": "{{ body.error }}"}
        stage.provider(classes=[rule])
        stage.secrets.put(NAMESPACE, "slack-token", token="longer-secret", part="longer")
        stage.integration()
        await stage.settle(1)
        assert "-secret" not in json.dumps(stage.status())

    play(story)


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    async def story(stage: Stage) -> None:
        stage.provider(
            baseUrl="https://{{ config.who }}.slack.com/",
            configSchema={"who": {"type": "string"}},
            regions={"eu": f"https://robot:{'p4ssw0rd'}@slack.com"},
        )
        stage.integration(region="eu", config={"who": "me"}, authType="NONE")
        await stage.settle(1)
        assert stage.ready()[0] == "False"
        assert "p4ssw0rd" not in json.dumps([stage.status(), stage.provider_status()])

    play(story)


# --------------------------------------------------------------------------- nothing goes out any more


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"enabled": False}, id="switched-off"),
        pytest.param({"healthCheck": {"enabled": False}}, id="probe-switched-off"),
        pytest.param({"config": {"apiKey": "never-here"}}, id="config-broken"),
    ],
)
def test_a_probe_under_way_is_ended_with_the_right_to_make_it(change: dict[str, Any]) -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.egress.seconds = 20  # it may be waiting for its turn, with nothing sent yet
        stage.integration(description="again")
        await stage.settle(2)
        assert stage.integrations._probes.running(Key("Integration", NAMESPACE, "chat"))
        stage.integration(**change)
        await stage.settle(1)
        assert stage.integrations._probes.running(Key("Integration", NAMESPACE, "chat")) is None

    play(story)


def test_a_probe_that_takes_longer_than_the_pause_between_two_is_waited_for_quietly() -> None:
    async def story(stage: Stage) -> None:
        looks: list[Key] = []
        reconcile = stage.integrations.reconcile

        async def counted(key: Key) -> Result:
            looks.append(key)
            return await reconcile(key)

        stage.integrations.reconcile = counted  # type: ignore[method-assign]
        stage.egress.seconds = 120
        stage.provider(probe={"path": "/auth.test", "intervalSeconds": 5})
        stage.secrets.put(NAMESPACE, "slack-token", token="t")
        stage.integration(timeoutSeconds=300)
        await stage.minutes(10)
        assert 4 <= len(stage.egress.requests) <= 6
        assert len(looks) < 4 * len(stage.egress.requests)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


# --------------------------------------------------------------------------- rivals in masses


def test_twins_made_at_once_do_not_wake_each_other_and_the_end_of_the_oldest_wakes_all() -> None:
    async def story(stage: Stage) -> None:
        woken: list[Key] = []
        stage.cache.subscribe(lambda change: woken.extend(stage.links.rivals(change)))
        await connected(stage)
        await stage.settle(2)
        names = [f"twin-{number}" for number in range(30)]
        for name in names:
            stage.integration(name)
        await stage.settle(5)
        assert woken == []
        assert {stage.ready(name) for name in names} == {("False", "Duplicate")}
        stage.integration(description="edited")
        stage.integration("twin-3", description="edited")
        await stage.settle(1)
        assert woken == []
        stage.delete(INTEGRATION, "chat")
        await stage.settle(5)
        assert sorted(key.name for key in woken) == sorted(names)
        assert sorted(stage.ready(name)[0] for name in names) == ["False"] * 29 + ["True"]

    play(story)


# --------------------------------------------------------------------------- the user's own choice


def test_another_provider_named_by_the_user_needs_no_consent() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.provider("other", baseUrl="https://other.example.net/api")
        stage.integration(providerRef={"name": "other"})
        await stage.settle(1)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.egress.requests[-1].url.startswith("https://other.example.net")
        stage.provider("other", baseUrl="https://third.example.net/api")
        await stage.settle(1)
        assert stage.ready() == ("False", "ProviderChanged")
        stage.delete(CLUSTER_INTEGRATION_PROVIDER, "other")
        await stage.settle(1)
        assert all("third" not in request.url for request in stage.egress.requests)

    play(story)
