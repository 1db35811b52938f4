"""`ports.CredentialSource`: what a connection's calls carry, whatever its mode.

Warm credentials cost two look-ups: what was made of the Secrets is remembered for as long as the watch
tells of no change and, for a token, until a newer one is due. A due token goes on being used while the
newer one is on its way; only one that has ended is waited for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from integration_hub.api.authentication import AuthMode, AuthType
from integration_hub.api.reasons import Reason
from integration_hub.credentials import presenting
from integration_hub.credentials.exchange import Exchange
from integration_hub.credentials.grant import SAFETY, Grant, Origin, succeed
from integration_hub.credentials.holding import TOKEN_MODES, Holder, pace_of, provider_name
from integration_hub.credentials.owned_secret import Conflict, OwnedBook, Owner
from integration_hub.credentials.reading import Reading, View
from integration_hub.credentials.refresh import Refresher
from integration_hub.credentials.usage import Usage
from integration_hub.ports import (
    ApiError,
    Clock,
    CredentialFacts,
    CredentialProblem,
    Entropy,
    Expressions,
    Link,
    NoLink,
    Presented,
    Purpose,
    RotationStage,
    SecretText,
)
from integration_hub.providers.secret_values import CLIENT, Values
from integration_hub.providers.token_answer import Token

NOTHING = Presented()
DUE_GRACE = timedelta(seconds=1)
"""How long a token that is due is handed out without another look at how the newer one is getting on."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """What was handed out last: good for this view, until then."""

    view: View
    presented: Presented
    until: datetime | None


class HubCredentials:
    """See the module's text. Belongs to one event loop."""

    def __init__(
        self,
        *,
        reading: Reading,
        book: OwnedBook,
        holder: Holder,
        refresher: Refresher,
        exchange: Exchange,
        expressions: Expressions,
        usage: Usage,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._reading = reading
        self._book = book
        self._holder = holder
        self._refresher = refresher
        self._exchange = exchange
        self._expressions = expressions
        self._usage = usage
        self._clock = clock
        self._entropy = entropy
        self._ready: dict[str, _Ready] = {}
        self._minted: dict[str, Grant] = {}

    # ------------------------------------------------------------------ ports.CredentialSource

    async def present(
        self, link: Link, *, caller: str = "", purpose: str = ""
    ) -> Presented | CredentialProblem:
        """See the port."""
        outcome: Presented | CredentialProblem
        if _needs_nothing(link.mode):
            return NOTHING
        ready = self._ready.get(link.uid)
        if (
            ready is not None
            and purpose != Purpose.ROTATION
            and ready.view is self._reading.warm(link)
            and (ready.until is None or self._clock.now() < ready.until)
        ):
            outcome = ready.presented
        else:
            outcome = await self._present(link, purpose)
        self._usage.used(link, caller, purpose, outcome)
        return outcome

    async def renew(self, link: Link, refused: Presented) -> Presented | CredentialProblem:
        """See the port."""
        current = await self._present(link, "")
        if isinstance(current, CredentialProblem) or current.version != refused.version:
            return current
        if link.mode.type not in TOKEN_MODES:
            return CredentialProblem(
                Reason.INVALID_CREDENTIALS, "The outside system refuses the credentials; replace them."
            )
        if _mints(link.mode):
            self._minted.pop(link.uid, None)
            self._ready.pop(link.uid, None)
            return await self._present(link, "")
        view = await self._reading.look(link)
        told = self._refresher.verdict(link, view, refused.version) if isinstance(view, View) else view
        if not isinstance(told, CredentialProblem):
            told = await self._refresher.newer(link, beyond=refused.version)
        return await self._handed(link, told)

    async def facts(self, link: Link) -> CredentialFacts | CredentialProblem:
        """See the port."""
        if _needs_nothing(link.mode):
            return CredentialFacts()
        view = await self._reading.look(link)
        return view if isinstance(view, CredentialProblem) else self._facts(link, view)

    async def refresh(self, link: Link) -> CredentialFacts | CredentialProblem:
        """See the port. What was sealed with an old key is sealed anew on the way."""
        if _needs_nothing(link.mode):
            return CredentialFacts()
        view = await self._reading.look(link)
        if isinstance(view, View) and view.kept.stale:
            view = await self._reseal(link)
        if isinstance(view, CredentialProblem):
            return view
        if link.mode.type in TOKEN_MODES and not _mints(link.mode):
            held = self._holder.hold(link, view)
            now = self._clock.now()
            if held is None or (isinstance(held, Grant) and held.renewable and _wanting(held, now)):
                newer = await self._refresher.newer(link)
                if isinstance(newer, CredentialProblem):
                    return newer
        return await self.facts(link)

    # ------------------------------------------------------------------ grants of people

    async def connected(self, link: Link, token: Token, account: str) -> CredentialProblem | None:
        """A person has authorised the hub: keep the grant, in place of any earlier one. Stored on return."""
        view = await self._reading.look(link, fresh=True)
        if isinstance(view, CredentialProblem):
            return view
        now = self._clock.now()
        blank = replace(
            self._holder.blank(link, view, self._entropy.uuid()),
            origin=Origin.CONNECTED,
            source=self._holder.brought(link, view),
            account=account,
        )
        grant = succeed(blank, token, now, pace_of(link, self._entropy.random()))
        problem = await self._change(link, grant)
        if problem is None:
            self._holder.saved(link.uid)
            self._refresher.forget(link.uid)
        return problem

    async def disconnect(self, owner: Owner, link: Link | NoLink, caller: str) -> CredentialProblem | None:
        """Forget the grant and what was given over HTTP. NoLink: its provider is not there any more.

        What a user's own Secret holds stays theirs, and is not used again until it changes.
        """
        ended = await self._given_up(link, caller) if isinstance(link, Link) else None
        done = await self._book.change(
            owner, lambda kept: replace(kept, grant=ended, given=_client_of(kept.given)), anew=True
        )
        problem = done if isinstance(done, CredentialProblem) else None
        if problem is None:
            self.forget(owner.uid)
        self._usage.tell(owner.key, caller, "disconnect", "failed" if problem else "allowed")
        return problem

    async def close(self, seconds: float) -> None:
        """Let tokens that are on their way come and be stored, so long at most; then give up."""
        await self._refresher.close(seconds)

    def forget(self, uid: str) -> None:
        """The Integration is gone: drop all that is remembered of it."""
        self._ready.pop(uid, None)
        self._minted.pop(uid, None)
        self._reading.forget(uid)
        self._holder.saved(uid)
        self._refresher.forget(uid)

    # ------------------------------------------------------------------ inside

    async def _present(self, link: Link, purpose: str) -> Presented | CredentialProblem:
        view = await self._reading.look(link)
        if isinstance(view, CredentialProblem):
            return view
        change = view.kept.rotation
        if purpose == Purpose.ROTATION and change is not None and change.stage is RotationStage.TRIAL:
            return presenting.of_values(link, view, self._expressions, {**view.values, **change.new})
        if link.mode.type in TOKEN_MODES:
            return await self._handed(link, await self._grant(link, view))
        presented = presenting.of_values(link, view, self._expressions)
        if isinstance(presented, Presented):
            self._ready[link.uid] = _Ready(view, presented, None)
        return presented

    async def _grant(self, link: Link, view: View) -> Grant | CredentialProblem:
        if _mints(link.mode):
            return self._mint(link, view)
        held = self._holder.hold(link, view)
        if isinstance(held, CredentialProblem):
            return held
        now = self._clock.now()
        if held is not None and held.works(now):
            if held.due(now):
                self._refresher.ahead(link)
            return held
        if held is not None and not held.renewable:
            return self._holder.spent(link, held)
        return await self._refresher.newer(link)

    async def _handed(self, link: Link, grant: Grant | CredentialProblem) -> Presented | CredentialProblem:
        """The token on its way out, remembered until another look is called for."""
        if isinstance(grant, CredentialProblem):
            return grant
        view = await self._reading.look(link)
        if isinstance(view, CredentialProblem):
            return view
        presented = presenting.of_token(link, view, grant)
        now = self._clock.now()
        again = now + DUE_GRACE if grant.due(now) else grant.refresh_at
        ends = grant.expires_at - SAFETY if grant.expires_at is not None else None
        until = min((each for each in (again, ends) if each is not None), default=None)
        self._ready[link.uid] = _Ready(view, presented, until)
        return presented

    def _mint(self, link: Link, view: View) -> Grant | CredentialProblem:
        """A statement that is itself the token: signed here, so nothing is asked for or stored."""
        known, source, now = self._minted.get(link.uid), self._holder.source(link, view), self._clock.now()
        if known is not None and known.source == source and known.works(now) and not known.due(now):
            return known
        if link.mode.jwt is None:
            raise LookupError("only a mode with jwt mints")
        signed = self._exchange.mint(link, view.values, link.mode.jwt)
        if isinstance(signed, CredentialProblem):
            return signed
        blank = self._holder.blank(link, view, self._entropy.uuid())
        minted = succeed(blank, signed, now, pace_of(link, 0.0))
        self._minted[link.uid] = minted
        return minted

    async def _given_up(self, link: Link, caller: str) -> Grant | None:
        """What remembers that the tokens in the user's Secret are not wanted any more; None without any."""
        view = await self._reading.look(link, fresh=True)
        brought = self._holder.brought(link, view) if isinstance(view, View) and view.source else ""
        if not brought:
            return None
        now = self._clock.now()
        return Grant(
            lineage=self._entropy.uuid(),
            serial=0,
            origin=Origin.IMPORTED,
            access_token=SecretText(""),
            obtained_at=now,
            source=brought,
            provider=provider_name(link),
            ended=f"it was disconnected by {caller}",
            ended_at=now,
        )

    async def _reseal(self, link: Link) -> View | CredentialProblem:
        view = await self._reading.look(link, fresh=True)
        if isinstance(view, CredentialProblem) or not view.kept.stale:
            return view
        try:
            done = await self._book.save(Owner.of(link), view.kept)
        except ApiError:
            return view
        if not isinstance(done, Conflict | CredentialProblem):
            self._reading.learn(link, done)
        return await self._reading.look(link)

    async def _change(self, link: Link, grant: Grant | None) -> CredentialProblem | None:
        """Put this grant in the place of the one that is kept, whatever that is by now."""
        done = await self._book.change(Owner.of(link), lambda kept: replace(kept, grant=grant))
        if isinstance(done, CredentialProblem):
            return done
        self._ready.pop(link.uid, None)
        self._reading.changed(link.uid)
        return None

    # ------------------------------------------------------------------ facts

    def _facts(self, link: Link, view: View) -> CredentialFacts | CredentialProblem:
        kept, now = view.kept, self._clock.now()
        named, rotation = link.spec.credentials, link.spec.credentials.rotation
        into_secret = named.secret_ref is not None and rotation is not None and rotation.write_back
        facts = CredentialFacts(
            version=view.version,
            secret_version=view.secret_version,
            rotated_at=kept.rotated_at,
            stale=kept.stale,
            sealed=bool(kept.uid) and kept.sealed,
            rotatable=link.mode.rotation is not None and (not named.place or into_secret),
            unread=view.unread,
            stage=kept.rotation.stage if kept.rotation is not None else RotationStage.NONE,
        )
        if link.mode.type not in TOKEN_MODES:
            applied = presenting.of_values(link, view, self._expressions)
            return applied if isinstance(applied, CredentialProblem) else facts
        if _mints(link.mode):
            return facts
        held = self._holder.hold(link, view)
        if held is None:
            pause = self._refresher.pause(link.uid)
            return pause.problem if pause is not None else replace(facts, refresh_at=now)
        if isinstance(held, CredentialProblem):
            return held
        return self._grant_facts(link, facts, held)

    def _grant_facts(
        self, link: Link, facts: CredentialFacts, held: Grant
    ) -> CredentialFacts | CredentialProblem:
        now = self._clock.now()
        pause = self._refresher.pause(link.uid)
        if not held.works(now):
            if not held.renewable:
                return self._holder.spent(link, held)
            if pause is not None:
                return pause.problem
        due = now if not held.works(now) else held.refresh_at
        if pause is not None and due is not None and due <= now:
            due = now + timedelta(seconds=max(pause.until - self._clock.monotonic(), 0.0))
        oauth = link.provider.oauth
        ends = oauth is not None and bool(oauth.revoke_url)
        return replace(
            facts,
            expires_at=held.expires_at,
            refresh_at=due,
            rotated_at=held.obtained_at if held.serial else facts.rotated_at,
            trouble=pause.problem.message if pause is not None else "",
            revocable=ends and held.origin is Origin.CONNECTED,
            account_id=held.account,
        )


def _client_of(given: Values) -> dict[str, SecretText]:
    """The client that the hub registered: it is no grant, and serves the next one."""
    return {name: given[name] for name in CLIENT if name in given}


def _wanting(grant: Grant, now: datetime) -> bool:
    return grant.due(now) or not grant.works(now)


def _mints(mode: AuthMode) -> bool:
    return mode.jwt is not None and mode.jwt.exchange == "none"


def _needs_nothing(mode: AuthMode) -> bool:
    return mode.type is AuthType.NONE and not mode.extra_headers and not mode.extra_query
