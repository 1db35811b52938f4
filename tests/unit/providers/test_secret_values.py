"""What a mode needs of a Secret, and a Secret's values by the names that modes and templates use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integration_hub.api.authentication import AuthMode
from integration_hub.ports import SecretText
from integration_hub.providers.auth import InvalidKey, MissingKeys
from integration_hub.providers.secret_values import needed, read


def mode(**fields: Any) -> AuthMode:
    return AuthMode.model_validate(fields)


def secret(**data: str) -> dict[str, SecretText]:
    return {key: SecretText(value) for key, value in data.items()}


LOGIN = {"url": "/login", "fields": {"u": "{{ secret.user }}", "p": "{{ secret.pass }}"}}


@pytest.mark.parametrize(
    ("declared", "keys"),
    [
        pytest.param({"type": "NONE"}, (), id="nothing"),
        pytest.param({"type": "API_KEY"}, ("apiKey",), id="a key"),
        pytest.param(
            {"type": "BASIC", "secretKeys": {"username": "email"}}, ("email", "password"), id="renamed"
        ),
        pytest.param({"type": "OAUTH2"}, (), id="a person's consent needs no Secret"),
        pytest.param({"type": "OAUTH2_CLIENT_CREDENTIALS"}, (), id="the client may be the provider's"),
        pytest.param({"type": "TWO_STEP", "login": LOGIN}, ("user", "pass"), id="what the login uses"),
        pytest.param(
            {"type": "TWO_STEP", "login": {"url": "/l", "basic": True}},
            ("username", "password"),
            id="by Basic",
        ),
        pytest.param(
            {
                "type": "JWT_BEARER",
                "jwt": {
                    "exchange": "none",
                    "claims": {
                        "iss": "{{ secret.appId }}",
                        "sub": "{{ has(secret.subject) ? secret.subject : '' }}",
                        "aud": "{{ config.audience }}",
                    },
                },
            },
            ("privateKey", "appId"),
            id="what the claims use, but for what they ask about",
        ),
        pytest.param(
            {"type": "JWT_BEARER", "secretDocument": "file", "jwt": {"claims": {"iss": "{{ secret.mail }}"}}},
            ("file",),
            id="the document",
        ),
        pytest.param(
            {"type": "AWS_SIGV4", "aws": {"service": "s3", "region": "r"}},
            ("accessKeyId", "secretAccessKey"),
            id="an access key",
        ),
        pytest.param(
            {"type": "API_KEY", "extraHeaders": {"X-App": "appKey"}, "extraQuery": {"t": "token"}},
            ("apiKey", "appKey", "token"),
            id="further ones",
        ),
    ],
)
def test_what_a_mode_needs_is_named_as_the_secret_must_have_it(
    declared: dict[str, Any], keys: tuple[str, ...]
) -> None:
    assert needed(mode(**declared)) == keys


def test_values_count_under_their_own_name_and_the_schemes() -> None:
    values = read(
        mode(type="BASIC", secretKeys={"username": "email"}), secret(email="a@b\n", password="p", other="o")
    )
    assert isinstance(values, dict)
    assert {name: value.reveal() for name, value in values.items()} == {
        "email": "a@b",
        "username": "a@b",
        "password": "p",
        "other": "o",
    }


def test_a_document_lends_its_fields_and_the_secrets_own_keys_win() -> None:
    document = json.dumps(
        {"private_key": "from the file", "id": 7, "nested": {}, "flag": True, "mail": "a@b"}
    )
    values = read(
        mode(
            type="JWT_BEARER",
            secretDocument="file",
            secretKeys={"privateKey": "private_key"},
            jwt={"exchange": "none", "claims": {"iss": "{{ secret.mail }}"}},
        ),
        secret(file=document, mail="mine"),
    )
    assert isinstance(values, dict)
    assert values["privateKey"] == SecretText("from the file")
    assert values["mail"] == SecretText("mine")
    assert values["id"] == SecretText("7")
    assert "nested" not in values
    assert "flag" not in values


@pytest.mark.parametrize("document", ["", "{", "[]", "7", '"text"', "null", "[" * 100_000])
def test_what_is_no_document_is_told_without_being_shown(document: str) -> None:
    declared = mode(type="JWT_BEARER", secretDocument="file", jwt={"exchange": "none"})
    outcome = read(declared, secret(file=document))
    assert isinstance(outcome, InvalidKey | MissingKeys)


def test_what_is_missing_inside_of_a_document_is_named() -> None:
    declared = mode(
        type="JWT_BEARER",
        secretDocument="file",
        secretKeys={"privateKey": "private_key"},
        jwt={"exchange": "none"},
    )
    outcome = read(declared, secret(file='{"other": "canary"}'))
    assert isinstance(outcome, InvalidKey)
    assert "private_key" in outcome.problem
    assert "canary" not in outcome.problem
