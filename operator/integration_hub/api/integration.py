"""Integration: one tenant's connection to an outside system."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from integration_hub.api.integration_status import HealthStatus, IntegrationStatus, Phase
from integration_hub.api.meta import (
    GROUP,
    Column,
    Duration,
    FreeJson,
    HttpMethod,
    KindInfo,
    ListMap,
    ListSet,
    LocalReference,
    Model,
    NamespaceName,
    ObjectName,
    Rule,
    Word,
)
from integration_hub.api.provider import AuthType

__all__ = [
    "INTEGRATION",
    "RESTART_ON",
    "SKIP_CLEANUP",
    "TEST_REQUESTED",
    "Batch",
    "CircuitBreaker",
    "ConnectionTest",
    "Credentials",
    "Environment",
    "HealthCheck",
    "HealthStatus",
    "IntegrationSpec",
    "IntegrationStatus",
    "Logging",
    "Phase",
    "Projection",
    "ProviderRef",
    "Retry",
    "Rotation",
    "SyncPolicy",
    "VaultReference",
]

TEST_REQUESTED = f"{GROUP}/test-requested"
"""Annotation that asks for a connection test now; any value that is not in status.lastTest yet."""
ROTATION_REQUESTED = f"{GROUP}/rotation-requested"
"""Annotation that asks for new credentials: the moment (RFC 3339) since which they are wanted. It is met once
status.credentials.lastRotatedAt is not before it."""
SKIP_CLEANUP = f"{GROUP}/skip-cleanup"
"""Annotation of an object that is to go without anything outside being undone, if it is `true`."""
RESTART_ON = f"{GROUP}/restart-on-rotation"
"""Annotation of a Deployment: name of the projected Secret at whose rotation it is restarted."""


class Environment(StrEnum):
    PRODUCTION = "PRODUCTION"
    SANDBOX = "SANDBOX"
    TEST = "TEST"


class ProviderRef(Model):
    """Names the provider."""

    RULES = (
        Rule(
            "!has(self.__namespace__) || self.kind == 'IntegrationProvider'",
            "namespace is for kind IntegrationProvider: a ClusterIntegrationProvider has none",
            ".namespace",
        ),
    )

    kind: Literal["ClusterIntegrationProvider", "IntegrationProvider"] = Field(
        default="ClusterIntegrationProvider", description="Which of the two provider kinds."
    )
    name: ObjectName = Field(description="Name of the provider.")
    namespace: NamespaceName | None = Field(
        default=None,
        description="Namespace of an IntegrationProvider that is shared with this one; its own by default.",
    )
    accepted_hosts: Annotated[
        list[Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9.*:-]+$")]],
        ListSet(),
        Field(max_length=16),
    ] = Field(
        default_factory=list,
        description="Hosts that credentials may go to after the provider changed (reason ProviderChanged).",
    )


class Rotation(Model):
    """When and how credentials are replaced."""

    interval: Duration = Field(default="90d", description="Age at which credentials are due, such as 90d.")
    strategy: Literal["Auto", "Manual"] = Field(
        default="Auto",
        description="Auto rotates where the provider can and marks RotationDue elsewhere; Manual only marks.",
    )
    write_back: bool = Field(
        default=False, description="Let the hub write a rotated API key into the Secret named by secretRef."
    )


class Projection(Model):
    """A Secret that workloads use, kept up to date by the hub (Service Binding)."""

    secret_name: ObjectName = Field(
        description="Name of the Secret that the hub makes in this namespace; one that exists already and "
        "is not the hub's is left alone."
    )


_SEGMENT = r"\.*[A-Za-z0-9_@-][A-Za-z0-9_.@-]*"
"""Between the slashes of a path: never only dots, nothing that is encoded, nothing that ends the path."""


class VaultReference(Model):
    """A secret of Vault's key/value engine, version 2. It is read with the rights of the hub."""

    path: Annotated[str, Field(max_length=512, pattern=rf"^{_SEGMENT}(/{_SEGMENT})*$")] = Field(
        description="Path of the secret below this namespace's part of Vault, such as `slack`. The "
        "administrator says where that is: by default `<namespace>/` at the mount `secret`."
    )
    keys: Annotated[dict[str, Word], Field(max_length=16)] = Field(
        default_factory=dict,
        description="Fields that are called otherwise in Vault: the key that the provider expects, and the "
        "field that holds it, such as `apiKey: api_token`. All others keep their names.",
    )


