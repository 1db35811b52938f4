"""Integrations in 004's shape: what is sent to make one, and how one is shown."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, SecretStr, StrictBool, StrictInt

from integration_hub.api.integration import Environment, Phase
from integration_hub.api.meta import Timestamp
from integration_hub.api.provider import AuthType, Category
from integration_hub.gateway.families.models import (
    INSTANCE,
    Answer,
    Body,
    Cursor,
    Instance,
    Limit,
    Listed,
    written_as,
)
from integration_hub.gateway.families.models.observation import HealthFigures
from integration_hub.gateway.families.spelling import UPPER, Spelling
from integration_hub.operations.find_integrations import IntegrationFilter, IntegrationPage
from integration_hub.operations.integration_draft import IntegrationDraft
from integration_hub.operations.integration_view import IntegrationView
from integration_hub.operations.trail import Trail
from integration_hub.ports import Json, SecretText

_CREATE: dict[str, Any] = {
    "providerId": "github",
    "name": "GitHub Integration",
    "description": "Issues of the platform team",
    "config": {},
    "environment": "PRODUCTION",
    "apiKey": "a personal access token",
    "timeoutSeconds": 30,
    "syncFrequency": "daily",
}
_LABELS = r"^([A-Za-z0-9./_-]+=[A-Za-z0-9._-]*(,[A-Za-z0-9./_-]+=[A-Za-z0-9._-]*)*)?$"
_ANSWER: dict[str, Any] = {
    "id": "0b8f3c1f-7c1f-4a63-9c8e-3c52f2f1e5c1",
    "tenantId": "team-a",
    "providerId": "7c1f2f1e-3c52-4a63-9c8e-0b8f3c1f5c11",
    "provider": "github",
    "name": "GitHub Integration",
    "resourceName": "github-integration",
    "status": "ACTIVE",
    "isEnabled": True,
    "environment": "PRODUCTION",
    "authType": "BEARER",
    "createdAt": "2026-11-21T10:30:00Z",
}


class IntegrationBody(Body):
    """CreateIntegrationDto, and all of it again to replace one."""

    model_config = ConfigDict(json_schema_extra={"example": _CREATE})

    provider_id: str = Field(description="Name or id of the provider.", min_length=1, max_length=253)
    name: str = Field(description="Its name, as people know it.", min_length=1, max_length=128)
    config: dict[str, Any] = Field(
        description="What the provider's schema asks for. Never a secret.", max_length=64
    )
    description: str | None = Field(default=None, description="What it is for.", max_length=1024)
    environment: str | None = Field(
        default=None, description="PRODUCTION (default), SANDBOX or TEST.", max_length=64
    )
    api_key: SecretStr | None = Field(
        default=None, description="API key or token; kept in a Secret.", min_length=1, max_length=16_384
    )
    timeout_seconds: StrictInt | None = Field(default=None, description="Deadline of one call.", ge=1, le=300)
    sync_frequency: str | None = Field(
        default=None, description="Duration, cron line, hourly, daily or weekly.", min_length=1, max_length=64
    )
    auth_type: str | None = Field(
        default=None, description="One of the provider's ways to authenticate.", max_length=64
    )
    instance: Instance | None = Field(
        default=None,
        description="Tells several with one provider and environment apart.",
        max_length=63,
        pattern=INSTANCE,
    )
    is_enabled: StrictBool | None = Field(default=None, description="False makes no calls at all.")
    retry_enabled: StrictBool | None = Field(default=None, description="Whether failed calls are repeated.")
    max_retries: StrictInt | None = Field(
        default=None, description="Repetitions after the first attempt.", ge=0, le=10
    )

    def draft(self) -> IntegrationDraft:
        """What the operation is asked for. Refuses words that are none."""
        spec: dict[str, Json] = {"config": self.config}
        given = {
            "description": self.description,
            "timeoutSeconds": self.timeout_seconds,
            "instance": self.instance,
            "enabled": self.is_enabled,
        }
        spec |= {name: value for name, value in given.items() if value is not None}
        if self.environment is not None:
            spec["environment"] = UPPER.read(Environment, self.environment, "environment").value
        if self.auth_type is not None:
            spec["authType"] = UPPER.read(AuthType, self.auth_type, "authType").value
        if self.sync_frequency is not None:
            spec["sync"] = {"auto": True, "schedule": self.sync_frequency}
        retry = {"enabled": self.retry_enabled, "maxRetries": self.max_retries}
        if any(value is not None for value in retry.values()):
            spec["retry"] = {name: value for name, value in retry.items() if value is not None}
        secrets = {} if self.api_key is None else {"apiKey": SecretText(self.api_key.get_secret_value())}
        return IntegrationDraft(self.name, self.provider_id, spec, credentials=secrets)


class StatusBody(Body):
    """Switch one on or off; empty: the other way round."""

    model_config = ConfigDict(json_schema_extra={"example": {"isEnabled": False}})

    is_enabled: StrictBool | None = Field(default=None, description="Whether it is switched on.")
    status: str | None = Field(default=None, description="ACTIVE or PAUSED.", max_length=64)


class IntegrationQuery(Body):
    """Which integrations to list."""

    provider: str = Field(default="", max_length=253, description="Only of this provider, by name or id.")
    category: str = Field(default="", max_length=64, description="Only of this category.")
    environment: str = Field(default="", max_length=64, description="Only in this environment.")
    status: str = Field(default="", max_length=64, description="Only with this status.")
    label: Annotated[str, written_as(_LABELS, "name=value, with commas between several")] = Field(
        default="",
        max_length=1024,
        pattern=_LABELS,
        description="Only with these labels, as in `team=billing,tier=gold`.",
    )
    limit: Limit = 100
    cursor: Cursor = ""

    def filter(self, namespace: str, trail: Trail) -> IntegrationFilter:
        """What the operation is asked for. Refuses words that are none."""
        return IntegrationFilter(
            namespace=namespace,
            provider=self.provider,
            category=UPPER.read(Category, self.category, "category") if self.category else None,
            environment=(
                UPPER.read(Environment, self.environment, "environment") if self.environment else None
            ),
            phase=UPPER.read(Phase, self.status, "status") if self.status else None,
            labels=dict(part.split("=", 1) for part in self.label.split(",") if part),
            limit=self.limit,
            cursor=self.cursor,
            trail=trail,
        )


class ChangeQuery(Body):
    """How a change is made."""

    force: bool = Field(default=False, description="Change what GitOps keeps, too.")


class IntegrationAnswer(Answer):
    """A tenant's connection. No secret is ever in it."""

    model_config = ConfigDict(json_schema_extra={"example": _ANSWER})

    id: str = Field(description="uid of the Integration.")
    tenant_id: str = Field(description="Its namespace.")
    provider_id: str = Field(description="uid of its provider; empty if there is none such.")
    provider: str = Field(description="Name of its provider.")
    category: str | None = Field(description="What kind of system the provider is.")
    name: str = Field(description="Its name, as people know it.")
    resource_name: str = Field(description="Name of the Kubernetes object.")
    description: str = Field(description="What it is for.")
    config: dict[str, Any] = Field(description="Its settings.")
    environment: str = Field(description="PRODUCTION, SANDBOX or TEST.")
    instance: str = Field(description="Tells several with one provider and environment apart.")
    auth_type: str | None = Field(description="How it authenticates.")
    status: str = Field(description="ACTIVE, PAUSED, ERROR or PENDING_AUTH.")
    is_enabled: bool = Field(description="Whether it is switched on.")
    retry_enabled: bool = Field(description="Whether failed calls are repeated.")
    max_retries: int = Field(description="Repetitions after the first attempt.")
    timeout_seconds: int = Field(description="Deadline of one call.")
    sync_frequency: str | None = Field(description="When data is synchronised.")
    last_sync_at: Timestamp | None = Field(description="When a sync last ended.")
    next_sync_at: Timestamp | None = Field(description="When the next one starts.")
    last_successful_call: Timestamp | None = Field(description="When a call last succeeded.")
    last_error: str | None = Field(description="What went wrong last.")
    last_error_at: Timestamp | None = Field(description="When it went wrong.")
    error_count: int = Field(description="Failed calls and checks.")
    oauth_expires_at: str | Timestamp | None = Field(description="When the access token expires.")
    connect_url: str | None = Field(description="Page where a person connects the account.")
    health: HealthFigures = Field(description="How it is, as last written.")
    ready: bool = Field(description="Whether it works.")
    reason: str = Field(description="Why, in one stable word.")
    message: str = Field(description="The same for a person, with the way out.")
    created_at: str = Field(description="When it was created, UTC.")
    updated_at: Timestamp | str = Field(description="When its settings last changed, UTC.")
    created_by: str = Field(description="Who created it over HTTP; else empty.")

    @classmethod
    def of(cls, shown: IntegrationView, spelling: Spelling) -> IntegrationAnswer:
        """An Integration in a family's words."""
        spec, status = shown.spec, shown.status
        ready = next((each for each in status.conditions if each.type == "Ready"), None)
        health, sync, oauth = status.health, status.sync, status.oauth
        return cls(
            id=shown.uid,
            tenant_id=shown.key.namespace,
            provider_id=shown.provider_uid,
            provider=spec.provider_ref.name,
            category=spelling.word(shown.category) if shown.category is not None else None,
            name=shown.name,
            resource_name=shown.key.name,
            description=spec.description,
            config=spec.config,
            environment=spelling.word(spec.environment),
            instance=spec.instance,
            auth_type=spelling.word(shown.auth_type) if shown.auth_type is not None else None,
            status=spelling.word(shown.phase),
            is_enabled=spec.enabled,
            retry_enabled=spec.retry.enabled,
            max_retries=spec.retry.max_retries,
            timeout_seconds=spec.timeout_seconds,
            sync_frequency=spec.sync.schedule or None,
            last_sync_at=sync.last_sync_at if sync is not None else None,
            next_sync_at=sync.next_sync_at if sync is not None else None,
            last_successful_call=status.last_successful_call,
            last_error=status.last_error,
            last_error_at=status.last_error_at,
            error_count=status.error_count,
            oauth_expires_at=oauth.expires_at if oauth is not None else None,
            connect_url=oauth.connect_url if oauth is not None else None,
            health=HealthFigures.model_validate(
                {
                    "status": "unknown" if health.status.value == "offline" else health.status.value,
                    "last_check": health.last_check,
                    "uptime": health.uptime,
                    "response_time": health.response_time,
                    "error_rate": health.error_rate,
                    "last_error": health.last_error,
                }
            ),
            ready=ready is not None and ready.status == "True",
            reason=ready.reason if ready is not None else "Pending",
            message=ready.message if ready is not None else "",
            created_at=shown.created,
            updated_at=status.updated_at or shown.created,
            created_by=shown.created_by,
        )


def listed(page: IntegrationPage, spelling: Spelling) -> Listed[IntegrationAnswer]:
    """A page of Integrations in a family's words."""
    return Listed(
        items=[IntegrationAnswer.of(each, spelling) for each in page.items],
        next_cursor=page.cursor or None,
        total=page.total,
    )
