"""Bodies as forms, the way Stripe, Rails and PHP read nested ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

FORM = "application/x-www-form-urlencoded"
MAX_DEPTH = 32


def form(data: Mapping[str, Any]) -> bytes:
    """Nested names in brackets: `metadata[order]=7`, `items[0][price]=x`; null is left out."""
    return "&".join(
        f"{quote(name, safe='[]')}={quote(value, safe='')}" for name, value in _fields(data, "", 0)
    ).encode()


def _fields(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if value is None or depth > MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _fields(child, f"{name}[{key}]" if name else str(key), depth + 1)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _fields(child, f"{name}[{index}]", depth + 1)
    else:
        yield name, scalar(value)


def scalar(value: Any) -> str:
    """A JSON scalar as text in a URL or a form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
