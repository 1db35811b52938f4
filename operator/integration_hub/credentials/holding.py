"""Which grant a connection holds: the one the hub keeps, one that the user's Secret brings, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from integration_hub.api.authentication import AuthType
from integration_hub.api.reasons import Reason
from integration_hub.credentials.exchange import EXCHANGING
from integration_hub.credentials.grant import Grant, Origin, Pace, digest_of, imported
from integration_hub.credentials.reading import View
from integration_hub.ports import Clock, CredentialProblem, Link, SecretText

TOKEN_MODES = EXCHANGING | {AuthType.OAUTH2}


def exchanging(link: Link) -> bool:
    """Whether the hub can obtain a token at any time, without a person."""
    return link.mode.type in EXCHANGING


def pace_of(link: Link, chance: float) -> Pace:
    return Pace(timedelta(seconds=link.spec.credentials.refresh_before_seconds), chance)


def provider_name(link: Link) -> str:
    """Names the provider that a grant is for: a grant for one is never sent to another."""
    return f"{link.provider_kind}/{link.provider_namespace}/{link.provider_name}"


class Holder:
    """Tells the grant of a connection. `connect_url` is the page where a person connects it."""

    def __init__(self, clock: Clock, connect_url: Callable[[Link], str]) -> None:
        self._clock = clock
        self._connect_url = connect_url
        self._unsaved: dict[str, tuple[Grant, str]] = {}

    def hold(self, link: Link, view: View) -> Grant | CredentialProblem | None:
        """The grant; None where one can be obtained without a person; a problem where it takes one."""
        return self._exchanged(link, view) if exchanging(link) else self._authorised(link, view)

    def _exchanged(self, link: Link, view: View) -> Grant | None:
        source = self.source(link, view)
        unsaved, _ = self._unsaved.get(link.uid, (None, ""))
        candidates = (view.kept.grant, unsaved)
        fitting = [
            each
            for each in candidates
            if each is not None and each.source == source and each.provider == provider_name(link)
        ]
        return max(fitting, key=lambda each: each.obtained_at, default=None)

    def _authorised(self, link: Link, view: View) -> Grant | CredentialProblem:
        kept = view.kept.grant
        if kept is not None and kept.provider != provider_name(link):
            kept = None
        brought = imported(
            view.values, provider=provider_name(link), now=self._clock.now(), pace=pace_of(link, 0.5)
        )
        # Where the Secret brings other tokens than when the kept grant was made, the user's hand wins.
        grant = kept if kept is not None and (brought is None or kept.source == brought.source) else brought
        if grant is None:
            return self.unconnected(link)
        return self.over(link, grant) if grant.ended else grant

    def brought(self, link: Link, view: View) -> str:
        """Digest of the tokens that the user's Secret brings along; empty if it brings none."""
        found = imported(view.values, provider="", now=self._clock.now(), pace=pace_of(link, 0.0))
        return found.source if found is not None else ""

    def source(self, link: Link, view: View) -> str:
        """Digest of what an exchanged token was made of: credentials, settings, the scheme itself."""
        scheme = link.mode.model_dump_json(by_alias=True, exclude={"description"})
        oauth = link.provider.oauth.model_dump_json(by_alias=True) if link.provider.oauth else ""
        made_of = {
            **view.values,
            "\0config": SecretText(repr(sorted(link.config.items()))),
            "\0scheme": SecretText(scheme + oauth),
            "\0region": SecretText(link.spec.region),
        }
        return digest_of(made_of)

    def blank(self, link: Link, view: View, lineage: str) -> Grant:
        """What the first token of an exchange succeeds."""
        now = self._clock.now()
        return Grant(
            lineage=lineage,
            serial=0,
            origin=Origin.EXCHANGED,
            access_token=SecretText(""),
            obtained_at=now,
            source=self.source(link, view),
            provider=provider_name(link),
        )

    # ------------------------------------------------------------------ not stored yet

    def remember(self, uid: str, grant: Grant, base: str) -> None:
        """A grant that was obtained and is about to be stored in place of one of lineage `base`."""
        self._unsaved[uid] = grant, base

    def saved(self, uid: str) -> None:
        self._unsaved.pop(uid, None)

    def unsaved(self, uid: str) -> tuple[Grant, str] | None:
        return self._unsaved.get(uid)

    # ------------------------------------------------------------------ a person is needed

    def unconnected(self, link: Link) -> CredentialProblem:
        return CredentialProblem(
            Reason.PENDING_AUTHORIZATION, f"Nobody has connected the account yet{self._where(link)}."
        )

    def spent(self, link: Link, grant: Grant) -> CredentialProblem:
        """A token that does not work any more, or was refused, and came without a refresh token."""
        if grant.works(self._clock.now()):
            return CredentialProblem(
                Reason.INVALID_CREDENTIALS,
                f"The outside system refuses the token{self._where(link)}{_in_secret(link, grant)}.",
            )
        ended = replace(grant, ended="its token has expired, and no refresh token came with it")
        return self.over(link, ended)

    def over(self, link: Link, grant: Grant) -> CredentialProblem:
        """The grant has ended. For tokens that a Secret brought, new ones there do as well."""
        return CredentialProblem(
            Reason.REAUTH_REQUIRED,
            f"The account has to be connected again: {grant.ended}{self._where(link)}"
            f"{_in_secret(link, grant)}.",
        )

    def _where(self, link: Link) -> str:
        address = self._connect_url(link)
        return f"; open {address}" if address else f"; `kubectl hub connect {link.key.name}` does it"


def _in_secret(link: Link, grant: Grant) -> str:
    place = link.spec.credentials.place if grant.origin is Origin.IMPORTED else ""
    return f", or put new tokens into {place}" if place else ""
