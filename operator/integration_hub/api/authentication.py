"""How calls prove who they are: every authentication scheme as data, so that no provider needs code.

A mode names a scheme, the keys it expects in the Secret, and, for schemes that obtain a token first,
the request that obtains it and where the answer holds it. Templates of these requests may use
`config` (the Integration's settings) and `secret` (the Secret's values); what they give is encoded
as the place asks for, so no value can break out of it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from integration_hub.api.meta import (
    Expression,
    HeaderValues,
    ListSet,
    LocalReference,
    Model,
    Rule,
    Template,
    Url,
    Word,
)


class AuthType(StrEnum):
    """How a call proves who it is. The first four are the catalogue's own words, the rest our additions."""

    API_KEY = "API_KEY"
    OAUTH2 = "OAUTH2"
    BASIC = "BASIC"
    NONE = "NONE"
    BEARER = "BEARER"
    OAUTH2_CLIENT_CREDENTIALS = "OAUTH2_CLIENT_CREDENTIALS"
    JWT_BEARER = "JWT_BEARER"
    TWO_STEP = "TWO_STEP"
    AWS_SIGV4 = "AWS_SIGV4"


SigningAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "HS256", "HS512"]
Host = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9.*:-]+$")]


class ApiKeyPlacement(Model):
    """Where an API key or a token goes in a request."""

    location: Literal["header", "query"] = Field(
        default="header", alias="in", description="Send the key in a header or in the query string."
    )
    name: Word = Field(
        default="Authorization",
        description="Name of the header or query parameter that carries the key.",
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$",
    )
    prefix: str = Field(
        default="", description="Text put before the key, such as `Token ` or `Bot `.", max_length=32
    )


class TokenAnswer(Model):
    """Where an answer holds the token. CEL over `body` (decoded), `headers` (lower-case names), `status`.

    Without a word, the names of RFC 6749 are looked for, then what vendors make of them (`token`,
    `authed_user.access_token`, `expires_at`).
    """

    access_token: Expression | None = Field(default=None, description="The token.")
    refresh_token: Expression | None = Field(
        default=None, description="The token that newer ones are got with."
    )
    expires_in: Expression | None = Field(default=None, description="Its life in seconds.")
    expires_at: Expression | None = Field(
        default=None, description="Its end: RFC 3339, or seconds or milliseconds since 1970."
    )
    error: Expression | None = Field(
        default=None,
        description="Text that says why there is no token, empty if there is one: for answers of status 200 "
        "that refuse.",
    )
    lifetime_seconds: int | None = Field(
        default=None,
        description="Life of a token whose answer names none; such a token is otherwise kept until it is "
        "refused.",
        ge=1,
        le=31_622_400,
    )


class TokenRequest(Model):
    """One request that is answered with a token. Templates may use `config` and `secret`."""

    method: Literal["GET", "POST", "PUT"] = Field(default="POST", description="HTTP method.")
    url: Template = Field(
        description="Whole address, or a path beginning with a slash, which is appended to baseUrl.",
        min_length=1,
    )
    headers: HeaderValues = Field(default_factory=dict, description="Headers, templates as values.")
    encoding: Literal["form", "json"] = Field(default="form", description="How the fields are sent.")
    fields: HeaderValues = Field(
        default_factory=dict, description="Fields of the body, templates as values; empty ones are left out."
    )
    basic: bool = Field(default=False, description="Send the Secret's username and password as Basic.")


