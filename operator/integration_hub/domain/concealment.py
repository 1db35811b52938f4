"""Striking secrets out of text that somebody else wrote, before any of it is shown or cut.

An error page may echo the request that caused it: header, query and all. A text is struck *before* it is
shortened, since half a secret at the cut would not be recognised any more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus

from integration_hub.ports import SecretText

STRUCK = "***"
SHORTEST = 4
"""Shorter values are left: striking `42` out of everything would leave no text."""

_SCHEMES = ("Basic", "Bearer")
"""Words before the credentials in a header of ours: no secret, and a help to the reader."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Lines that somebody else breaks, what a terminal would obey, and halves of letters that cannot be sent."""

_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")

Conceal = Callable[[str], str]
"""A text without the secrets that might be in it."""


def nothing(text: str) -> str:
    """There are no secrets: the text as it is."""
    return text


def concealing(secrets: Iterable[SecretText]) -> Conceal:
    """A function that strikes these values out, also as they look in a URL, in JSON, after a scheme word."""
    found = {form for secret in secrets for form in forms(secret.reveal()) if len(form) >= SHORTEST}
    # The longest first: a short one inside of it would leave the rest of it standing.
    ordered = sorted(found, key=lambda form: (-len(form), form))

    def conceal(text: str) -> str:
        for form in ordered:
            text = text.replace(form, STRUCK)
        return text

    return conceal if ordered else nothing


def one_line(text: str, conceal: Conceal = nothing) -> str:
    """Somebody else's words, fit to be shown to a person: in one line, without a secret."""
    return _CONTROL.sub(" ", conceal(text)).strip()


def forms(value: str) -> Iterator[str]:
    """A secret as it may be written: as it is, in a URL, in JSON (also twice); without the scheme's word."""
    scheme, _, credentials = value.strip().partition(" ")
    secret = credentials.strip() if scheme in _SCHEMES else value.strip()
    yield secret
    if _PLAIN.fullmatch(secret):
        return  # written the same everywhere
    for quoted in (quote(secret, safe=""), quote_plus(secret)):
        yield quoted
        yield _ESCAPE.sub(lambda escape: escape[0].lower(), quoted)
    for ascii_only in (True, False):
        written = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield written
        yield json.dumps(written)[1:-1]  # an echo repeats a body as a text within its own