class Credentials(Model):
    """Where the secrets are. They never sit in a spec."""

    RULES = (
        Rule(
            "!has(self.secretRef) || !has(self.vaultRef)",
            "credentials come from one place: name secretRef or vaultRef, not both",
            ".vaultRef",
        ),
        Rule(
            "!has(self.vaultRef) || !has(self.rotation) || !has(self.rotation.writeBack) || "
            "!self.rotation.writeBack",
            "writeBack is for secretRef: the hub never writes to Vault",
            ".rotation.writeBack",
        ),
    )

    secret_ref: LocalReference | None = Field(
        default=None, description="Secret in this namespace that holds the credentials."
    )
    vault_ref: VaultReference | None = Field(
        default=None,
        description="Secret in HashiCorp Vault or OpenBao that holds them, instead of secretRef; needs a hub "
        "that is connected to one.",
    )
    refresh_before_seconds: int = Field(
        default=300, description="Refresh a token this many seconds before it expires.", ge=0, le=86_400
    )
    rotation: Rotation | None = Field(default=None, description="Rotation; none by default.")
    project: Projection | None = Field(
        default=None,
        description="Hand the credentials in use to workloads: type, provider, host, uri and the values.",
    )

    @property
    def place(self) -> str:
        """What the spec names as their place, for messages: `Secret token`; empty if it names none."""
        if self.secret_ref is not None:
            return f"Secret {self.secret_ref.name}"
        return f"Vault secret {self.vault_ref.path}" if self.vault_ref is not None else ""


class Retry(Model):
    """How failed calls are repeated."""

    RULES = (
        Rule(
            "!has(self.baseDelayMilliseconds) || !has(self.maxDelayMilliseconds) || "
            "self.baseDelayMilliseconds <= self.maxDelayMilliseconds",
            "baseDelayMilliseconds must not exceed maxDelayMilliseconds",
            ".maxDelayMilliseconds",
        ),
    )

    enabled: bool = Field(default=True, description="Whether failed calls are repeated at all.")
    max_retries: int = Field(default=3, description="Repetitions after the first attempt.", ge=0, le=10)
    base_delay_milliseconds: int = Field(
        default=1000, description="Delay before the first repetition.", ge=10, le=60_000
    )
    max_delay_milliseconds: int = Field(default=30_000, description="Longest delay.", ge=10, le=600_000)
    backoff_multiplier: float = Field(
        default=2, description="Growth of the delay from one repetition to the next.", ge=1, le=10
    )


class CircuitBreaker(Model):
    """When calls are stopped for a while."""

    failure_threshold: int = Field(default=5, description="Failures in a row that open it.", ge=1, le=1000)
    success_threshold: int = Field(default=3, description="Successes that close it again.", ge=1, le=1000)
    open_seconds: int = Field(
        default=30, description="Seconds it stays open before trial calls.", ge=1, le=3600
    )


class HealthCheck(Model):
    """How often the connection is tried, and how many answers make a verdict."""

    enabled: bool = Field(default=True, description="Whether the connection is probed at all.")
    interval_seconds: int | None = Field(
        default=None,
        description="Seconds between probes; the provider's own interval by default.",
        ge=5,
        le=86_400,
    )
    path: str | None = Field(
        default=None, description="Path to probe instead of the provider's.", max_length=2048, pattern=r"^/"
    )
    failure_threshold: int = Field(
        default=3, description="Failures in a row that make a connected Integration unhealthy.", ge=1, le=20
    )
    success_threshold: int = Field(
        default=1, description="Successes in a row that make an unhealthy one healthy.", ge=1, le=20
    )
    window_minutes: int = Field(
        default=60, description="Length of the window for uptime and error rate.", ge=5, le=1440
    )


class SyncPolicy(Model):
    """Data synchronisation in short form; it makes an owned SyncJob."""

    RULES = (
        Rule(
            "!has(self.auto) || !self.auto || (has(self.schedule) && self.schedule != '')",
            "auto needs a schedule, such as 30m or daily",
            ".schedule",
        ),
    )

    auto: bool = Field(default=False, description="Whether the schedule runs by itself.")
    schedule: str = Field(
        default="", description="Duration, cron line, or hourly, daily, weekly.", max_length=64
    )


class Batch(Model):
    """Bounds of batch calls."""

    max_calls: int = Field(default=50, description="Calls allowed in one batch.", ge=1, le=1000)
    parallelism: int = Field(default=5, description="Calls in flight at once.", ge=1, le=50)


class Logging(Model):
    """What is kept of requests and answers."""

    bodies: Literal["none", "errors", "all"] = Field(
        default="none",
        description="Keep no bodies, those of failed calls, or all; always redacted and capped.",
    )


