"""Settings of a process: environment variables with the prefix INTEGRATION_HUB_, or flags of `run`.

Only `wiring.py` and the doors read them; every room is handed the values it needs.
"""

from __future__ import annotations

import re
import secrets
import socket
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from integration_hub.domain.vault_path import DEFAULT_TEMPLATE

Role = Literal["operator", "gateway"]
CommaList = Annotated[tuple[str, ...], NoDecode]
PREFIX = "INTEGRATION_HUB_"


def _also(variable: str) -> AliasChoices:
    """A setting that people know by another variable too; ours wins where both are set."""
    ours = {"PORT": "GATEWAY_PORT"}.get(variable, variable)
    return AliasChoices(ours.lower(), f"{PREFIX}{ours}", variable)


class Settings(BaseSettings):
    """How one process runs. Lists are comma-separated in the environment.

    What is secret is a SecretStr: it does not show in a repr, and no message about it holds its value.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        default=("operator", "gateway"), description="Roles of this process."
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
    egress_keepalive_seconds: float = Field(
        default=30, ge=0, le=3600, description="How long an idle outbound connection is kept open."
    )
    store_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL, `postgresql://user:password@host/database`; SQLite in data_dir when absent.",
    )
    store_connections: int = Field(
        default=10, ge=1, le=200, description="Most connections to PostgreSQL of this process."
    )
    data_dir: Path = Field(
        default=Path("integration-hub-data"), description="Folder of the SQLite database; made when absent."
    )
    request_log_days: int = Field(default=14, ge=1, le=3650, description="How long logs of calls are kept.")
    request_log_rows: int = Field(
        default=1_000_000, ge=1000, description="Most logged calls kept; the oldest go first."
    )
    audit_days: int = Field(default=365, ge=1, le=3650, description="How long the audit trail is kept.")
    encryption_mode: Literal["sealed", "none"] = Field(
        default="sealed",
        description="`sealed`: what the hub obtains is stored encrypted, and without a key it is not ready; "
        "`none`: stored as any other Secret.",
    )
    token_encryption_key: SecretStr | None = Field(
        default=None,
        validation_alias=_also("TOKEN_ENCRYPTION_KEY"),
        description="Key that seals, 32 bytes as 64 hexadecimal digits.",
    )
    token_encryption_old_keys: SecretStr | None = Field(
        default=None,
        validation_alias=_also("TOKEN_ENCRYPTION_OLD_KEYS"),
        description="Earlier keys, comma-separated: they open what they sealed, which is then sealed anew.",
    )
    vault_addr: str = Field(
        default="",
        max_length=512,
        pattern=r"^(https?://[^\s/?#@]+/?)?$",
        description="HashiCorp Vault or OpenBao that `vaultRef` is about, such as "
        "`https://vault.vault.svc:8200`; none when empty.",
    )
    vault_namespace: str = Field(
        default="",
        max_length=256,
        pattern=r"^[\x21-\x7e]*$",
        description="Vault's own namespace, if any.",
    )
    vault_mount: str = Field(
        default="secret",
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$",
        description="Mount of the key/value engine, version 2.",
    )
    vault_path: str = Field(
        default=DEFAULT_TEMPLATE,
        description="Where a namespace's secrets lie below the mount. `{namespace}` keeps tenants apart, "
        "`{path}` is what their `vaultRef` says.",
    )
    vault_auth: Literal["kubernetes", "approle", "token"] = Field(
        default="kubernetes", description="How the hub logs in to Vault."
    )
    vault_auth_mount: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*)?$",
        description="Mount of that auth method; `kubernetes` or `approle` when empty.",
    )
    vault_role: str = Field(
        default="", max_length=256, description="Role to log in to, or the AppRole's role_id."
    )
    vault_auth_file: Path = Field(
        default=Path("/var/run/secrets/integration-hub/vault/token"),
        description="Proves the hub to Vault, read at every login: its ServiceAccount token, the "
        "AppRole's secret_id, or the token itself.",
    )
    vault_ca_file: Path | None = Field(
        default=None,
        description="PEM file of authorities trusted for Vault alone; egress_ca_file when absent.",
    )
    vault_cache_seconds: float = Field(
        default=5,
        ge=0,
        le=300,
        description="How long what was read from Vault is used, before a call or probe reads it again.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias=_also("REDIS_URL"),
        description="Redis that replicas share cached answers in; in process when absent.",
    )
    cache_bytes: int = Field(
        default=64 * 1024 * 1024, ge=0, description="Most bytes of cached answers held in process."
    )
    gateway_host: str = Field(default="0.0.0.0", description="Address of the HTTP API.")
    gateway_port: int = Field(
        default=8000,
        ge=0,
        le=65_535,
        validation_alias=_also("PORT"),
        description="Port of the HTTP API; 0 picks a free one.",
    )
    public_url: str = Field(
        default="",
        max_length=512,
        pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$",
        description="Where browsers and vendors reach the HTTP API, such as `https://hub.example.com`.",
    )
    gateway_audience: str = Field(
        default="integration-hub",
        min_length=1,
        description="Audience of ServiceAccount tokens.",
    )
    kubernetes_issuer: str = Field(
        default="",
        description="Issuer of ServiceAccount tokens for a hub that works for single namespaces and so "
        "checks them itself; by default as the API server says.",
    )
    kubernetes_jwks_url: str = Field(
        default="", description="Its keys, where they are to be read outside the API server."
    )
    gateway_allowed_cidrs: CommaList = Field(
        default=(), description="Networks whose clients may use the HTTP API; empty means all."
    )
    gateway_trusted_proxies: CommaList = Field(
        default=(), description="Networks of proxies whose X-Forwarded-For is believed."
    )
    caller_requests_per_second: float = Field(
        default=50, gt=0, description="Requests per second that one caller may make."
    )
    caller_burst: int = Field(default=100, ge=1, description="Requests that one caller may make at once.")
    gateway_max_body_bytes: int = Field(
        default=10 * 1024 * 1024, ge=1024, description="Longest request body that is not streamed."
    )
    gateway_max_stream_bytes: int = Field(
        default=5 * 1024**3, ge=1024, description="Longest request body that is passed through."
    )
    gateway_read_seconds: float = Field(
        default=10, gt=0, le=300, description="Time for a request's head, and between parts of its body."
    )
    oidc_issuer: str = Field(default="", description="OIDC issuer whose tokens are taken, such as PassPort.")
    oidc_jwks_url: str = Field(
        default="", description="Its keys; by default those that its discovery document names."
    )
    oidc_audience: str = Field(
        default="integration-hub", min_length=1, description="Audience that those tokens are made for."
    )
    static_keys: SecretStr | None = Field(
        default=None,
        description="Callers without Kubernetes, comma-separated `name=sha256:<64 hexadecimal digits>`.",
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

    @field_validator(
        "roles",
        "watch_namespaces",
        "pod_ips",
        "egress_allow",
        "egress_deny",
        "gateway_allowed_cidrs",
        "gateway_trusted_proxies",
        mode="before",
    )
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

    @field_validator("gateway_allowed_cidrs", "gateway_trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ip_network(text)
            except ValueError:
                raise ValueError(f"{text!r} is no network such as 10.0.0.0/8") from None
        return value

    @field_validator("token_encryption_key", "token_encryption_old_keys")
    @classmethod
    def _keys(cls, value: SecretStr | None) -> SecretStr | None:
        """Never with the value in the message: a key that is wrong by one digit is still a secret."""
        for position, key in enumerate(value.get_secret_value().split(",") if value else (), start=1):
            if not re.fullmatch(r"[0-9a-fA-F]{64}", key.strip()):
                raise ValueError(
                    f"key {position} is not 64 hexadecimal digits (32 bytes); "
                    "`openssl rand -hex 32` makes one"
                )
        return value
