"""A provider's OAuth 2.0 endpoints: requests with the client's proof, answers read. Keeps nothing.

Messages are RFC 6749's, made by oauthlib; they travel through egress like every other byte. No method
raises for what the far end does; ApiError passes where the Secret that holds a client cannot be asked
for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from oauthlib.common import urldecode
from oauthlib.oauth2.rfc6749.parameters import prepare_token_request

from integration_hub.api.authentication import OAuthConfig
from integration_hub.api.reasons import Reason
from integration_hub.credentials.assertion import Statement, Unsigned, sign
from integration_hub.credentials.client import Clients, OAuthClient, may_be_sent
from integration_hub.domain.concealment import concealing
from integration_hub.ports import (
    Clock,
    CredentialProblem,
    Egress,
    Entropy,
    Expressions,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    Link,
    SecretText,
)
from integration_hub.providers import token_request
from integration_hub.providers.request import RequestProblem
from integration_hub.providers.secret_values import PRIVATE_KEY, Values
from integration_hub.providers.token_answer import Token, TokenRefusal, parse
from integration_hub.providers.token_request import Setting, TokenAddress

JWT_CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLIENT_ASSERTION_SECONDS = 300

Obtained = Token | TokenRefusal | CredentialProblem


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a browser brought back, with what it was asked with."""

    code: SecretText
    redirect_uri: str
    verifier: SecretText | None = None


