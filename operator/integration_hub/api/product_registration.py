"""ProductRegistration: a product of the suite, how its health is judged and how it is healed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from integration_hub.api.conditions import StatusBase
from integration_hub.api.integration_status import Count, HealthStatus, Text
from integration_hub.api.meta import (
    DNS_LABEL,
    Column,
    FreeJson,
    KindInfo,
    ListSet,
    LocalReference,
    Model,
    ObjectName,
    Rule,
    Timestamp,
)
from integration_hub.api.product_key import ApiKeyPolicy, ApiKeyStatus

ProductId = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)]
ProductUrl = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^https?://")]
MetricValue = Annotated[float, Field(ge=-1e15, le=1e15)]

CORE_PRODUCTS = (
    "itechsmart-enterprise",
    "itechsmart-ninja",
    "passport",
    "itechsmart-vault",
    "itechsmart-connect",
    "itechsmart-notify",
)


class HealAction(StrEnum):
    """The rungs of the ladder, mildest first."""

    RESTART = "restart"
    CLEAR_CACHES = "clearCaches"
    SCALE = "scale"
    RESOURCES = "resources"
    ROLLBACK = "rollback"
    FIX_CONFIG = "fixConfig"
    UPDATE_IMAGE = "updateImage"


class WorkloadRef(Model):
    """The Deployment that runs the product."""

    kind: Literal["Deployment"] = Field(default="Deployment", description="Kind of the workload.")
    name: ObjectName = Field(description="Name of the Deployment, in the same namespace.")


class HealScale(Model):
    """Bounds of the scale rung."""

    RULES = (Rule("self.min <= self.max", "min must not exceed max", ".min"),)

    min: int = Field(default=1, description="Fewest replicas.", ge=1, le=1000)
    max: int = Field(default=3, description="Most replicas.", ge=1, le=1000)
    step: int = Field(default=1, description="Replicas added at once.", ge=1, le=100)


Quantities = Annotated[
    dict[Literal["cpu", "memory"], Annotated[str, Field(max_length=32, pattern=r"^[0-9.]+[A-Za-z]*$")]],
    Field(max_length=2),
]


class HealResources(Model):
    """Bounds of the resources rung, as Kubernetes quantities."""

    min: Quantities = Field(default_factory=dict, description="Least cpu and memory.")
    max: Quantities = Field(default_factory=dict, description="Most cpu and memory.")


class HealUpdates(Model):
    """Image updates the hub may make."""

    RULES = (
        Rule(
            "self.policy == 'none' || (has(self.image) && self.image != '')",
            "a policy other than none needs image, the repository that updates come from",
            ".image",
        ),
    )

    image: Annotated[str, Field(max_length=512)] = Field(
        default="", description="Image repository that updates come from."
    )
    policy: Literal["none", "patch", "minor"] = Field(
        default="none", description="Which versions may follow by themselves."
    )
    window: Annotated[str, Field(max_length=64)] = Field(
        default="", description="Cron line of the hour in which updates may start."
    )


class HealPolicy(Model):
    """What the hub may do when the product is unwell. On once workloadRef is set."""

    enabled: bool = Field(default=True, description="Whether the product is healed at all.")
    mode: Literal["Auto", "Propose", "DryRun"] = Field(
        default="Auto",
        description="Auto acts; Propose waits for the annotation integrationhub.io/heal-approve; DryRun only "
        "says what it would do.",
    )
    consent: Literal["admission", "label"] = Field(
        default="admission",
        description="admission: who set workloadRef may patch the Deployment, which the API server checked; "
        "label: the Deployment itself carries integrationhub.io/heal=enabled.",
    )
    allowed_actions: Annotated[list[HealAction], ListSet(), Field(max_length=8)] = Field(
        default_factory=lambda: [HealAction.RESTART],
        description="Rungs of the ladder that may be used, mildest first.",
    )
    after_seconds: int = Field(
        default=60,
        description="Seconds a product must be unhealthy before anything is done.",
        ge=0,
        le=86_400,
    )
    cooldown_seconds: int = Field(
        default=300,
        description="Seconds between two actions; doubles with each one that did not help.",
        ge=10,
        le=86_400,
    )
    max_actions_per_hour: int = Field(default=3, description="Most actions within one hour.", ge=1, le=60)
    verify_seconds: int = Field(
        default=120, description="Seconds an action is given to show effect.", ge=5, le=3600
    )
    error_threshold: int = Field(
        default=5, description="Critical errors within 300 seconds that count as unhealthy.", ge=1, le=10_000
    )
    performance_threshold: float = Field(
        default=0.8,
        description="Utilisation of cpu or memory, as a fraction, that counts as degraded.",
        ge=0,
        le=1,
    )
    thresholds: Annotated[dict[str, MetricValue], Field(max_length=32)] = Field(
        default_factory=dict,
        description="Metric name to the value above which the product counts as degraded.",
    )
    scale: HealScale | None = Field(default=None, description="Bounds of the scale rung.")
    resources: HealResources | None = Field(default=None, description="Bounds of the resources rung.")
    updates: HealUpdates | None = Field(default=None, description="Image updates the hub may make.")


class ProductRegistrationSpec(Model):
    """A product: who it is, where it answers, how its health is judged, how it is healed."""

    RULES = (
        Rule(
            "self.productId == oldSelf.productId",
            "productId cannot change: delete this object and register the product anew",
            ".productId",
        ),
        Rule(
            "!has(self.config) || !has(self.configMapRef)",
            "give config or configMapRef, not both",
            ".configMapRef",
        ),
    )

    product_id: ProductId = Field(description="Id of the product, such as itechsmart-dataflow.")
    product_name: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Name as people know it."
    )
    version: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="Version that is deployed."
    )
    api_endpoint: ProductUrl = Field(
        description="Root of the product's API: a Service of this namespace, such as http://dataflow:8080."
    )
    health_endpoint: ProductUrl | None = Field(
        default=None,
        description="Where the product answers GET for its health; apiEndpoint + /health by default.",
    )
    capabilities: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128)]], ListSet(), Field(max_length=64)
    ] = Field(default_factory=list, description="What the product can do, in free words.")
    tier: Literal["foundation", "expansion", "strategic", "custom"] = Field(
        default="custom", description="Where it stands in the suite."
    )
    owner: Annotated[str, Field(max_length=128)] = Field(default="", description="Team that answers for it.")
    workload_ref: WorkloadRef | None = Field(
        default=None,
        description="The Deployment that runs it. Its rollout joins the verdict, and healing acts on it.",
    )
    health_interval_seconds: int = Field(
        default=30, description="Seconds between two probes, and between two beats.", ge=1, le=3600
    )
    health_timeout_seconds: int = Field(
        default=5, description="Deadline of one probe, in seconds.", ge=1, le=60
    )
    failure_threshold: int = Field(
        default=3, description="Failed probes or missed beats in a row that make it unhealthy.", ge=1, le=20
    )
    success_threshold: int = Field(
        default=1, description="Successful probes in a row that make it healthy again.", ge=1, le=20
    )
    probe: Literal["Auto", "Disabled"] = Field(
        default="Auto", description="Whether the hub asks the product itself, besides taking its beats."
    )
    heartbeat: Literal["Optional", "Required"] = Field(
        default="Optional",
        description="Required: a product that sends no beat is offline, whatever its probe says.",
    )
    integrates_with: Annotated[list[ProductId], ListSet(), Field(max_length=64)] = Field(
        default_factory=lambda: list(CORE_PRODUCTS),
        description="Products it works with; the core six by default.",
    )
    dependencies: Annotated[list[ProductId], ListSet(), Field(max_length=32)] = Field(
        default_factory=list,
        description="Products that must be healthy for this one to be; they are healed first.",
    )
    config: Annotated[dict[str, Any], FreeJson(64)] | None = Field(
        default=None, description="Settings handed to the product. Never a secret."
    )
    config_map_ref: LocalReference | None = Field(
        default=None, description="ConfigMap with those settings instead."
    )
    api_key: ApiKeyPolicy = Field(
        default_factory=ApiKeyPolicy, description="The key by which the product speaks to the hub."
    )
    heal: HealPolicy = Field(default_factory=HealPolicy, description="What the hub may do when it is unwell.")


class ProductHealth(Model):
    """The product's health. The verdict is a fact; the figures ride along with the next write."""

    status: HealthStatus = Field(
        default=HealthStatus.UNKNOWN, description="The verdict: the worst of all signals."
    )
    since: Timestamp | None = Field(default=None, description="When the verdict last changed.")
    signal: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Which signal decided: probe, rollout or heartbeat."
    )
    reported_version: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Version that the product itself reports (as of the last write)."
    )
    started_at: Timestamp | None = Field(default=None, description="When the product says it started.")
    last_seen: Timestamp | None = Field(
        default=None, description="When it last answered (as of the last write)."
    )
    last_working: Timestamp | None = Field(
        default=None,
        description="When it was last healthy or degraded (as of the last write). None: it never worked yet, "
        "and its trouble is no sign of a storm.",
    )
    response_time: Count | None = Field(default=None, description="Time of the last answer, in milliseconds.")
    consecutive_failures: Count = Field(default=0, description="Failed probes in a row.")
    last_error: Text | None = Field(default=None, description="What went wrong last.")
    metrics: Annotated[dict[str, MetricValue], Field(max_length=32)] = Field(
        default_factory=dict, description="What the product measured of itself when the verdict last changed."
    )


