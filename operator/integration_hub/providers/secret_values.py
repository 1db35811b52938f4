"""What a Secret holds, by the names that an authentication mode and its templates use.

A Secret's key counts under its own name and, where the mode renames it, under the scheme's. A JSON
document in one key (Google's service account file) lends its text fields as further keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from integration_hub.api.authentication import AuthMode, AuthType, TokenRequest
from integration_hub.domain import placeholder
from integration_hub.domain.config_schema import ConfigSchema
from integration_hub.domain.json_text import decoded
from integration_hub.ports import Link, SecretText
from integration_hub.providers.auth import InvalidKey, MissingKeys

ACCESS_TOKEN = "accessToken"  # noqa: S105 - the names of a Secret's keys
REFRESH_TOKEN = "refreshToken"  # noqa: S105
TOKEN_EXPIRY = "tokenExpiry"  # noqa: S105
CLIENT_ID = "clientId"
CLIENT_SECRET = "clientSecret"  # noqa: S105
CLIENT = (CLIENT_ID, CLIENT_SECRET)
PRIVATE_KEY = "privateKey"
KEY_ID = "keyId"

Values = Mapping[str, SecretText]

_SCHEME_KEYS: Mapping[AuthType, tuple[str, ...]] = {
    AuthType.API_KEY: ("apiKey",),
    AuthType.BEARER: ("token",),
    AuthType.BASIC: ("username", "password"),
    AuthType.JWT_BEARER: (PRIVATE_KEY,),
    AuthType.AWS_SIGV4: ("accessKeyId", "secretAccessKey"),
}
_USED = re.compile(r"\bsecret\.([A-Za-z_][A-Za-z0-9_]*)")
_OPTIONAL = re.compile(r"\bhas\(\s*secret\.([A-Za-z_][A-Za-z0-9_]*)\s*\)")


def needed(mode: AuthMode) -> tuple[str, ...]:
    """The keys that the Secret must hold for this mode, by the names they have there, in a fixed order.

    Empty where it can do without a Secret: the OAuth modes' client may be the provider's.
    """
    named = [*_SCHEME_KEYS.get(mode.type, ()), *_template_keys(mode)]
    if mode.login is not None and mode.login.basic:
        named = ["username", "password", *named]
    renamed = [mode.secret_keys.get(key, key) for key in named]
    if mode.secret_document:
        # What the document must hold is told once it is there.
        renamed = [mode.secret_document]
    return tuple(dict.fromkeys((*renamed, *mode.extra_headers.values(), *mode.extra_query.values())))


def needed_by(link: Link) -> tuple[str, ...]:
    """The scheme's keys, and those that the provider's credentialsSchema requires besides."""
    keys = needed(link.mode)
    schema = ConfigSchema.read(link.provider.credentials_schema)
    required = schema.schema.get("required", ()) if isinstance(schema, ConfigSchema) and keys else ()
    return tuple(dict.fromkeys((*keys, *required)))


def listed(keys: Sequence[str]) -> str:
    """Keys in a message."""
    return ("key " if len(keys) == 1 else "keys ") + " and ".join(keys)


def read(mode: AuthMode, data: Values) -> Values | MissingKeys | InvalidKey:
    """All values, under their own names and the scheme's.

    A line break at the end of a value is dropped: `echo` and editors put it there.
    """
    values = {key: SecretText(value.reveal().rstrip("\r\n")) for key, value in data.items()}
    absent = tuple(key for key in needed(mode) if not values.get(key))
    if absent:
        return MissingKeys(absent)
    if mode.secret_document:
        fields = _document(values[mode.secret_document])
        if fields is None:
            return InvalidKey(mode.secret_document, "it is no JSON object")
        values = {**fields, **values}
    values |= {scheme: values[key] for scheme, key in mode.secret_keys.items() if key in values}
    without = [
        key for key in (*_SCHEME_KEYS.get(mode.type, ()), *_template_keys(mode)) if not values.get(key)
    ]
    if without:
        inside = tuple(mode.secret_keys.get(key, key) for key in without)
        return InvalidKey(mode.secret_document, f"the document in it lacks {' and '.join(inside)}")
    return values


def _template_keys(mode: AuthMode) -> Iterator[str]:
    """Keys that the mode's templates use as `secret.NAME`, but for those they ask about with has()."""
    for template in _templates(mode):
        for source in _sources(template):
            optional = set(_OPTIONAL.findall(source))
            yield from (name for name in _USED.findall(source) if name not in optional)


def _templates(mode: AuthMode) -> Iterator[str]:
    if mode.jwt is not None:
        yield mode.jwt.key_id
        yield from mode.jwt.claims.values()
        yield from _of_request(mode.jwt.request)
    yield from _of_request(mode.login)


def _of_request(request: TokenRequest | None) -> Iterator[str]:
    if request is not None:
        yield request.url
        yield from request.headers.values()
        yield from request.fields.values()


def _sources(template: str) -> Sequence[str]:
    found = placeholder.expressions(template)
    return () if isinstance(found, placeholder.PlaceholderProblem) else found


def _document(text: SecretText) -> dict[str, SecretText] | None:
    document = decoded(text.reveal())
    if not isinstance(document, dict):
        return None
    return {
        key: SecretText(str(value))
        for key, value in document.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }
