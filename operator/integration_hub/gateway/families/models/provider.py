"""Providers as callers see them."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from integration_hub.api.provider import AuthType, Category
from integration_hub.gateway.families.models import Answer, Body, Cursor, Limit, Listed
from integration_hub.gateway.families.spelling import UPPER, Spelling
from integration_hub.operations.provider import FoundProvider, ProviderFilter, ProviderPage

_EXAMPLE: dict[str, Any] = {
    "id": "7c1f2f1e-3c52-4a63-9c8e-0b8f3c1f5c11",
    "code": "github",
    "name": "GitHub",
    "description": "Source code, issues and pull requests.",
    "category": "VERSION_CONTROL",
    "authType": "OAUTH2",
    "authTypes": ["OAUTH2", "BEARER"],
    "audiences": ["cto"],
    "baseUrl": "https://api.github.com",
    "apiVersion": "2022-11-28",
    "documentationUrl": "https://docs.github.com/rest",
    "supportsWebhooks": True,
    "supportsBatch": False,
    "supportsRealtime": False,
    "rateLimitRequests": 5000,
    "rateLimitWindow": 3600,
    "status": "ACTIVE",
    "createdAt": "2026-11-21T10:30:00Z",
    "updatedAt": "2026-11-21T10:30:00Z",
}


class ProviderQuery(Body):
    """Which providers to list."""

    category: str = Field(default="", max_length=64, description="Only of this category.")
    audience: str = Field(
        default="", max_length=128, description="Only what suits it, such as cfo; the common ones do."
    )
    auth_type: str = Field(default="", max_length=64, description="Only with this way to authenticate.")
    limit: Limit = 100
    cursor: Cursor = ""

    def filter(self, namespace: str) -> ProviderFilter:
        """What the operation is asked for. Refuses words that are none."""
        return ProviderFilter(
            namespace=namespace,
            category=UPPER.read(Category, self.category, "category") if self.category else None,
            audience=self.audience,
            auth_type=UPPER.read(AuthType, self.auth_type, "authType") if self.auth_type else None,
            limit=self.limit,
            cursor=self.cursor,
        )


class OAuthAnswer(Answer):
    """A provider's OAuth endpoints; never the client's secret."""

    authorize_url: str | None = Field(description="Authorization endpoint.")
    token_url: str = Field(description="Token endpoint.")
    scopes: list[str] = Field(description="Scopes asked for by default.")
    pkce: bool = Field(description="Whether PKCE is used.")


class ProviderAnswer(Answer):
    """What can be connected."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: str = Field(description="uid of the provider object.")
    code: str = Field(description="Its name, unique in the catalogue.")
    name: str = Field(description="Its name as people know it.")
    description: str = Field(description="What it is.")
    category: str = Field(description="What kind of system it is.")
    auth_type: str = Field(description="Its default way to authenticate.")
    auth_types: list[str] = Field(description="All ways to authenticate.")
    audiences: list[str] = Field(description="Whose workspace it suits.")
    config_schema: dict[str, Any] = Field(description="JSON Schema of an integration's config.")
    oauth_config: OAuthAnswer | None = Field(description="OAuth endpoints, where it has them.")
    base_url: str = Field(description="Root of every call; may hold placeholders.")
    api_version: str = Field(description="Version of the vendor's API.")
    documentation_url: str = Field(description="The vendor's documentation.")
    supports_webhooks: bool = Field(description="Sends webhooks.")
    supports_batch: bool = Field(description="Takes several calls in one request.")
    supports_realtime: bool = Field(description="Streams changes.")
    rate_limit_requests: int | None = Field(description="Calls allowed within one window.")
    rate_limit_window: int | None = Field(description="Length of that window in seconds.")
    status: str = Field(description="ACTIVE, INACTIVE or DEPRECATED.")
    namespace: str | None = Field(description="Namespace of a tenant's own provider; null in the catalogue.")
    created_at: str = Field(description="When it was created, UTC.")
    updated_at: str = Field(description="When its definition last changed, UTC.")

    @classmethod
    def of(cls, found: FoundProvider, spelling: Spelling) -> ProviderAnswer:
        """A provider in a family's words."""
        spec, limit = found.spec, found.spec.rate_limit
        return cls(
            id=found.uid,
            code=found.key.name,
            name=spec.display_name,
            description=spec.description,
            category=spelling.word(spec.category),
            auth_type=spelling.word(spec.auth_modes[0].type),
            auth_types=[spelling.word(mode.type) for mode in spec.auth_modes],
            audiences=list(spec.audiences),
            config_schema=dict(found.schema),
            oauth_config=_oauth(found),
            base_url=spec.base_url,
            api_version=spec.api_version,
            documentation_url=spec.documentation_url,
            supports_webhooks=spec.supports.webhooks,
            supports_batch=spec.supports.batch,
            supports_realtime=spec.supports.realtime,
            rate_limit_requests=limit.requests if limit is not None else None,
            rate_limit_window=limit.window_seconds if limit is not None else None,
            status=spelling.word(spec.state),
            namespace=found.key.namespace or None,
            created_at=found.created,
            updated_at=found.updated,
        )


def listed(page: ProviderPage, spelling: Spelling) -> Listed[ProviderAnswer]:
    """A page of providers in a family's words."""
    return Listed(
        items=[ProviderAnswer.of(each, spelling) for each in page.items],
        next_cursor=page.cursor or None,
        total=page.total,
    )


class CategoryAnswer(Answer):
    """A category, and how many providers it has here."""

    category: str = Field(description="The category.")
    providers: int = Field(description="Providers of it that can be connected here.")


class SchemaAnswer(Answer):
    """What an integration's config must look like."""

    provider: str = Field(description="Code of the provider.")
    config_schema: dict[str, Any] = Field(description="JSON Schema (2020-12).")
    credentials_schema: dict[str, Any] = Field(
        description="What the credentials must hold, as it was written."
    )


def _oauth(found: FoundProvider) -> OAuthAnswer | None:
    oauth = found.spec.oauth
    if oauth is None:
        return None
    return OAuthAnswer(
        authorize_url=oauth.authorize_url,
        token_url=oauth.token_url,
        scopes=list(oauth.scopes),
        pkce=oauth.pkce,
    )
