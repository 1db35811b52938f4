"""Newer tokens, once for all who ask: single flight in this process, a lock and compare-and-swap across them.

What holds at every point, so that a kill -9 between any two lines loses no grant that could be kept:
a new refresh token is stored before it is used; what is stored is never overwritten unread; a refusal
is looked at twice (another process may have refreshed) before a person is asked to connect again, and
that is stored too, so no restart asks the far end once more. Trouble at the token endpoint is waited
out, longer each time, while the old token goes on working.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import structlog

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.reasons import Reason
from integration_hub.credentials.exchange import Exchange
from integration_hub.credentials.flights import Flights
from integration_hub.credentials.grant import Grant, Origin, succeed
from integration_hub.credentials.holding import Holder, exchanging, pace_of
from integration_hub.credentials.oauth_endpoint import OAuthEndpoint, Obtained
from integration_hub.credentials.owned_secret import Conflict, OwnedBook, Owner
from integration_hub.credentials.reading import Reading, View
from integration_hub.credentials.usage import Usage
from integration_hub.ports import (
    ApiError,
    Clock,
    CredentialProblem,
    Entropy,
    Link,
    Locks,
    SecretText,
    StoreError,
    Wakeup,
    Wakeups,
)
from integration_hub.providers.token_answer import Refused, Token, TokenRefusal

LOCK_SECONDS = 90.0
WAIT_SECONDS = 30.0
YOUNG = timedelta(seconds=60)
"""A token younger than this that is refused is not renewed: the next one would be refused as well."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
SAVE_DELAYS = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)

_log = structlog.get_logger("integration_hub.credentials")


