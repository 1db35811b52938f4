"""`ports.CredentialKeeper`, `ports.CredentialIntake`: what is done to credentials rather than with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from integration_hub.api.reasons import Reason
from integration_hub.credentials import presenting
from integration_hub.credentials.grant import Origin
from integration_hub.credentials.holding import TOKEN_MODES
from integration_hub.credentials.oauth_endpoint import OAuthEndpoint
from integration_hub.credentials.owned_secret import OwnedBook, Owner
from integration_hub.credentials.reading import Reading
from integration_hub.credentials.rotation import KeySteps
from integration_hub.credentials.source import HubCredentials
from integration_hub.credentials.usage import Usage
from integration_hub.ports import (
    ApiError,
    CredentialFacts,
    CredentialProblem,
    Key,
    Link,
    SecretText,
)


@dataclass(frozen=True, slots=True)
class HubKeeper:
    """See the ports."""

    source: HubCredentials
    reading: Reading
    book: OwnedBook
    endpoint: OAuthEndpoint
    steps: KeySteps
    usage: Usage

    # ------------------------------------------------------------------ ports.CredentialIntake

    async def keep(
        self, integration: Key, uid: str, given: Mapping[str, SecretText], *, caller: str
    ) -> CredentialProblem | None:
        """See the port."""
        done = await self.book.change(
            Owner(integration, uid), lambda kept: replace(kept, given=dict(given)), anew=True
        )
        problem = done if isinstance(done, CredentialProblem) else None
        self.usage.tell(integration, caller, "store", "failed" if problem else "allowed")
        self.source.forget(uid)
        self.reading.changed(uid)
        return problem

    # ------------------------------------------------------------------ ports.CredentialKeeper

    async def values(self, link: Link) -> Mapping[str, SecretText] | CredentialProblem:
        """See the port."""
        presented = await self.source.present(link, purpose="projection")
        if isinstance(presented, CredentialProblem):
            return presented
        view = await self.reading.look(link)
        if isinstance(view, CredentialProblem):
            return view
        if link.mode.type in TOKEN_MODES:
            return {"token": presenting.bare_token(link, presented)}
        return {name: value for name, value in view.values.items() if value}

    async def revoke(self, link: Link) -> CredentialProblem | None:
        """See the port. Only a grant that a person gave to the hub: what a Secret brought is its owner's."""
        try:
            view = await self.reading.look(link, fresh=True)
            if isinstance(view, CredentialProblem):
                return view
            grant = view.kept.grant
            if grant is None or grant.ended or grant.origin is not Origin.CONNECTED:
                return None
            ends = ((grant.refresh_token, "refresh_token"), (grant.access_token, "access_token"))
            for token, hint in ends:
                problem = await self.endpoint.revoke(link, view.values, token, hint) if token else None
                if problem is not None:
                    break
        except ApiError as error:
            return CredentialProblem(
                Reason.SECRET_UNREADABLE,
                f"The grant cannot be read now ({error.reason or error.status}).",
                lasting=False,
            )
        self.usage.tell(link.key, "", "revoke", "failed" if problem else "allowed")
        return problem

    async def make_key(self, link: Link) -> CredentialFacts | CredentialProblem:
        """See the port."""
        return await self._step(link, "make key", self.steps.make)

    async def swap_key(self, link: Link) -> CredentialFacts | CredentialProblem:
        """See the port."""
        return await self._step(link, "swap key", self.steps.swap)

    async def end_old_key(self, link: Link) -> CredentialFacts | CredentialProblem:
        """See the port."""
        return await self._step(link, "end old key", self.steps.end_old)

    async def roll_back_key(self, link: Link) -> CredentialFacts | CredentialProblem:
        """See the port."""
        return await self._step(link, "roll back key", self.steps.roll_back)

    async def _step(
        self, link: Link, action: str, step: Callable[[Link], Awaitable[CredentialProblem | None]]
    ) -> CredentialFacts | CredentialProblem:
        problem = await step(link)
        self.usage.tell(link.key, "", action, "failed" if problem else "allowed")
        return problem if problem is not None else await self.source.facts(link)
