"""The gateway role: operations over the ports of this process, and the HTTP door before them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from integration_hub import __version__
from integration_hub.adapters.kubernetes import KubernetesCluster
from integration_hub.adapters.kubernetes.review import AccessReviewer
from integration_hub.gateway.app import build_app
from integration_hub.gateway.parts import GatewayLimits, GatewayMetrics, GatewayParts, Operations, Probe
from integration_hub.gateway.server import GatewayServer
from integration_hub.ports import Clock, ClusterWriter, Egress, Entropy, KnownKeys
from integration_hub.runtime.health import Health, Report
from integration_hub.settings import Settings
from integration_hub.store import DatabaseStore
from integration_hub.wiring.callers import authenticator
from integration_hub.wiring.way_out import SettingsError


@dataclass(frozen=True, slots=True)
class DoorPorts:
    """What the door itself stands on. `reviews` asks the API server who somebody is."""

    settings: Settings
    reviews: KubernetesCluster
    egress: Egress
    store: DatabaseStore
    metrics: GatewayMetrics
    health: Health
    known_keys: KnownKeys
    clock: Clock
    entropy: Entropy


def open_door(ports: DoorPorts, operations: Operations) -> GatewayServer:
    """Listen; serving begins with the server's `run`. Raises SettingsError where the port cannot be had."""
    settings = ports.settings
    parts = GatewayParts(
        authenticator=authenticator(settings, ports.reviews, ports.egress, ports.known_keys, ports.clock),
        operations=operations,
        idempotency=ports.store,
        clock=ports.clock,
        entropy=ports.entropy,
        live=lambda: _probe(ports.health.live()),
        ready=lambda: _probe(ports.health.ready()),
        metrics=ports.metrics,
        limits=gateway_limits(settings),
        version=__version__,
        public_url=settings.public_url,
        audience=settings.gateway_audience,
    )
    try:
        return GatewayServer.open(
            build_app(parts), ports.clock, host=settings.gateway_host, port=settings.gateway_port
        )
    except OSError as error:
        raise SettingsError(f"gateway_port: cannot listen on {settings.gateway_port}: {error}") from None


def access_reviewer(settings: Settings, reviews: ClusterWriter, clock: Clock) -> AccessReviewer:
    """RBAC, asked within single namespaces where the hub may not ask about all of them."""
    return AccessReviewer(reviews, clock, local=bool(settings.watch_namespaces))


def gateway_limits(settings: Settings) -> GatewayLimits:
    """What one caller, one address and one request may take."""
    return GatewayLimits(
        caller_rate=settings.caller_requests_per_second,
        caller_burst=settings.caller_burst,
        body_bytes=settings.gateway_max_body_bytes,
        stream_bytes=settings.gateway_max_stream_bytes,
        body_idle_seconds=settings.gateway_read_seconds,
        allowed=tuple(ip_network(each) for each in settings.gateway_allowed_cidrs),
        trusted_proxies=tuple(ip_network(each) for each in settings.gateway_trusted_proxies),
    )


def _probe(report: Report) -> Probe:
    return Probe(ok=report.ok, report=report.to_json())
