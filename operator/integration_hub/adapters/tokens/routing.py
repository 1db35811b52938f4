"""Whom to ask about a token: each is shown to one authority only."""

from __future__ import annotations

from collections.abc import Mapping

from integration_hub.adapters.tokens.claims import unverified_claims
from integration_hub.adapters.tokens.static_keys import StaticKeys
from integration_hub.api.errors import ErrorCode
from integration_hub.domain import product_key
from integration_hub.ports import Authenticator, Caller, Problem, SecretText


class Authenticators:
    """ports.Authenticator over several: products' keys and static ones, the OIDC issuer that the token names,
    else Kubernetes.

    A token is never passed on to another authority than the one it names: neither PassPort's to the
    API server nor the other way round.
    """

    def __init__(
        self,
        *,
        static: StaticKeys | None = None,
        products: Authenticator | None = None,
        issuers: Mapping[str, Authenticator] | None = None,
        kubernetes: Authenticator | None = None,
    ) -> None:
        self._static = static
        self._products = products
        self._issuers = dict(issuers or {})
        self._kubernetes = kubernetes

    async def authenticate(self, token: SecretText) -> Caller | Problem:
        if self._static is not None:
            found = self._static.find(token)
            if found is not None:
                return found
        authority = self._named_by(token) or self._kubernetes
        if authority is None:
            return Problem(ErrorCode.UNAUTHENTICATED, "Nobody here issued this token.")
        return await authority.authenticate(token)

    def _named_by(self, token: SecretText) -> Authenticator | None:
        if self._products is not None and product_key.claims_to_be(token.reveal()):
            return self._products
        if not self._issuers:
            return None
        issuer = unverified_claims(token).get("iss")
        return self._issuers.get(issuer) if isinstance(issuer, str) else None
