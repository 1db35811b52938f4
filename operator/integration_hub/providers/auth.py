"""Authentication schemes that need no token: a Secret's values to headers and query.

Which scheme, where the key goes and what the Secret's keys are called is data of the provider
(`spec.authModes`). Modes that obtain a token first live in the credentials room; what a mode needs of a
Secret is `secret_values`' matter.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from integration_hub.api.provider import ApiKeyPlacement, AuthMode, AuthType, ProviderSpec
from integration_hub.ports import SecretText

_SCHEME_KEYS: Mapping[AuthType, tuple[str, ...]] = {
    AuthType.NONE: (),
    AuthType.API_KEY: ("apiKey",),
    AuthType.BEARER: ("token",),
    AuthType.BASIC: ("username", "password"),
}
_SENDABLE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Applied:
    """What to add to every request. Values stay wrapped until the request is built."""

    headers: Mapping[str, SecretText] = field(default_factory=dict)
    query: Mapping[str, SecretText] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MissingKeys:
    """Keys of the Secret that are absent or empty, by the name they must have there."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InvalidKey:
    """A key of the Secret whose value cannot be sent; `problem` says why without repeating it."""

    key: str
    problem: str


def mode_of(spec: ProviderSpec, auth_type: AuthType | None) -> AuthMode | None:
    """The provider's mode of that type, its first where none is asked for; None if it has no such mode."""
    if auth_type is None:
        return spec.auth_modes[0]
    return next((mode for mode in spec.auth_modes if mode.type is auth_type), None)


def apply(mode: AuthMode, data: Mapping[str, SecretText]) -> Applied | MissingKeys | InvalidKey:
    """Turn a Secret's data into what goes on the wire. Raises LookupError for a mode that needs a token.

    A line break at the end of a value is dropped: `echo` and editors put it there, and no scheme
    can mean it.
    """
    scheme = _SCHEME_KEYS.get(mode.type)
    if scheme is None:
        raise LookupError(f"a mode of type {mode.type.value} is not sent as it lies in the Secret")
    named = [mode.secret_keys.get(key, key) for key in scheme]
    keys = tuple(dict.fromkeys((*named, *mode.extra_headers.values(), *mode.extra_query.values())))
    values = {key: data[key].reveal().rstrip("\r\n") for key in keys if key in data}
    missing = tuple(key for key in keys if not values.get(key))
    if missing:
        return MissingKeys(missing)
    invalid = _first_invalid(mode, values)
    if invalid is not None:
        return invalid
    applied = _apply_scheme(mode, [values[key] for key in named])
    headers = {header: SecretText(values[key]) for header, key in mode.extra_headers.items()}
    query = {parameter: SecretText(values[key]) for parameter, key in mode.extra_query.items()}
    return Applied({**applied.headers, **headers}, {**applied.query, **query})


def _apply_scheme(mode: AuthMode, values: list[str]) -> Applied:
    match mode.type:
        case AuthType.BEARER:
            return Applied({"Authorization": SecretText(f"Bearer {values[0]}")})
        case AuthType.BASIC:
            pair = base64.b64encode(f"{values[0]}:{values[1]}".encode()).decode()
            return Applied({"Authorization": SecretText(f"Basic {pair}")})
        case AuthType.API_KEY:
            place = mode.api_key or ApiKeyPlacement()
            key = SecretText(f"{place.prefix}{values[0]}")
            if place.location == "query":
                return Applied(query={place.name: key})
            return Applied({place.name: key})
        case _:
            return Applied()


def _first_invalid(mode: AuthMode, values: Mapping[str, str]) -> InvalidKey | None:
    """Values that no header can carry, or that Basic would read differently from how they were meant."""
    basic = [mode.secret_keys.get(key, key) for key in _SCHEME_KEYS[AuthType.BASIC]]
    in_base64 = set(basic) if mode.type is AuthType.BASIC else set()
    in_base64 -= {*mode.extra_headers.values(), *mode.extra_query.values()}
    for key, value in values.items():
        if key in in_base64:
            if _CONTROL.search(value):
                return InvalidKey(key, "it holds a line break or another control character")
            if key == basic[0] and ":" in value:
                return InvalidKey(key, "a user name must not hold a colon")
        elif not _SENDABLE.fullmatch(value):
            return InvalidKey(key, "it holds blanks at an end, a line break, or letters outside ASCII")
    return _copied_with_more(mode, values)


def _copied_with_more(mode: AuthMode, values: Mapping[str, str]) -> InvalidKey | None:
    """A token copied with what stood around it, as in `Bearer abc` or `"abc"`: nobody would accept it."""
    if mode.type is AuthType.BEARER:
        word, key = "Bearer ", "token"
    elif mode.type is AuthType.API_KEY:
        word, key = mode.api_key.prefix if mode.api_key is not None else "", "apiKey"
    else:
        return None
    named = mode.secret_keys.get(key, key)
    value = values[named]
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return InvalidKey(named, "it is wrapped in quotation marks: write it without them")
    if word.endswith(" ") and value.lower().startswith(word.lower()):
        return InvalidKey(named, f"it begins with {word.strip()}, which the hub adds itself: leave that out")
    return None
