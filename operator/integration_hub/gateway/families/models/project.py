"""Integrations in 002's shape: flat settings, kebab words, milliseconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from integration_hub.api.integration import HealthStatus
from integration_hub.api.meta import Timestamp, format_time
from integration_hub.api.provider import AuthType, Category
from integration_hub.domain import registration
from integration_hub.gateway.families.models import Answer, Body, Cursor, Limit, Moment
from integration_hub.gateway.families.models.observation import CONNECTEDNESS, HealthFigures
from integration_hub.gateway.families.spelling import KEBAB
from integration_hub.operations.integration_view import IntegrationView
from integration_hub.ports import SecretText

ProjectName = Field(description="The project: a namespace.", min_length=1, max_length=63)
_MINUTES = re.compile(r"([0-9]+)m")
_REGISTER: dict[str, Any] = {
    "projectId": "project-123",
    "name": "GitHub Integration",
    "type": "version-control",
    "provider": "github",
    "configuration": {
        "enabled": True,
        "autoSync": True,
        "syncInterval": 30,
        "apiEndpoint": "https://api.github.com",
        "retryAttempts": 3,
        "timeout": 30_000,
    },
    "credentials": {"type": "oauth", "accessToken": "a token", "refreshToken": "another one"},
}


class CredentialsBody(BaseModel):
    """Credentials on their way into a Secret. Beside the usual names, those of a credentialsSchema."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, SecretStr]

    type: str | None = Field(
        default=None, max_length=64, description="How they are used: oauth, api-key, basic, bearer, none …"
    )
    access_token: SecretStr | None = Field(default=None, description="OAuth access token, or a bearer token.")
    refresh_token: SecretStr | None = Field(default=None, description="OAuth refresh token.")
    token_expiry: Moment | None = Field(
        default=None, description="When the access token expires; unknown if left out."
    )
    api_key: SecretStr | None = Field(default=None, description="API key.")
    username: SecretStr | None = Field(default=None, description="User name.")
    password: SecretStr | None = Field(default=None, description="Password.")

    def given(self) -> dict[str, SecretText]:
        """By name, what was given; empty values count as not given."""
        usual = {
            "accessToken": self.access_token,
            "refreshToken": self.refresh_token,
            "apiKey": self.api_key,
            "username": self.username,
            "password": self.password,
        }
        values = {**usual, **self.__pydantic_extra__}
        found = {
            name: SecretText(value.get_secret_value())
            for name, value in values.items()
            if value is not None and value.get_secret_value()
        }
        if self.token_expiry is not None:
            found["tokenExpiry"] = SecretText(format_time(self.token_expiry))
        return found

    @property
    def auth_type(self) -> AuthType | None:
        """The scheme that was named. An API key may go as a bearer token too: the provider knows which."""
        if not self.type:
            return None
        word = KEBAB.read(AuthType, self.type, "credentials.type")
        return None if word is AuthType.API_KEY else word


class RegisterBody(Body):
    """What 002's register takes."""

    model_config = ConfigDict(json_schema_extra={"example": _REGISTER})

    project_id: str = ProjectName
    name: str = Field(description="Its name, as people know it.", min_length=1, max_length=128)
    type: str | None = Field(
        default=None, max_length=64, description="Kind of system; must be its provider's."
    )
    provider: str = Field(description="Name or id of the provider.", min_length=1, max_length=253)
    description: str = Field(default="", max_length=1024, description="What it is for.")
    configuration: dict[str, Any] = Field(
        default_factory=dict,
        max_length=64,
        description="enabled, autoSync, syncInterval (minutes), retryAttempts, timeout (milliseconds), and "
        "what the provider's schema asks for.",
    )
    credentials: CredentialsBody | None = Field(default=None, description="Kept in a Secret, never shown.")

    @property
    def category(self) -> Category | None:
        return KEBAB.read(Category, self.type, "type") if self.type else None


class UpdateBody(BaseModel):
    """A part of it: settings at the top level, or under `configuration` as register has them."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="allow",
        json_schema_extra={"example": {"enabled": False, "syncInterval": 60}},
    )
    __pydantic_extra__: dict[str, Any]

    name: str | None = Field(default=None, min_length=1, max_length=128, description="Another name.")
    description: str | None = Field(default=None, max_length=1024, description="What it is for.")
    configuration: dict[str, Any] = Field(
        default_factory=dict, max_length=64, description="Settings in their wrapper."
    )
    credentials: CredentialsBody | None = Field(
        default=None, description="New ones, in place of those given earlier."
    )

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings at the top level."""
        return self.__pydantic_extra__