class HealRecord(Model):
    """One action and what came of it."""

    id: Annotated[str, Field(max_length=64)] = Field(description="Id, also written on the Deployment.")
    action: HealAction = Field(description="What was done.")
    at: Timestamp = Field(description="When.")
    reason: Text = Field(description="Why.")
    result: Literal["proposed", "dryRun", "verifying", "succeeded", "failed", "reverted", "rejected"] = Field(
        description="What came of it."
    )
    finished_at: Timestamp | None = Field(default=None, description="When the result was known.")


class HealStatus(Model):
    """Healing so far."""

    count: Count = Field(default=0, description="Actions taken since registration.")
    last_action: HealAction | None = Field(default=None, description="The last action.")
    last_action_at: Timestamp | None = Field(default=None, description="When it was taken.")
    next_allowed_at: Timestamp | None = Field(default=None, description="No action before this time.")
    unhealthy_since: Timestamp | None = Field(default=None, description="When the present trouble began.")
    transitions: Annotated[list[Timestamp], Field(max_length=8)] = Field(
        default_factory=list, description="Last changes of verdict, for telling flapping."
    )
    history: Annotated[list[HealRecord], Field(max_length=10)] = Field(
        default_factory=list, description="Last ten actions, newest first."
    )


class ProductRegistrationStatus(StatusBase):
    """What the hub observed of a product."""

    health: ProductHealth = Field(default_factory=ProductHealth, description="The product's health.")
    heal: HealStatus = Field(default_factory=HealStatus, description="Healing so far.")
    workload_uid: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="uid of the Deployment that healing may act on."
    )
    previous_version: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Version before the present one."
    )
    observed_version: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Version when last looked at."
    )
    api_key_secret_ref: LocalReference | None = Field(
        default=None, description="Secret with the key by which the product speaks to the hub."
    )
    api_key: ApiKeyStatus | None = Field(default=None, description="The keys that work now, and their times.")
    updated_at: Timestamp | None = Field(
        default=None, description="When the spec last changed, as seen here."
    )


