"""A grant: one token with what renews it, as it is kept; and when newer ones are due. Pure.

`lineage` names the authorization it stems from, `serial` counts the tokens obtained in it, so that two
processes can tell whose token is the newer one. `source` is a digest of what it was made of (the
tokens or credentials in the user's Secret, the client, the scheme): where that changes, the user's
hand wins and the grant is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from integration_hub.ports import Json, SecretText
from integration_hub.providers.secret_values import ACCESS_TOKEN, REFRESH_TOKEN, TOKEN_EXPIRY, Values
from integration_hub.providers.token_answer import Token, moment

LIFE_SHARE = 2 / 3
"""Of a token's life: after so much of it a newer one is due, or later if that leaves time enough."""
JITTER_SHARE = 0.1
LONGEST_JITTER = timedelta(minutes=15)
SAFETY = timedelta(seconds=5)
"""A token this close to its end is not sent any more: it might end on the way."""


class Origin(StrEnum):
    """Where a grant comes from."""

    CONNECTED = "connected"
    """A person authorised the hub."""
    IMPORTED = "imported"
    """Tokens that somebody else had obtained, in the user's Secret."""
    EXCHANGED = "exchanged"
    """The hub exchanged credentials for it and can do so again at any time."""


@dataclass(frozen=True, slots=True)
class Grant:
    """See the module's text. `ended` says why a person has to connect again; empty while it is good."""

    lineage: str
    serial: int
    origin: Origin
    access_token: SecretText
    obtained_at: datetime
    refresh_token: SecretText | None = None
    expires_at: datetime | None = None
    refresh_at: datetime | None = None
    source: str = ""
    provider: str = ""
    account: str = ""
    scope: str = ""
    ended: str = ""
    ended_at: datetime | None = None

    @property
    def version(self) -> str:
        return f"{self.lineage}.{self.serial}"

    def works(self, now: datetime) -> bool:
        """Whether it may be sent, as far as anybody knows."""
        return bool(self.access_token) and (self.expires_at is None or now < self.expires_at - SAFETY)

    def due(self, now: datetime) -> bool:
        return self.refresh_at is not None and now >= self.refresh_at

    @property
    def renewable(self) -> bool:
        return self.origin is Origin.EXCHANGED or bool(self.refresh_token)


@dataclass(frozen=True, slots=True)
class Pace:
    """When newer tokens are due: `before` is the user's refreshBeforeSeconds, `chance` in [0, 1)."""

    before: timedelta
    chance: float


def refresh_at(obtained: datetime, expires: datetime | None, pace: Pace) -> datetime | None:
    """Two thirds into the token's life, or `before` its end where that is later; earlier by some chance.

    So a short-lived token is not renewed all the time, and tokens that end together are renewed
    one after another. None where nobody knows the end: then a refusal is what renews it.
    """
    if expires is None:
        return None
    life = max(expires - obtained, timedelta())
    at = max(obtained + life * LIFE_SHARE, expires - pace.before)
    return at - min(life * JITTER_SHARE, LONGEST_JITTER) * pace.chance


def succeed(grant: Grant, token: Token, now: datetime, pace: Pace, *, source: str | None = None) -> Grant:
    """The grant with the token that was just obtained. A refresh token that is not renewed stays."""
    expires = now + timedelta(seconds=token.expires_in) if token.expires_in is not None else None
    return replace(
        grant,
        serial=grant.serial + 1,
        access_token=token.access_token,
        refresh_token=token.refresh_token or grant.refresh_token,
        obtained_at=now,
        expires_at=expires,
        refresh_at=refresh_at(now, expires, pace) if _renewable(grant, token) else None,
        source=grant.source if source is None else source,
        scope=token.scope or grant.scope,
        ended="",
        ended_at=None,
    )


def _renewable(grant: Grant, token: Token) -> bool:
    return grant.origin is Origin.EXCHANGED or bool(token.refresh_token or grant.refresh_token)


def imported(values: Values, *, provider: str, now: datetime, pace: Pace) -> Grant | None:
    """Tokens that the user's Secret brings along; None if it brings none.

    Without an expiry they are used until they are refused.
    """
    access, refresh = values.get(ACCESS_TOKEN), values.get(REFRESH_TOKEN) or None
    if not access and not refresh:
        return None
    written = values.get(TOKEN_EXPIRY)
    expires = moment(written.reveal().strip()) if written else None
    if not access:
        expires = now
    digest = digest_of(values, (ACCESS_TOKEN, REFRESH_TOKEN))
    return Grant(
        lineage=f"i{digest[:16]}",
        serial=0,
        origin=Origin.IMPORTED,
        access_token=access or SecretText(""),
        refresh_token=refresh,
        # Nobody knows when it was obtained: what counts is how long before its end it is renewed.
        obtained_at=now,
        expires_at=expires,
        refresh_at=max(expires - pace.before * (1 + pace.chance * JITTER_SHARE), _EPOCH)
        if expires is not None and refresh
        else None,
        source=digest,
        provider=provider,
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def digest_of(values: Values, names: tuple[str, ...] = ()) -> str:
    """Tells one set of values from another; all of them where no names are given."""
    chosen = {name: values[name].reveal() for name in (names or sorted(values)) if values.get(name)}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest() if chosen else ""


# --------------------------------------------------------------------------- as it is kept


def to_json(grant: Grant) -> Json:
    """What is sealed; times as RFC 3339 with microseconds."""
    document = {
        "lineage": grant.lineage,
        "serial": grant.serial,
        "origin": grant.origin.value,
        "accessToken": grant.access_token.reveal(),
        "refreshToken": grant.refresh_token.reveal() if grant.refresh_token else None,
        "obtainedAt": grant.obtained_at.isoformat(),
        "expiresAt": _time(grant.expires_at),
        "refreshAt": _time(grant.refresh_at),
        "source": grant.source,
        "provider": grant.provider,
        "account": grant.account,
        "scope": grant.scope,
        "ended": grant.ended,
        "endedAt": _time(grant.ended_at),
    }
    return {name: value for name, value in document.items() if value not in (None, "")}


def from_json(document: Mapping[str, Json]) -> Grant:
    """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError where it is something else."""
    refresh = document.get("refreshToken")
    return Grant(
        lineage=str(document["lineage"]),
        serial=int(document["serial"]),
        origin=Origin(document["origin"]),
        access_token=SecretText(str(document.get("accessToken", ""))),
        refresh_token=SecretText(str(refresh)) if refresh else None,
        obtained_at=datetime.fromisoformat(document["obtainedAt"]),
        expires_at=_read_time(document.get("expiresAt")),
        refresh_at=_read_time(document.get("refreshAt")),
        source=str(document.get("source", "")),
        provider=str(document.get("provider", "")),
        account=str(document.get("account", "")),
        scope=str(document.get("scope", "")),
        ended=str(document.get("ended", "")),
        ended_at=_read_time(document.get("endedAt")),
    )


def _time(moment_: datetime | None) -> str | None:
    return moment_.isoformat() if moment_ is not None else None


def _read_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