class CredentialsAnswer(Answer):
    """All that is ever shown of credentials."""

    type: str | None = Field(description="How they are used.")
    expires_at: str | None = Field(description="When they expire, where that is known.")


class ProjectIntegration(Answer):
    """A project's Integration. No secret is ever in it."""

    id: str = Field(description="uid of the Integration.")
    project_id: str = Field(description="Its project: the namespace.")
    name: str = Field(description="Its name, as people know it.")
    resource_name: str = Field(description="Name of the Kubernetes object.")
    description: str = Field(description="What it is for.")
    type: str | None = Field(description="Kind of outside system; null if there is no such provider.")
    provider: str = Field(description="Name of the provider.")
    status: Literal["connected", "disconnected", "error"] = Field(description="Where it stands.")
    configuration: dict[str, Any] = Field(description="All its settings, flat.")
    credentials: CredentialsAnswer = Field(description="What may be known of its credentials.")
    health: HealthFigures = Field(description="How it is, as last written.")
    message: str = Field(description="What is wrong and what to do about it, or that all is well.")
    created_at: str = Field(description="When it was created, UTC.")
    updated_at: Timestamp | str = Field(description="When its settings last changed, UTC.")
    created_by: str = Field(description="Who created it over HTTP; else empty.")

    @classmethod
    def of(cls, shown: IntegrationView) -> ProjectIntegration:
        spec, status = shown.spec, shown.status
        ready = next((each for each in status.conditions if each.type == "Ready"), None)
        credentials = status.credentials
        expires = credentials.expires_at if credentials is not None else None
        health = status.health
        return cls.model_validate(
            {
                "id": shown.uid,
                "project_id": shown.key.namespace,
                "name": shown.name,
                "resource_name": shown.key.name,
                "description": spec.description,
                "type": KEBAB.word(shown.category) if shown.category is not None else None,
                "provider": spec.provider_ref.name,
                "status": CONNECTEDNESS[shown.phase],
                "configuration": _flat(shown),
                "credentials": CredentialsAnswer(
                    type=KEBAB.word(shown.auth_type) if shown.auth_type is not None else None,
                    expires_at=str(expires) if expires is not None else None,
                ),
                "health": HealthFigures(
                    status="unknown" if health.status is HealthStatus.OFFLINE else health.status.value,
                    last_check=health.last_check,
                    uptime=health.uptime,
                    response_time=health.response_time,
                    error_rate=health.error_rate,
                    last_error=health.last_error,
                ),
                "message": ready.message if ready is not None else "",
                "created_at": shown.created,
                "updated_at": status.updated_at or shown.created,
                "created_by": shown.created_by,
            }
        )


def _flat(shown: IntegrationView) -> dict[str, Any]:
    """As register takes it; where the provider declares a word of the hub's, it is the provider's."""
    spec = shown.spec
    whole = _MINUTES.fullmatch(spec.sync.schedule)
    own = {
        registration.ENABLED: spec.enabled,
        registration.AUTO_SYNC: spec.sync.auto,
        registration.INTERVAL: int(whole[1]) if whole else spec.sync.schedule or None,
        registration.RETRIES: spec.retry.max_retries,
        registration.TIMEOUT: spec.timeout_seconds * 1000,
    }
    return {**own, **spec.config}


class IntegrationAnswered(Answer):
    """One Integration."""

    integration: ProjectIntegration = Field(description="It.")


class ProjectQuery(Body):
    """Which of a project's."""

    type: str = Field(default="", max_length=64, description="Only of this kind, such as cad.")
    limit: Limit = 100
    cursor: Cursor = ""

    @property
    def category(self) -> Category | None:
        return KEBAB.read(Category, self.type, "type") if self.type else None


class ProjectIntegrations(Answer):
    """A page of a project's Integrations."""

    integrations: list[ProjectIntegration] = Field(description="They, by name.")
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last.")
    total: int = Field(description="How many all pages have together.")
