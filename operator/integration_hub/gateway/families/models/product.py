"""Products, in the spelling of 000 and 001: snake_case."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from integration_hub.api.integration import HealthStatus
from integration_hub.api.meta import Timestamp
from integration_hub.operations.product_status import ProductStatus

_AT = "2024-01-15T10:30:00Z"


class Snake(BaseModel):
    """Base of what comes out, as Python spells it."""

    model_config = ConfigDict(frozen=True)


class HealFigures(Snake):
    """What was done for the product when it was unwell."""

    count: int = Field(description="Actions taken since registration.")
    last_action: str | None = Field(description="The last one.")
    last_action_at: Timestamp | None = Field(description="When it was taken.")


class KeyTimes(Snake):
    """When the product's key to the hub changes; the key itself is in the product's Secret only."""

    last_rotated_at: Timestamp | None = Field(description="When the key in the Secret was made.")
    next_rotation_at: Timestamp | None = Field(description="When it is replaced by age.")
    previous_valid_until: Timestamp | None = Field(
        description="Until when a key that was replaced goes on working."
    )


class ProductStatusAnswer(Snake):
    """A product's registration, and how it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "product_id": "itechsmart-dataflow",
                "product_name": "iTechSmart DataFlow",
                "version": "1.0.0",
                "api_endpoint": "http://dataflow:8080",
                "health_endpoint": "http://dataflow:8080/health",
                "capabilities": ["data_pipeline", "etl", "streaming"],
                "status": "healthy",
                "since": _AT,
                "signal": "probe",
                "ready": "True",
                "reason": "Succeeded",
                "message": "The product works.",
                "reported_version": "1.0.0",
                "started_at": _AT,
                "last_seen": _AT,
                "response_time": 12,
                "consecutive_failures": 0,
                "last_error": None,
                "metrics": {"cpu_usage": 45.2, "memory_usage": 62.8, "active_connections": 150},
                "heal": {"count": 0, "last_action": None, "last_action_at": None},
                "api_key": {
                    "last_rotated_at": _AT,
                    "next_rotation_at": None,
                    "previous_valid_until": None,
                },
                "namespace": "team-a",
                "name": "itechsmart-dataflow",
            }
        }
    )

    product_id: str = Field(description="Id of the product.")
    product_name: str = Field(description="Name as people know it.")
    version: str = Field(description="Version that is deployed.")
    api_endpoint: str = Field(description="Root of its API.")
    health_endpoint: str = Field(description="Where it answers for its health.")
    capabilities: list[str] = Field(description="What it can do.")
    status: HealthStatus = Field(description="The verdict: the worst of all signals.")
    since: Timestamp | None = Field(description="When the verdict last changed.")
    signal: str | None = Field(description="Which signal decided: probe, rollout or heartbeat.")
    ready: Literal["True", "False", "Unknown"] = Field(description="The condition Ready.")
    reason: str = Field(description="Why, in one stable word.")
    message: str = Field(description="The same for a person, with what to do.")
    reported_version: str | None = Field(description="Version that the product itself reports.")
    started_at: Timestamp | None = Field(description="When it says it started.")
    last_seen: Timestamp | None = Field(description="When it last answered, as of the last status write.")
    response_time: int | None = Field(description="Time of that answer, in milliseconds.")
    consecutive_failures: int = Field(description="Failed probes in a row.")
    last_error: str | None = Field(description="What went wrong last.")
    metrics: dict[str, float] = Field(description="What it measured of itself when the verdict last changed.")
    heal: HealFigures = Field(description="What was done for it.")
    api_key: KeyTimes = Field(description="When its key changes.")
    namespace: str = Field(description="Namespace of its registration.")
    name: str = Field(description="Name of its registration.")

    @classmethod
    def of(cls, told: ProductStatus) -> ProductStatusAnswer:
        spec, health, heal, key = told.spec, told.status.health, told.status.heal, told.status.api_key
        return cls(
            product_id=spec.product_id,
            product_name=spec.product_name,
            version=spec.version,
            api_endpoint=spec.api_endpoint,
            health_endpoint=told.health_endpoint,
            capabilities=spec.capabilities,
            status=health.status,
            since=health.since,
            signal=health.signal,
            ready=told.ready.status if told.ready is not None else "Unknown",
            reason=told.ready.reason if told.ready is not None else "Pending",
            message=told.ready.message if told.ready is not None else "",
            reported_version=health.reported_version,
            started_at=health.started_at,
            last_seen=health.last_seen,
            response_time=health.response_time,
            consecutive_failures=health.consecutive_failures,
            last_error=health.last_error,
            metrics=health.metrics,
            heal=HealFigures(
                count=heal.count, last_action=heal.last_action, last_action_at=heal.last_action_at
            ),
            api_key=KeyTimes(
                last_rotated_at=key.last_rotated_at if key is not None else None,
                next_rotation_at=key.next_rotation_at if key is not None else None,
                previous_valid_until=key.previous_valid_until if key is not None else None,
            ),
            namespace=told.registration.namespace,
            name=told.registration.name,
        )
