"""An Integration whose credentials lie in Vault, as its owner sees it: conditions, Events, status, writes."""

from __future__ import annotations

from typing import Any

from integration_stage import NAMESPACE, Stage, play
from memory import answer
from memory_vault import SEALED

SLACK: dict[str, Any] = {"credentials": {"vaultRef": {"path": "slack"}}}
CREDENTIALS = "CredentialsReady"


async def connected(stage: Stage, **changes: Any) -> None:
    stage.provider()
    stage.vault.write("team-a/slack", token="right")
    stage.integration(**{**SLACK, **changes})
    await stage.settle(1)
    assert stage.ready() == ("True", "Succeeded"), stage.status()


def test_it_is_ready_and_quiet_while_nothing_changes() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        assert stage.message(CREDENTIALS) == "Vault secret slack holds what mode BEARER needs."
        assert stage.status()["credentials"]["secretVersion"] == "1@2026-11-21T10:00:00Z"
        writes, reads = stage.writes(), stage.vault.count("/data/")
        await stage.minutes(30)
        assert stage.writes() == writes
        assert 25 <= stage.vault.count("/data/") - reads <= 35

    play(story)


def test_another_value_is_tried_with_the_next_probe_and_counts_as_rotated() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.vault.write("team-a/slack", token="second")
        await stage.minutes(2)
        assert stage.status()["credentials"]["secretVersion"] == "2@2026-11-21T10:00:00Z"
        assert stage.status()["credentials"]["lastRotatedAt"]
        assert stage.egress.requests[-1].headers["authorization"] == "Bearer second"

    play(story)


def test_a_sealed_vault_is_told_once_and_stops_no_probe() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.vault.down = SEALED
        before = len(stage.egress.requests)
        await stage.minutes(10)
        assert stage.ready() == ("True", "Succeeded")
        assert stage.conditions()[CREDENTIALS] == ("True", "VaultUnavailable")
        assert "stays in use. Vault is sealed." in stage.message(CREDENTIALS)
        assert len(stage.egress.requests) - before >= 8
        told = [each for each in stage.events.reasons("chat") if each[1] == "VaultUnavailable"]
        assert told == [("Warning", "VaultUnavailable")]
        writes = stage.writes()
        await stage.minutes(10)
        assert stage.writes() == writes
        stage.vault.down = None
        await stage.minutes(2)
        assert stage.conditions()[CREDENTIALS] == ("True", "CredentialsFound")

    play(story)


def test_one_that_never_read_it_waits_and_mends_by_itself() -> None:
    async def story(stage: Stage) -> None:
        stage.vault.down = SEALED
        stage.provider()
        stage.vault.write("team-a/slack", token="right")
        stage.integration(**SLACK)
        await stage.settle(1)
        assert stage.ready() == ("False", "VaultUnavailable")
        assert not stage.egress.requests
        stage.vault.down = None
        await stage.settle(40)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_a_restart_while_vault_is_sealed_tells_the_truth() -> None:
    """What was read last is gone with the process, and calls would fail."""

    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.vault.down = SEALED
        await stage.restart()
        await stage.minutes(2)
        assert stage.ready() == ("False", "VaultUnavailable")
        stage.vault.down = None
        await stage.minutes(1)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_what_is_missing_is_looked_for_again_within_seconds() -> None:
    async def story(stage: Stage) -> None:
        stage.provider()
        stage.integration(**SLACK)
        await stage.settle(10)
        assert stage.ready() == ("False", "SecretNotFound")
        assert "Vault has no secret team-a/slack at mount secret: write it with key token." in stage.message()
        stage.vault.write("team-a/slack", token="right")
        await stage.settle(20)
        assert stage.ready() == ("True", "Succeeded")

    play(story)


def test_one_that_is_not_probed_is_looked_at_all_the_same() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.integration(**SLACK, healthCheck={"enabled": False})
        await stage.settle(1)
        stage.vault.write("team-a/slack", token="second")
        await stage.minutes(2)
        assert stage.status()["credentials"]["secretVersion"].startswith("2@")
        stage.vault.delete("team-a/slack")
        await stage.minutes(2)
        assert stage.ready() == ("False", "SecretNotFound")

    play(story)


def test_workloads_get_what_vault_holds_now() -> None:
    async def story(stage: Stage) -> None:
        credentials = {**SLACK["credentials"], "project": {"secretName": "binding"}}
        await connected(stage, credentials=credentials)
        assert (await stage.secrets.read(NAMESPACE, "binding")).data["token"].reveal() == "right"
        stage.vault.write("team-a/slack", token="second")
        await stage.minutes(2)
        assert (await stage.secrets.read(NAMESPACE, "binding")).data["token"].reveal() == "second"

    play(story)


def test_a_refusal_names_the_place_to_put_a_valid_key() -> None:
    async def story(stage: Stage) -> None:
        await connected(stage)
        stage.egress.far_end = lambda _: answer(401, {})
        await stage.minutes(5)
        assert stage.ready() == ("False", "InvalidCredentials")
        assert "put valid ones into the Vault secret slack" in stage.message()

    play(story)
