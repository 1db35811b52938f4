"""What the gateway is made of: ports and operations that the composition root hands in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from integration_hub.operations.audit import ReadAudit
from integration_hub.operations.batch import ExecuteBatch
from integration_hub.operations.callback import Callback
from integration_hub.operations.change_integration import ChangeIntegration
from integration_hub.operations.connect import Connect
from integration_hub.operations.connect_provider import ConnectProvider
from integration_hub.operations.create_custom import CreateCustom
from integration_hub.operations.create_integration import CreateIntegration
from integration_hub.operations.delete_integration import DeleteIntegration
from integration_hub.operations.deploy_custom import DeployCustom
from integration_hub.operations.disconnect import Disconnect
from integration_hub.operations.execute import Execute
from integration_hub.operations.find_custom import FindCustom
from integration_hub.operations.find_integrations import FindIntegrations
from integration_hub.operations.forget_answers import ForgetAnswers
from integration_hub.operations.health import ReadHealth
from integration_hub.operations.logs import ReadLogs
from integration_hub.operations.metrics import ReadMetrics
from integration_hub.operations.product_status import ReadProductStatus
from integration_hub.operations.provider import Providers
from integration_hub.operations.registration import Registration
from integration_hub.operations.statistics import ReadStatistics
from integration_hub.operations.stream import ExecuteStream
from integration_hub.operations.try_connection import TryConnection
from integration_hub.operations.widget import ReadWidget
from integration_hub.ports import Authenticator, Clock, Entropy, IdempotencyKeys, Json

Network = IPv4Network | IPv6Network


class GatewayMetrics(Protocol):
    """The figures that the gateway keeps (`metrics.Metrics` has them)."""

    def observe_request(self, caller: str, route: str, method: str, status: int, seconds: float) -> None:
        """One answer. `caller` is a kind of caller, `route` the path as declared: both are bounded."""
        ...

    def count_refusal(self, why: str) -> None:
        """Suspicious: `authentication`, `authorization`, `address` or `rate`."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """How much one caller, one address and one request may take.

    Rates are per second, with bursts. `address_*` count what comes without a valid token. `allowed` empty:
    from everywhere. `trusted_proxies` are those whose X-Forwarded-For is believed.
    """

    caller_rate: float = 50.0
    caller_burst: int = 200
    address_rate: float = 5.0
    address_burst: int = 50
    body_bytes: int = 1024 * 1024
    body_seconds: float = 30.0
    body_idle_seconds: float = 10.0
    stream_bytes: int = 5 * 1024**3
    remembered: int = 10_000
    allowed: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    idempotency_seconds: int = 24 * 3600


@dataclass(frozen=True, slots=True)
class Operations:
    """What a caller can ask for."""

    providers: Providers
    find: FindIntegrations
    create: CreateIntegration
    change: ChangeIntegration
    delete: DeleteIntegration
    registration: Registration
    create_custom: CreateCustom
    find_custom: FindCustom
    deploy_custom: DeployCustom
    try_connection: TryConnection
    connect: Connect
    connect_provider: ConnectProvider
    callback: Callback
    disconnect: Disconnect
    execute: Execute
    batch: ExecuteBatch
    stream: ExecuteStream
    forget_answers: ForgetAnswers
    widget: ReadWidget
    health: ReadHealth
    metrics: ReadMetrics
    logs: ReadLogs
    statistics: ReadStatistics
    audit: ReadAudit
    product_status: ReadProductStatus


@dataclass(frozen=True, slots=True)
class Probe:
    """What /healthz or /readyz tells: whether all is well, and the report."""

    ok: bool
    report: Json


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """All of it. `live` and `ready` are the hub's own probes; `public_url` is where browsers reach it, and
    `audience` what Kubernetes tokens must be made for (both are shown to people).
    """

    authenticator: Authenticator
    operations: Operations
    idempotency: IdempotencyKeys
    clock: Clock
    entropy: Entropy
    live: Callable[[], Probe]
    ready: Callable[[], Probe]
    metrics: GatewayMetrics | None = None
    limits: GatewayLimits = field(default_factory=GatewayLimits)
    version: str = ""
    public_url: str = ""
    audience: str = "integration-hub"
