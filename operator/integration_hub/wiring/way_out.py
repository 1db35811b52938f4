"""The way out: what egress is built from, and which addresses it may reach."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from yarl import URL

from integration_hub.adapters.http import AiohttpTransport
from integration_hub.adapters.resolve import SystemResolver
from integration_hub.domain.address import AddressPolicy, AllowList, AllowListError
from integration_hub.egress.send import EgressLimits, GuardedEgress
from integration_hub.settings import Settings


class SettingsError(Exception):
    """A setting that only shows to be wrong when it is used; the message names it."""


@dataclass(frozen=True, slots=True)
class WayOut:
    """ports.Egress with what has to be closed after it."""

    egress: GuardedEgress
    transport: AiohttpTransport
    resolver: SystemResolver

    @classmethod
    def build(cls, settings: Settings, api_server: str) -> WayOut:
        """Nothing is opened yet. Raises SettingsError."""
        transport = AiohttpTransport(connections=settings.egress_connections, ca_file=settings.egress_ca_file)
        resolver = SystemResolver(settings.egress_hosts)
        limits = EgressLimits.of(settings.egress_connections)
        return cls(
            GuardedEgress(transport, resolver, _address_policy(settings, api_server), limits),
            transport,
            resolver,
        )

    async def close(self) -> None:
        await self.transport.close()
        await self.resolver.close()


def _address_policy(settings: Settings, api_server: str) -> AddressPolicy:
    """The administrator's allow-list; the API server and our own door are nobody's destination."""
    allow = AllowList.parse(settings.egress_allow)
    if isinstance(allow, AllowListError):
        raise SettingsError(f"egress_allow: {allow.message}")
    own = {(ip_address(host), settings.probe_port) for host in ("127.0.0.1", "::1")}
    server = URL(api_server)
    with suppress(ValueError):  # a name: what it resolves to is private and closed to tenants anyway
        own.add((ip_address(server.host or ""), server.port or 443))
    return AddressPolicy(allow, protected=frozenset(own))
