"""Settings of a process: environment variables with the prefix INTEGRATION_HUB_, or flags of `run`.

Only `wiring.py` and the doors read them; every room is handed the values it needs.
"""

from __future__ import annotations

import secrets
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Role = Literal["operator"]
CommaList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """How one process runs. Lists are comma-separated in the environment."""

    model_config = SettingsConfigDict(env_prefix="INTEGRATION_HUB_", frozen=True, extra="ignore")

    roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        default=("operator",), description="Roles of this process."
    )
    namespace: str = Field(
        default="integration-hub", description="The hub's own namespace: its Lease and storm brake live here."
    )
    service_account: str = Field(
        default="integration-hub",
        description="The hub's ServiceAccount, named in messages that ask for consent.",
    )
    watch_namespaces: CommaList = Field(
        default=(), description="Namespaces to work for; empty means all (needs a ClusterRole)."
    )
    kubeconfig: Path | None = Field(default=None, description="Kubeconfig file; in-cluster when absent.")
    context: str | None = Field(default=None, description="Context of the kubeconfig.")
    identity: str = Field(
        default_factory=lambda: f"{socket.gethostname()}_{secrets.token_hex(4)}",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$",
        description="Name of this replica in the Lease, unique per process.",
    )
    lease_duration_seconds: float = Field(
        default=15, ge=2, description="How long a silent leader is respected."
    )
    lease_renew_deadline_seconds: float = Field(
        default=10, ge=1, description="How long a leader that cannot renew goes on."
    )
    lease_retry_seconds: float = Field(default=2, gt=0, description="Pause between two tries at the Lease.")
    api_qps: float = Field(
        default=100, gt=0, description="Reads and writes each, per second, to the API server."
    )
    api_burst: int = Field(
        default=1000, ge=1, description="Requests that may go out at once after a quiet time."
    )
    workers: int = Field(default=12, ge=1, le=64, description="Objects reconciled at the same time.")
    relist_seconds: float = Field(default=900, ge=5, description="Pause between two relists, with jitter.")
    probe_host: str = Field(default="0.0.0.0", description="Address of /healthz, /readyz and /metrics.")
    probe_port: int = Field(default=8081, ge=0, le=65_535, description="Port of those; 0 picks a free one.")
    pod_ips: CommaList = Field(
        default=(), description="Addresses of this pod, at which nobody may have the hub call itself."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity logged."
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="json for machines, text for people."
    )
    egress_allow: CommaList = Field(
        default=(),
        description="`cidr:port` entries callable besides public addresses; the only way to loopback.",
    )
    egress_deny: CommaList = Field(
        default=(),
        description="Ranges closed to tenants although they are public, such as a cloud's pods and Services.",
    )
    egress_hosts: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict, description="Fixed addresses of host names, `name=address`, as a hosts file."
    )
    egress_ca_file: Path | None = Field(default=None, description="PEM file of further trusted authorities.")
    egress_connections: int = Field(
        default=100, ge=1, le=10_000, description="Most outbound connections at once."
    )
    catalogue_install: bool = Field(
        default=True, description="Whether the leader applies the bundled providers."
    )
    heal_admission_policy: bool = Field(
        default=True,
        description="Whether the API server asks who names a Deployment, by the chart's admission policy; "
        "without it a Deployment is healed only if it carries the label integrationhub.io/heal=enabled.",
    )
    shutdown_seconds: float = Field(
        default=4, ge=0, le=60, description="Time that work in hand has after SIGTERM."
    )

    @field_validator("roles", "watch_namespaces", "pod_ips", "egress_allow", "egress_deny", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @model_validator(mode="after")
    def _lease_in_order(self) -> Self:
        duration, deadline = self.lease_duration_seconds, self.lease_renew_deadline_seconds
        if not duration > deadline > 1.2 * self.lease_retry_seconds:
            raise ValueError(
                "lease_duration_seconds must be above lease_renew_deadline_seconds, and that above 1.2 times "
                "lease_retry_seconds: otherwise two replicas could lead at once"
            )
        return self

    @field_validator("egress_hosts", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        for name, separator, address in pairs:
            if not separator or not name or not address:
                raise ValueError(f"{name!r} is no `name=address` pair")
            try:
                ip_address(address)
            except ValueError:
                raise ValueError(f"{name}={address}: {address!r} is no IP address") from None
        return {name.lower(): address for name, _, address in pairs}
