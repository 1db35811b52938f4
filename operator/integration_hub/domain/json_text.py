"""JSON that somebody else wrote."""

from __future__ import annotations

import json

from integration_hub.ports import Json


def decoded(text: str | bytes) -> Json:
    """What it says; None where it is no JSON, or nests deeper than anybody can read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
