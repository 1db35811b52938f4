"""Object names made of what people call things, and the words that paths keep for themselves."""

from __future__ import annotations

import re
import unicodedata

RESERVED = frozenset(
    {"providers", "categories", "health", "stats", "transformations"}
    | {"register", "custom", "projects", "create", "integrations"}
)
"""Static words beside ids in some family of paths (C-03): an object of such a name could not be reached."""

_MAX = 63
_OTHER = re.compile(r"[^a-z0-9]+")


def object_name(called: str) -> str:
    """`GitHub Integration` is `github-integration`; empty where nothing of it can be in a name."""
    plain = unicodedata.normalize("NFKD", called).encode("ascii", "ignore").decode().lower()
    return _OTHER.sub("-", plain).strip("-")[:_MAX].strip("-")


def suffixed(name: str, *suffixes: str) -> str:
    """The name with suffixes, within what a name may have; suffixes stay whole."""
    tail = "".join(f"-{each}" for each in suffixes if each)
    return name[: _MAX - len(tail)].strip("-") + tail
