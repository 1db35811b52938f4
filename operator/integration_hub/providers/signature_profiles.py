"""Signature profiles: how each vendor proves that a webhook is its own, as data.

A provider names one (`spec.signatureProfile`). This module reads and checks the data; whoever takes
hooks in decides by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal, Self

import yaml
from pydantic import ConfigDict, Field, model_validator

from integration_hub.api.meta import Model

_OVER_SIGNED = ("hmac", "ed25519")


class SignatureProfile(Model):
    """One way to prove a webhook. See the head of signature_profiles.yaml for what the words mean."""

    model_config = ConfigDict(extra="forbid")

    documentation_url: str = Field(min_length=1)
    scheme: Literal["hmac", "ed25519", "jwt", "token", "body-token", "path"]
    algorithm: Literal["sha1", "sha256", "HS256", ""] = ""
    header: str = ""
    field: str = ""
    prefix: str = ""
    pair: str = ""
    encoding: Literal["hex", "base64", ""] = ""
    signed: str = ""
    timestamp_header: str = ""
    timestamp_pair: str = ""
    tolerance_seconds: int | None = Field(default=None, ge=1, le=3600)
    event_header: str = ""
    event_field: str = ""
    delivery_header: str = ""
    delivery_field: str = ""
    challenge: Literal[
        "",
        "body-field",
        "ping",
        "query-validation-token",
        "query-challenge",
        "x-hook-secret",
        "head",
        "verification-token",
        "intent-to-receive",
    ] = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """A profile that lacks what its scheme needs would accept, or refuse, everything."""
        if self.scheme in _OVER_SIGNED:
            wanted = bool(self.header and self.encoding and "{body}" in self.signed)
            dated = "{timestamp}" in self.signed
            if not wanted or dated != bool(self.timestamp_header or self.timestamp_pair):
                raise ValueError("a signature needs header, encoding, and signed with {body}")
        if self.scheme == "hmac" and self.algorithm not in ("sha1", "sha256"):
            raise ValueError("hmac needs algorithm sha1 or sha256")
        if self.scheme in ("jwt", "token") and not self.header:
            raise ValueError("it needs header")
        if self.scheme == "body-token" and not self.field:
            raise ValueError("it needs field")
        return self


def load_signature_profiles(file: Traversable | None = None) -> Mapping[str, SignatureProfile]:
    """Every profile by its name; the bundled ones by default. A broken file is a bug of this release."""
    source = file or resources.files("integration_hub.providers") / "signature_profiles.yaml"
    written = yaml.safe_load(source.read_text(encoding="utf-8"))
    return {name: SignatureProfile.model_validate(profile) for name, profile in written.items()}
