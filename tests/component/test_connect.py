"""Connecting an account: who may, what is checked on the way back, and what is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connect_stage import ALICE, PUBLIC_URL, ConnectStage
from credential_stage import NAMESPACE, OLD_KEY, sent
from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.api.reasons import Reason
from integration_hub.operations.callback import CallbackAnswer
from integration_hub.operations.connect import ConnectInput
from integration_hub.operations.connecting import challenge_of
from integration_hub.operations.disconnect import DisconnectAnswer, DisconnectInput
from integration_hub.ports import Caller, CredentialProblem, Failure, Key, Problem, SecretText
from memory import answer, no_answer
from virtual_time import run

MALLORY = Caller("mallory")


def play(story: Callable[[ConnectStage], Awaitable[None]], **provider: Any) -> None:
    async def main() -> None:
        stage = ConnectStage()
        stage.provider(**provider)
        stage.integration()
        await story(stage)

    run(main())


def code_of(outcome: object) -> ErrorCode:
    assert isinstance(outcome, Problem), outcome
    return outcome.code


def test_a_person_connects_and_calls_carry_the_token() -> None:
    async def story(stage: ConnectStage) -> None:
        waiting = await stage.hub.source.present(stage.link())
        assert isinstance(waiting, CredentialProblem)
        assert waiting.reason is Reason.PENDING_AUTHORIZATION
        asked = await stage.begin()
        assert asked["page"].startswith("https://auth.example.com/authorize?")
        assert asked["redirect_uri"] == f"{PUBLIC_URL}/oauth/callback/example"
        assert asked["scope"] == "read write"
        assert asked["code_challenge_method"] == "S256"
        outcome = await stage.arrive({"state": asked["state"], "code": "the-code"})
        assert outcome == CallbackAnswer(NAMESPACE, "chat", "")
        request = stage.far_end.asked[-1]
        assert request["grant_type"] == "authorization_code"
        assert request["redirect_uri"] == asked["redirect_uri"]
        assert challenge_of(SecretText(request["code_verifier"])) == asked["code_challenge"]
        assert sent(await stage.hub.source.present(stage.link())) == "access-0001"
        assert [each.reason for each in await stage.store.drain()] == ["connected"]

    play(story)


def test_the_state_is_kept_as_a_hash_and_the_verifier_sealed() -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin()
        kept = repr(vars(stage.store))
        assert asked["state"] not in kept
        await stage.arrive({"state": asked["state"], "code": "c"})
        assert stage.far_end.asked[-1]["code_verifier"] not in kept

    play(story)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"slug": "other"}, "another provider", id="another provider's address"),
        pytest.param({"session": SecretText("theirs")}, "another browser", id="another browser"),
        pytest.param({"session": None}, "another browser", id="no session where there was one"),
        pytest.param({"issuer": "https://evil.example.com"}, "iss", id="another issuer"),
        pytest.param({"issuer": ""}, "iss", id="no issuer where one is expected"),
        pytest.param({"code": None}, "no code", id="no code"),
        pytest.param({"code": SecretText("a\r\nb")}, "no code", id="a code that cannot be one"),
        pytest.param({"state": SecretText("guessed")}, "used before", id="a guessed state"),
    ],
)
def test_what_does_not_belong_to_the_way_back_is_refused_before_the_code_is_sent(
    change: dict[str, Any], says: str
) -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin(session="mine")
        back = {"state": asked["state"], "code": "c", "iss": "https://auth.example.com"}
        outcome = await stage.arrive(back, **{"session": SecretText("mine"), **change})
        assert code_of(outcome) is ErrorCode.INVALID_REQUEST
        assert isinstance(outcome, Problem)
        assert says in outcome.details
        assert stage.far_end.asked == []
        assert stage.owned() is None

    play(story, oauth={"issuer": "https://auth.example.com"})


def test_a_state_is_good_once_and_for_ten_minutes() -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin()
        back = {"state": asked["state"], "code": "c"}
        together = await asyncio.gather(*(stage.arrive(back) for _ in range(10)))
        assert sum(isinstance(each, CallbackAnswer) for each in together) == 1
        late = await stage.begin()
        await asyncio.sleep(601)
        assert code_of(await stage.arrive({"state": late["state"], "code": "c"})) is ErrorCode.INVALID_REQUEST
        assert len(stage.far_end.asked) == 1

    play(story)


def test_an_integration_that_was_made_anew_is_another_one() -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin()
        stage.cache.remove(Key(INTEGRATION.kind, NAMESPACE, "chat"), stage.link().uid)
        outcome = await stage.arrive({"state": asked["state"], "code": "c"})
        assert code_of(outcome) is ErrorCode.INTEGRATION_NOT_FOUND
        assert stage.far_end.asked == []

    play(story)


def test_who_may_not_connect_is_refused_and_learns_nothing() -> None:
    async def story(stage: ConnectStage) -> None:
        stage.authorizer.revoke("*")
        for name in ("chat", "not-there"):
            outcome = await stage.connect(ALICE, ConnectInput(NAMESPACE, name))
            assert code_of(outcome) is ErrorCode.FORBIDDEN
        refused = await stage.disconnect(ALICE, DisconnectInput(NAMESPACE, "chat"))
        assert code_of(refused) is ErrorCode.FORBIDDEN

    play(story)


def test_who_may_not_connect_does_not_use_up_somebody_elses_way_back() -> None:
    async def story(stage: ConnectStage) -> None:
        back = {"state": (await stage.begin())["state"], "code": "the-code"}
        stage.authorizer.revoke("*")
        refused = await stage.arrive(back, caller=MALLORY, namespace=NAMESPACE, integration="chat")
        assert code_of(refused) is ErrorCode.FORBIDDEN
        assert isinstance(await stage.arrive(back), CallbackAnswer)

    play(story)


def test_a_front_end_posts_what_its_own_browser_brought_and_nobody_elses() -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin()
        back = {"state": asked["state"], "code": "c"}
        theirs = {"namespace": NAMESPACE, "integration": "chat"}
        assert code_of(await stage.arrive(back, caller=MALLORY, **theirs)) is ErrorCode.INVALID_REQUEST
        asked = await stage.begin()
        back = {"state": asked["state"], "code": "c"}
        assert isinstance(await stage.arrive(back, caller=ALICE, **theirs), CallbackAnswer)

    play(story)


def test_a_refusal_of_the_vendor_is_told_as_text_without_control_characters() -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin()
        outcome = await stage.arrive(
            {"state": asked["state"]},
            error="access_denied",
            error_description="no\x1b[2J\u202e <script>" + "x" * 5000,
        )
        assert code_of(outcome) is ErrorCode.INVALID_CREDENTIALS
        assert isinstance(outcome, Problem)
        assert "access_denied" in outcome.details
        assert "\x1b" not in outcome.details
        assert "\u202e" not in outcome.details
        assert len(outcome.details) < 300

    play(story)


def test_trouble_at_the_token_endpoint_leaves_nothing_half_done() -> None:
    async def story(stage: ConnectStage) -> None:
        for trouble in (answer(400, {"error": "invalid_grant"}), no_answer(Failure.TIMEOUT)):
            stage.far_end.trouble = trouble
            asked = await stage.begin()
            outcome = await stage.arrive({"state": asked["state"], "code": "canary-code"})
            assert code_of(outcome) is ErrorCode.INVALID_CREDENTIALS
            assert "canary-code" not in repr(outcome)
        assert stage.owned() is None

    play(story)


def test_an_integration_whose_grant_ended_can_be_connected_again() -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin()
        await stage.arrive({"state": asked["state"], "code": "c"})
        stage.far_end.valid.clear()
        await asyncio.sleep(3600)
        ended = await stage.hub.source.present(stage.link())
        assert isinstance(ended, CredentialProblem)
        assert ended.reason is Reason.REAUTH_REQUIRED
        asked = await stage.begin()
        assert isinstance(await stage.arrive({"state": asked["state"], "code": "c"}), CallbackAnswer)
        assert sent(await stage.hub.source.present(stage.link())).startswith("access-")

    play(story)


def test_disconnecting_ends_the_grant_at_the_vendor_and_forgets_it() -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin()
        await stage.arrive({"state": asked["state"], "code": "c"})
        outcome = await stage.disconnect(ALICE, DisconnectInput(NAMESPACE, "chat"))
        assert outcome == DisconnectAnswer(NAMESPACE, "chat")
        revoked = [each["token_type_hint"] for each in stage.far_end.asked if "token_type_hint" in each]
        assert revoked == ["refresh_token", "access_token"]
        assert stage.far_end.tokens == set()
        assert stage.owned() is None
        gone = await stage.hub.source.present(stage.link())
        assert isinstance(gone, CredentialProblem)
        assert gone.reason is Reason.PENDING_AUTHORIZATION

    play(story)


def test_disconnecting_forgets_the_grant_even_if_the_vendor_is_silent_and_says_what_is_left() -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin()
        await stage.arrive({"state": asked["state"], "code": "c"})
        stage.far_end.trouble = answer(503, {})
        outcome = await stage.disconnect(ALICE, DisconnectInput(NAMESPACE, "chat"))
        assert isinstance(outcome, DisconnectAnswer)
        assert "could not be ended" in outcome.left
        assert stage.owned() is None

    play(story)


def test_tokens_in_a_users_own_secret_are_not_used_after_disconnecting_until_they_change() -> None:
    async def story(stage: ConnectStage) -> None:
        stage.secret("tokens", accessToken="old")
        stage.integration(credentials={"secretRef": {"name": "tokens"}})
        assert sent(await stage.hub.source.present(stage.link())) == "old"
        await stage.disconnect(ALICE, DisconnectInput(NAMESPACE, "chat"))
        stage.restart()
        gone = await stage.hub.source.present(stage.link())
        assert isinstance(gone, CredentialProblem)
        assert gone.reason is Reason.REAUTH_REQUIRED
        stage.secret("tokens", accessToken="new")
        assert sent(await stage.hub.source.present(stage.link())) == "new"

    play(story)


def test_the_vendors_id_of_the_account_is_learned_where_the_provider_says_how() -> None:
    async def story(stage: ConnectStage) -> None:
        tokens = stage.far_end

        def far_end(request: Any) -> Any:
            if request.url == "https://api.example.com/v1/me":
                assert request.headers["Authorization"] == "Bearer access-0001"
                return answer(200, {"team": {"id": "T123"}})
            return tokens(request)

        stage.egress.far_end = far_end
        asked = await stage.begin()
        outcome = await stage.arrive({"state": asked["state"], "code": "c"})
        assert outcome == CallbackAnswer(NAMESPACE, "chat", "T123")
        facts = await stage.hub.source.facts(stage.link())
        assert not isinstance(facts, CredentialProblem)
        assert facts.account_id == "T123"

    play(story, oauth={"account": {"path": "/me", "id": "body.team.id"}})


def test_the_hubs_own_client_is_not_sent_where_a_tenants_config_points() -> None:
    async def story(stage: ConnectStage) -> None:
        stage.integration(config={"host": "evil.example.com"})
        asked = await stage.begin()
        outcome = await stage.arrive({"state": asked["state"], "code": "c"})
        assert code_of(outcome) is ErrorCode.INVALID_CONFIGURATION
        assert stage.far_end.asked == []
        stage.secret("own", clientId="mine", clientSecret="mine-too")
        stage.integration(config={"host": "own.example.com"}, credentials={"secretRef": {"name": "own"}})
        asked = await stage.begin()
        assert asked["client_id"] == "mine"
        assert isinstance(await stage.arrive({"state": asked["state"], "code": "c"}), CallbackAnswer)
        assert stage.far_end.requests[-1].url == "https://own.example.com/token"

    play(
        story,
        oauth={"tokenUrl": "https://{{ config.host }}/token"},
        configSchema={"host": {"type": "string", "default": "auth.example.com"}},
    )


def test_with_a_lost_key_disconnecting_is_the_way_out() -> None:
    async def story(stage: ConnectStage) -> None:
        asked = await stage.begin()
        await stage.arrive({"state": asked["state"], "code": "c"})
        stage.hub_keys = (OLD_KEY,)
        stage.restart()
        lost = await stage.hub.source.present(stage.link())
        assert isinstance(lost, CredentialProblem)
        assert lost.reason is Reason.ENCRYPTION_ERROR
        refused = await stage.connect(ALICE, ConnectInput(NAMESPACE, "chat"))
        assert code_of(refused) is ErrorCode.ENCRYPTION_ERROR
        assert isinstance(await stage.disconnect(ALICE, DisconnectInput(NAMESPACE, "chat")), DisconnectAnswer)
        asked = await stage.begin()
        assert isinstance(await stage.arrive({"state": asked["state"], "code": "c"}), CallbackAnswer)
        assert sent(await stage.hub.source.present(stage.link())) == "access-0003"

    play(story)
