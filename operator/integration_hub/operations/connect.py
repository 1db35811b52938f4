"""Send a person to the vendor to connect an account (OAU-02, OAU-05)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from oauthlib.common import add_params_to_uri

from integration_hub.api.errors import ErrorCode
from integration_hub.api.reasons import Reason
from integration_hub.credentials.client import Clients, OAuthClient
from integration_hub.credentials.oauth_endpoint import oauth_of
from integration_hub.credentials.reading import Reading
from integration_hub.credentials.registration import Registrar
from integration_hub.domain import url
from integration_hub.operations.connecting import (
    CONNECT,
    STATE_LIFE,
    Journey,
    Journeys,
    challenge_of,
    needs_a_person,
    new_verifier,
    problem_of,
    session_mark,
)
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import (
    ApiError,
    Caller,
    Clock,
    CredentialProblem,
    Expressions,
    Link,
    NoLink,
    Problem,
    SecretText,
)
from integration_hub.providers.linking import Linker
from integration_hub.providers.request import RequestProblem, filled_url


@dataclass(frozen=True, slots=True)
class ConnectInput:
    """`integration` is a name or uid. `session` is the browser's, where the way back must end in the same."""

    namespace: str
    integration: str
    session: SecretText | None = None
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """`authorize_url` is for the caller's browser and holds the state: it is never stored or logged."""

    namespace: str
    name: str
    authorize_url: str = field(repr=False)
    expires_at: datetime


class Connect:
    """Needs: create integrations/connect."""

    def __init__(
        self,
        *,
        integrations: Integrations,
        linker: Linker,
        reading: Reading,
        clients: Clients,
        registrar: Registrar,
        journeys: Journeys,
        expressions: Expressions,
        clock: Clock,
    ) -> None:
        self._integrations = integrations
        self._linker = linker
        self._reading = reading
        self._clients = clients
        self._registrar = registrar
        self._journeys = journeys
        self._expressions = expressions
        self._clock = clock

    async def __call__(self, caller: Caller, asked: ConnectInput) -> ConnectAnswer | Problem:
        """The vendor's page with everything that belongs into its address (RFC 6749 section 4.1.1)."""
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, verb="create", subresource=CONNECT, trail=asked.trail
        )
        if isinstance(found, Problem):
            return found
        link = self._linker.connectable(found)
        if isinstance(link, NoLink):
            return link.problem
        refusal = needs_a_person(link) or self._unreachable()
        if refusal is not None:
            return refusal
        client = await self._client(link)
        if isinstance(client, CredentialProblem):
            return problem_of(client)
        page = self._page(link)
        if isinstance(page, Problem):
            return page
        verifier = new_verifier()
        state = await self._journeys.begin(self._journey(caller, asked, link, verifier))
        if isinstance(state, Problem):
            return state
        address = add_params_to_uri(page, self._parameters(link, client, state, verifier))
        return ConnectAnswer(link.namespace, link.key.name, address, self._clock.now() + STATE_LIFE)

    # ------------------------------------------------------------------ inside

    def _unreachable(self) -> Problem | None:
        if self._journeys.ready:
            return None
        return Problem(
            ErrorCode.INVALID_CONFIGURATION,
            "The hub does not know the address that browsers reach it at: an administrator sets public_url.",
        )

    async def _client(self, link: Link) -> OAuthClient | CredentialProblem:
        try:
            view = await self._reading.look(link)
            if isinstance(view, CredentialProblem):
                return view
            client = await self._clients.find(link, view.values)
            if isinstance(client, OAuthClient) or client.reason is not Reason.OAUTH_CLIENT_MISSING:
                return client
            uri = self._journeys.redirect_uri(link.provider_name)
            return await self._registrar.register(link, uri) or client
        except ApiError as error:
            return unreadable(error)

    def _page(self, link: Link) -> str | Problem:
        page = filled_url(
            oauth_of(link).authorize_url or "", config=link.config, expressions=self._expressions
        )
        if isinstance(page, RequestProblem):
            return Problem(ErrorCode.INVALID_CONFIGURATION, f"{page.message}.")
        target = url.parse(page, trust="tenant", namespace=link.namespace)
        if isinstance(target, url.UrlProblem):
            return Problem(
                ErrorCode.INVALID_CONFIGURATION, f"The provider's authorizeUrl is refused: {target.message}."
            )
        return page

    def _journey(self, caller: Caller, asked: ConnectInput, link: Link, verifier: SecretText) -> Journey:
        slug = link.provider_name
        return Journey(
            namespace=link.namespace,
            name=link.key.name,
            uid=link.uid,
            provider_uid=link.provider_uid,
            slug=slug,
            redirect_uri=self._journeys.redirect_uri(slug),
            issuer=oauth_of(link).issuer or "",
            user=caller.user,
            session=session_mark(asked.session),
            verifier=verifier.reveal(),
        )

    def _parameters(
        self, link: Link, client: OAuthClient, state: SecretText, verifier: SecretText
    ) -> list[tuple[str, str]]:
        oauth = oauth_of(link)
        ours = {
            "response_type": "code",
            "client_id": client.id,
            "redirect_uri": self._journeys.redirect_uri(link.provider_name),
            "state": state.reveal(),
        }
        if oauth.scopes:
            ours["scope"] = oauth.scope_separator.join(oauth.scopes)
        if oauth.pkce:
            ours |= {"code_challenge": challenge_of(verifier), "code_challenge_method": "S256"}
        # What a provider adds may ask for more, not undo what makes the way safe.
        further = {name: value for name, value in oauth.authorize_params.items() if name not in ours}
        return list({**further, **ours}.items())


def unreadable(error: ApiError) -> CredentialProblem:
    """The API server could not be asked for a Secret."""
    return CredentialProblem(
        Reason.SECRET_UNREADABLE,
        f"The OAuth client cannot be read now ({error.reason or error.status}).",
        lasting=False,
        retry_after=error.retry_after or 5.0,
    )
