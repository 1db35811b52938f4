"""Health, metrics, logs, statistics and audit, in the words of each family."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field

from integration_hub.api.integration import HealthStatus, Phase
from integration_hub.api.meta import Timestamp
from integration_hub.domain.duration import seconds_of
from integration_hub.gateway.families.models import Answer, Body, Moment, written_as
from integration_hub.gateway.families.spelling import Spelling
from integration_hub.operations.health import HealthReport, HealthSummary
from integration_hub.operations.metrics import MetricsReport
from integration_hub.operations.statistics import Statistics
from integration_hub.ports import AuditRecord, CallRecord

_W = TypeVar("_W", bound=StrEnum)
_SPAN = r"^([0-9]{1,6}(d|h|m|s))+$"
_ANY_CASE = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
_AT = "2024-01-15T10:30:00Z"


class HealthFigures(Answer):
    """How a connection is."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "healthy",
                "lastCheck": _AT,
                "uptime": 99.9,
                "responseTime": 150,
                "errorRate": 0.1,
                "lastError": None,
            }
        }
    )

    status: Literal["healthy", "degraded", "unhealthy", "unknown"] = Field(description="The verdict.")
    last_check: Timestamp | None = Field(description="When it was last tried.")
    uptime: float | None = Field(description="Percent of successful checks in the window.")
    response_time: int | None = Field(description="Time of the last answer, in milliseconds.")
    error_rate: float | None = Field(description="Percent of failed checks in the window.")
    last_error: str | None = Field(description="What went wrong last.")

    @classmethod
    def of(cls, report: HealthReport) -> HealthFigures:
        return cls.model_validate(
            {
                "status": report.status.value,
                "last_check": report.last_check,
                "uptime": report.uptime,
                "response_time": report.response_milliseconds,
                "error_rate": report.error_rate,
                "last_error": report.last_error,
            }
        )


class HealthAnswer(Answer):
    """The health of one Integration."""

    health: HealthFigures = Field(description="How it is.")


class NamedHealth(Answer):
    """One of several."""

    id: str = Field(description="uid of the Integration.")
    name: str = Field(description="Its name.")
    health: HealthFigures = Field(description="How it is.")


class HealthSummaryAnswer(Answer):
    """The health of a namespace's Integrations; the four counts add up to the total."""

    total: int = Field(description="How many there are.")
    healthy: int = Field(description="How many are healthy.")
    degraded: int = Field(description="How many fail now and then.")
    unhealthy: int = Field(description="How many do not work.")
    unknown: int = Field(description="How many nothing is known of.")
    integrations: list[NamedHealth] = Field(description="Each of them, by name.")

    @classmethod
    def of(cls, summary: HealthSummary) -> HealthSummaryAnswer:
        counts = summary.counts
        return cls(
            total=len(summary.reports),
            healthy=counts[HealthStatus.HEALTHY],
            degraded=counts[HealthStatus.DEGRADED],
            unhealthy=counts[HealthStatus.UNHEALTHY],
            unknown=counts[HealthStatus.UNKNOWN],
            integrations=[
                NamedHealth(id=each.id, name=each.name, health=HealthFigures.of(each))
                for each in summary.reports
            ],
        )