class ConnectionTest(Model):
    """A call that must succeed, made when somebody asks for a test."""

    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(description="Its name.")
    method: HttpMethod = Field(default="GET", description="HTTP method.")
    path: str = Field(description="Path appended to the provider's base URL.", max_length=2048, pattern=r"^/")
    expect: Annotated[str, Field(max_length=1024)] = Field(
        default="status < 400", description="CEL over status, headers and body; true means passed."
    )


class IntegrationSpec(Model):
    """One tenant's connection: provider, configuration, credentials by reference, and policies."""

    display_name: Annotated[str, Field(max_length=128)] = Field(
        default="", description="Name as people know it."
    )
    description: Annotated[str, Field(max_length=1024)] = Field(default="", description="What it is for.")
    provider_ref: ProviderRef = Field(description="What is connected.")
    config: Annotated[dict[str, Any], FreeJson(64)] = Field(
        default_factory=dict,
        description="Settings that the provider's configSchema asks for. Never a secret: those go into the "
        "Secret that credentials.secretRef names.",
    )
    environment: Environment = Field(
        default=Environment.PRODUCTION,
        description="Which of the vendor's worlds it speaks to: one Integration per provider and each.",
    )
    instance: Annotated[str, Field(max_length=63, pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$")] = Field(
        default="", description="Tells several Integrations with one provider and environment apart."
    )
    region: Annotated[str, Field(max_length=63)] = Field(
        default="", description="One of the provider's regions; its base URL by default."
    )
    auth_type: AuthType | None = Field(
        default=None, description="Which of the provider's authentication modes; its first by default."
    )
    credentials: Credentials = Field(default_factory=Credentials, description="Where the secrets are.")
    enabled: bool = Field(default=True, description="False stops every call, probe and sync.")
    timeout_seconds: int = Field(default=30, description="Deadline of one call, in seconds.", ge=1, le=300)
    retry: Retry = Field(default_factory=Retry, description="How failed calls are repeated.")
    circuit_breaker: CircuitBreaker = Field(
        default_factory=CircuitBreaker, description="When calls are stopped for a while."
    )
    health_check: HealthCheck = Field(default_factory=HealthCheck, description="How the connection is tried.")
    sync: SyncPolicy = Field(default_factory=SyncPolicy, description="Data synchronisation in short form.")
    batch: Batch = Field(default_factory=Batch, description="Bounds of batch calls.")
    logging: Logging = Field(default_factory=Logging, description="What is kept of requests and answers.")
    tests: Annotated[list[ConnectionTest], ListMap(("name",)), Field(max_length=16)] = Field(
        default_factory=list,
        description="Calls that must succeed when a test is asked for; see status.tests.",
    )


INTEGRATION = KindInfo(
    kind="Integration",
    plural="integrations",
    singular="integration",
    short_names=("intg",),
    spec=IntegrationSpec,
    status=IntegrationStatus,
    description="One tenant's connection to an outside system: which provider, with which settings, "
    "with which credentials, and how its health is watched.",
    columns=(
        Column("Provider", ".spec.providerRef.name", "What is connected."),
        Column("Env", ".spec.environment", "Which of the vendor's worlds."),
        Column("Phase", ".status.phase", "ACTIVE, PAUSED, ERROR or PENDING_AUTH."),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether it works."),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why, in one stable word."),
        Column("Health", ".status.health.status", "Verdict of the probes.", priority=1),
        Column("Uptime", ".status.health.uptime", "Percent of successful checks.", "number", priority=1),
        Column("Expires", ".status.credentials.expiresAt", "When credentials expire.", priority=1),
        Column("Refresh", ".status.credentials.nextRefreshAt", "When they are refreshed.", priority=1),
        Column(
            "Rotate", ".status.credentials.nextRotationAt", "When they are due for replacement.", priority=1
        ),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', "What to do.", priority=1),
        Column("Age", ".metadata.creationTimestamp", "Time since creation.", "date"),
    ),
    riders=frozenset(
        {
            "health.lastCheck",
            "health.responseTime",
            "health.uptime",
            "health.errorRate",
            "health.lastError",
            "health.consecutiveFailures",
            "lastSuccessfulCall",
            "lastError",
            "lastErrorAt",
            "errorCount",
            "circuit.openedAt",
            "circuit.retryAt",
        }
    ),
    selectable_fields=(".spec.providerRef.name", ".spec.environment", ".status.phase"),
)