@dataclass(frozen=True, slots=True)
class _Proof:
    """By which fields and headers a client proves itself."""

    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that is ready, with all secrets that are in it."""

    request: HttpRequest
    secrets: tuple[SecretText, ...]


@dataclass(frozen=True, slots=True)
class OAuthEndpoint:
    """See the module's text. `timeout_seconds` bounds one request."""

    egress: Egress
    expressions: Expressions
    clients: Clients
    clock: Clock
    entropy: Entropy
    timeout_seconds: float = 20.0

    async def own_token(self, link: Link, values: Values) -> Obtained:
        """Client credentials: RFC 6749 section 4.4."""
        oauth = oauth_of(link)
        scope = {"scope": oauth.scope_separator.join(oauth.scopes)} if oauth.scopes else {}
        return await self._token(link, values, oauth.token_url, {**_message("client_credentials"), **scope})

    async def refresh(self, link: Link, values: Values, refresh_token: SecretText) -> Obtained:
        """RFC 6749 section 6."""
        oauth = oauth_of(link)
        fields = _message("refresh_token", refresh_token=refresh_token.reveal())
        return await self._token(link, values, oauth.refresh_url or oauth.token_url, fields)

    async def redeem(self, link: Link, values: Values, brought: Redemption) -> Obtained:
        """RFC 6749 section 4.1.3, with the verifier of RFC 7636."""
        verifier = {"code_verifier": brought.verifier.reveal()} if brought.verifier else {}
        fields = _message(
            "authorization_code", code=brought.code.reveal(), redirect_uri=brought.redirect_uri, **verifier
        )
        return await self._token(link, values, oauth_of(link).token_url, fields)

    async def revoke(
        self, link: Link, values: Values, token: SecretText, hint: str
    ) -> CredentialProblem | None:
        """RFC 7009: end a token. None: it is ended, was so already, or there is nowhere to say so."""
        oauth = oauth_of(link)
        if not oauth.revoke_url:
            return None
        fields = {"token": token.reveal(), "token_type_hint": hint}
        asked = await self._request(link, values, oauth.revoke_url, fields)
        if isinstance(asked, CredentialProblem):
            return asked
        answer = await self.egress.send(asked.request)
        if isinstance(answer, HttpResponse) and (answer.status < 400 or answer.status in (401, 404, 410)):
            return None
        read = self._read(link, answer, asked.secrets)
        why = read.message if isinstance(read, TokenRefusal) else "the answer makes no sense"
        return CredentialProblem(
            Reason.UPSTREAM_ERROR, f"The grant could not be ended: {why}.", lasting=False
        )

    # ------------------------------------------------------------------ inside

    async def _token(self, link: Link, values: Values, template: str, fields: Mapping[str, str]) -> Obtained:
        asked = await self._request(link, values, template, fields)
        if isinstance(asked, CredentialProblem):
            return asked
        return self._read(link, await self.egress.send(asked.request), asked.secrets)

    async def _request(
        self, link: Link, values: Values, template: str, fields: Mapping[str, str]
    ) -> _Asked | CredentialProblem:
        oauth = oauth_of(link)
        client = await self.clients.find(link, values)
        if isinstance(client, CredentialProblem):
            return client
        setting = Setting.of(link, values, self.expressions, self.timeout_seconds)
        address = setting.address(template)
        if isinstance(address, RequestProblem):
            return not_askable(address)
        if not may_be_sent(client, link, template, address.authority):
            return CredentialProblem(
                Reason.OAUTH_CLIENT_MISSING,
                f"The provider's OAuth client may not be sent to {address.authority}, which this "
                "Integration's config chose: put clientId and clientSecret into its own Secret, or have the "
                "provider list the host in oauth.clientHosts.",
            )
        proof = self._proof(client, oauth, setting, address)
        if isinstance(proof, CredentialProblem):
            return proof
        further, headers = setting.texts(oauth.token_params), setting.texts(oauth.token_headers)
        if isinstance(further, RequestProblem):
            return not_askable(further)
        if isinstance(headers, RequestProblem):
            return not_askable(headers)
        made = token_request.post(
            address,
            {**fields, **further, **proof.fields},
            setting,
            encoding=oauth.token_encoding,
            headers={**headers, **proof.headers},
        )
        if isinstance(made, RequestProblem):
            return not_askable(made)
        sent = (SecretText(fields[name]) for name in _SECRET_FIELDS if name in fields)
        return _Asked(made, (*client.secrets, *sent, *values.values()))

    def _proof(
        self, client: OAuthClient, oauth: OAuthConfig, setting: Setting, address: TokenAddress
    ) -> _Proof | CredentialProblem:
        """RFC 6749 section 2.3.1; RFC 7523 section 2.2."""
        method = oauth.client_authentication
        if method == "private_key_jwt":
            return self._signed_proof(client, oauth, setting, address)
        if method == "none" or client.secret is None:
            return _Proof({"client_id": client.id})
        if method == "body":
            return _Proof({"client_id": client.id, "client_secret": client.secret.reveal()})
        pair = quote_plus(client.id), quote_plus(client.secret.reveal())
        return _Proof(headers={"Authorization": token_request.basic(*pair)})

    def _signed_proof(
        self, client: OAuthClient, oauth: OAuthConfig, setting: Setting, address: TokenAddress
    ) -> _Proof | CredentialProblem:
        audience = setting.fill(oauth.assertion_audience) if oauth.assertion_audience else address.url
        if isinstance(audience, RequestProblem):
            return not_askable(audience)
        statement = Statement(
            {"iss": client.id, "sub": client.id, "aud": audience},
            oauth.assertion_algorithm,
            CLIENT_ASSERTION_SECONDS,
            client.key_id,
        )
        key = client.private_key or SecretText("")
        signed = sign(statement, key, now=self.clock.now(), unique=self.entropy.uuid())
        if isinstance(signed, Unsigned):
            return CredentialProblem(
                Reason.OAUTH_CLIENT_MISSING,
                f"The OAuth client's {PRIVATE_KEY} cannot be used: {signed.message}.",
            )
        return _Proof(
            {
                "client_id": client.id,
                "client_assertion_type": JWT_CLIENT_ASSERTION,
                "client_assertion": signed.reveal(),
            }
        )

    def _read(
        self, link: Link, answer: HttpResponse | HttpFailure, secrets: tuple[SecretText, ...]
    ) -> Token | TokenRefusal:
        return parse(
            answer,
            link.mode.answer,
            expressions=self.expressions,
            now=self.clock.now(),
            conceal=concealing(secrets),
        )


_SECRET_FIELDS = ("refresh_token", "code", "code_verifier", "token")


def oauth_of(link: Link) -> OAuthConfig:
    """The provider's endpoints. The API server lets no OAuth mode be without them."""
    if link.provider.oauth is None:
        raise LookupError(f"provider {link.provider_name} has an OAuth mode and no spec.oauth")
    return link.provider.oauth


def not_askable(problem: RequestProblem) -> CredentialProblem:
    """A request that cannot be made: somebody's data is wrong."""
    return CredentialProblem(Reason.CONFIG_INVALID, f"No token can be asked for: {problem.message}.")


def _message(grant_type: str, **fields: str) -> dict[str, str]:
    return dict(urldecode(prepare_token_request(grant_type, include_client_id=False, **fields)))
