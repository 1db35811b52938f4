"""Bearer tokens: whose they are, by OIDC or static keys; by Kubernetes: `adapters.kubernetes.review`."""

from __future__ import annotations

from integration_hub.adapters.tokens.memory import TokenMemory
from integration_hub.adapters.tokens.oidc import OidcAuthenticator, OidcTrust
from integration_hub.adapters.tokens.routing import Authenticators
from integration_hub.adapters.tokens.static_keys import StaticKeys

__all__ = ["Authenticators", "OidcAuthenticator", "OidcTrust", "StaticKeys", "TokenMemory"]
