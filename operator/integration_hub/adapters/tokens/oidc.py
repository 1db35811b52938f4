"""Tokens of an OIDC issuer, such as PassPort, checked against its published keys.

OpenID Connect Core 1.0 section 3.1.3.7, Discovery 1.0 section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integration_hub.adapters.tokens.claims import expiry
from integration_hub.adapters.tokens.memory import Kept, TokenMemory
from integration_hub.adapters.tokens.published_keys import Published, PublishedKeys, document_at
from integration_hub.adapters.tokens.signed import ALGORITHMS, Claims, SignedTokens
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import Caller, Clock, Egress, Problem, SecretText

_REMEMBERED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class OidcTrust:
    """Whom to believe. `jwks_url` empty: as the issuer's discovery document says. `prefix` is put before
    `sub` and before groups, so that no outsider can pass for a user of the cluster.
    """

    issuer: str
    audience: str
    jwks_url: str = ""
    prefix: str = "passport:"
    groups_claim: str = "groups"
    algorithms: Sequence[str] = ALGORITHMS


class OidcAuthenticator:
    """ports.Authenticator for the tokens of one issuer."""

    def __init__(self, trust: OidcTrust, egress: Egress, clock: Clock) -> None:
        self._trust = trust
        self._clock = clock
        keys = PublishedKeys(_OidcIssuer(trust, egress), clock)
        self._tokens = SignedTokens(keys, clock, audience=trust.audience, algorithms=trust.algorithms)
        self._memory: TokenMemory[Caller | Problem] = TokenMemory(clock, lambda a: isinstance(a, Problem))

    async def authenticate(self, token: SecretText) -> Caller | Problem:
        return await self._memory.of(token, lambda: self._judge(token))

    async def _judge(self, token: SecretText) -> Kept[Caller | Problem]:
        claims = await self._tokens.claims(token)
        if isinstance(claims, Problem):
            return claims, 0.0 if claims.code is ErrorCode.NOT_READY else _REMEMBERED_SECONDS
        caller = self._caller(claims)
        if isinstance(caller, Problem):
            return caller, _REMEMBERED_SECONDS
        until = expiry(claims)
        left = until - self._clock.now().timestamp() if until is not None else 0.0
        return caller, min(_REMEMBERED_SECONDS, left)

    def _caller(self, claims: Claims) -> Caller | Problem:
        trust, subject = self._trust, claims["sub"]
        if not isinstance(subject, str) or not subject or len(subject) > 255:
            return Problem(ErrorCode.UNAUTHENTICATED, "The token has no usable subject.")
        given = claims.get(trust.groups_claim)
        named = [each for each in given if isinstance(each, str)][:100] if isinstance(given, list) else []
        groups = (*(f"{trust.prefix}{each}" for each in named), "system:authenticated")
        return Caller(f"{trust.prefix}{subject}", groups=groups, kind="oidc")


class _OidcIssuer:
    """KeySource: the issuer's documents, by the hub's way out."""

    def __init__(self, trust: OidcTrust, egress: Egress) -> None:
        self._trust = trust
        self._egress = egress

    async def read(self) -> Published | None:
        url = self._trust.jwks_url or await self._discovered()
        return Published.of(self._trust.issuer, await document_at(self._egress, url)) if url else None

    async def _discovered(self) -> str:
        place = f"{self._trust.issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await document_at(self._egress, place)
        if not isinstance(document, dict) or document.get("issuer") != self._trust.issuer:
            return ""
        url = document.get("jwks_uri")
        return url if isinstance(url, str) else ""
