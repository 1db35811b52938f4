"""What the hub observed of an Integration: its status."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from integration_hub.api.authentication import AuthType
from integration_hub.api.conditions import StatusBase
from integration_hub.api.meta import ListMap, Model, Timestamp

Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Text = Annotated[str, Field(max_length=1024)]


class Phase(StrEnum):
    """One word for where an Integration stands."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    ERROR = "ERROR"
    PENDING_AUTH = "PENDING_AUTH"


class HealthStatus(StrEnum):
    """Verdict on a connection or a product; connections are never offline."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"
    OFFLINE = "offline"


class Health(Model):
    """The connection's health. The verdict is a fact; the figures ride along with the next write."""

    status: HealthStatus = Field(default=HealthStatus.UNKNOWN, description="The verdict.")
    last_check: Timestamp | None = Field(
        default=None, description="When it was last tried (figures of the last write)."
    )
    response_time: Count | None = Field(default=None, description="Time of the last answer, in milliseconds.")
    uptime: Percent | None = Field(
        default=None, description="Share of successful checks in the window, in percent."
    )
    error_rate: Percent | None = Field(
        default=None, description="Share of failed checks in the window, in percent."
    )
    last_error: Text | None = Field(default=None, description="What went wrong last, without secrets.")
    consecutive_failures: Count = Field(default=0, description="Failed checks in a row.")


class OAuthStatus(Model):
    """Where an OAuth connection stands. Never holds a token."""

    expires_at: Timestamp | None = Field(default=None, description="When the access token expires.")
    next_refresh_at: Timestamp | None = Field(default=None, description="When it will be refreshed.")
    connect_url: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="Page where a person connects; it holds no state."
    )


class CredentialsStatus(Model):
    """Age of the credentials."""

    auth_type: AuthType | None = Field(default=None, description="The authentication mode in use.")
    secret_version: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="Version of the Secret that was last read: its resourceVersion, or Vault's own version.",
    )
    expires_at: Timestamp | None = Field(default=None, description="When they expire, where that is known.")
    next_refresh_at: Timestamp | None = Field(default=None, description="When they will be refreshed.")
    last_rotated_at: Timestamp | None = Field(default=None, description="When they were last replaced.")
    next_rotation_at: Timestamp | None = Field(default=None, description="When they are due for replacement.")
    rotation_due: bool = Field(default=False, description="Whether replacement is due.")
    rotation: Literal["Trial", "Swapped"] | None = Field(
        default=None,
        description="A replacement under way: the new key is tried, or in use and the old one still kept.",
    )
    sealed: bool | None = Field(
        default=None, description="Whether what the hub itself obtained is encrypted at rest."
    )


class Binding(Model):
    """A Provisioned Service of the Service Binding Specification: workloads find their Secret by it."""

    name: Annotated[str, Field(max_length=253)] = Field(
        description="Secret that workloads use, made and kept up to date by the hub."
    )


class AcceptedProvider(Model):
    """The provider that credentials were first sent to; a different one needs consent."""

    provider: Annotated[str, Field(max_length=384)] = Field(
        default="", description="Kind and name of the provider object, as the spec named it then."
    )
    uid: Annotated[str, Field(max_length=64)] = Field(description="uid of the provider object.")
    generation: int = Field(description="Its generation when last acted on.", ge=0, le=2**53)
    hosts: Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=16)] = Field(
        default_factory=list, description="Hosts that credentials may go to."
    )


class CircuitStatus(Model):
    """State of the circuit breaker."""

    state: Literal["closed", "open", "halfOpen"] = Field(default="closed", description="Its state.")
    opened_at: Timestamp | None = Field(default=None, description="When it last opened.")
    retry_at: Timestamp | None = Field(default=None, description="When trial calls begin.")


class SyncStatus(Model):
    """Synchronisation in short form."""

    last_sync_at: Timestamp | None = Field(default=None, description="When a sync last ended.")
    next_sync_at: Timestamp | None = Field(default=None, description="When the next one starts.")


class LastTest(Model):
    """Outcome of the last connection test that somebody asked for."""

    requested: Annotated[str, Field(max_length=64)] = Field(
        description="Value of the request annotation it answers."
    )
    result: HealthStatus = Field(description="The verdict.")
    reason: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Why, in one stable word; the reference documentation lists them all."
    )
    at: Timestamp = Field(description="When it ran.")
    message: Text = Field(default="", description="What a person should know.")


class TestResult(Model):
    """What one of spec.tests came to when somebody last asked for a test."""

    name: Annotated[str, Field(max_length=63)] = Field(description="The test's name.")
    result: Literal["passed", "failed"] = Field(description="What it came to.")
    at: Timestamp = Field(description="When it ran.")
    message: Text = Field(default="", description="What a person should know.")


class IntegrationStatus(StatusBase):
    """What the hub observed of an Integration."""

    phase: Phase | None = Field(default=None, description="ACTIVE, PAUSED, ERROR or PENDING_AUTH.")
    health: Health = Field(default_factory=Health, description="The connection's health.")
    credentials: CredentialsStatus | None = Field(default=None, description="Age of the credentials.")
    oauth: OAuthStatus | None = Field(default=None, description="Where an OAuth connection stands.")
    accepted_provider: AcceptedProvider | None = Field(default=None, description="The provider in use.")
    binding: Binding | None = Field(default=None, description="The Secret for workloads.")
    circuit: CircuitStatus | None = Field(default=None, description="State of the circuit breaker.")
    sync: SyncStatus | None = Field(default=None, description="Synchronisation in short form.")
    last_test: LastTest | None = Field(default=None, description="The last test that somebody asked for.")
    tests: Annotated[list[TestResult], ListMap(("name",)), Field(max_length=16)] = Field(
        default_factory=list, description="What spec.tests came to when somebody last asked for a test."
    )
    last_successful_call: Timestamp | None = Field(default=None, description="When a call last succeeded.")
    last_error: Text | None = Field(default=None, description="What went wrong last, without secrets.")
    last_error_at: Timestamp | None = Field(default=None, description="When it went wrong.")
    error_count: Count = Field(default=0, description="Failed checks and calls since creation.")
    external_account_id: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="The vendor's own id of the connected account."
    )
    updated_at: Timestamp | None = Field(
        default=None, description="When the spec last changed, as seen here."
    )
