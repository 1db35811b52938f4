"""Credentials for a token, for the modes that can do so at any time: no person and no refresh token needed.

Client credentials, a signed statement (RFC 7523, or as GitHub Apps and others want it), a login.
"""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.api.authentication import AuthType, JwtBearer, TokenRequest
from integration_hub.api.reasons import Reason
from integration_hub.credentials.assertion import Statement, Unsigned, sign
from integration_hub.credentials.oauth_endpoint import OAuthEndpoint, Obtained, not_askable
from integration_hub.domain.concealment import concealing
from integration_hub.ports import CredentialProblem, HttpRequest, Link, SecretText
from integration_hub.providers import token_request
from integration_hub.providers.request import RequestProblem
from integration_hub.providers.secret_values import PRIVATE_KEY, Values
from integration_hub.providers.token_answer import Token, parse
from integration_hub.providers.token_request import Setting

JWT_BEARER_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGING = frozenset({AuthType.OAUTH2_CLIENT_CREDENTIALS, AuthType.JWT_BEARER, AuthType.TWO_STEP})


@dataclass(frozen=True, slots=True)
class Exchange:
    """Asks for tokens; keeps nothing."""

    endpoint: OAuthEndpoint

    async def token(self, link: Link, values: Values) -> Obtained:
        """A token for these credentials. Raises ApiError as `OAuthEndpoint` does."""
        mode = link.mode
        if mode.type is AuthType.OAUTH2_CLIENT_CREDENTIALS:
            return await self.endpoint.own_token(link, values)
        setting = Setting.of(link, values, self.endpoint.expressions, self.endpoint.timeout_seconds)
        if mode.jwt is not None:
            return await self._for_statement(link, setting, mode.jwt)
        if mode.login is not None:
            made = token_request.build(mode.login, setting)
            return await self._ask(link, made, tuple(values.values()))
        raise LookupError(f"mode {mode.type} exchanges nothing")

    def mint(self, link: Link, values: Values, jwt: JwtBearer) -> Token | CredentialProblem:
        """A statement that is itself the token: nobody is asked for it."""
        setting = Setting.of(link, values, self.endpoint.expressions, self.endpoint.timeout_seconds)
        signed = self._signed(link, setting, jwt)
        if isinstance(signed, CredentialProblem):
            return signed
        return Token(signed, expires_in=float(jwt.lifetime_seconds))

    async def _for_statement(self, link: Link, setting: Setting, jwt: JwtBearer) -> Obtained:
        signed = self._signed(link, setting, jwt)
        if isinstance(signed, CredentialProblem):
            return signed
        request = jwt.request
        if request is None:
            raise LookupError("a statement that nobody exchanges is minted")
        if jwt.exchange == "request":
            bearer = {"Authorization": f"Bearer {signed.reveal()}"}
            made = token_request.build(request, setting, headers=bearer)
        else:
            made = self._grant(request, setting, signed)
        return await self._ask(link, made, (signed, *setting.secret.values()))

    def _grant(
        self, request: TokenRequest, setting: Setting, signed: SecretText
    ) -> HttpRequest | RequestProblem:
        """RFC 7523 section 2.1."""
        address, further = setting.address(request.url), setting.texts(request.fields)
        if isinstance(address, RequestProblem):
            return address
        if isinstance(further, RequestProblem):
            return further
        fields = {"grant_type": JWT_BEARER_GRANT, "assertion": signed.reveal(), **further}
        return token_request.post(address, fields, setting, encoding=request.encoding)

    def _signed(self, link: Link, setting: Setting, jwt: JwtBearer) -> SecretText | CredentialProblem:
        claims, key_id = setting.texts(jwt.claims), setting.fill(jwt.key_id)
        if isinstance(claims, RequestProblem):
            return not_askable(claims)
        if isinstance(key_id, RequestProblem):
            return not_askable(key_id)
        if jwt.exchange == "grant" and jwt.request is not None and "aud" not in claims:
            audience = setting.address(jwt.request.url)
            if isinstance(audience, RequestProblem):
                return not_askable(audience)
            claims["aud"] = audience.url
        signed = sign(
            Statement(claims, jwt.algorithm, jwt.lifetime_seconds, key_id, jwt.backdate_seconds),
            setting.secret.get(PRIVATE_KEY, SecretText("")),
            now=self.endpoint.clock.now(),
            unique=self.endpoint.entropy.uuid(),
        )
        if isinstance(signed, Unsigned):
            name = link.mode.secret_keys.get(PRIVATE_KEY, PRIVATE_KEY)
            return CredentialProblem(
                Reason.SECRET_KEY_INVALID, f"Key {name} cannot be used: {signed.message}."
            )
        return signed

    async def _ask(
        self, link: Link, made: HttpRequest | RequestProblem, secrets: tuple[SecretText, ...]
    ) -> Obtained:
        if isinstance(made, RequestProblem):
            return not_askable(made)
        return parse(
            await self.endpoint.egress.send(made),
            link.mode.answer,
            expressions=self.endpoint.expressions,
            now=self.endpoint.clock.now(),
            conceal=concealing(secrets),
        )