class MetricsFigures(Answer):
    """What went through a connection."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "totalRequests": 1000,
                "successfulRequests": 995,
                "failedRequests": 5,
                "averageResponseTime": 200,
                "dataTransferred": 1_048_576,
                "lastActivity": _AT,
            }
        }
    )

    total_requests: int = Field(description="Requests, probes included.")
    successful_requests: int = Field(description="Those that succeeded.")
    failed_requests: int = Field(description="Those that did not.")
    average_response_time: int | None = Field(description="Milliseconds; null before the first request.")
    data_transferred: int = Field(description="Bytes, both ways together.")
    last_activity: Timestamp | None = Field(description="When the last request ended.")

    @classmethod
    def of(cls, report: MetricsReport) -> MetricsFigures:
        return cls(
            total_requests=report.total,
            successful_requests=report.successful,
            failed_requests=report.failed,
            average_response_time=report.average_milliseconds,
            data_transferred=report.bytes_transferred,
            last_activity=report.last_activity,
        )


class MetricsAnswer(Answer):
    """The metrics of one Integration."""

    metrics: MetricsFigures = Field(description="What went through it.")


class WindowQuery(Body):
    """How far back to look."""

    window: Annotated[str, written_as(_SPAN, "a duration such as 24h or 90m")] = Field(
        default="",
        max_length=32,
        pattern=_SPAN,
        description="Such as 24h or 90m, at most 48h; since the first request by default.",
    )

    @property
    def span(self) -> timedelta | None:
        return timedelta(seconds=seconds_of(self.window)) if self.window else None


class LogQuery(Body):
    """Which entries."""

    limit: int = Field(default=100, ge=1, le=1000, description="Most entries of one answer.")
    level: Annotated[Literal["debug", "info", "warn", "error"], _ANY_CASE] | None = Field(
        default=None, description="This level and all that is more serious."
    )
    since: Moment | None = Field(default=None, description="Not older than this.")
    before: str = Field(default="", max_length=128, description="`next` of the page before.")


class LogEntry(Answer):
    """One attempt of one request, redacted."""

    timestamp: Timestamp = Field(description="When it ended.")
    level: str = Field(description="debug, info, warn or error.")
    message: str = Field(description="What came of it.")
    method: str = Field(description="HTTP method.")
    path: str = Field(description="Path and query; values that look like secrets are struck out.")
    status: int = Field(description="HTTP status; 0 without an answer.")
    outcome: str = Field(description="What it came to, in one stable word.")
    duration: int = Field(description="Milliseconds.")
    attempt: int = Field(description="Which attempt of its request.")
    bytes_sent: int = Field(description="Bytes sent.")
    bytes_received: int = Field(description="Bytes received.")
    purpose: str = Field(description="call, probe, test, widget, …")
    caller: str = Field(description="On whose behalf; empty: the hub itself.")
    correlation_id: str = Field(description="Leads to what belongs together.")
    request_headers: dict[str, str] = Field(description="Headers sent, redacted.")
    response_headers: dict[str, str] = Field(description="Headers received, redacted.")
    request_body: str = Field(description="Kept where spec.logging.bodies asks for it, redacted and capped.")
    response_body: str = Field(description="Likewise.")

    @classmethod
    def of(cls, record: CallRecord) -> LogEntry:
        return cls(
            timestamp=record.at,
            level=record.level,
            message=record.message,
            method=record.method,
            path=record.path,
            status=record.status,
            outcome=record.outcome,
            duration=round(record.milliseconds),
            attempt=record.attempt,
            bytes_sent=record.bytes_sent,
            bytes_received=record.bytes_received,
            purpose=record.purpose,
            caller=record.caller,
            correlation_id=record.correlation_id,
            request_headers=dict(record.request_headers),
            response_headers=dict(record.response_headers),
            request_body=record.request_body,
            response_body=record.response_body,
        )


class LogsAnswer(Answer):
    """A page of a request log, newest first."""

    logs: list[LogEntry] = Field(description="The entries.")
    next: str | None = Field(description="Pass it as `before` for older ones; null where there are none.")


_SPLIT: dict[str, Any] = {
    "total": 10,
    "byType": {"cad": 2, "simulation": 3, "version-control": 2, "communication": 1, "custom": 2},
    "byStatus": {"connected": 8, "disconnected": 1, "error": 1},
    "healthyCount": 8,
    "unhealthyCount": 2,
    "totalRequests": 5000,
    "averageResponseTime": 250,
}
CONNECTEDNESS: Mapping[Phase, str] = {
    Phase.ACTIVE: "connected",
    Phase.ERROR: "error",
    Phase.PAUSED: "disconnected",
    Phase.PENDING_AUTH: "disconnected",
}
"""002's words for where an Integration stands (INT-39)."""


