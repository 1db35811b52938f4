"""Providers: what can be connected. One spec, two scopes, as with ClusterIssuer and Issuer.

The bundled catalogue consists of ClusterIntegrationProviders; a tenant's own, called a custom
integration, is an IntegrationProvider that other namespaces may use if `sharedWith` names them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from integration_hub.api.authentication import ApiKeyPlacement, AuthMode, AuthType, OAuthConfig
from integration_hub.api.conditions import StatusBase
from integration_hub.api.meta import (
    Column,
    Expression,
    FreeJson,
    HeaderValues,
    KindInfo,
    ListMap,
    ListSet,
    Model,
    Rule,
    Template,
    Timestamp,
    Url,
    Word,
)
from integration_hub.api.offerings import Batch, Endpoint, Entity, WebhookEvent, Widget

__all__ = [
    "CLUSTER_INTEGRATION_PROVIDER",
    "INTEGRATION_PROVIDER",
    "ApiKeyPlacement",
    "AuthMode",
    "AuthType",
    "Category",
    "ClassRule",
    "OAuthConfig",
    "ProbeSpec",
    "ProviderSpec",
    "ProviderStatus",
    "RateLimit",
    "RateLimitHeaders",
    "Support",
]


class Category(StrEnum):
    """What kind of outside system it is. An open list in meaning, closed in spelling."""

    LOAD_BOARD = "LOAD_BOARD"
    ACCOUNTING = "ACCOUNTING"
    ELD = "ELD"
    CRM = "CRM"
    RATING = "RATING"
    TRACKING = "TRACKING"
    PAYMENT = "PAYMENT"
    EDI = "EDI"
    CAD = "cad"
    SIMULATION = "simulation"
    EDA = "eda"
    PROJECT_MANAGEMENT = "project-management"
    COMMUNICATION = "communication"
    VERSION_CONTROL = "version-control"
    CLOUD_STORAGE = "cloud-storage"
    CI_CD = "ci-cd"
    TESTING = "testing"
    MONITORING = "monitoring"
    CUSTOM = "custom"


class ClassRule(Model):
    """Sorts an answer into a failure class; the first rule whose expression is true decides."""

    when: Expression = Field(
        description="CEL over `status` (int), `headers` (lower-case names), `body` (decoded JSON or null) "
        "and `text`; true if this rule applies."
    )
    result: Literal["success", "transient", "rateLimited", "config", "expired", "revoked"] = Field(
        description="What it means: success; transient (try again); rateLimited; config (the request or "
        "its settings are wrong); expired (refresh the token); revoked (a person must reconnect)."
    )
    message: str = Field(
        default="",
        description="What to tell a person; may hold `{{ … }}` placeholders over the same variables.",
        max_length=512,
    )


class ProbeSpec(Model):
    """One cheap read-only request that shows whether credentials and connection work."""

    method: Literal["GET", "HEAD", "POST"] = Field(default="GET", description="HTTP method of the probe.")
    path: Template = Field(default="/", description="Path (and query) appended to baseUrl.")
    headers: HeaderValues = Field(default_factory=dict, description="Headers of the probe alone.")
    body: str = Field(default="", description="Body of a POST probe, sent as it is.", max_length=4096)
    classes: Annotated[list[ClassRule], Field(max_length=8)] = Field(
        default_factory=list,
        description="Rules for the probe's own answer, tried before the provider's.",
    )
    interval_seconds: int = Field(
        default=60,
        description="Seconds between probes unless the Integration says otherwise; long where calls are "
        "counted by the year.",
        ge=5,
        le=86_400,
    )


class RateLimit(Model):
    """A sliding window of calls."""

    requests: int = Field(description="Calls allowed within one window.", ge=1, le=10_000_000)
    window_seconds: int = Field(description="Length of the window in seconds.", ge=1, le=31_622_400)


class RateLimitHeaders(Model):
    """Response headers by which the provider tells what is left of its limit."""

    remaining: Word | None = Field(default=None, description="Header with the number of calls left.")
    reset: Word | None = Field(
        default=None, description="Header with the time of renewal (epoch seconds or seconds from now)."
    )


class Support(Model):
    """What the provider can do beyond single calls."""

    webhooks: bool = Field(default=False, description="Sends webhooks.")
    batch: bool = Field(default=False, description="Takes several calls in one request.")
    realtime: bool = Field(default=False, description="Streams changes as they happen.")


class ProviderSpec(Model):
    """What can be connected: authentication, addresses, configuration, probe, limits and abilities."""

    RULES = (
        Rule(
            "has(self.oauth) || self.authModes.all(m, !m.type.startsWith('OAUTH2'))",
            "a mode of type OAUTH2 or OAUTH2_CLIENT_CREDENTIALS needs spec.oauth with its endpoints",
            ".oauth",
        ),
        Rule(
            "self.authModes.all(m, self.authModes.exists_one(n, n.type == m.type))",
            "each authentication type may be listed once",
            ".authModes",
        ),
    )

    display_name: Word = Field(description="Name as people know it.")
    description: str = Field(default="", description="What it is, in a sentence or two.", max_length=2048)
    category: Category = Field(description="What kind of system it is.")
    state: Literal["ACTIVE", "INACTIVE", "DEPRECATED"] = Field(
        default="ACTIVE", description="INACTIVE providers take no new calls; DEPRECATED ones still work."
    )
    audiences: Annotated[list[Word], ListSet(), Field(max_length=16)] = Field(
        default_factory=list, description="Whose workspace it suits, such as common, cto or cfo."
    )
    base_url: Template = Field(
        description="Root of every call. May hold `{{ config.site }}` placeholders; paths are appended to it "
        "as written.",
        min_length=1,
    )
    api_version: str = Field(
        default="", description="Version of the vendor's API this describes.", max_length=64
    )
    documentation_url: str = Field(default="", description="The vendor's documentation.", max_length=2048)
    auth_modes: Annotated[list[AuthMode], Field(min_length=1, max_length=9)] = Field(
        description="Ways to authenticate; the first is the default."
    )
    oauth: OAuthConfig | None = Field(default=None, description="OAuth endpoints, for modes of OAuth 2.")
    config_schema: Annotated[dict[str, Any], FreeJson(64)] = Field(
        default_factory=dict,
        description="What an Integration's config must look like: a JSON Schema, or a map of field name to "
        "{type, required, description, default}.",
    )
    credentials_schema: Annotated[dict[str, Any], FreeJson(64)] = Field(
        default_factory=dict, description="What the Secret must hold, in the same two forms."
    )
    default_headers: HeaderValues = Field(
        default_factory=dict, description="Headers sent with every call, such as an API version."
    )
    probe: ProbeSpec | None = Field(default=None, description="The request that shows that it works.")
    classes: Annotated[list[ClassRule], Field(max_length=16)] = Field(
        default_factory=list,
        description="How answers are sorted where HTTP statuses do not tell all; first match wins.",
    )
    rate_limit: RateLimit | None = Field(
        default=None, description="The provider's limit; absent means none known."
    )
    rate_limit_headers: RateLimitHeaders | None = Field(
        default=None, description="Headers that tell what is left of the limit."
    )
    quota: RateLimit | None = Field(
        default=None,
        description="A second, long limit, such as calls a year, which probes are counted against.",
    )
    supports: Support = Field(default_factory=Support, description="What it can do beyond single calls.")
    batch: Batch | None = Field(
        default=None, description="How several calls travel in one request, where supports.batch is true."
    )
    endpoints: Annotated[list[Endpoint], ListMap(("name",)), Field(max_length=64)] = Field(
        default_factory=list, description="Named calls."
    )
    webhooks: Annotated[list[WebhookEvent], ListMap(("event",)), Field(max_length=64)] = Field(
        default_factory=list, description="Event types it announces."
    )
    signature_profile: str = Field(
        default="", description="Name of the signature profile of its webhooks.", max_length=63
    )
    entities: Annotated[list[Entity], ListMap(("name",)), Field(max_length=64)] = Field(
        default_factory=list, description="Collections that can be synchronised."
    )
    widgets: Annotated[list[Widget], ListMap(("id",)), Field(max_length=32)] = Field(
        default_factory=list, description="Dashboard data it can feed."
    )
    regions: Annotated[dict[str, Url], Field(max_length=32)] = Field(
        default_factory=dict, description="Region name to base URL, where the vendor runs several."
    )
    shared_with: Annotated[
        list[Annotated[str, Field(max_length=63, pattern=r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$")]],
        ListSet(),
        Field(max_length=256),
    ] = Field(
        default_factory=list,
        description='Namespaces that may use a namespaced provider besides its own; "*" means all.',
    )


class ProviderStatus(StatusBase):
    """What the hub observed of a provider."""

    integration_count: int = Field(default=0, description="Integrations that use it.", ge=0, le=10_000_000)
    updated_at: Timestamp | None = Field(
        default=None, description="When its spec last changed, as seen here."
    )


def _columns() -> tuple[Column, ...]:
    return (
        Column("Title", ".spec.displayName", "Name as people know it."),
        Column("Category", ".spec.category", "What kind of system it is."),
        Column("Auth", ".spec.authModes[0].type", "Default authentication."),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether it can be used."),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why, in one stable word."),
        Column("Used", ".status.integrationCount", "Integrations that use it.", "integer"),
        Column("State", ".spec.state", "Whether the vendor's offer is current.", priority=1),
        Column("Base-Url", ".spec.baseUrl", "Root of every call.", priority=1),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', "What to do.", priority=1),
        Column("Age", ".metadata.creationTimestamp", "Time since creation.", "date"),
    )


CLUSTER_INTEGRATION_PROVIDER = KindInfo(
    kind="ClusterIntegrationProvider",
    plural="clusterintegrationproviders",
    singular="clusterintegrationprovider",
    short_names=("ciprov",),
    namespaced=False,
    spec=ProviderSpec,
    status=ProviderStatus,
    description="An outside system that every namespace may connect to. The catalogue is made of these.",
    columns=_columns(),
    selectable_fields=(".spec.category", ".spec.state"),
)

INTEGRATION_PROVIDER = KindInfo(
    kind="IntegrationProvider",
    plural="integrationproviders",
    singular="integrationprovider",
    short_names=("iprov",),
    spec=ProviderSpec,
    status=ProviderStatus,
    description="An outside system that one namespace defines for itself: a custom integration. Other "
    "namespaces may use it if spec.sharedWith names them.",
    columns=_columns(),
    selectable_fields=(".spec.category", ".spec.state"),
)
