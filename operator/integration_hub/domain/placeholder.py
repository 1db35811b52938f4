"""Placeholders: `{{ config.site }}` in a base URL, a path or a header, each a CEL expression.

A value is put in by where it stands, so that nobody's configuration can bend a URL: in the host it
must be part of a host name, in a path or query it is percent-encoded, in a header it may hold no
control character. Only a template that *begins* with a placeholder lets its value be a whole URL
(self-hosted systems: `{{ config.url }}`), and `url.parse` judges the result in every case.

Rendering knows no engine: the caller hands in `Evaluate`; `evaluator` binds one to CEL and its variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from integration_hub.ports import ExpressionError, Expressions, Json

_HOST_PART = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Also what moves a terminal's cursor or turns the direction of the text around it."""
MAX_VALUE = 1024


@dataclass(frozen=True, slots=True)
class PlaceholderProblem:
    """Why a template cannot be read or filled; `message` names the placeholder."""

    message: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One placeholder: the expression between the braces."""

    source: str


Part = str | Slot
Evaluate = Callable[[str], Any]
"""Expression source to its JSON value, or a PlaceholderProblem."""


def split(template: str) -> tuple[Part, ...] | PlaceholderProblem:
    """Take a template apart into text and placeholders. CEL string literals may hold `}}`."""
    parts: list[Part] = []
    rest = template
    while True:
        text, opening, rest = rest.partition("{{")
        if "}}" in text:
            return PlaceholderProblem(f"a }}}} without its {{{{ in {template!r}")
        if text:
            parts.append(text)
        if not opening:
            return tuple(parts)
        end = _closing(rest)
        if end < 0:
            return PlaceholderProblem(f"a {{{{ without its }}}} in {template!r}")
        source = rest[:end].strip()
        if not source:
            return PlaceholderProblem(f"an empty placeholder in {template!r}")
        parts.append(Slot(source))
        rest = rest[end + 2 :]


def _closing(text: str) -> int:
    """Index of the `}}` that ends a placeholder: outside quotes and outside CEL's own braces; -1 if none."""
    quote_mark = ""
    depth = 0
    index = 0
    while index < len(text):
        letter = text[index]
        if quote_mark:
            if letter == "\\":
                index += 1
            elif letter == quote_mark:
                quote_mark = ""
        elif letter in "'\"":
            quote_mark = letter
        elif letter == "{":
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
        elif text.startswith("}}", index):
            return index
        index += 1
    return -1


def expressions(template: str) -> tuple[str, ...] | PlaceholderProblem:
    """The CEL sources of a template, in order: to compile them when the template is accepted."""
    parts = split(template)
    if isinstance(parts, PlaceholderProblem):
        return parts
    return tuple(part.source for part in parts if isinstance(part, Slot))


def evaluator(expressions: Expressions, variables: Mapping[str, Json]) -> Evaluate:
    """Bind CEL to the variables that a template may use."""
    names = tuple(variables)

    def evaluate(source: str) -> Json | PlaceholderProblem:
        program = expressions.compile(source, names)
        value = program if isinstance(program, ExpressionError) else program.evaluate(variables)
        if isinstance(value, ExpressionError):
            return PlaceholderProblem(f"{{{{ {source} }}}}: {value.message}")
        return value

    return evaluate


def render_text(template: str, evaluate: Evaluate) -> str | PlaceholderProblem:
    """Fill a message or a header value. Values may hold no control character."""

    def place(value: str, source: str, before: str) -> str | PlaceholderProblem:  # noqa: ARG001
        if _CONTROL.search(value):
            return PlaceholderProblem(f"{{{{ {source} }}}} gives a line break or another control character")
        return value

    return _render(template, evaluate, place)


def render_base_url(template: str, evaluate: Evaluate) -> str | PlaceholderProblem:
    """Fill a base URL. The caller checks the result with `url.parse`."""
    return _render(template, evaluate, _place_in_url)


def render_path(template: str, evaluate: Evaluate) -> str | PlaceholderProblem:
    """Fill a path with its query: every value percent-encoded, none of them `.` or `..`."""
    return _render(template, evaluate, _encode)


def _place_in_url(value: str, source: str, before: str) -> str | PlaceholderProblem:
    if not before:
        return value.rstrip("/")
    after_scheme = before.partition("://")[2] if "://" in before else before
    if "/" in after_scheme or "?" in after_scheme:
        return _encode(value, source, before)
    if "://" in before and _HOST_PART.fullmatch(value) and ".." not in value:
        return value
    return PlaceholderProblem(
        f"{{{{ {source} }}}} stands in the host name of the URL, but its value is not part of one "
        "(letters, digits, dots and hyphens)"
    )


def _encode(value: str, source: str, before: str) -> str | PlaceholderProblem:
    if value in ("", ".", "..") and "?" not in before:
        return PlaceholderProblem(f"{{{{ {source} }}}} is empty, . or .., which has no place in a URL's path")
    if _CONTROL.search(value):
        return PlaceholderProblem(f"{{{{ {source} }}}} gives a line break or another control character")
    return quote(value, safe="-._~")


def _render(
    template: str, evaluate: Evaluate, place: Callable[[str, str, str], str | PlaceholderProblem]
) -> str | PlaceholderProblem:
    """Fill in order; `place(value, source, text before it)` turns each value into what may stand there."""
    parts = split(template)
    if isinstance(parts, PlaceholderProblem):
        return parts
    out = ""
    for part in parts:
        if isinstance(part, str):
            out += part
            continue
        value = _as_text(evaluate(part.source), part.source)
        placed = value if isinstance(value, PlaceholderProblem) else place(value, part.source, out)
        if isinstance(placed, PlaceholderProblem):
            return placed
        out += placed
    return out


def _as_text(value: Any, source: str) -> str | PlaceholderProblem:
    if isinstance(value, PlaceholderProblem):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        text = str(value)
        if len(text) <= MAX_VALUE:
            return text
        return PlaceholderProblem(f"{{{{ {source} }}}} gives more than {MAX_VALUE} characters")
    return PlaceholderProblem(f"{{{{ {source} }}}} gives no text or number, so it cannot be put into text")
