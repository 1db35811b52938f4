"""The hub's Vault from its settings: what cannot be used is named before anything is asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from integration_hub.adapters.clock import SystemClock
from integration_hub.adapters.vault import NoVault, VaultSource
from integration_hub.settings import Settings
from integration_hub.wiring.vault import Vault
from integration_hub.wiring.way_out import SettingsError, WayOut

API_SERVER = "https://192.0.2.1:6443"
CONNECTED = {"vault_addr": "https://vault.vault.svc:8200", "vault_role": "integration-hub"}


def build(**given: Any) -> Vault:
    settings = Settings(**given)
    return Vault.build(settings, WayOut.build(settings, API_SERVER), SystemClock())


def test_without_an_address_there_is_none() -> None:
    vault = build()
    assert isinstance(vault.source, NoVault)
    asyncio.run(vault.close())


@pytest.mark.parametrize("method", ["kubernetes", "approle", "token"])
def test_every_way_to_log_in_can_be_chosen(method: str) -> None:
    vault = build(**{**CONNECTED, "vault_auth": method})
    assert isinstance(vault.source, VaultSource)
    assert vault.source.unwatched_seconds == 5
    asyncio.run(vault.close())


def test_a_token_in_a_file_needs_no_role() -> None:
    assert build(vault_addr="https://vault:8200", vault_auth="token").session is not None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"vault_path": "{path}"}, "vault_path"),
        ({"vault_path": "{namespace}-{path}"}, "vault_path"),
        ({"vault_role": ""}, "vault_role"),
        ({"vault_role": "", "vault_auth": "approle"}, "vault_role"),
        ({"vault_ca_file": Path("/nowhere/ca.crt")}, "vault_ca_file"),
        ({"vault_ca_file": Path(__file__)}, "vault_ca_file"),
    ],
    ids=["tenants not apart", "apart by a dash", "no role", "no role_id", "no such file", "no certificates"],
)
def test_a_setting_that_cannot_be_used_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=f"^{named}: "):
        build(**{**CONNECTED, **given})


@pytest.mark.parametrize(
    "given",
    [
        {"vault_addr": "vault:8200"},
        {"vault_addr": "https://user@vault:8200"},
        {"vault_addr": "https://vault:8200/v1"},
        {"vault_mount": "../sys"},
        {"vault_mount": "secret/"},
        {"vault_auth_mount": "a//b"},
        {"vault_auth": "userpass"},
        {"vault_namespace": "a\r\nX-Evil: 1"},
        {"vault_cache_seconds": 3600},
    ],
    ids=lambda given: next(iter(given.items()))[1],
)
def test_a_setting_of_the_wrong_shape_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        Settings(**given)