class ProjectFigures(Answer):
    """A project's Integrations in figures; each split adds up to the total."""

    model_config = ConfigDict(json_schema_extra={"example": _SPLIT})

    total: int = Field(description="How many there are.")
    by_type: dict[str, int] = Field(description="By kind of outside system.")
    by_status: dict[Literal["connected", "disconnected", "error"], int] = Field(
        description="By where they stand."
    )
    healthy_count: int = Field(description="How many are healthy.")
    unhealthy_count: int = Field(description="All the others.")
    total_requests: int = Field(description="Requests through them, probes included.")
    average_response_time: int | None = Field(description="Milliseconds; null before the first request.")

    @classmethod
    def of(cls, found: Statistics, spelling: Spelling) -> ProjectFigures:
        by_status = dict.fromkeys(("connected", "disconnected", "error"), 0)
        for phase, count in found.by_phase.items():
            by_status[CONNECTEDNESS[phase]] += count
        return cls.model_validate(
            {
                "total": found.total,
                "by_type": _words(found.by_category, spelling),
                "by_status": by_status,
                "healthy_count": found.healthy,
                "unhealthy_count": found.unhealthy,
                "total_requests": found.calls.total,
                "average_response_time": found.calls.average_milliseconds,
            }
        )


class ProjectStatisticsAnswer(Answer):
    """002's statistics."""

    statistics: ProjectFigures = Field(description="The figures.")


class UsageAnswer(Answer):
    """004's usage statistics of a namespace; each split adds up to the total."""

    total_integrations: int = Field(description="How many there are.")
    by_category: dict[str, int] = Field(description="By category of their providers.")
    by_status: dict[str, int] = Field(description="By phase.")
    by_health: dict[str, int] = Field(description="By verdict.")
    window: str | None = Field(description="How far back the requests were counted; null: all of them.")
    total_requests: int = Field(description="Requests, probes included.")
    successful_requests: int = Field(description="Those that succeeded.")
    failed_requests: int = Field(description="Those that did not.")
    success_rate: float | None = Field(description="Percent; null without a request.")
    average_response_time: int | None = Field(description="Milliseconds; null without a request.")
    data_transferred: int = Field(description="Bytes, both ways together.")
    last_activity: Timestamp | None = Field(description="When the last request ended.")

    @classmethod
    def of(cls, found: Statistics, window: str, spelling: Spelling) -> UsageAnswer:
        calls = found.calls
        return cls(
            total_integrations=found.total,
            by_category=_words(found.by_category, spelling),
            by_status=_words(found.by_phase, spelling),
            by_health={str(each): count for each, count in found.by_health.items()},
            window=window or None,
            total_requests=calls.total,
            successful_requests=calls.successful,
            failed_requests=calls.failed,
            success_rate=round(100 * calls.successful / calls.total, 2) if calls.total else None,
            average_response_time=calls.average_milliseconds,
            data_transferred=calls.bytes_transferred,
            last_activity=calls.last_activity,
        )


def _words(counts: Mapping[_W, int] | Mapping[_W | None, int], spelling: Spelling) -> dict[str, int]:
    return {spelling.word(each or "unknown"): count for each, count in counts.items()}


class AuditQueryParameters(Body):
    """Which entries."""

    name: str = Field(default="", max_length=253, description="Only about the object of this name.")
    actor: str = Field(default="", max_length=512, description="Only what this user did.")
    since: Moment | None = Field(default=None, description="Not older than this.")
    limit: int = Field(default=100, ge=1, le=1000, description="Most entries of one answer.")
    before: str = Field(default="", max_length=128, description="`next` of the page before.")


class AuditEntry(Answer):
    """Somebody did something, or tried to; or a credential was used."""

    timestamp: Timestamp = Field(description="When.")
    actor: str = Field(description="Who.")
    action: str = Field(description="What, in one word.")
    resource: str = Field(description="To which kind of thing.")
    name: str = Field(description="To which one.")
    outcome: str = Field(description="allowed, denied or failed.")
    detail: str = Field(description="More for a person.")
    correlation_id: str = Field(description="Leads to what belongs together.")

    @classmethod
    def of(cls, record: AuditRecord) -> AuditEntry:
        return cls(
            timestamp=record.at,
            actor=record.actor,
            action=record.action,
            resource=record.resource,
            name=record.name,
            outcome=record.outcome,
            detail=record.detail,
            correlation_id=record.correlation_id,
        )


class AuditAnswer(Answer):
    """A page of the audit, newest first."""

    entries: list[AuditEntry] = Field(description="The entries.")
    next: str | None = Field(description="Pass it as `before` for older ones; null where there are none.")
