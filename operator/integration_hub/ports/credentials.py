"""What proves a connection's right to call, however it is obtained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from integration_hub.api.reasons import Reason
from integration_hub.ports.egress import HttpRequest
from integration_hub.ports.link import Link
from integration_hub.ports.secrets import SecretText

Signer = Callable[[HttpRequest, datetime], HttpRequest]
"""Signs a finished request (AWS SigV4): the last step before it is sent, anew for every attempt."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What to add to a request.

    `version` tells one set of credentials from another without showing it. `secrets` are all values
    that must be struck out of whatever is logged or said. `expires_at`: when it stops working, if known.
    """

    headers: Mapping[str, SecretText] = field(default_factory=dict)
    query: Mapping[str, SecretText] = field(default_factory=dict)
    sign: Signer | None = None
    version: str = ""
    secrets: tuple[SecretText, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CredentialProblem:
    """Why there are none: `reason` is the condition's, `message` for a person, without a secret.

    `lasting`: a person has to act; otherwise it may pass, after `retry_after` seconds if known.
    """

    reason: Reason
    message: str
    lasting: bool = True
    retry_after: float | None = None


class CredentialSource(Protocol):
    """Credentials of connections: read, refreshed before they expire, exchanged where that is the scheme."""

    async def present(
        self, link: Link, *, caller: str = "", purpose: str = ""
    ) -> Presented | CredentialProblem:
        """What this connection's calls carry now. Every use is audited (`caller`, `purpose`)."""
        ...

    async def renew(self, link: Link, refused: Presented) -> Presented | CredentialProblem:
        """The far end called `refused` expired: newer ones, obtained once for all who ask.

        Raises nothing for what the far end does. Where nothing newer can be had: INVALID_CREDENTIALS
        or REAUTH_REQUIRED.
        """
        ...
