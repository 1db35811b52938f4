"""The way out: what egress is built from, and which addresses it may reach."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from yarl import URL

from integration_hub.adapters.http import AiohttpTransport
from integration_hub.adapters.resolve import SystemResolver
from integration_hub.domain.address import (
    Address,
    AddressPolicy,
    AllowList,
    AllowListError,
    parse_literal,
    parse_ranges,
)
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
    policy: AddressPolicy

    @classmethod
    def build(cls, settings: Settings, api_server: str) -> WayOut:
        """Nothing is opened yet. Raises SettingsError."""
        policy = address_policy(settings, api_server)
        try:
            transport = AiohttpTransport(
                connections=settings.egress_connections,
                ca_file=settings.egress_ca_file,
                keep_alive_seconds=settings.egress_keepalive_seconds,
            )
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(
                f"egress_ca_file: {settings.egress_ca_file} cannot be used: {error.strerror or error}"
            ) from None
        resolver = SystemResolver(settings.egress_hosts)
        limits = EgressLimits.of(settings.egress_connections)
        return cls(GuardedEgress(transport, resolver, policy, limits), transport, resolver, policy)

    async def close(self) -> None:
        await self.transport.close()
        await self.resolver.close()


def address_policy(settings: Settings, api_server: str) -> AddressPolicy:
    """The administrator's lists; the API server and our own doors are nobody's destination.

    Raises SettingsError.
    """
    allow, deny = AllowList.parse(settings.egress_allow), parse_ranges(settings.egress_deny)
    if isinstance(allow, AllowListError):
        raise SettingsError(f"egress_allow: {allow.message}")
    if isinstance(deny, AllowListError):
        raise SettingsError(f"egress_deny: {deny.message}")
    server = URL(api_server)
    servers = set(_addresses_of(server.host or "", server.port or 443))
    own = {*_own_addresses(settings), *(mine for each in servers for mine in _source_towards(each))}
    protected = {(each, port) for each in own for port in (settings.probe_port, settings.gateway_port)}
    protected |= {(each, server.port or 443) for each in servers}
    return AddressPolicy(allow, deny, frozenset(protected))


def _own_addresses(settings: Settings) -> Iterator[Address]:
    """Where our doors are: loopback, the pod's addresses as Kubernetes tells them, and where we listen."""
    for text in ("127.0.0.1", "::1", *settings.pod_ips, settings.probe_host, settings.gateway_host):
        address = parse_literal(text)
        if address is not None and not address.is_unspecified:
            yield address


def _addresses_of(host: str, port: int) -> Iterator[Address]:
    """The addresses behind the API server's name; none where it cannot be resolved."""
    with suppress(OSError, UnicodeError):
        for answer in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
            with suppress(ValueError):
                yield ip_address(answer[4][0])


def _source_towards(server: Address) -> Iterator[Address]:
    """The address that we have when speaking to this one. A UDP socket tells without sending a byte."""
    family = socket.AF_INET6 if server.version == 6 else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((str(server), 9))
        yield ip_address(asking.getsockname()[0])
