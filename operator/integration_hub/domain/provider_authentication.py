"""What a provider says of authentication, laid out for examination: expressions, templates, addresses."""

from __future__ import annotations

from collections.abc import Iterator

from integration_hub.api.authentication import AuthMode, AuthType, TokenAnswer, TokenRequest
from integration_hub.api.provider import ProviderSpec

CONFIG = ("config",)
TOKEN_VARIABLES = ("config", "secret")
ANSWER_VARIABLES = ("body", "headers", "status")
KEY_VARIABLES = ("body", "headers")
Found = Iterator[tuple[str, str, tuple[str, ...]]]
"""Path of the field below spec, its text, the variables that it may use."""


def gaps(spec: ProviderSpec) -> Iterator[tuple[str, str]]:
    """Modes that lack the part which their type is made of: field, and what is missing."""
    for index, mode in enumerate(spec.auth_modes):
        wanted = {
            AuthType.JWT_BEARER: ("jwt", mode.jwt),
            AuthType.TWO_STEP: ("login", mode.login),
            AuthType.AWS_SIGV4: ("aws", mode.aws),
        }.get(mode.type)
        if wanted is not None and wanted[1] is None:
            yield f"authModes[{index}]", f"a mode of type {mode.type.value} needs {wanted[0]}"
        if mode.jwt is not None and mode.jwt.exchange != "none" and mode.jwt.request is None:
            yield f"authModes[{index}].jwt", "an exchange needs request"
        if mode.type in (AuthType.OAUTH2, AuthType.OAUTH2_CLIENT_CREDENTIALS) and spec.oauth is None:
            yield f"authModes[{index}]", f"a mode of type {mode.type.value} needs spec.oauth"


def addresses(spec: ProviderSpec) -> Iterator[tuple[str, str]]:
    """Whole addresses that tokens are asked for at, as templates; paths below baseUrl are left out."""
    found: list[tuple[str, str | None]] = []
    if spec.oauth is not None:
        oauth = spec.oauth
        found += [
            ("oauth.tokenUrl", oauth.token_url),
            ("oauth.authorizeUrl", oauth.authorize_url),
            ("oauth.refreshUrl", oauth.refresh_url),
            ("oauth.revokeUrl", oauth.revoke_url),
            ("oauth.registrationUrl", oauth.registration_url),
            ("oauth.account.path", oauth.account.path if oauth.account is not None else None),
        ]
    for index, mode in enumerate(spec.auth_modes):
        found += [(f"{field}.url", request.url) for field, request in _requests(index, mode)]
    yield from ((field, address) for field, address in found if address and not address.startswith("/"))


def expressions(spec: ProviderSpec) -> Found:
    """CEL expressions."""
    if spec.oauth is not None and spec.oauth.account is not None:
        yield "oauth.account.id", spec.oauth.account.id, ("body",)
    for index, mode in enumerate(spec.auth_modes):
        if mode.answer is not None:
            yield from _answer(f"authModes[{index}].answer", mode.answer)
        if mode.rotation is not None:
            for name, source in mode.rotation.values.items():
                yield f"authModes[{index}].rotation.values.{name}", source, KEY_VARIABLES


def templates(spec: ProviderSpec) -> Found:
    """Texts with placeholders."""
    if spec.oauth is not None:
        oauth = spec.oauth
        yield "oauth.assertionAudience", oauth.assertion_audience or "", TOKEN_VARIABLES
        for field, values in (("tokenParams", oauth.token_params), ("tokenHeaders", oauth.token_headers)):
            for name, value in values.items():
                yield f"oauth.{field}.{name}", value, TOKEN_VARIABLES
        if oauth.account is not None:
            yield "oauth.account.path", oauth.account.path, CONFIG
    for field, address in addresses(spec):
        yield field, address, CONFIG if field.startswith("oauth.") else TOKEN_VARIABLES
    for index, mode in enumerate(spec.auth_modes):
        yield from _mode(index, mode)


def _mode(index: int, mode: AuthMode) -> Found:
    at = f"authModes[{index}]"
    if mode.aws is not None:
        yield f"{at}.aws.service", mode.aws.service, TOKEN_VARIABLES
        yield f"{at}.aws.region", mode.aws.region, TOKEN_VARIABLES
    if mode.jwt is not None:
        yield f"{at}.jwt.keyId", mode.jwt.key_id, TOKEN_VARIABLES
        for name, value in mode.jwt.claims.items():
            yield f"{at}.jwt.claims.{name}", value, TOKEN_VARIABLES
    for field, request in _requests(index, mode):
        yield f"{field}.url", request.url, TOKEN_VARIABLES
        for part, values in (("headers", request.headers), ("fields", request.fields)):
            for name, value in values.items():
                yield f"{field}.{part}.{name}", value, TOKEN_VARIABLES


def _requests(index: int, mode: AuthMode) -> Iterator[tuple[str, TokenRequest]]:
    at = f"authModes[{index}]"
    if mode.login is not None:
        yield f"{at}.login", mode.login
    if mode.jwt is not None and mode.jwt.request is not None:
        yield f"{at}.jwt.request", mode.jwt.request
    if mode.rotation is not None:
        yield f"{at}.rotation.request", mode.rotation.request
        if mode.rotation.revoke is not None:
            yield f"{at}.rotation.revoke", mode.rotation.revoke


def _answer(at: str, answer: TokenAnswer) -> Found:
    named = {
        "accessToken": answer.access_token,
        "refreshToken": answer.refresh_token,
        "expiresIn": answer.expires_in,
        "expiresAt": answer.expires_at,
        "error": answer.error,
    }
    yield from ((f"{at}.{name}", source, ANSWER_VARIABLES) for name, source in named.items() if source)
