"""Pages of lists: a cursor is the sort key of the last item, so nothing is doubled when things change."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from integration_hub.api.errors import ErrorCode
from integration_hub.ports import Problem

_T = TypeVar("_T")
_MAX_CURSOR = 1024


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """`cursor` leads to the next page; empty on the last. `total` counts all pages together."""

    items: Sequence[_T]
    cursor: str
    total: int


def page_of(
    items: Sequence[_T], sort_key: Callable[[_T], tuple[str, ...]], limit: int, cursor: str
) -> Page[_T] | Problem:
    """The items after `cursor`, of a sequence already sorted by `sort_key`."""
    start = 0
    if cursor:
        after = _read(cursor)
        if after is None:
            return Problem(ErrorCode.INVALID_REQUEST, "cursor: take it as nextCursor of the page before")
        start = next((n for n, item in enumerate(items) if sort_key(item) > after), len(items))
    page = items[start : start + limit]
    more = start + limit < len(items)
    return Page(page, _write(sort_key(page[-1])) if more else "", len(items))


def _write(key: tuple[str, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[str, ...] | None:
    if len(cursor) > _MAX_CURSOR or not cursor.isascii():
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return tuple(key) if isinstance(key, list) and all(isinstance(part, str) for part in key) else None
