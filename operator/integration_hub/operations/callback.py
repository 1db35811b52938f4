"""Somebody comes back from the vendor: their code for a grant (OAU-03, OAU-06; C-23).

The browser's GET and a front end's POST end here alike. Everything that came along is checked before the
code is looked at: the state (once), the provider, the session, the issuer, and that the Integration is
still the one that was left. The grant is stored before anybody is told.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.credentials.account import AccountFinder
from integration_hub.credentials.oauth_endpoint import OAuthEndpoint, Redemption, oauth_of
from integration_hub.credentials.reading import Reading
from integration_hub.credentials.source import HubCredentials
from integration_hub.domain.conditions import clip
from integration_hub.operations.connect import unreadable
from integration_hub.operations.connecting import (
    CONNECT,
    Journey,
    Journeys,
    needs_a_person,
    problem_of,
    same,
    session_mark,
)
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import (
    ApiError,
    AuditLog,
    AuditRecord,
    Caller,
    Clock,
    CredentialProblem,
    Link,
    NoLink,
    Problem,
    SecretText,
    StoreError,
    Wakeup,
    Wakeups,
)
from integration_hub.providers.linking import Linker
from integration_hub.providers.token_answer import Token, TokenRefusal

_CODE = re.compile(r"[\x20-\x7e]{1,4096}")
_ERROR = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class CallbackInput:
    """What the vendor sent along. `slug` is the provider in the path of a browser's GET.

    `integration` is a name or uid and `namespace` its own, where a front end posts for one.
    """

    state: SecretText
    code: SecretText | None = None
    slug: str = ""
    namespace: str = ""
    integration: str = ""
    issuer: str = ""
    error: str = ""
    error_description: str = ""
    session: SecretText | None = None
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What is connected now; `account` is the vendor's id of it, where it is known."""

    namespace: str
    name: str
    account: str


class Callback:
    """A browser's GET has no caller but the state, which an authorised caller was given."""

    def __init__(
        self,
        *,
        integrations: Integrations,
        linker: Linker,
        reading: Reading,
        endpoint: OAuthEndpoint,
        accounts: AccountFinder,
        credentials: HubCredentials,
        journeys: Journeys,
        wakeups: Wakeups,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._integrations = integrations
        self._linker = linker
        self._reading = reading
        self._endpoint = endpoint
        self._accounts = accounts
        self._credentials = credentials
        self._journeys = journeys
        self._wakeups = wakeups
        self._audit = audit
        self._clock = clock

    async def __call__(self, caller: Caller | None, asked: CallbackInput) -> CallbackAnswer | Problem:
        """`caller` None: a browser. Who may not connect here does not use the state up."""
        refusal = await self._unauthorised(caller, asked)
        if refusal is not None:
            return refusal
        journey = await self._journeys.end(asked.state)
        if isinstance(journey, Problem):
            return journey
        answer = await self._arrive(caller, asked, journey)
        self._tell(asked, journey, answer)
        return answer

    async def _arrive(
        self, caller: Caller | None, asked: CallbackInput, journey: Journey
    ) -> CallbackAnswer | Problem:
        refusal = _stranger(caller, asked, journey) or _mixed_up(asked, journey) or _refused(asked)
        if refusal is not None:
            return refusal
        link = self._left(journey)
        if isinstance(link, Problem):
            return link
        code = asked.code
        if code is None or not _CODE.fullmatch(code.reveal()):
            return _again("The vendor sent no code along")
        token = await self._redeem(link, journey, code)
        if isinstance(token, Problem):
            return token
        account = await self._accounts.find(link, token)
        problem = await self._credentials.connected(link, token, account)
        if problem is not None:
            return problem_of(problem)
        with suppress(StoreError):
            await self._wakeups.wake(Wakeup(INTEGRATION.kind, link.namespace, link.key.name, "connected"))
        return CallbackAnswer(link.namespace, link.key.name, account)

    # ------------------------------------------------------------------ who and where

    async def _unauthorised(self, caller: Caller | None, asked: CallbackInput) -> Problem | None:
        if caller is None:
            return None
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, verb="create", subresource=CONNECT, trail=asked.trail
        )
        return found if isinstance(found, Problem) else None

    def _left(self, journey: Journey) -> Link | Problem:
        """The Integration that was left: the same object, still with the same provider."""
        found = self._integrations.find(journey.namespace, journey.name)
        if found is None or found.uid != journey.uid:
            return Problem(
                ErrorCode.INTEGRATION_NOT_FOUND, f"Integration {journey.name} is not there any more."
            )
        link = self._linker.connectable(found)
        if isinstance(link, NoLink):
            return link.problem
        if link.provider_uid != journey.provider_uid:
            return _again("Its provider was changed meanwhile")
        return needs_a_person(link) or link

    async def _redeem(self, link: Link, journey: Journey, code: SecretText) -> Token | Problem:
        try:
            view = await self._reading.look(link)
            if isinstance(view, CredentialProblem):
                return problem_of(view)
            verifier = SecretText(journey.verifier) if oauth_of(link).pkce else None
            brought = Redemption(code, journey.redirect_uri, verifier)
            found = await self._endpoint.redeem(link, view.values, brought)
        except ApiError as error:
            return problem_of(unreadable(error))
        if isinstance(found, TokenRefusal):
            return Problem(
                ErrorCode.INVALID_CREDENTIALS,
                f"The vendor gave no token for the code: {found.message}. Start connecting again.",
                found.retry_after,
            )
        return problem_of(found) if isinstance(found, CredentialProblem) else found

    def _tell(self, asked: CallbackInput, journey: Journey, answer: CallbackAnswer | Problem) -> None:
        failed = isinstance(answer, Problem)
        self._audit.record_audit(
            AuditRecord(
                at=self._clock.now(),
                namespace=journey.namespace,
                actor=journey.user,
                action="connect",
                resource=f"{INTEGRATION.plural}/credentials",
                name=journey.name,
                outcome="failed" if failed else "allowed",
                detail=answer.details if isinstance(answer, Problem) else "",
                correlation_id=asked.trail.correlation_id,
            )
        )


def _stranger(caller: Caller | None, asked: CallbackInput, journey: Journey) -> Problem | None:
    """Why this is not who was sent away, or not where they were sent from."""
    mark = session_mark(asked.session)
    if journey.session and not same(journey.session, mark):
        return _again("It was begun in another browser")
    if caller is None:
        return None if same(asked.slug, journey.slug) else _again("It was begun with another provider")
    if not same(caller.user, journey.user):
        return _again("Somebody else began it")
    if asked.namespace != journey.namespace or asked.integration not in (journey.name, journey.uid):
        return _again("It was begun for another Integration")
    return None


def _mixed_up(asked: CallbackInput, journey: Journey) -> Problem | None:
    """RFC 9207: an answer of another authorization server than the one that was asked."""
    if not journey.issuer or same(asked.issuer, journey.issuer):
        return None
    return _again("The answer is not from the provider that was asked (iss)")


def _refused(asked: CallbackInput) -> Problem | None:
    """RFC 6749 section 4.1.2.1. The vendor's words are shown as text, short, printable letters only."""
    if not asked.error:
        return None
    parts = (asked.error, asked.error_description)
    said = clip(": ".join(_ERROR.sub(" ", part).strip() for part in parts if part), 200)
    return Problem(ErrorCode.INVALID_CREDENTIALS, f"The vendor did not authorise the hub ({said}).")


def _again(why: str) -> Problem:
    return Problem(ErrorCode.INVALID_REQUEST, f"{why}: start connecting again.")
