"""What may be kept of a call: headers, paths and bodies with every secret struck out, and cut to size.

Struck are the values that we know to be secrets (`concealment`), whatever a name says to be one (a
header, a field of JSON or of a form, a parameter of a query), and what looks like one by itself. A text
is struck before it is cut: half a secret at the cut would not be recognised any more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from integration_hub.domain.concealment import STRUCK, Conceal, nothing

MAX_BODY = 8_192
MAX_HEADER = 512
MAX_HEADERS = 48
MAX_PATH = 1_024
LONGEST_READ = 65_536
"""Of a longer body only the beginning is looked at: eight times what is kept, a few milliseconds' work."""

_NAME = re.compile(
    r"passw(or)?d|passphrase|passcode|(^|_)(pwd|pin|otp|mfa|cvc|cvv|sid|nonce)($|_)|secret|token|credential"
    r"|authorization|authenticat|api_?key|(access|private|signing|account|encryption|subscription|functions?|app(lication)?)"
    r"_?key|(^|_)auth($|_)|cookie|session|signature|(^|_)sig($|_)|assertion|code_verifier|jwt|bearer"
    r"|connection_?string",
)
_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-. \[\]]+")
_IN_PAIRS = frozenset({"key", "code"})
"""Names of secrets in a query or a form (`?key=`, OAuth's `code=`); in JSON they name anything."""
_HARMLESS = frozenset({"token_type", "token_url", "token_endpoint", "expires_in", "next_page_token"})
_TEXT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9\-._~+/]{8,}=*", re.IGNORECASE), rf"\1 {STRUCK}"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]*@", re.IGNORECASE), rf"\1{STRUCK}@"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), STRUCK),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        STRUCK,
    ),
    (
        re.compile(
            r"\b(xox[abeoprs]-|gh[opsru]_|github_pat_|glpat-|[sr]k_(live|test)_|AKIA|ASIA|ihp_)[A-Za-z0-9_-]{8,}"
        ),
        STRUCK,
    ),
)
_QUERY = re.compile(r"([?&])([A-Za-z_%][\w.\-\[\]%]{0,63})=([^&?#\s\"'<>\\]+)")
"""A parameter of an address that stands in a text; one address may be quoted in another's query."""
_ELEMENT = re.compile(
    r"(<([A-Za-z_][\w.:-]{0,63})(?:\s[^<>]{0,512})?>)(<!\[CDATA\[[^\]]{0,4096}\]\]>|[^<]+)(?=</)"
)
_NAMED, _VALUES = ("name", "key"), ("value", "values")
_PAIR = re.compile(
    r"""(?P<name>\\{0,7}["']?[A-Za-z_][A-Za-z0-9_.\-\[\]]{0,63}\\{0,7}["']?)(?P<mark>\s*[=:]\s*)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"?|'[^']*'?|\\{1,7}"[^"]*"?|[^\s&"',;<>}\]]+)"""
)
_FORM = "application/x-www-form-urlencoded"
_DEPTH = 32


@lru_cache(maxsize=4_096)
def names_secret(name: str) -> bool:
    """Whether what stands under this name is a secret: `apiKey`, `X-Auth-Token`, `user[password]`."""
    plain = _WORD_BREAK.sub("_", name).strip("_").lower()
    return plain not in _HARMLESS and _NAME.search(plain) is not None


def headers(given: Mapping[str, str], conceal: Conceal) -> dict[str, str]:
    """At most MAX_HEADERS of them, in lower case."""
    kept: dict[str, str] = {}
    for name, value in given.items():
        if len(kept) == MAX_HEADERS:
            break
        kept[name.lower()] = STRUCK if names_secret(name) else cut(_header(value, conceal), MAX_HEADER)
    return kept


def _header(value: str, conceal: Conceal) -> str:
    """An address in it (Location, Link) may carry secrets of somebody else's."""
    shown = conceal(value)
    return free_text(shown, nothing) if "?" in shown or "@" in shown else shown


def path(text: str, conceal: Conceal) -> str:
    """A path with its query."""
    before, mark, query = text.partition("?")
    shown = conceal(before) + (mark + _pairs(query, conceal) if mark else "")
    return cut(shown, MAX_PATH)


