"""Who callers are: by the API server, by issuers' keys, by static keys."""

from __future__ import annotations

from functools import partial

from integration_hub.adapters.kubernetes import KubernetesCluster
from integration_hub.adapters.kubernetes.issuer import ClusterIssuer
from integration_hub.adapters.kubernetes.review import TokenReviewer
from integration_hub.adapters.kubernetes.service_accounts import ServiceAccountTokens
from integration_hub.adapters.tokens.oidc import OidcAuthenticator, OidcTrust
from integration_hub.adapters.tokens.product_keys import ProductKeyAuthenticator
from integration_hub.adapters.tokens.published_keys import PublishedKeys, document_at
from integration_hub.adapters.tokens.routing import Authenticators
from integration_hub.adapters.tokens.signed import SignedTokens
from integration_hub.adapters.tokens.static_keys import StaticKeys, StaticKeysError
from integration_hub.ports import Authenticator, Clock, Egress, KnownKeys
from integration_hub.settings import Settings
from integration_hub.wiring.way_out import SettingsError


def authenticator(
    settings: Settings, cluster: KubernetesCluster, egress: Egress, known_keys: KnownKeys, clock: Clock
) -> Authenticator:
    """Everybody who may know a token. Raises SettingsError."""
    issuers: dict[str, Authenticator] = {}
    if settings.oidc_issuer:
        trust = OidcTrust(settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url)
        issuers[settings.oidc_issuer] = OidcAuthenticator(trust, egress, clock)
    kubernetes = _service_accounts(settings, cluster, egress, clock)
    return Authenticators(
        static=_static_keys(settings),
        products=ProductKeyAuthenticator(known_keys, clock),
        issuers=issuers,
        kubernetes=kubernetes,
    )


def _service_accounts(
    settings: Settings, cluster: KubernetesCluster, egress: Egress, clock: Clock
) -> Authenticator:
    """By TokenReview; by the issuer's keys where the hub has rights in single namespaces alone."""
    audience = settings.gateway_audience
    if not settings.watch_namespaces:
        return TokenReviewer(cluster, clock, audience=audience)
    elsewhere = settings.kubernetes_jwks_url
    source = ClusterIssuer(
        cluster,
        issuer=settings.kubernetes_issuer,
        elsewhere=partial(document_at, egress, elsewhere) if elsewhere else None,
    )
    tokens = SignedTokens(PublishedKeys(source, clock), clock, audience=audience)
    return ServiceAccountTokens(tokens, cluster, clock)


def _static_keys(settings: Settings) -> StaticKeys | None:
    if settings.static_keys is None:
        return None
    try:
        return StaticKeys.parse(settings.static_keys.get_secret_value().split(","))
    except StaticKeysError as error:
        raise SettingsError(f"static_keys: {error}") from None
