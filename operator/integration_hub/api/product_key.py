"""The key by which a product speaks to the hub: how it is kept, and what is told of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from integration_hub.api.meta import GROUP, Duration, ListMap, Model, Timestamp

REVOCATION_REQUESTED = f"{GROUP}/revocation-requested"
"""Annotation that ends every key of a product at once and has another one made: the moment (RFC 3339) of the
request. It is met once status.apiKey.revocationRequested repeats it."""

MOST_KEYS = 6


class ApiKeyRotation(Model):
    """When the key is replaced without anybody asking."""

    interval: Duration = Field(
        default="90d", description="Age at which a key is replaced, such as 90d; a minute at least."
    )


class ApiKeyPolicy(Model):
    """The product's key to the hub, which the hub makes and keeps in a Secret of its own."""

    enabled: bool = Field(
        default=True, description="Whether the product has a key. Off: every key ends and its Secret goes."
    )
    rotation: ApiKeyRotation | None = Field(
        default=None, description="Replace the key by age; none by default."
    )
    overlap: Duration = Field(
        default="24h",
        description="How long a key goes on working after it was replaced; 0s: it ends with the replacement.",
    )


class KeyUse(StrEnum):
    """Where a key stands in its life."""

    NEXT = "Next"
    CURRENT = "Current"
    PREVIOUS = "Previous"


class ApiKeyEntry(Model):
    """One key that the hub takes, by its fingerprint: the key itself is in the Secret only."""

    id: Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[0-9A-Za-z]+$")] = Field(
        description="The id within the key, between its two underscores."
    )
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)] = Field(
        description="SHA-256 of this object's uid, a colon and the key."
    )
    use: KeyUse = Field(
        description="Next: about to be put into the Secret; Current: in it; Previous: replaced."
    )
    issued_at: Timestamp = Field(description="When it was made.")
    valid_until: Timestamp | None = Field(
        default=None, description="When it ends; none: while it is not replaced."
    )


class ApiKeyStatus(Model):
    """The keys that the hub takes from this product, and the times that matter."""

    keys: Annotated[list[ApiKeyEntry], ListMap(("id",)), Field(max_length=MOST_KEYS)] = Field(
        default_factory=list, description="Fingerprints of the keys that work now."
    )
    last_rotated_at: Timestamp | None = Field(
        default=None, description="When the key in the Secret was made."
    )
    next_rotation_at: Timestamp | None = Field(
        default=None, description="When it is replaced by age; none without apiKey.rotation."
    )
    previous_valid_until: Timestamp | None = Field(
        default=None, description="Until when a key that was replaced goes on working."
    )
    rotation_requested: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Value of annotation integrationhub.io/rotation-requested that was met."
    )
    revocation_requested: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="Value of annotation integrationhub.io/revocation-requested that was met.",
    )
    secret_version: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="uid and resourceVersion of the Secret when it was last looked into."
    )
