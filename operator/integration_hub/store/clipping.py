"""What goes into a column: bounded, and text that every database takes.

One row that a database refuses would keep all others of its batch from being written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

_MOST = 2**47
"""Of one entry: 128 TiB, or four years in microseconds. Sums of many have room in a BIGINT."""


def clip(text: str, characters: int) -> str:
    """`text`, cut to so many characters, without NUL (PostgreSQL has none) and lone surrogates."""
    if len(text) > characters:
        text = text[: characters - 1] + "…"
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    return text.replace("\0", "\ufffd")


def clip_headers(headers: Mapping[str, str], characters: int) -> str:
    """As many headers as fit, as a JSON object; the empty text where there are none."""
    if not headers:
        return ""
    kept: dict[str, str] = {}
    room = characters
    for name, value in headers.items():
        room -= len(name) + len(value)
        if room < 0:
            break
        kept[clip(name, characters)] = clip(value, characters)
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def headers_of(text: str) -> Mapping[str, str]:
    """What `clip_headers` made."""
    headers: dict[str, str] = json.loads(text) if text else {}
    return headers


def clip_number(number: float) -> int:
    """A whole number within bounds; 0 for what is none."""
    return max(-_MOST, min(_MOST, int(number))) if math.isfinite(number) else 0
