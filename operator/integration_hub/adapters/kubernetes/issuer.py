"""The cluster as an issuer of tokens: what the API server publishes of itself (KEP-1393).

`/.well-known/openid-configuration` names the issuer, `/openid/v1/jwks` its keys. Every ServiceAccount may
read both by default: ClusterRole `system:service-account-issuer-discovery`, bound to their group.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from integration_hub.adapters.tokens.published_keys import Published
from integration_hub.ports import ApiError, Json

_DISCOVERY = "/.well-known/openid-configuration"
_KEYS = "/openid/v1/jwks"
_JWK_SET = "application/jwk-set+json"
_log = logging.getLogger(__name__)


class Documents(Protocol):
    async def document(self, path: str, *, accept: str = ...) -> Json:
        """What the API server says at this path. Raises ApiError."""
        ...


class ClusterIssuer:
    """KeySource. Nothing has to be said: the API server names its issuer and its keys.

    `issuer` is believed instead where it is given, and `elsewhere` brings keys that are kept outside the
    cluster; with both, the API server is not asked.
    """

    def __init__(
        self,
        api_server: Documents,
        *,
        issuer: str = "",
        elsewhere: Callable[[], Awaitable[Json]] | None = None,
    ) -> None:
        self._api_server = api_server
        self._issuer = issuer
        self._elsewhere = elsewhere

    async def read(self) -> Published | None:
        try:
            issuer = self._issuer or await self._discovered()
            keys = await (self._elsewhere() if self._elsewhere else self._own_keys())
        except ApiError as error:
            _log.warning("The API server does not tell its keys", extra={"cause": str(error)})
            return None
        return Published.of(issuer, keys)

    async def _discovered(self) -> str:
        document = await self._api_server.document(_DISCOVERY)
        issuer = document.get("issuer") if isinstance(document, dict) else None
        return issuer if isinstance(issuer, str) else ""

    async def _own_keys(self) -> Json:
        return await self._api_server.document(_KEYS, accept=_JWK_SET)
