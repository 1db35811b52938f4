"""What a token says of itself before anybody has checked it: good for choosing whom to ask, no more."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from integration_hub.ports import SecretText


def unverified_claims(token: SecretText) -> dict[str, Any]:
    """The claims of a compact JWS (RFC 7515); empty for anything else."""
    parts = token.reveal().split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def expiry(claims: dict[str, Any]) -> float | None:
    """`exp` in epoch seconds, where it is a number."""
    value = claims.get("exp")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
