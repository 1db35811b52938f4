"""Authentication schemes: a Secret's data to headers and query, or what is missing."""

from __future__ import annotations

import base64

import pytest

from integration_hub.api.provider import ApiKeyPlacement, AuthMode, AuthType, ProviderSpec
from integration_hub.ports import SecretText
from integration_hub.providers.auth import (
    Applied,
    InvalidKey,
    MissingKeys,
    apply,
    mode_of,
)


def secret(**data: str) -> dict[str, SecretText]:
    return {key: SecretText(value) for key, value in data.items()}


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    ("mode", "data", "headers", "query"),
    [
        (AuthMode(type=AuthType.NONE), {}, {}, {}),
        (AuthMode(type=AuthType.BEARER), {"token": "t"}, {"Authorization": "Bearer t"}, {}),
        (
            AuthMode(type=AuthType.BEARER, secret_keys={"token": "botToken"}),
            {"botToken": "t"},
            {"Authorization": "Bearer t"},
            {},
        ),
        (
            AuthMode(type=AuthType.BASIC),
            {"username": "u", "password": "p:w"},
            {"Authorization": basic("u:p:w")},
            {},
        ),
        (
            AuthMode(type=AuthType.BASIC),
            {"username": "ü", "password": "ß €"},
            {"Authorization": basic("ü:ß €")},
            {},
        ),
        (
            AuthMode(type=AuthType.BASIC, secret_keys={"username": "email", "password": "apiToken"}),
            {"email": "a@b", "apiToken": "t"},
            {"Authorization": basic("a@b:t")},
            {},
        ),
        (AuthMode(type=AuthType.API_KEY), {"apiKey": "k"}, {"Authorization": "k"}, {}),
        (
            AuthMode(type=AuthType.API_KEY, api_key=ApiKeyPlacement(name="X-Key", prefix="Token ")),
            {"apiKey": "k"},
            {"X-Key": "Token k"},
            {},
        ),
        (
            AuthMode(type=AuthType.API_KEY, api_key=ApiKeyPlacement(location="query", name="key")),
            {"apiKey": "k"},
            {},
            {"key": "k"},
        ),
        (
            AuthMode(
                type=AuthType.API_KEY,
                api_key=ApiKeyPlacement(name="DD-API-KEY"),
                extra_headers={"DD-APPLICATION-KEY": "applicationKey"},
            ),
            {"apiKey": "k", "applicationKey": "a", "unused": "x"},
            {"DD-API-KEY": "k", "DD-APPLICATION-KEY": "a"},
            {},
        ),
        (
            AuthMode(
                type=AuthType.API_KEY,
                api_key=ApiKeyPlacement(location="query", name="key"),
                extra_query={"token": "userToken"},
            ),
            {"apiKey": "k", "userToken": "t"},
            {},
            {"key": "k", "token": "t"},
        ),
        (
            AuthMode(type=AuthType.NONE, extra_headers={"X-Tenant": "tenant"}),
            {"tenant": "t"},
            {"X-Tenant": "t"},
            {},
        ),
        (AuthMode(type=AuthType.BEARER), {"token": "t\n"}, {"Authorization": "Bearer t"}, {}),
    ],
)
def test_each_scheme_puts_its_key_where_the_provider_says(
    mode: AuthMode, data: dict[str, str], headers: dict[str, str], query: dict[str, str]
) -> None:
    applied = apply(mode, secret(**data))
    assert isinstance(applied, Applied), applied
    assert {name: value.reveal() for name, value in applied.headers.items()} == headers
    assert {name: value.reveal() for name, value in applied.query.items()} == query


@pytest.mark.parametrize(
    ("mode", "data", "missing"),
    [
        (AuthMode(type=AuthType.BEARER), {}, ("token",)),
        (AuthMode(type=AuthType.BEARER), {"token": ""}, ("token",)),
        (AuthMode(type=AuthType.BEARER), {"token": "\n"}, ("token",)),
        (AuthMode(type=AuthType.BASIC), {"user": "x"}, ("username", "password")),
        (
            AuthMode(type=AuthType.BASIC, secret_keys={"password": "apiToken"}),
            {"username": "u"},
            ("apiToken",),
        ),
        (AuthMode(type=AuthType.API_KEY, extra_headers={"X-A": "second"}), {"apiKey": "k"}, ("second",)),
    ],
)
def test_missing_keys_are_named_as_the_secret_must_have_them(
    mode: AuthMode, data: dict[str, str], missing: tuple[str, ...]
) -> None:
    assert apply(mode, secret(**data)) == MissingKeys(missing)


@pytest.mark.parametrize(
    ("mode", "data", "key"),
    [
        (AuthMode(type=AuthType.BEARER), {"token": "a\r\nX-Evil: 1"}, "token"),
        (AuthMode(type=AuthType.BEARER), {"token": "a\x00"}, "token"),
        (AuthMode(type=AuthType.BEARER), {"token": " hunter2"}, "token"),
        (AuthMode(type=AuthType.API_KEY), {"apiKey": "ключ"}, "apiKey"),
        (AuthMode(type=AuthType.BASIC), {"username": "a:b", "password": "c"}, "username"),
        (AuthMode(type=AuthType.BASIC), {"username": "a", "password": "c\nd"}, "password"),
        (AuthMode(type=AuthType.BEARER, extra_headers={"X-A": "b"}), {"token": "t", "b": "x\ny"}, "b"),
        (AuthMode(type=AuthType.BEARER), {"token": "Bearer abc"}, "token"),
        (AuthMode(type=AuthType.BEARER), {"token": '"abc"'}, "token"),
        (
            AuthMode(type=AuthType.API_KEY, api_key=ApiKeyPlacement(prefix="Bot ")),
            {"apiKey": "bot abc"},
            "apiKey",
        ),
        (AuthMode(type=AuthType.API_KEY, secret_keys={"apiKey": "key"}), {"key": "'abc'"}, "key"),
    ],
)
def test_a_value_that_cannot_be_sent_names_its_key_and_not_itself(
    mode: AuthMode, data: dict[str, str], key: str
) -> None:
    invalid = apply(mode, secret(**data))
    assert isinstance(invalid, InvalidKey)
    assert invalid.key == key
    assert data[key] not in invalid.problem


@pytest.mark.parametrize(
    "auth_type",
    [
        AuthType.OAUTH2,
        AuthType.OAUTH2_CLIENT_CREDENTIALS,
        AuthType.JWT_BEARER,
        AuthType.TWO_STEP,
        AuthType.AWS_SIGV4,
    ],
)
def test_schemes_with_a_token_are_left_to_others(auth_type: AuthType) -> None:
    with pytest.raises(LookupError):
        apply(AuthMode(type=auth_type), secret(token="t"))


def test_what_was_applied_does_not_show_its_values() -> None:
    assert "hunter2" not in repr(apply(AuthMode(type=AuthType.BEARER), secret(token="hunter2")))


def test_the_first_mode_is_the_default() -> None:
    spec = ProviderSpec.model_validate(
        {
            "displayName": "X",
            "category": "custom",
            "baseUrl": "https://x.example.com",
            "authModes": [{"type": "BEARER"}, {"type": "BASIC"}],
        }
    )
    assert mode_of(spec, None) is spec.auth_modes[0]
    assert mode_of(spec, AuthType.BASIC) is spec.auth_modes[1]
    assert mode_of(spec, AuthType.NONE) is None
