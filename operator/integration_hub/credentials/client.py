"""Whose OAuth client a connection uses: its own Secret's, its provider's, or the hub's environment's.

A client that belongs to the provider or the hub is shared by all tenants. Its secret therefore goes only
where the provider's author sends it: an address that an Integration's config can change must be listed
in `oauth.clientHosts`, or the Integration brings a client of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, OAuthConfig
from integration_hub.api.reasons import Reason
from integration_hub.ports import CredentialProblem, Link, Secrets, SecretState, SecretText
from integration_hub.providers.secret_values import CLIENT_ID, CLIENT_SECRET, KEY_ID, PRIVATE_KEY, Values


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """`shared`: it belongs to the provider or the hub, not to this connection alone."""

    id: str
    secret: SecretText | None = field(default=None, repr=False)
    private_key: SecretText | None = field(default=None, repr=False)
    key_id: str = ""
    shared: bool = False

    @property
    def secrets(self) -> tuple[SecretText, ...]:
        return tuple(each for each in (self.secret, self.private_key) if each)


class Clients:
    """Finds the client of a connection. `environment` is the process's own."""

    def __init__(self, secrets: Secrets, environment: Mapping[str, str], hub_namespace: str) -> None:
        self._secrets = secrets
        self._environment = environment
        self._hub_namespace = hub_namespace

    async def find(self, link: Link, values: Values) -> OAuthClient | CredentialProblem:
        """The client. Raises ApiError where a Secret cannot be asked for."""
        own = _of(values, shared=False)
        if own is not None:
            return own
        oauth = link.provider.oauth
        if oauth is None:
            return _missing(link, "its provider has no spec.oauth")
        if oauth.client_secret_ref is not None:
            return await self._of_provider(link, oauth.client_secret_ref.name)
        found = self._of_environment(link, oauth)
        if found is not None:
            return found
        return _missing(link, "neither the provider's oauth.clientSecretRef nor the environment names one")

    async def _of_provider(self, link: Link, name: str) -> OAuthClient | CredentialProblem:
        namespace = link.provider_namespace or self._hub_namespace
        read = await self._secrets.read(namespace, name)
        if read.state is not SecretState.FOUND:
            may = "may not be read by the hub" if read.state is SecretState.DENIED else "does not exist"
            return _missing(link, f"Secret {namespace}/{name} of its provider {may}")
        found = _of({key: _trimmed(value) for key, value in read.data.items()}, shared=True)
        return found or _missing(link, f"Secret {namespace}/{name} of its provider has no {CLIENT_ID}")

    def _of_environment(self, link: Link, oauth: OAuthConfig) -> OAuthClient | None:
        """Cluster providers only: a tenant who defines a provider must not get at the hub's environment."""
        prefix = oauth.client_env_prefix
        if not prefix or link.provider_kind != CLUSTER_INTEGRATION_PROVIDER.kind:
            return None
        client_id = self._environment.get(f"{prefix}_CLIENT_ID", "").strip()
        secret = self._environment.get(f"{prefix}_CLIENT_SECRET", "").strip()
        return (
            OAuthClient(client_id, SecretText(secret) if secret else None, shared=True) if client_id else None
        )


def may_be_sent(client: OAuthClient, link: Link, template: str, authority: str) -> bool:
    """Whether this client's secret may go to an authority that `template` was filled to."""
    oauth = link.provider.oauth
    if not client.shared or _host_is_fixed(_whole(template, link)):
        return True
    return oauth is not None and any(
        authority == host or (host.startswith("*.") and authority.endswith(host[1:]))
        for host in oauth.client_hosts
    )


def _whole(template: str, link: Link) -> str:
    """A path is below the connection's base, whose host the Integration's config may decide over as well."""
    if not template.startswith("/"):
        return template
    return link.provider.regions.get(link.spec.region) or link.provider.base_url


def _host_is_fixed(template: str) -> bool:
    _, scheme, rest = template.partition("://")
    return bool(scheme) and "{{" not in rest.partition("/")[0]


def _of(values: Values, *, shared: bool) -> OAuthClient | None:
    client_id = values.get(CLIENT_ID)
    if not client_id:
        return None
    key_id = values.get(KEY_ID)
    return OAuthClient(
        client_id.reveal(),
        values.get(CLIENT_SECRET) or None,
        values.get(PRIVATE_KEY) or None,
        key_id.reveal() if key_id else "",
        shared,
    )


def _trimmed(value: SecretText) -> SecretText:
    return SecretText(value.reveal().rstrip("\r\n"))


def _missing(link: Link, why: str) -> CredentialProblem:
    return CredentialProblem(
        Reason.OAUTH_CLIENT_MISSING,
        f"No OAuth client is configured for provider {link.provider_name}: {why}. Register an application "
        f"with the vendor and put {CLIENT_ID} and {CLIENT_SECRET} there, or into its own Secret.",
    )
