"""Give an account back: end the grant at the vendor, forget it here (OAU-04)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from integration_hub.api.authentication import AuthType
from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.credentials.owned_secret import Owner
from integration_hub.credentials.source import HubCredentials
from integration_hub.operations.connecting import CONNECT, problem_of
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import (
    Caller,
    CredentialKeeper,
    Link,
    NoLink,
    Problem,
    StoreError,
    Wakeup,
    Wakeups,
)
from integration_hub.providers.linking import Linker


@dataclass(frozen=True, slots=True)
class DisconnectInput:
    """`integration` is a name or uid."""

    namespace: str
    integration: str
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class DisconnectAnswer:
    """`left` says what could not be ended at the vendor, and why; empty where nothing is left there."""

    namespace: str
    name: str
    left: str = ""


class Disconnect:
    """Needs: create integrations/connect, as connecting does.

    What the hub holds is forgotten whatever the vendor says. Tokens in a user's own Secret stay there, and
    are not used again until they change.
    """

    def __init__(
        self,
        *,
        integrations: Integrations,
        linker: Linker,
        credentials: HubCredentials,
        keeper: CredentialKeeper,
        wakeups: Wakeups,
    ) -> None:
        self._integrations = integrations
        self._linker = linker
        self._credentials = credentials
        self._keeper = keeper
        self._wakeups = wakeups

    async def __call__(self, caller: Caller, asked: DisconnectInput) -> DisconnectAnswer | Problem:
        """Safe to repeat. INVALID_CONFIGURATION where the credentials are not the hub's to forget."""
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, verb="create", subresource=CONNECT, trail=asked.trail
        )
        if isinstance(found, Problem):
            return found
        link = self._linker.connectable(found)
        refusal = _stays(link) if isinstance(link, Link) else None
        if refusal is not None:
            return refusal
        left = "" if isinstance(link, NoLink) else await self._end(link)
        owner = Owner(found.key, found.uid)
        problem = await self._credentials.disconnect(owner, link, caller.user)
        if problem is not None:
            return problem_of(problem)
        with suppress(StoreError):
            await self._wakeups.wake(
                Wakeup(INTEGRATION.kind, found.key.namespace, found.key.name, "disconnected")
            )
        return DisconnectAnswer(found.key.namespace, found.key.name, left)

    async def _end(self, link: Link) -> str:
        problem = await self._keeper.revoke(link)
        return problem.message if problem is not None else ""


def _stays(link: Link) -> Problem | None:
    """What no forgetting ends: a user's own key would be used again, and none is needed for mode NONE."""
    if link.mode.type is AuthType.OAUTH2:
        return None
    own = link.spec.credentials.place
    if link.mode.type is AuthType.NONE:
        where = "needs no credentials"
    elif own:
        where = f"takes its credentials from your {own}"
    else:
        return None
    return Problem(
        ErrorCode.INVALID_CONFIGURATION,
        f"Integration {link.key.name} {where}, which the hub cannot end: switch it off, or delete it.",
    )
