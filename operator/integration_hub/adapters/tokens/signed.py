"""Tokens that their issuer's published keys prove: RFC 7519 as RFC 8725 wants it read.

One issuer, one audience, asymmetric algorithms only, an expiry that is there and not past.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError

from integration_hub.adapters.tokens.published_keys import Published, PublishedKeys
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import Clock, Problem, SecretText

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_SKEW_SECONDS = 30

Claims = dict[str, Any]


class SignedTokens:
    """Reads tokens of one issuer that are made for `audience`."""

    def __init__(
        self, keys: PublishedKeys, clock: Clock, *, audience: str, algorithms: Sequence[str] = ALGORITHMS
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._audience = audience
        self._algorithms = list(algorithms)

    async def claims(self, token: SecretText) -> Claims | Problem:
        """What a good token says; `sub` and `exp` are there. A Problem is UNAUTHENTICATED or NOT_READY."""
        published = await self._keys.current()
        if isinstance(published, Problem):
            return published
        read = self._proved(token, published)
        if isinstance(read, str) and await self._keys.renewed(published):
            published = await self._keys.current()  # it may be signed with a key that is newer than ours
            if not isinstance(published, Problem):
                read = self._proved(token, published)
        wrong = read if isinstance(read, str) else self._wrong(read)
        if wrong or isinstance(read, str):
            return Problem(ErrorCode.UNAUTHENTICATED, f"The token is not good: {wrong}.")
        return read

    def _proved(self, token: SecretText, published: Published) -> Claims | str:
        """The claims if this issuer signed them, else why not, in words that a caller may see."""
        try:
            claims: Claims = jwt.decode(token.reveal(), published.keys, algorithms=self._algorithms).claims
        except (JoseError, ValueError, RecursionError) as error:
            return _said(error)
        return claims if claims.get("iss") == published.issuer else "it is of another issuer"

    def _wrong(self, claims: Claims) -> str:
        """What is wrong with claims that are signed; empty for nothing."""
        rules = jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=_SKEW_SECONDS,
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            rules.validate(claims)
        except ExpiredTokenError:
            return "it has expired"
        except ClaimError as error:
            audience = f"it must be made for the audience {self._audience}"
            return audience if error.claim == "aud" else f"{_said(error)} {error.claim}"
        except (JoseError, ValueError) as error:
            return _said(error)
        return ""


def _said(error: Exception) -> str:
    """An error's own word: stable, short, and without any part of the token."""
    return str(getattr(error, "error", "") or "unreadable").replace("_", " ")
