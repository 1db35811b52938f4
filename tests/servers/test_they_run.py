"""The servers themselves, before anything of ours is held against them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from gitea_server import USER, Gitea
from keycloak_server import Keycloak
from s3_server import S3
from vault_server import MOUNT, ROLE, Vault, VaultRefusedError


def test_keycloak_has_our_realm(keycloak: Keycloak) -> None:
    with urllib.request.urlopen(f"{keycloak.issuer}/.well-known/openid-configuration") as answer:
        assert json.load(answer)["issuer"] == keycloak.issuer


def test_gitea_knows_its_user(gitea: Gitea) -> None:
    assert gitea.api("GET", "/user")["login"] == USER


def test_the_s3_server_refuses_who_does_not_sign(s3: S3) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(s3.base)


def test_vault_refuses_who_has_no_token_and_whom_its_policy_does_not_name(vault: Vault) -> None:
    vault.write("somebody/secret", field="value")
    for token in ("", "no-token-of-this-vault", vault.token("default")):
        with pytest.raises(VaultRefusedError) as refused:
            vault.api("GET", f"{MOUNT}/data/somebody/secret", token=token)
        assert refused.value.status == 403
    assert vault.api("GET", f"{MOUNT}/data/somebody/secret", token=vault.token(ROLE))


def test_stripes_mock_wants_a_key(stripe: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{stripe}/v1/balance")


def test_githubs_api_answers_with_its_own_examples(github: str) -> None:
    request = urllib.request.Request(f"{github}/user", headers={"Authorization": "Bearer any"})
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["login"]
