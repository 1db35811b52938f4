"""Vault as the hub asks it: one login for all, renewed in time, and every answer put into words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from credential_stage import link
from integration_hub.adapters.clock import SystemClock
from integration_hub.adapters.vault import (
    AppRoleLogin,
    KubernetesLogin,
    Login,
    NoVault,
    TokenFile,
    VaultServer,
    VaultSession,
    VaultWire,
)
from integration_hub.adapters.vault.wire import LONGEST_PAUSE, Unavailable
from integration_hub.adapters.vault.wire import Answer as VaultAnswer
from integration_hub.api.reasons import Reason
from integration_hub.ports import CredentialProblem, Failure, HttpRequest, SecretRead, SecretState
from memory import Answer, MemoryEgress, answer, no_answer
from memory_vault import SEALED, MemoryVault
from virtual_time import VirtualClock, run

PATH = "secret/data/team-a/slack"
BEARER = {"type": "BEARER"}


def play(story: Callable[[MemoryVault], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        vault = MemoryVault(VirtualClock())
        vault.write("team-a/slack", token="right")
        await story(vault)

    run(main())


def slack(**reference: Any) -> Any:
    return link(mode=BEARER, credentials={"vaultRef": {"path": "slack", **reference}})


# --------------------------------------------------------------------------- the token


def test_a_thousand_who_ask_at_once_log_in_once() -> None:
    async def story(vault: MemoryVault) -> None:
        session = vault.session(seconds=0.1)
        found = await asyncio.gather(*(session.ask("GET", PATH) for _ in range(1000)))
        assert {each.status for each in found if isinstance(each, VaultAnswer)} == {200}
        assert vault.count("login") == 1

    play(story)


def test_a_token_is_renewed_before_it_ends_and_replaced_before_its_longest_life_does() -> None:
    async def story(vault: MemoryVault) -> None:
        vault.ttl, vault.longest = 300, 1200
        session = vault.session()
        for _ in range(60):
            found = await session.ask("GET", PATH)
            assert isinstance(found, VaultAnswer)
            assert found.status == 200
            await asyncio.sleep(60)
        assert 3 <= vault.count("login") <= 4
        assert vault.count("renew-self") >= 10

    play(story)


def test_nobody_waits_while_one_renews() -> None:
    async def story(vault: MemoryVault) -> None:
        session = vault.session(seconds=1.0)
        await session.ask("GET", PATH)
        await asyncio.sleep(2500)
        started = vault.clock.monotonic()
        renewing = asyncio.create_task(session.ask("GET", PATH))
        await asyncio.sleep(0.1)
        await session.ask("GET", PATH)
        assert vault.clock.monotonic() - started == pytest.approx(1.1)
        await renewing

    play(story)


def test_a_revoked_token_costs_one_login_for_all() -> None:
    async def story(vault: MemoryVault) -> None:
        session = vault.session(seconds=0.1)
        await session.ask("GET", PATH)
        await asyncio.sleep(60)
        vault.tokens.clear()
        found = await asyncio.gather(*(session.ask("GET", PATH) for _ in range(50)))
        assert {each.status for each in found if isinstance(each, VaultAnswer)} == {200}
        assert vault.count("login") == 2

    play(story)


def test_a_path_that_the_policy_lacks_costs_no_login() -> None:
    async def story(vault: MemoryVault) -> None:
        vault.denied.add("team-a/slack")
        session = vault.session()
        for _ in range(20):
            found = await session.ask("GET", PATH)
            assert isinstance(found, VaultAnswer)
            assert found.status == 403
            await asyncio.sleep(30)
        assert vault.count("login") == 1

    play(story)


def test_a_login_that_is_refused_is_not_tried_by_everyone() -> None:
    async def story(vault: MemoryVault) -> None:
        vault.refused = True
        session = vault.session()
        for _ in range(100):
            assert isinstance(await session.ask("GET", PATH), Unavailable)
            await asyncio.sleep(0.1)
        assert vault.count("login") == 1
        vault.refused = False
        await asyncio.sleep(10)
        assert isinstance(await session.ask("GET", PATH), VaultAnswer)

    play(story)


def test_a_token_that_works_outlasts_a_renewal_that_fails() -> None:
    async def story(vault: MemoryVault) -> None:
        session = vault.session()
        await session.ask("GET", PATH)
        await asyncio.sleep(2500)
        vault.down = SEALED
        assert isinstance(await session.ask("GET", PATH), Unavailable)
        vault.down = None
        await asyncio.sleep(LONGEST_PAUSE)
        assert isinstance(await session.ask("GET", PATH), VaultAnswer)
        assert vault.count("login") == 1

    play(story)


@pytest.mark.parametrize("owned", [True, False], ids=["its own", "somebody else's"])
def test_it_ends_its_own_token_and_no_other(owned: bool) -> None:
    async def story(vault: MemoryVault) -> None:
        session = vault.session(owned=owned)
        await session.ask("GET", PATH)
        await session.close()
        assert vault.count("revoke-self") == owned
        assert len(vault.tokens) == (not owned)

    play(story)


# --------------------------------------------------------------------------- what proves the hub


class Asked:
    """The far end of a login: keeps what was sent, answers with a token."""

    def __init__(self, reply: Answer | None = None) -> None:
        self.requests: list[HttpRequest] = []
        auth = {"client_token": "hvs.x", "lease_duration": 600, "renewable": True}
        self.reply = reply or answer(200, {"auth": auth, "data": {"ttl": 600, "renewable": True}})

    def __call__(self, request: HttpRequest) -> Answer:
        self.requests.append(request)
        return self.reply if "/auth/" in request.url else answer(404, {"errors": []})


def ask_with(login: Login, far_end: Asked, namespace: str = "") -> VaultAnswer | Unavailable:
    async def main() -> VaultAnswer | Unavailable:
        clock = SystemClock()
        wire = VaultWire(VaultServer("https://vault:8200/", namespace), MemoryEgress(far_end), clock)
        return await VaultSession(wire, login, clock).ask("GET", PATH)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("login", "path", "body"),
    [
        (
            lambda file: KubernetesLogin("hub", file),
            "auth/kubernetes/login",
            {"role": "hub", "jwt": "proof"},
        ),
        (
            lambda file: KubernetesLogin("hub", file, "clusters/a"),
            "auth/clusters/a/login",
            {"role": "hub", "jwt": "proof"},
        ),
        (
            lambda file: AppRoleLogin("id", file),
            "auth/approle/login",
            {"role_id": "id", "secret_id": "proof"},
        ),
    ],
    ids=["kubernetes", "kubernetes at another mount", "approle"],
)
def test_a_login_sends_what_its_file_holds_now(
    login: Callable[[Path], Login], path: str, body: Any, tmp_path: Path
) -> None:
    file = tmp_path / "proof"
    file.write_text("proof\n")
    far_end = Asked()
    ask_with(login(file), far_end, "teams/a")
    first, second = far_end.requests
    assert first.url == f"https://vault:8200/v1/{path}"
    assert json.loads(first.body) == body
    assert "X-Vault-Token" not in first.headers
    assert second.headers["X-Vault-Token"] == "hvs.x"
    assert {each.headers["X-Vault-Namespace"] for each in far_end.requests} == {"teams/a"}
    assert {each.destination.trust for each in far_end.requests} == {"administrator"}


def test_a_token_from_a_file_is_asked_how_long_it_lasts(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hvs.file\n")
    far_end = Asked()
    ask_with(TokenFile(file), far_end)
    assert [each.headers["X-Vault-Token"] for each in far_end.requests] == ["hvs.file", "hvs.file"]
    assert far_end.requests[0].url.endswith("auth/token/lookup-self")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"", "nothing usable"), (b"\xff", "not text"), (b"a\nb", "nothing usable")],
    ids=["absent", "empty", "not text", "two lines"],
)
def test_a_file_that_proves_nothing_is_named(content: bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "proof"
    if content is not None:
        file.write_bytes(content)
    far_end = Asked()
    found = ask_with(KubernetesLogin("hub", file), far_end)
    assert isinstance(found, Unavailable)
    assert str(file) in found.message
    assert said in found.message
    assert not far_end.requests


def test_a_refused_login_is_told_without_what_was_shown(tmp_path: Path) -> None:
    file = tmp_path / "proof"
    file.write_text("canary-proof")
    echoing = answer(400, {"errors": ["invalid jwt canary-proof"]})
    found = ask_with(KubernetesLogin("hub", file), Asked(echoing))
    assert isinstance(found, Unavailable)
    assert "role hub" in found.message
    assert "canary" not in found.message


# --------------------------------------------------------------------------- Vault itself


@pytest.mark.parametrize(
    ("down", "said"),
    [
        (SEALED, "Vault is sealed."),
        (answer(503, {"errors": ["server is not yet initialized"]}), "HTTP 503: server is not yet"),
        (answer(307, None, location="https://other:8200"), "standby and names another address"),
        (answer(473, {}), "on standby (HTTP 473)"),
        (answer(429, {"errors": ["rate limit"]}), "refuses further requests"),
        (answer(500, {"errors": ["internal error"]}), "HTTP 500: internal error"),
        (answer(502), "HTTP 502"),
        (no_answer(Failure.CONNECT, "nobody listens"), "cannot be reached: nobody listens"),
    ],
    ids=["sealed", "not initialised", "standby", "performance standby", "quota", "error", "proxy", "silence"],
)
def test_a_vault_that_does_not_work_is_left_alone_for_a_moment(down: Answer, said: str) -> None:
    async def story(vault: MemoryVault) -> None:
        source = vault.source()
        assert isinstance(await source.read(slack()), SecretRead)
        vault.down = down
        before = len(vault.asked)
        found = await source.read(slack())
        assert isinstance(found, CredentialProblem)
        assert (found.reason, found.lasting) == (Reason.VAULT_UNAVAILABLE, False)
        assert said in found.message
        for _ in range(600):
            await source.read(slack())
            await asyncio.sleep(0.1)
        assert len(vault.asked) - before <= 8
        vault.down = None
        await asyncio.sleep(LONGEST_PAUSE)
        assert isinstance(await source.read(slack()), SecretRead)

    play(story)


# --------------------------------------------------------------------------- what it holds


def test_fields_are_keys_and_may_be_called_otherwise() -> None:
    async def story(vault: MemoryVault) -> None:
        vault.write("team-a/slack", bot_token="right", port=8080, key={"a": [1]}, on=True, nothing=None)
        found = await vault.source().read(slack(keys={"token": "bot_token"}))
        assert isinstance(found, SecretRead)
        values = {name: value.reveal() for name, value in found.data.items()}
        assert values == {
            "bot_token": "right",
            "token": "right",
            "port": "8080",
            "key": '{"a":[1]}',
            "on": "true",
        }
        assert (found.state, found.resource_version) == (SecretState.FOUND, "2@2026-11-21T10:00:00Z")
        assert "right" not in repr(found)

    play(story)


@pytest.mark.parametrize(
    ("spoil", "reason", "said"),
    [
        (lambda vault: vault.secrets.clear(), Reason.SECRET_NOT_FOUND, "has no secret team-a/slack at mount"),
        (lambda vault: vault.delete("team-a/slack"), Reason.SECRET_NOT_FOUND, "was deleted in Vault"),
        (
            lambda vault: vault.write("team-a/slack", a="canary"),
            Reason.SECRET_KEY_MISSING,
            "lacks field token",
        ),
        (lambda vault: vault.denied.add("team-a/slack"), Reason.VAULT_ACCESS_DENIED, "(1 error occurred: "),
        (
            lambda vault: vault.write("team-a/slack", token=None),
            Reason.SECRET_KEY_MISSING,
            "lacks field token",
        ),
    ],
    ids=["missing", "deleted", "no such field", "policy", "null"],
)
def test_what_is_wrong_with_it_is_named_without_a_value(
    spoil: Callable[[MemoryVault], Any], reason: Reason, said: str
) -> None:
    async def story(vault: MemoryVault) -> None:
        spoil(vault)
        found = await vault.source().read(slack(keys={"token": "token"}))
        assert isinstance(found, CredentialProblem)
        assert (found.reason, found.lasting) == (reason, True)
        assert said in found.message
        assert "team-a/slack" in found.message
        assert "canary" not in found.message

    play(story)


@pytest.mark.parametrize(
    "document",
    [None, [], {"data": None}, {"data": {"token": "x"}}, {"data": {"data": {"a": "b"}, "metadata": None}}],
    ids=["nothing", "a list", "no data", "version 1 of the engine", "no metadata"],
)
def test_what_is_no_secret_of_version_2_is_told(document: Any) -> None:
    async def story(vault: MemoryVault) -> None:
        source = vault.source()
        await source.read(slack())
        vault.down = answer(200, document)
        found = await source.read(slack())
        assert isinstance(found, CredentialProblem)
        assert "key/value engine version 2" in found.message

    play(story)


def test_vaults_own_namespace_goes_along() -> None:
    async def story(vault: MemoryVault) -> None:
        await vault.source(namespace="admin/teams").read(slack())
        assert {each.headers["X-Vault-Namespace"] for each in vault.asked} == {"admin/teams"}

    play(story)


def test_a_hub_without_a_vault_says_so() -> None:
    found = asyncio.run(NoVault().read(slack()))
    assert isinstance(found, CredentialProblem)
    assert found.reason is Reason.VAULT_NOT_CONFIGURED
    assert "vault.address" in found.message


def test_vaults_words_are_one_short_line() -> None:
    async def story(vault: MemoryVault) -> None:
        vault.denied.add("team-a/slack")
        found = await vault.source().read(slack())
        assert isinstance(found, CredentialProblem)
        assert "(1 error occurred: permission denied)" in found.message

    play(story)