class JwtBearer(Model):
    """A statement that the hub signs, to be exchanged for a token or sent itself (RFC 7519, RFC 7523)."""

    RULES = (
        Rule(
            "self.exchange == 'none' || has(self.request)",
            "an exchange needs request: the address that the signed statement is sent to",
            ".request",
        ),
    )

    algorithm: SigningAlgorithm = Field(default="RS256", description="How it is signed.")
    key_id: Template = Field(default="", description="Its `kid` header, a template; none if empty.")
    claims: HeaderValues = Field(
        default_factory=dict,
        description="Its claims, templates over `config`, `secret`; iat, exp and jti are added; those that "
        "come out empty are left out.",
    )
    lifetime_seconds: int = Field(default=300, description="Its life.", ge=10, le=86_400)
    backdate_seconds: int = Field(
        default=30, description="How far iat is put back, for clocks that are late.", ge=0, le=300
    )
    exchange: Literal["grant", "request", "none"] = Field(
        default="grant",
        description="grant: sent as `assertion` of the grant jwt-bearer (Google service accounts); request: "
        "sent as bearer of the request (GitHub Apps); none: it is the token.",
    )
    request: TokenRequest | None = Field(default=None, description="Where it is exchanged for a token.")


class AwsSigning(Model):
    """AWS Signature Version 4, for AWS and for who speaks its protocol."""

    service: Template = Field(description="Service name in the scope, such as s3.", min_length=1)
    region: Template = Field(description="Region in the scope, such as `{{ config.region }}`.", min_length=1)


class KeyRotation(Model):
    """How the vendor replaces a key, for modes whose keys can be replaced by a request.

    rotate, verify the new one by the probe, swap, then end the old one; or roll back.
    """

    request: TokenRequest = Field(description="Makes a new key; sent with the present credentials.")
    values: Annotated[dict[str, Expression], Field(min_length=1, max_length=8)] = Field(
        description="Key of the Secret to CEL over `body` and `headers`, for everything that is replaced."
    )
    revoke: TokenRequest | None = Field(
        default=None,
        description="Ends a key: the old one after a swap, the new one on the way back. `secret` holds that "
        "key's values. Absent where making a new key ends the old one.",
    )


class AuthMode(Model):
    """One way to authenticate with the provider, with the keys it expects in the Secret."""

    RULES = (
        Rule(
            "!has(self.apiKey) || self.type == 'API_KEY'",
            "apiKey belongs to a mode of type API_KEY: remove it or change type",
            ".apiKey",
        ),
        Rule(
            "(self.type == 'JWT_BEARER') == has(self.jwt)",
            "a mode of type JWT_BEARER, and no other, has jwt",
            ".jwt",
        ),
        Rule(
            "(self.type == 'TWO_STEP') == has(self.login)",
            "a mode of type TWO_STEP, and no other, has login",
            ".login",
        ),
        Rule(
            "(self.type == 'AWS_SIGV4') == has(self.aws)",
            "a mode of type AWS_SIGV4, and no other, has aws",
            ".aws",
        ),
    )

    type: AuthType = Field(description="The authentication scheme.")
    api_key: ApiKeyPlacement | None = Field(
        default=None,
        description="Where the key of an API_KEY mode goes; by default the Authorization header.",
    )
    token: ApiKeyPlacement | None = Field(
        default=None,
        description="Where the token of a mode that obtains one goes; by default `Authorization: Bearer`.",
    )
    jwt: JwtBearer | None = Field(default=None, description="What a JWT_BEARER mode signs and where it goes.")
    login: TokenRequest | None = Field(default=None, description="The login of a TWO_STEP mode.")
    aws: AwsSigning | None = Field(default=None, description="Scope of an AWS_SIGV4 mode's signatures.")
    answer: TokenAnswer | None = Field(
        default=None, description="Where the answer of the token request holds the token, if it is odd."
    )
    rotation: KeyRotation | None = Field(
        default=None, description="How the vendor replaces the keys, where it offers that."
    )
    secret_keys: Annotated[dict[str, Word], Field(max_length=16)] = Field(
        default_factory=dict,
        description="Renames the keys read from the Secret: what the scheme calls it (apiKey, token, "
        "username, password, privateKey, accessKeyId, secretAccessKey, clientId, clientSecret) to the key "
        "that holds it.",
    )
    secret_document: str = Field(
        default="",
        description="Key of the Secret that holds a JSON document whose text fields count as keys, such as "
        "Google's service account file.",
        max_length=128,
    )
    extra_headers: HeaderValues = Field(
        default_factory=dict,
        description="Further headers whose values come from the Secret: header name to Secret key, for "
        "providers that want two keys.",
    )
    extra_query: HeaderValues = Field(
        default_factory=dict,
        description="Further query parameters from the Secret: parameter name to the Secret's key.",
    )
    description: str = Field(
        default="", description="How a person gets these credentials from the provider.", max_length=1024
    )