PRODUCT_REGISTRATION = KindInfo(
    kind="ProductRegistration",
    plural="productregistrations",
    singular="productregistration",
    short_names=("prodreg",),
    spec=ProductRegistrationSpec,
    status=ProductRegistrationStatus,
    description="A product of the suite: where it answers, how its health is judged, and what the hub may "
    "do to its Deployment when it is unwell.",
    columns=(
        Column("Product", ".spec.productId", "Id of the product."),
        Column("Version", ".spec.version", "Version that is deployed."),
        Column("Health", ".status.health.status", "The verdict."),
        Column("Since", ".status.health.since", "Time since the verdict changed.", "date"),
        Column("Healed", ".status.heal.count", "Healing actions taken.", "integer"),
        Column(
            "Last-Seen",
            ".status.health.lastSeen",
            "When it last answered, as of the last status write.",
            "date",
            priority=1,
        ),
        Column(
            "Key-Rotated",
            ".status.apiKey.lastRotatedAt",
            "Time since its key was made.",
            "date",
            priority=1,
        ),
        Column(
            "Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why, in one stable word.", priority=1
        ),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', "What to do.", priority=1),
        Column("Age", ".metadata.creationTimestamp", "Time since creation.", "date"),
    ),
    riders=frozenset(
        {
            "health.lastSeen",
            "health.lastWorking",
            "health.startedAt",
            "health.reportedVersion",
            "health.responseTime",
            "health.consecutiveFailures",
            "health.lastError",
            "health.metrics",
            "apiKey.secretVersion",
        }
    ),
    selectable_fields=(".spec.productId", ".spec.tier", ".status.health.status"),
)
