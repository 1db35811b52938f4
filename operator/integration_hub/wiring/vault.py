"""The hub's Vault: from the settings to the source that credentials are read from."""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.adapters.http import AiohttpTransport
from integration_hub.adapters.vault import (
    AppRoleLogin,
    KubernetesLogin,
    Login,
    NoVault,
    TokenFile,
    VaultServer,
    VaultSession,
    VaultSource,
    VaultWire,
)
from integration_hub.domain.vault_path import PathProblem, VaultPaths
from integration_hub.egress.send import EgressLimits, GuardedEgress
from integration_hub.ports import Clock, SecretSource
from integration_hub.settings import Settings
from integration_hub.wiring.way_out import SettingsError, WayOut

_CONNECTIONS = 16
"""Enough for a thousand Integrations that are all probed at once; Vault is asked once per Integration."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The source, and what has to be closed after it."""

    source: SecretSource
    session: VaultSession | None = None
    transport: AiohttpTransport | None = None

    @classmethod
    def build(cls, settings: Settings, way_out: WayOut, clock: Clock) -> Vault:
        """Nothing is asked yet. A way out of its own: no tenant's traffic stands in line before it, and
        who signed Vault's certificate is trusted for Vault alone. Raises SettingsError.
        """
        if not settings.vault_addr:
            return cls(NoVault())
        paths = VaultPaths.parse(settings.vault_path)
        if isinstance(paths, PathProblem):
            raise SettingsError(f"vault_path: {paths.message}")
        transport = _transport(settings)
        limits = EgressLimits(
            at_once=_CONNECTIONS, at_once_per_host=_CONNECTIONS, at_once_per_namespace=_CONNECTIONS
        )
        egress = GuardedEgress(transport, way_out.resolver, way_out.policy, limits)
        wire = VaultWire(VaultServer(settings.vault_addr, settings.vault_namespace), egress, clock)
        session = VaultSession(wire, _login(settings), clock)
        source = VaultSource(session, settings.vault_mount, paths, seconds=settings.vault_cache_seconds)
        return cls(source, session, transport)

    async def close(self) -> None:
        """End the hub's token and let go."""
        if self.session is not None:
            await self.session.close()
        if self.transport is not None:
            await self.transport.close()


def _transport(settings: Settings) -> AiohttpTransport:
    ca_file = settings.vault_ca_file or settings.egress_ca_file
    try:
        return AiohttpTransport(
            connections=_CONNECTIONS,
            ca_file=ca_file,
            keep_alive_seconds=settings.egress_keepalive_seconds,
        )
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(f"vault_ca_file: {ca_file} cannot be used: {error.strerror or error}") from None


def _login(settings: Settings) -> Login:
    method, file = settings.vault_auth, settings.vault_auth_file
    if method != "token" and not settings.vault_role:
        raise SettingsError(f"vault_role: vault_auth {method} needs the role that the hub logs in with")
    match method:
        case "kubernetes":
            return KubernetesLogin(settings.vault_role, file, settings.vault_auth_mount or "kubernetes")
        case "approle":
            return AppRoleLogin(settings.vault_role, file, settings.vault_auth_mount or "approle")
        case "token":
            return TokenFile(file)