class AccountLookup(Model):
    """How the vendor's own id of the connected account is learned, which inbound hooks name it by."""

    path: Template = Field(
        default="",
        description="Asked with the new token, appended to baseUrl or a whole address; if empty, the token's "
        "answer is looked at.",
    )
    id: Expression = Field(description="CEL over `body`: the id.")


class OAuthConfig(Model):
    """The provider's OAuth 2.0 endpoints and habits (RFC 6749, RFC 7636)."""

    authorize_url: Template | None = Field(default=None, description="Authorization endpoint.")
    token_url: Template = Field(description="Token endpoint.", min_length=1)
    refresh_url: Template | None = Field(
        default=None, description="Where tokens are refreshed, if not at tokenUrl."
    )
    revoke_url: Template | None = Field(default=None, description="Revocation endpoint (RFC 7009).")
    registration_url: Template | None = Field(
        default=None,
        description="Where the hub may register itself as a client (RFC 7591) if no client is configured.",
    )
    scopes: Annotated[list[Word], ListSet(), Field(max_length=64)] = Field(
        default_factory=list, description="Scopes asked for by default, the fewest that serve."
    )
    scope_separator: Literal[" ", ","] = Field(
        default=" ", description="What joins scopes in the request; a blank unless the vendor differs."
    )
    pkce: bool = Field(default=True, description="Use PKCE with S256 (RFC 7636).")
    client_authentication: Literal["basic", "body", "private_key_jwt", "none"] = Field(
        default="basic", description="How the client proves itself at the token endpoint."
    )
    assertion_algorithm: SigningAlgorithm = Field(
        default="RS256", description="How a private_key_jwt is signed (the client's privateKey, and keyId)."
    )
    assertion_audience: Template | None = Field(
        default=None, description="Audience of a private_key_jwt; the token endpoint by default."
    )
    authorize_params: HeaderValues = Field(
        default_factory=dict, description="Further parameters of the authorization request."
    )
    token_params: HeaderValues = Field(
        default_factory=dict, description="Further parameters of every token request."
    )
    token_headers: HeaderValues = Field(
        default_factory=dict, description="Further headers of every token request."
    )
    token_encoding: Literal["form", "json"] = Field(
        default="form", description="How token requests are sent; form unless the vendor differs."
    )
    issuer: Url | None = Field(
        default=None, description="Expected `iss` of the authorization response (RFC 9207)."
    )
    account: AccountLookup | None = Field(
        default=None, description="How the vendor's id of the connected account is learned."
    )
    client_secret_ref: LocalReference | None = Field(
        default=None,
        description="Secret with clientId and clientSecret: in the hub's namespace for a cluster "
        "provider, in its own namespace otherwise.",
    )
    client_env_prefix: str = Field(
        default="",
        description="For a cluster provider without clientSecretRef: PREFIX_CLIENT_ID and "
        "PREFIX_CLIENT_SECRET of the hub's environment are the client.",
        max_length=64,
        pattern=r"^([A-Z][A-Z0-9_]*)?$",
    )
    client_hosts: Annotated[list[Host], ListSet(), Field(max_length=16)] = Field(
        default_factory=list,
        description="Hosts that this client's secret may be sent to where an Integration's config decides "
        "over tokenUrl; elsewhere the Integration's Secret must bring clientId and clientSecret.",
    )