def body(data: bytes, content_type: str, conceal: Conceal) -> str:
    """A body as text; of one that is no text only its size."""
    if not data:
        return ""
    kind = content_type.partition(";")[0].strip().lower()
    beginning = data[:LONGEST_READ]
    if b"\0" in beginning or not _is_text(kind, beginning):
        return f"({len(data)} bytes of {kind or 'no named type'})"
    text = beginning.decode("utf-8", "replace")
    if kind == _FORM:
        return cut(_pairs(text, conceal), MAX_BODY)
    parsed = _parsed(text) if len(data) <= LONGEST_READ else None
    if isinstance(parsed, dict | list):
        return cut(conceal(json.dumps(_struck(parsed, conceal, _DEPTH), ensure_ascii=False)), MAX_BODY)
    return cut(free_text(text, conceal), MAX_BODY)


def free_text(text: str, conceal: Conceal) -> str:
    """Text of no known shape: known values, values under telling names, what looks like a credential."""
    text = conceal(text)
    for pattern, replacement in _TEXT:
        text = pattern.sub(replacement, text)
    if "=" in text:
        text = _QUERY.sub(_without_parameter, text)
    if "</" in text:
        text = _ELEMENT.sub(_without_content, text)
    return _PAIR.sub(_without_value, text)


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _without_value(found: re.Match[str]) -> str:
    value = found["value"]
    if not names_secret(found["name"].strip("\\\"'")):
        # A document may be quoted within another one; what is not quoted has no names of its own inside.
        inner = _PAIR.sub(_without_value, value) if value[0] in "\"'\\" else value
        return f"{found['name']}{found['mark']}{inner}"
    mark = value[0] if value[0] in "\"'" else ""
    return f"{found['name']}{found['mark']}{mark}{STRUCK}{mark}"


def _without_parameter(found: re.Match[str]) -> str:
    mark, name, _ = found.groups()
    plain = unquote_plus(name)
    struck = names_secret(plain) or plain.lower() in _IN_PAIRS
    return f"{mark}{name}={STRUCK}" if struck else found[0]


def _without_content(found: re.Match[str]) -> str:
    tag, name, _ = found.groups()
    return f"{tag}{STRUCK}" if names_secret(name.rpartition(":")[2]) else found[0]


def _struck(value: Any, conceal: Conceal, depth: int) -> Any:
    if not depth:
        return STRUCK
    if isinstance(value, dict):
        told = any(isinstance(value.get(each), str) and names_secret(value[each]) for each in _NAMED)
        return {
            conceal(name): STRUCK
            if (names_secret(name) or (told and name in _VALUES)) and inner not in (None, "", True, False)
            else _struck(inner, conceal, depth - 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_struck(inner, conceal, depth - 1) for inner in value]
    if isinstance(value, str):
        # An echo repeats a body as a text within its own: what stands in there has names as well.
        within = _parsed(value) if value.lstrip()[:1] in ("{", "[") else None
        if isinstance(within, dict | list):
            return conceal(json.dumps(_struck(within, conceal, depth - 1), ensure_ascii=False))
        return free_text(value, conceal)
    return value


def _pairs(query: str, conceal: Conceal) -> str:
    """`name=value&…`, values under telling names struck; what has no name is only concealed."""
    shown = []
    for pair in query.split("&"):
        name, mark, value = pair.partition("=")
        plain = unquote_plus(name)
        if value and (names_secret(plain) or plain.lower() in _IN_PAIRS):
            shown.append(f"{name}{mark}{STRUCK}")
        else:
            shown.append(_pair(pair, conceal))
    return "&".join(shown)


def _pair(pair: str, conceal: Conceal) -> str:
    """One whose name tells nothing; what its value quotes (a document, an address) may have names inside."""
    shown = conceal(pair)
    if "%" not in shown:
        return shown
    within = unquote_plus(shown)
    struck = free_text(within, nothing)
    return struck if struck != within else shown


def _is_text(kind: str, beginning: bytes) -> bool:
    if (
        kind.startswith("text/")
        or kind == _FORM
        or kind.endswith(("json", "xml", "javascript", "graphql", "yaml"))
    ):
        return True
    if kind and not kind.startswith("application/octet"):
        return False
    try:
        beginning[:512].decode()
    except UnicodeDecodeError as error:
        return error.start > 508  # the cut went through a letter
    return True


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
