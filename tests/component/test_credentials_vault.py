"""Credentials in Vault, through the whole room: read on use, remembered for seconds, and kept in a storm."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from credential_stage import ENVIRONMENT, NAMESPACE, Stage, link, play, sent
from integration_hub.api.reasons import Reason
from integration_hub.ports import SECRETS, CredentialFacts, CredentialProblem, Link, Presented
from memory_vault import SEALED

BEARER = {"type": "BEARER"}
SECONDS = 5.0


def slack(path: str = "slack", **changes: Any) -> Link:
    return link(mode=BEARER, credentials={"vaultRef": {"path": path}}, **changes)


def test_a_hundred_calls_read_once_and_an_edit_is_seen_within_seconds() -> None:
    async def story(stage: Stage) -> None:
        stage.vault.write("team-a/slack", token="first")
        source = stage.process().source
        found = await asyncio.gather(*(source.present(slack()) for _ in range(100)))
        assert {sent(each) for each in found} == {"first"}
        assert stage.vault.count("/data/") == 1
        stage.vault.write("team-a/slack", token="second")
        assert sent(await source.present(slack())) == "first"
        await asyncio.sleep(SECONDS + 0.1)
        assert sent(await source.present(slack())) == "second"
        assert stage.vault.count("/data/") == 2
        assert not stage.cluster.read(SECRETS, NAMESPACE, "intg-chat-hub")

    play(story)


def test_what_has_not_changed_is_the_same_presentation() -> None:
    """So nothing is made or signed anew for it, and no status is written."""

    async def story(stage: Stage) -> None:
        stage.vault.write("team-a/slack", token="right")
        process = stage.process()
        first = await process.source.present(slack())
        view = process.reading.warm(slack())
        await asyncio.sleep(60)
        assert process.reading.warm(slack()) is None
        assert await process.source.present(slack()) == first
        assert process.reading.warm(slack()) is view

    play(story)


def test_a_thousand_connections_that_are_probed_ask_one_read_each_and_one_login() -> None:
    async def story(stage: Stage) -> None:
        source = stage.process().source
        links = [slack(f"app-{number}", uid=f"uid-{number}", name=f"app-{number}") for number in range(1000)]
        for number in range(1000):
            stage.vault.write(f"team-a/app-{number}", token="right")
        for _ in range(3):
            await asyncio.gather(*(source.present(each) for each in links))
            await asyncio.gather(*(source.facts(each) for each in links))
            await asyncio.sleep(30)
        assert stage.vault.count("/data/") == 3000
        assert stage.vault.count("login") == 1

    play(story)


def test_while_vault_is_sealed_what_was_read_last_stays_in_use_and_is_told() -> None:
    async def story(stage: Stage) -> None:
        stage.vault.write("team-a/slack", token="right")
        process = stage.process()
        source = process.source
        before = await source.facts(slack())
        stage.vault.down = SEALED
        views = []
        for _ in range(20):
            await asyncio.sleep(60)
            assert sent(await source.present(slack())) == "right"
            views.append(process.reading.warm(slack()))
        assert all(view is views[0] for view in views), "one state is one view, however long it lasts"
        facts = await source.facts(slack())
        assert isinstance(facts, CredentialFacts)
        assert facts.unread is not None
        assert facts.unread.reason is Reason.VAULT_UNAVAILABLE
        assert "sealed" in facts.unread.message
        assert replace(facts, unread=None) == before
        stage.vault.down = None
        await asyncio.sleep(20)
        assert await source.facts(slack()) == before

    play(story)


def test_who_has_read_nothing_yet_waits_for_it() -> None:
    async def story(stage: Stage) -> None:
        stage.vault.write("team-a/slack", token="right")
        stage.vault.down = SEALED
        source = stage.process().source
        found = await source.present(slack())
        assert isinstance(found, CredentialProblem)
        assert (found.reason, found.lasting) == (Reason.VAULT_UNAVAILABLE, False)
        assert found.retry_after is not None
        stage.vault.down = None
        await asyncio.sleep(20)
        assert sent(await source.present(slack())) == "right"

    play(story)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda stage: stage.vault.denied.add("team-a/slack"), Reason.VAULT_ACCESS_DENIED),
        (lambda stage: stage.vault.delete("team-a/slack"), Reason.SECRET_NOT_FOUND),
        (lambda stage: stage.vault.write("team-a/slack", token=""), Reason.SECRET_KEY_MISSING),
    ],
    ids=["taken away", "deleted", "emptied"],
)
def test_what_vault_takes_back_is_not_used_any_more(spoil: Any, reason: Reason) -> None:
    async def story(stage: Stage) -> None:
        stage.vault.write("team-a/slack", token="right")
        source = stage.process().source
        assert sent(await source.present(slack())) == "right"
        spoil(stage)
        await asyncio.sleep(SECONDS + 0.1)
        found = await source.present(slack())
        assert isinstance(found, CredentialProblem)
        assert found.reason is reason
        stage.vault.down = SEALED
        await asyncio.sleep(SECONDS + 0.1)
        assert isinstance(await source.present(slack()), CredentialProblem), "a seal brings nothing back"

    play(story)


def test_another_path_is_not_answered_with_what_the_first_held() -> None:
    async def story(stage: Stage) -> None:
        stage.vault.write("team-a/slack", token="first")
        source = stage.process().source
        assert sent(await source.present(slack())) == "first"
        stage.vault.down = SEALED
        found = await source.present(slack("other", generation=2))
        assert isinstance(found, CredentialProblem)
        assert found.reason is Reason.VAULT_UNAVAILABLE

    play(story)


def test_an_oauth_client_may_lie_in_vault_and_tokens_are_renewed_while_it_is_sealed() -> None:
    async def story(stage: Stage) -> None:
        stage.environment.clear()
        stage.vault.write("team-a/app", clientId="mine", clientSecret="canary-secret")
        mode = {"type": "OAUTH2_CLIENT_CREDENTIALS"}
        connection = link(mode=mode, credentials={"vaultRef": {"path": "app"}})
        source = stage.process().source
        assert sent(await source.present(connection)) == "access-0001"
        stage.vault.down = SEALED
        await asyncio.sleep(3700)
        assert sent(await source.present(connection)) == "access-0002"
        assert ENVIRONMENT["EXAMPLE_CLIENT_ID"] not in str(stage.far_end.asked)

    play(story)


def test_the_hub_does_not_offer_to_replace_what_it_may_not_write() -> None:
    async def story(stage: Stage) -> None:
        stage.vault.write("team-a/slack", token="right")
        rotation = {"request": {"url": "/keys"}, "values": {"token": "body.key"}}
        connection = link(mode={**BEARER, "rotation": rotation}, credentials={"vaultRef": {"path": "slack"}})
        process = stage.process()
        facts = await process.source.facts(connection)
        assert isinstance(facts, CredentialFacts)
        assert not facts.rotatable
        assert sent(await process.source.present(connection)) == "right"

    play(story)


def test_a_value_of_vault_is_struck_out_of_what_is_said() -> None:
    async def story(stage: Stage) -> None:
        stage.vault.write("team-a/slack", token="canary-of-vault", note="canary-note")
        found = await stage.process().source.present(slack())
        assert isinstance(found, Presented)
        assert {each.reveal() for each in found.secrets} >= {"canary-of-vault", "canary-note"}
        assert "canary" not in repr(found)

    play(story)
