"""What proves a connection's right to call, however it is obtained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from integration_hub.api.reasons import Reason
from integration_hub.ports.cluster import Key
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


class RotationStage(StrEnum):
    """Where the replacement of a key stands; kept in the owned Secret, so that a restart goes on from it."""

    NONE = "None"
    TRIAL = "Trial"
    """New ones were made and stored beside those in use; they wait to be tried."""
    SWAPPED = "Swapped"
    """The new ones are in use; the old ones are kept until they have proved themselves."""


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """What may be known of a connection's credentials without seeing them; all of it may be shown.

    `version` is that of the Secrets they come from, and changes with any of them; `secret_version` that
    of the one the spec names alone. `expires_at`: when they stop working. `refresh_at`: when newer ones
    are due, None where nothing is ever refreshed; in the past where a first token has yet to be
    obtained. `rotated_at`: since when the present key or grant is in use. `rotatable`: whether the
    provider declares how, and the hub may write the result. `revocable`: whether the hub holds a grant
    that must be ended at the far end when the Integration goes. `stale`: what is kept was sealed with an
    old key; `refresh` seals it anew. `trouble`: why no newer token can be had at the moment, for a person,
    while the present one still works. `unread`: why the place that the spec names cannot be asked at the
    moment, while what it held last still counts.
    """

    version: str = ""
    secret_version: str = ""
    expires_at: datetime | None = None
    refresh_at: datetime | None = None
    rotated_at: datetime | None = None
    sealed: bool = False
    rotatable: bool = False
    revocable: bool = False
    stale: bool = False
    trouble: str = ""
    unread: CredentialProblem | None = None
    stage: RotationStage = RotationStage.NONE
    account_id: str = ""


class CredentialSource(Protocol):
    """Credentials of connections: read, refreshed before they expire, exchanged where that is the scheme.

    Purpose `rotation` presents the new ones that wait for their trial, every other those in use.
    """

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

    async def facts(self, link: Link) -> CredentialFacts | CredentialProblem:
        """What `present` would use, looked at and not used: no request leaves, nothing is audited.

        A CredentialProblem says why `present` would fail now; the condition CredentialsReady is made of it.
        """
        ...

    async def refresh(self, link: Link) -> CredentialFacts | CredentialProblem:
        """Obtain newer ones if `refresh_at` has come, once for all who ask; else what there is.

        The leader calls it ahead of expiry. REAUTH_REQUIRED: the grant is gone, and no further token
        request is made until a person has connected again.
        """
        ...


class CredentialKeeper(Protocol):
    """What is done to credentials rather than with them. Each step may be repeated after a crash."""

    async def values(self, link: Link) -> Mapping[str, SecretText] | CredentialProblem:
        """Those in use under their scheme's names (token, apiKey, username, password …), for a workload."""
        ...

    async def revoke(self, link: Link) -> CredentialProblem | None:
        """End the grant at the far end, where it has one. None: done, or there was nothing to end."""
        ...

    async def make_key(self, link: Link) -> CredentialFacts | CredentialProblem:
        """NONE → TRIAL: have the far end make a new key, and store it before anything else."""
        ...

    async def swap_key(self, link: Link) -> CredentialFacts | CredentialProblem:
        """TRIAL → SWAPPED: put the new key in use; from here on everybody is presented it."""
        ...

    async def end_old_key(self, link: Link) -> CredentialFacts | CredentialProblem:
        """SWAPPED → NONE: revoke the old key where that is declared, and forget it."""
        ...

    async def roll_back_key(self, link: Link) -> CredentialFacts | CredentialProblem:
        """TRIAL or SWAPPED → NONE: the old key is in use again, the new one is ended and forgotten."""
        ...


class CredentialIntake(Protocol):
    """Credentials that somebody hands over with an Integration, over HTTP, instead of naming a Secret."""

    async def keep(
        self, integration: Key, uid: str, given: Mapping[str, SecretText], *, caller: str
    ) -> CredentialProblem | None:
        """Put them into the Secret that the hub owns, in place of those given earlier; None: done.

        Called once the Integration exists, since the Secret belongs to it and goes with it. `given` has
        SEC-03's names: accessToken, refreshToken, tokenExpiry (RFC 3339), apiKey, username, password.
        Safe to repeat. Audited; never logged, never echoed.
        """
        ...
