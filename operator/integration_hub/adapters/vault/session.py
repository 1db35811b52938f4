"""The hub's own token for Vault: obtained once for all who ask, renewed in time, replaced when it is gone.

There is no task of its own: whoever needs the token at two thirds of its life renews it, and the others go
on with the present one meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace

from integration_hub.adapters.vault.login import LOOKUP, REFUSED_SECONDS, Granted, Login, grant_of
from integration_hub.adapters.vault.wire import Answer, Unavailable, VaultWire
from integration_hub.ports import Clock, Json, SecretText

_RENEW_AT = 2 / 3
_WORTH_RENEWING = 1 / 2
"""A renewal that gives less than this share of the first life nears the token's longest: log in anew."""
_LAST_WORD_SECONDS = 2.0
_NEWBORN_SECONDS = 1.0
_INVALID = "invalid token"
"""In the words of newer Vaults, where they do not know the token or it has ended."""


@dataclass(frozen=True, slots=True)
class _Lease:
    """A token in use. Moments are monotonic; `life` is how long it was given for at first."""

    token: SecretText
    life: float
    renewable: bool
    renew_at: float
    ends: float
    begun: float


class VaultSession:
    """Asks Vault with a token. Belongs to one event loop."""

    def __init__(self, wire: VaultWire, login: Login, clock: Clock) -> None:
        self._wire = wire
        self._login = login
        self._clock = clock
        self._lease: _Lease | None = None
        self._refused: tuple[float, Unavailable] = float("-inf"), Unavailable("", 0.0)
        self._lock = asyncio.Lock()

    async def ask(self, method: str, path: str, body: Json = None) -> Answer | Unavailable:
        """A request with the token; once more with another one if that is what was wrong."""
        token = await self._token()
        if isinstance(token, Unavailable):
            return token
        answer = await self._wire.ask(method, path, token=token, body=body)
        if isinstance(answer, Unavailable) or answer.status != 403:
            return answer
        other = await self._other_than(token, answer)
        if other is None:
            return answer
        return (
            other
            if isinstance(other, Unavailable)
            else await self._wire.ask(method, path, token=other, body=body)
        )

    async def close(self) -> None:
        """End the token if it was made for the hub; it ends by itself where Vault does not answer."""
        lease, self._lease = self._lease, None
        if lease is not None and self._login.owned:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD_SECONDS):
                    await self._wire.ask("POST", "auth/token/revoke-self", token=lease.token)

    # ------------------------------------------------------------------ inside

    async def _token(self) -> SecretText | Unavailable:
        lease, now = self._lease, self._clock.monotonic()
        if lease is not None and (now < lease.renew_at or (now < lease.ends and self._lock.locked())):
            return lease.token
        async with self._lock:
            lease = self._lease
            if lease is not None and self._clock.monotonic() < lease.renew_at:
                return lease.token
            return await self._newer(lease)

    async def _newer(self, lease: _Lease | None) -> SecretText | Unavailable:
        """Renew it or log in. A token that still works outlasts trouble with either."""
        now = self._clock.monotonic()
        working = lease if lease is not None and now < lease.ends else None
        if working is not None and working.renewable:
            found = await self._wire.ask("POST", "auth/token/renew-self", token=working.token, body={})
            granted = grant_of(found.document) if isinstance(found, Answer) else None
            if granted is not None and granted.seconds >= working.life * _WORTH_RENEWING:
                return self._hold(granted, working.life, working.begun)
        made = await self._logged_in()
        if isinstance(made, Unavailable) and working is not None:
            pause = min(max(made.retry_after, 1.0), working.ends - now)
            self._lease = replace(working, renew_at=now + pause)
            return working.token
        return made

    async def _other_than(self, refused: SecretText, answer: Answer) -> SecretText | Unavailable | None:
        """Another token in place of one that Vault refused something; None where it is not the token's fault.

        A policy that lacks a path must not have the hub log in again with every request, so where Vault does
        not say it plainly, it is asked about the token.
        """
        async with self._lock:
            lease = self._lease
            if lease is not None and lease.token != refused:
                return lease.token
            age = self._clock.monotonic() - lease.begun if lease is not None else float("inf")
            if _INVALID not in answer.said:
                found = await self._wire.ask("GET", LOOKUP, token=refused)
                if isinstance(found, Unavailable):
                    return found
                if found.status == 200 or (_INVALID not in found.said and age < REFUSED_SECONDS):
                    return None
            if age < _NEWBORN_SECONDS:
                return Unavailable("Vault does not know the token that it has just given.", _NEWBORN_SECONDS)
            self._lease = None
            made = await self._logged_in()
            return None if made == refused else made

    async def _logged_in(self) -> SecretText | Unavailable:
        until, why = self._refused
        if self._clock.monotonic() < until:
            return why
        made = await self._login.obtain(self._wire)
        now = self._clock.monotonic()
        if isinstance(made, Unavailable):
            self._refused = now + made.retry_after, made
            return made
        return self._hold(made, made.seconds, now)

    def _hold(self, granted: Granted, life: float, begun: float) -> SecretText:
        now, seconds = self._clock.monotonic(), granted.seconds or float("inf")
        self._lease = _Lease(
            granted.token, life, granted.renewable, now + seconds * _RENEW_AT, now + seconds, begun
        )
        return granted.token
