"""Tokens stay fresh: once for all who ask, across processes, whatever fails on the way."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from credential_stage import KEY, NAMESPACE, OLD_KEY, Stage, link, play, sent
from integration_hub.api.reasons import Reason
from integration_hub.ports import (
    SECRETS,
    ApiError,
    CredentialFacts,
    CredentialProblem,
    Failure,
    HttpRequest,
    Link,
    Presented,
    SecretText,
)
from integration_hub.providers.token_answer import Token
from memory import Answer, answer, no_answer

HOUR = 3600.0
CLIENT_CREDENTIALS = {"type": "OAUTH2_CLIENT_CREDENTIALS"}


async def imported(stage: Stage, *, seconds: float = 600, **data: str) -> None:
    """A Secret with tokens that somebody already had: the access token ends in so many seconds."""
    expiry = (stage.clock.now() + timedelta(seconds=seconds)).isoformat()
    stage.secret(
        "tokens",
        **{"accessToken": "access-0", "refreshToken": stage.far_end.family(), "tokenExpiry": expiry, **data},
    )


def test_an_imported_token_is_sent_as_it_is_and_the_users_secret_never_written() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage)
        process, chat = stage.process(), link(secret="tokens")
        assert sent(await process.source.present(chat)) == "access-0"
        assert stage.far_end.asked == []
        assert stage.writes() == 0

    play(story)


def test_a_due_token_is_renewed_before_it_ends_and_stored_sealed() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage)
        process, chat = stage.process(), link(secret="tokens")
        await asyncio.sleep(350)
        assert sent(await process.source.present(chat)) == "access-0"
        await asyncio.sleep(1)
        assert sent(await process.source.present(chat)) == "access-0002"
        assert stage.far_end.asked[0]["grant_type"] == "refresh_token"
        owned = stage.owned()
        assert owned is not None
        assert owned["grant"].startswith("ihs1.")
        assert "access-0002" not in stage.everything_stored()

    play(story)


def test_a_hundred_callers_at_expiry_make_one_token_request() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        stage.egress.seconds = 0.5
        processes, chat = [stage.process(), stage.process()], link(secret="tokens")
        asks = [processes[each % 2].source.present(chat, caller=f"svc-{each}") for each in range(100)]
        tokens = {sent(each) for each in await asyncio.gather(*asks)}
        assert len(tokens) == 1
        assert len(stage.far_end.asked) == 1

    play(story)


def test_callers_whose_token_was_refused_make_one_token_request_together() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=1e6)
        stage.egress.seconds = 0.2
        one, two = stage.process(), stage.process()
        chat = link(secret="tokens")
        refused = await one.source.present(chat)
        assert isinstance(refused, Presented)
        renewals = [each.source.renew(chat, refused) for each in (one, two) for _ in range(50)]
        tokens = {sent(each) for each in await asyncio.gather(*renewals)}
        assert tokens == {"access-0002"}
        assert len(stage.far_end.asked) == 1

    play(story)


def test_a_caller_that_goes_away_does_not_cut_off_the_token_request() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        stage.egress.seconds = 5
        process, chat = stage.process(), link(secret="tokens")
        asking = asyncio.create_task(process.source.present(chat))
        await asyncio.sleep(1)
        asking.cancel()
        await asyncio.sleep(10)
        assert sent(await process.source.present(chat)) == "access-0002"
        assert len(stage.far_end.asked) == 1

    play(story)


def test_a_grant_that_is_gone_stops_all_token_requests_over_restarts_too() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        stage.far_end.valid.clear()
        chat = link(secret="tokens")
        outcomes: list[object] = [await stage.process().source.present(chat) for _ in range(5)]
        outcomes.append(await stage.process().source.refresh(chat))
        for outcome in outcomes:
            assert isinstance(outcome, CredentialProblem)
            assert outcome.reason is Reason.REAUTH_REQUIRED
            assert outcome.lasting
            assert "https://hub.example.com/connect/chat" in outcome.message
        assert len(stage.far_end.asked) == 1
        assert [each.reason for each in await stage.store.drain()] == ["credentials"]

    play(story)


def test_new_tokens_in_the_users_secret_end_the_wait_for_a_person() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        stage.far_end.valid.clear()
        process, chat = stage.process(), link(secret="tokens")
        assert isinstance(await process.source.present(chat), CredentialProblem)
        await imported(stage, accessToken="access-new")
        assert sent(await process.source.present(chat)) == "access-new"

    play(story)


def test_a_changed_secret_wins_over_what_was_refreshed_and_another_label_does_not() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        process, chat = stage.process(), link(secret="tokens")
        assert sent(await process.source.present(chat)) == "access-0002"
        known = stage.cluster.read(SECRETS, NAMESPACE, "tokens")
        assert known is not None
        labelled = {**known["metadata"], "labels": {"a": "b"}}
        stage.cluster.put(SECRETS, NAMESPACE, "tokens", metadata=labelled)
        assert sent(await process.source.present(chat)) == "access-0002"
        await imported(stage, accessToken="access-by-hand")
        assert sent(await process.source.present(chat)) == "access-by-hand"

    play(story)


def test_trouble_at_the_token_endpoint_is_waited_out_while_the_old_token_works() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage)
        process, chat = stage.process(), link(secret="tokens")
        await asyncio.sleep(350)
        stage.far_end.trouble = answer(503, {"error": "temporarily_unavailable"}, retry_after="7")
        for _ in range(200):
            assert sent(await process.source.present(chat)) == "access-0"
            await asyncio.sleep(1)
        assert 3 <= len(stage.far_end.asked) <= 8
        stage.far_end.trouble = None
        await asyncio.sleep(300)
        assert sent(await process.source.present(chat)) == "access-0002"

    play(story)


def test_an_ended_token_and_a_silent_endpoint_are_a_passing_problem_with_a_time() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        stage.far_end.trouble = no_answer(Failure.CONNECT, "auth.example.com does not answer")
        process, chat = stage.process(), link(secret="tokens")
        for _ in range(100):
            problem = await process.source.present(chat)
            assert isinstance(problem, CredentialProblem)
            assert (problem.reason, problem.lasting) == (Reason.REFRESH_FAILED, False)
            assert problem.retry_after
        assert len(stage.far_end.asked) == 1

    play(story)


def test_without_an_expiry_a_token_is_renewed_when_it_is_refused() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("tokens", accessToken="access-0", refreshToken=stage.far_end.family())
        process, chat = stage.process(), link(secret="tokens")
        await asyncio.sleep(1000 * HOUR)
        refused = await process.source.present(chat)
        assert sent(refused) == "access-0"
        assert isinstance(refused, Presented)
        assert sent(await process.source.renew(chat, refused)) == "access-0002"

    play(story)


def test_a_fresh_token_that_is_refused_is_not_renewed_over_and_over() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        process, chat = stage.process(), link(secret="tokens")
        for _ in range(20):
            presented = await process.source.present(chat)
            assert isinstance(presented, Presented)
            problem = await process.source.renew(chat, presented)
            assert isinstance(problem, CredentialProblem)
            assert problem.reason is Reason.INVALID_CREDENTIALS
        assert len(stage.far_end.asked) == 1

    play(story)


def test_a_token_that_nothing_renews_and_that_is_refused_costs_no_read_each_time() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("tokens", accessToken="a")
        process, chat = stage.process(), link(secret="tokens")
        refused = await process.source.present(chat)
        assert isinstance(refused, Presented)
        before = len(stage.cluster.requests)
        for _ in range(100):
            problem = await process.source.renew(chat, refused)
            assert isinstance(problem, CredentialProblem)
            assert problem.reason is Reason.INVALID_CREDENTIALS
        assert len(stage.cluster.requests) == before
        stage.secret("tokens", accessToken="b")
        assert sent(await process.source.renew(chat, refused)) == "b"

    play(story)


def test_an_import_without_refresh_token_that_ended_asks_for_a_person_and_nobody_else() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1, refreshToken="")
        problem = await stage.process().source.present(link(secret="tokens"))
        assert isinstance(problem, CredentialProblem)
        assert problem.reason is Reason.REAUTH_REQUIRED
        assert "Secret tokens" in problem.message
        assert stage.far_end.asked == []

    play(story)


def test_while_the_api_server_is_away_tokens_go_on_working_and_a_new_one_is_not_used_unsaved() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage)
        process, chat = stage.process(), link(secret="tokens")
        assert sent(await process.source.present(chat)) == "access-0"
        stage.versions.down = True
        stage.cluster.trouble = lambda *_: ApiError(0, "ConnectionFailed", "gone")
        await asyncio.sleep(100)
        assert sent(await process.source.present(chat)) == "access-0"

    play(story)


def test_a_new_token_that_cannot_be_stored_is_kept_and_stored_later_not_asked_for_again() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        process, chat = stage.process(), link(secret="tokens")
        writes = ("create", "replace")
        stage.cluster.trouble = lambda verb, *_: ApiError(503, "x", "etcd") if verb in writes else None
        problem = await process.source.present(chat)
        assert isinstance(problem, CredentialProblem)
        assert (problem.reason, problem.lasting) == (Reason.REFRESH_FAILED, False)
        stage.cluster.trouble = None
        assert sent(await process.source.present(chat)) == "access-0002"
        assert len(stage.far_end.asked) == 1
        assert sent(await stage.process().source.present(chat)) == "access-0002"

    play(story)


def test_a_grant_that_a_person_renewed_meanwhile_is_not_overwritten() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        one, two, chat = stage.process(), stage.process(), link(secret="tokens")
        stage.egress.seconds = 5
        asking = asyncio.create_task(one.source.present(chat))
        await asyncio.sleep(1)
        token = Token(SecretText("by-a-person"), SecretText("refresh-of-a-person"), 3600)
        assert await two.source.connected(chat, token, "T123") is None
        assert sent(await asking) == "by-a-person"
        assert sent(await stage.process().source.present(chat)) == "by-a-person"

    play(story)


def test_what_an_old_key_sealed_is_sealed_anew_by_refresh() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        chat = link(secret="tokens")
        assert sent(await stage.process(keys=(OLD_KEY,)).source.present(chat)) == "access-0002"
        changed = stage.process(keys=(KEY, OLD_KEY))
        before = stage.owned()
        facts = await changed.source.facts(chat)
        assert not isinstance(facts, CredentialProblem)
        assert facts.stale
        await changed.source.refresh(chat)
        assert stage.owned() != before
        assert sent(await stage.process(keys=(KEY,)).source.present(chat)) == "access-0002"
        assert len(stage.far_end.asked) == 1

    play(story)


def test_a_lost_key_is_told_with_its_own_reason_and_nothing_is_asked_for() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage, seconds=-1)
        chat = link(secret="tokens")
        await stage.process(keys=(OLD_KEY,)).source.present(chat)
        problem = await stage.process(keys=(KEY,)).source.present(chat)
        assert isinstance(problem, CredentialProblem)
        assert problem.reason is Reason.ENCRYPTION_ERROR
        assert "TOKEN_ENCRYPTION_OLD_KEYS" in problem.message
        assert len(stage.far_end.asked) == 1

    play(story)


def test_a_storm_of_tokens_that_end_together_is_spread_and_none_is_late() -> None:
    """Tokens obtained in one moment, each renewed when its facts say so."""

    async def story(stage: Stage) -> None:
        process = stage.process(chance=random.Random(7).random)
        asked_at: list[float] = []

        def far_end(request: HttpRequest) -> Answer:
            asked_at.append(stage.clock.monotonic())
            return stage.far_end(request)

        stage.egress.far_end = far_end
        links = [link(f"chat-{each}", uid=f"uid-{each}", mode=CLIENT_CREDENTIALS) for each in range(300)]
        late: list[str] = []

        async def keep(connection: Link) -> None:
            while stage.clock.monotonic() < 1.5 * HOUR:
                facts = await process.source.refresh(connection)
                assert isinstance(facts, CredentialFacts)
                assert facts.refresh_at is not None
                assert facts.expires_at is not None
                if facts.refresh_at >= facts.expires_at:
                    late.append(connection.uid)
                await asyncio.sleep(max((facts.refresh_at - stage.clock.now()).total_seconds(), 0.1))

        await asyncio.gather(*(keep(each) for each in links))
        assert late == []
        renewals = [at for at in asked_at if HOUR / 2 < at < HOUR]
        assert len(renewals) == 300
        busiest = max(sum(start <= at < start + 30 for at in renewals) for start in range(1800, 3600, 10))
        assert busiest < 60, "three hundred within six minutes are 25 in half a minute"

    play(story)


def test_facts_ask_nobody_and_are_not_audited() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage)
        process, chat = stage.process(), link(secret="tokens")
        facts = await process.source.facts(chat)
        assert not isinstance(facts, CredentialProblem)
        assert facts.expires_at is not None
        assert facts.refresh_at == facts.expires_at - timedelta(seconds=315)
        assert not facts.sealed
        assert stage.far_end.asked == []
        assert stage.store.audit == []

    play(story)


def test_uses_are_audited_once_a_minute_for_each_caller_and_purpose() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage)
        process, chat = stage.process(), link(secret="tokens")
        for _ in range(120):
            await process.source.present(chat, caller="alice", purpose="call")
            await process.source.present(chat, caller="bob", purpose="call")
            await asyncio.sleep(1)
        rows = [(each.actor, each.action, each.detail) for each in stage.store.audit]
        assert rows.count(("alice", "use", "call")) == 2
        assert rows.count(("bob", "use", "call")) == 2

    play(story)


def test_a_warm_token_reads_nothing() -> None:
    async def story(stage: Stage) -> None:
        await imported(stage)
        process, chat = stage.process(), link(secret="tokens")
        await process.source.present(chat)
        before = len(stage.cluster.requests)
        for _ in range(1000):
            await process.source.present(chat)
        assert len(stage.cluster.requests) == before

    play(story)