class TokenMetrics(Protocol):
    """Figures of token requests; `provider` is bounded."""

    def count_token_request(self, provider: str, result: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Pause:
    """The far end could not serve us: not before `until` (monotonic), unless what we would send changes."""

    until: float
    failures: int
    inputs: str
    problem: CredentialProblem


class Refresher:
    """Obtains newer tokens; belongs to one event loop. `holder` names this process among all replicas."""

    def __init__(
        self,
        *,
        reading: Reading,
        book: OwnedBook,
        holder: Holder,
        endpoint: OAuthEndpoint,
        exchange: Exchange,
        usage: Usage,
        locks: Locks,
        wakeups: Wakeups,
        clock: Clock,
        entropy: Entropy,
        metrics: TokenMetrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reading = reading
        self._book = book
        self._holder = holder
        self._endpoint = endpoint
        self._exchange = exchange
        self._usage = usage
        self._locks = locks
        self._wakeups = wakeups
        self._clock = clock
        self._entropy = entropy
        self._metrics = metrics
        self._sleep = sleep
        self._name = entropy.uuid()
        self._flights: Flights[Grant | CredentialProblem] = Flights()
        self._pauses: dict[str, Pause] = {}

    async def newer(self, link: Link, beyond: str = "") -> Grant | CredentialProblem:
        """A token that works and is not due; another one than that of version `beyond`.

        Waits for whoever obtains it. While a due token still works, trouble on the way gives that one.
        """
        while True:
            joined = self._flights.under_way(link.uid)
            outcome = await self._flights.join(link.uid, lambda: self._fly(link, beyond))
            stale = isinstance(outcome, Grant) and beyond and outcome.version == beyond
            if not (joined and stale):
                return outcome

    def ahead(self, link: Link) -> None:
        """Begin to obtain a newer token without waiting: the old one still works."""
        if not self._paused(link):
            self._flights.launch(link.uid, lambda: self._fly(link, ""))

    def pause(self, uid: str) -> Pause | None:
        """Why nothing is asked for at the moment."""
        pause = self._pauses.get(uid)
        return pause if pause is not None and self._clock.monotonic() < pause.until else None

    def forget(self, uid: str) -> None:
        self._pauses.pop(uid, None)

    async def close(self, seconds: float) -> None:
        """Let token requests under way come to their end and be stored."""
        await self._flights.land(seconds)

    # ------------------------------------------------------------------ one flight

    async def _fly(self, link: Link, beyond: str) -> Grant | CredentialProblem:
        name = f"credentials/{link.uid}"
        deadline = self._clock.monotonic() + WAIT_SECONDS
        while True:
            try:
                ours = await self._locks.try_lock(name, self._name, LOCK_SECONDS)
            except StoreError:
                return await self._without_lock(link, beyond)
            if ours:
                break
            settled = await self._settled(link, beyond, waiting=True)
            if isinstance(settled, Grant | CredentialProblem):
                return settled
            if self._clock.monotonic() > deadline:
                return _later("Another replica has been obtaining a token for too long.")
            await self._sleep(0.1 + 0.2 * self._entropy.random())
        try:
            settled = await self._settled(link, beyond)
            if isinstance(settled, Grant | CredentialProblem):
                return settled
            return await self._obtain(link, settled, beyond)
        finally:
            with suppress(StoreError):
                await self._locks.unlock(name, self._name)

    async def _settled(
        self, link: Link, beyond: str, *, waiting: bool = False
    ) -> Grant | CredentialProblem | View:
        """What can be said without a token request, from what is stored now; else the view to go on from."""
        view = await self._reading.look(link, fresh=True)
        if isinstance(view, CredentialProblem):
            return view
        if self._holder.unsaved(link.uid) is not None and not exchanging(link):
            saved = view if waiting else await self._save_late(link, view)
            if waiting or isinstance(saved, CredentialProblem):
                return saved
            view = saved
        return self.verdict(link, view, beyond, waiting=waiting) or view

    def verdict(
        self, link: Link, view: View, beyond: str, *, waiting: bool = False
    ) -> Grant | CredentialProblem | None:
        """The token that serves, or why no newer one is to be asked for; None if one is.

        `waiting`: somebody else is asking, so one that is due serves as long as it works.
        """
        held = self._holder.hold(link, view)
        if isinstance(held, CredentialProblem):
            return held
        if held is None:
            return self._paused(link, view)
        now = self._clock.now()
        usable = held.works(now) and held.version != beyond
        if usable and (waiting or not held.due(now)):
            return held
        if not held.renewable:
            return held if usable else self._holder.spent(link, held)
        if held.version == beyond and held.serial and now - held.obtained_at < YOUNG:
            return CredentialProblem(
                Reason.INVALID_CREDENTIALS,
                "The outside system refuses a token that it issued a moment ago.",
                lasting=False,
                retry_after=YOUNG.total_seconds(),
            )
        pause = self._paused(link, view)
        return held if usable and pause is not None else pause

    async def _obtain(self, link: Link, view: View, beyond: str) -> Grant | CredentialProblem:
        held = self._holder.hold(link, view)
        if isinstance(held, CredentialProblem):
            return held
        try:
            obtained = await self._ask(link, view, held)
        except ApiError:
            obtained = _later("The Secret that the provider's OAuth client lies in cannot be read now.")
        self._note(link, obtained)
        if isinstance(obtained, Token):
            self._pauses.pop(link.uid, None)
            return await self._keep(link, view, held, obtained)
        if isinstance(obtained, TokenRefusal):
            if obtained.refused is Refused.GRANT and held is not None and not exchanging(link):
                return await self._doubt(link, held, obtained)
            obtained = _problem(obtained)
        told = self._put_off(link, view, obtained)
        usable = held is not None and held.works(self._clock.now()) and held.version != beyond
        return held if held is not None and usable else told

    async def _ask(self, link: Link, view: View, held: Grant | None) -> Obtained:
        if held is not None and held.refresh_token and not exchanging(link):
            return await self._endpoint.refresh(link, view.values, held.refresh_token)
        return await self._exchange.token(link, view.values)

    async def _keep(
        self, link: Link, view: View, held: Grant | None, token: Token
    ) -> Grant | CredentialProblem:
        base = held or self._holder.blank(link, view, self._entropy.uuid())
        source = self._holder.source(link, view) if exchanging(link) else None
        newer = succeed(base, token, self._clock.now(), pace_of(link, self._entropy.random()), source=source)
        kept = await self._store(link, view, newer)
        if isinstance(kept, Grant):
            await self._wake(link)
        return kept

    async def _doubt(self, link: Link, sent: Grant, refusal: TokenRefusal) -> Grant | CredentialProblem:
        """The far end does not know the refresh token (any more): has somebody else got a newer one?"""
        view = await self._reading.look(link, fresh=True)
        if isinstance(view, CredentialProblem):
            return view
        held = self._holder.hold(link, view)
        if isinstance(held, CredentialProblem):
            return held
        if held is not None and held.version != sent.version and held.works(self._clock.now()):
            return held
        return await self._end(link, view, held or sent, refusal.message)

    async def _end(self, link: Link, view: View, held: Grant, why: str) -> Grant | CredentialProblem:
        """Nothing newer can be had without a person. Stored, so that nobody asks again."""
        ended = replace(
            held,
            serial=held.serial + 1,
            access_token=SecretText(""),
            refresh_token=None,
            refresh_at=None,
            ended=why,
            ended_at=self._clock.now(),
        )
        stored = await self._store(link, view, ended)
        _log.warning(
            "grant ended", namespace=link.namespace, integration=link.key.name, provider=link.provider_label
        )
        await self._wake(link)
        if isinstance(stored, CredentialProblem):
            return stored
        return self._holder.over(link, stored) if stored.ended else stored

    # ------------------------------------------------------------------ storing

    async def _store(self, link: Link, view: View, grant: Grant) -> Grant | CredentialProblem:
        """Store a grant, or take the one that somebody else stored meanwhile where that is the better one."""
        kept = view.kept
        base = kept.grant.lineage if kept.grant is not None else ""
        self._holder.remember(link.uid, grant, base)
        for delay in SAVE_DELAYS:
            await self._sleep(delay)
            try:
                done = await self._book.save(Owner.of(link), replace(kept, grant=grant))
                if isinstance(done, Conflict):
                    theirs = await self._book.load(Owner.of(link))
                    if isinstance(theirs, CredentialProblem):
                        return theirs
                    better = theirs.grant
                    if better is not None and _beats(better, grant, base):
                        self._holder.saved(link.uid)
                        self._reading.learn(link, theirs)
                        return better
                    kept = theirs
                    continue
            except ApiError:
                if grant.origin is Origin.EXCHANGED:
                    return grant  # it can be had again at any time: nothing is lost with it
                continue
            if isinstance(done, CredentialProblem):
                return grant if grant.origin is Origin.EXCHANGED else done
            self._holder.saved(link.uid)
            self._reading.learn(link, done)
            return grant
        return _later("A new token was obtained, but the API server does not take it.")

    async def _save_late(self, link: Link, view: View) -> View | CredentialProblem:
        """Store what an earlier flight obtained and could not store, unless something better is there."""
        unsaved = self._holder.unsaved(link.uid)
        if unsaved is None:
            return view
        grant, base = unsaved
        theirs = view.kept.grant
        if theirs is not None and _beats(theirs, grant, base):
            self._holder.saved(link.uid)
            return view
        saved = await self._store(link, view, grant)
        if isinstance(saved, CredentialProblem):
            return saved
        return replace(view, kept=replace(view.kept, grant=saved))

    # ------------------------------------------------------------------ trouble

    async def _without_lock(self, link: Link, beyond: str) -> Grant | CredentialProblem:
        """The store cannot be used, so nobody may refresh: what there is, while it works."""
        view = await self._reading.look(link)
        held = self._holder.hold(link, view) if isinstance(view, View) else view
        if isinstance(held, Grant) and held.works(self._clock.now()) and held.version != beyond:
            return held
        return (
            held if isinstance(held, CredentialProblem) else _later("The hub's own store cannot be used now.")
        )

    def _put_off(self, link: Link, view: View, problem: CredentialProblem) -> CredentialProblem:
        """Ask no more for a while: longer each time, and as long as the far end asks for."""
        before = self._pauses.get(link.uid)
        failures = before.failures + 1 if before is not None else 1
        seconds = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE)
        seconds = max(seconds * (0.75 + 0.5 * self._entropy.random()), problem.retry_after or 0.0)
        told = replace(problem, retry_after=seconds)
        until = self._clock.monotonic() + seconds
        self._pauses[link.uid] = Pause(until, failures, self._inputs(link, view), told)
        return told

    def _paused(self, link: Link, view: View | None = None) -> CredentialProblem | None:
        pause = self.pause(link.uid)
        if pause is None or (view is not None and pause.inputs != self._inputs(link, view)):
            return None
        left = max(pause.until - self._clock.monotonic(), 0.0)
        return replace(pause.problem, retry_after=left)

    def _inputs(self, link: Link, view: View) -> str:
        """What a token request would be made of: where that changes, it is worth another try."""
        return f"{link.generation}/{link.provider_uid}/{link.provider_generation}/{view.secret_version}"

    def _note(self, link: Link, obtained: Token | TokenRefusal | CredentialProblem) -> None:
        match obtained:
            case Token():
                result = "obtained"
            case TokenRefusal():
                result = obtained.refused.value
            case CredentialProblem():
                result = "unasked"
        self._metrics.count_token_request(link.provider_label, result)
        outcome = "allowed" if isinstance(obtained, Token) else "failed"
        self._usage.tell(link.key, "", "refresh", outcome, result)

    async def _wake(self, link: Link) -> None:
        with suppress(StoreError):
            await self._wakeups.wake(Wakeup(INTEGRATION.kind, link.namespace, link.key.name, "credentials"))


def _beats(theirs: Grant, ours: Grant, base: str) -> bool:
    """Whether what somebody else stored is to stay: another authorization, or a newer token of the same."""
    if theirs.lineage == ours.lineage:
        return theirs.serial >= ours.serial
    return theirs.lineage != base


def _later(why: str) -> CredentialProblem:
    return CredentialProblem(Reason.REFRESH_FAILED, why, lasting=False, retry_after=FIRST_PAUSE)


def _problem(refusal: TokenRefusal) -> CredentialProblem:
    told = refusal.message[:1].upper() + refusal.message[1:] + "."
    match refusal.refused:
        case Refused.TRANSIENT:
            return CredentialProblem(
                Reason.REFRESH_FAILED, told, lasting=False, retry_after=refusal.retry_after
            )
        case Refused.REQUEST:
            return CredentialProblem(Reason.CONFIG_REFUSED, told)
        case _:
            return CredentialProblem(Reason.INVALID_CREDENTIALS, told)
