"""002's integrations: `/api/integration-hub…` (INT-27 to INT-32)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from integration_hub.gateway.errors import told
from integration_hub.gateway.families.calls import IntegrationId, trail_of
from integration_hub.gateway.families.models.integration import ChangeQuery
from integration_hub.gateway.families.models.observation import HealthAnswer, HealthFigures
from integration_hub.gateway.families.models.project import (
    IntegrationAnswered,
    ProjectIntegration,
    ProjectIntegrations,
    ProjectQuery,
    RegisterBody,
    UpdateBody,
)
from integration_hub.gateway.idempotency import Idempotency
from integration_hub.gateway.identity import Asking, MaybeAsking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route
from integration_hub.operations.delete_integration import DeleteInput
from integration_hub.operations.find_integrations import IntegrationFilter
from integration_hub.operations.registration import RegisterInput, UpdateInput
from integration_hub.operations.try_connection import TryInput

PREFIX = "/api/integration-hub"
ProjectId = Annotated[str, Path(alias="projectId", max_length=63, description="The namespace.")]
Change = Annotated[ChangeQuery, Query()]


class ProjectRoutes:
    """A project's connections in 002's words."""

    def __init__(self, parts: GatewayParts) -> None:
        self._registration = parts.operations.registration
        self._find = parts.operations.find
        self._delete = parts.operations.delete
        self._try = parts.operations.try_connection
        self._idempotency = Idempotency(
            parts.idempotency, parts.clock, seconds=parts.limits.idempotency_seconds
        )

    def router(self) -> APIRouter:
        router = APIRouter(prefix=PREFIX, tags=["projects"], route_class=api_route(self._idempotency))
        add = router.add_api_route
        add("/register", self.register, methods=["POST"], summary="Register integration", status_code=201)
        add("/projects/{projectId}", self.browse, methods=["GET"], summary="Get project integrations")
        add("/{integrationId}", self.update, methods=["PUT"], summary="Update integration")
        add(
            "/{integrationId}", self.delete, methods=["DELETE"], summary="Delete integration", status_code=204
        )
        add("/{integrationId}", self.get, methods=["GET"], summary="Get integration details")
        add("/{integrationId}/test", self.test, methods=["POST"], summary="Test connection")
        return router

    async def register(
        self, asking: MaybeAsking, body: RegisterBody, response: Response
    ) -> IntegrationAnswered:
        within = asking.within(body.project_id)
        credentials = body.credentials
        asked = RegisterInput(
            namespace=within.namespace,
            name=body.name,
            provider=body.provider,
            category=body.category,
            description=body.description,
            configuration=body.configuration,
            auth_type=credentials.auth_type if credentials is not None else None,
            credentials=credentials.given() if credentials is not None else {},
            trail=trail_of(within),
        )
        made = told(await self._registration.register(within.caller, asked))
        response.headers["Location"] = f"{PREFIX}/{made.uid}"
        return IntegrationAnswered(integration=ProjectIntegration.of(made))

    async def update(
        self, asking: Asking, integration_id: IntegrationId, body: UpdateBody, change: Change
    ) -> IntegrationAnswered:
        asked = UpdateInput(
            namespace=asking.namespace,
            integration=integration_id,
            settings=body.settings,
            configuration=body.configuration,
            name=body.name,
            description=body.description,
            credentials=body.credentials.given() if body.credentials is not None else {},
            force=change.force,
            trail=trail_of(asking),
        )
        changed = told(await self._registration.update(asking.caller, asked))
        return IntegrationAnswered(integration=ProjectIntegration.of(changed))

    async def delete(self, asking: Asking, integration_id: IntegrationId, change: Change) -> None:
        asked = DeleteInput(asking.namespace, integration_id, change.force, trail_of(asking))
        told(await self._delete(asking.caller, asked))

    async def get(self, asking: Asking, integration_id: IntegrationId) -> IntegrationAnswered:
        found = await self._find.get(asking.caller, asking.namespace, integration_id, trail_of(asking))
        return IntegrationAnswered(integration=ProjectIntegration.of(told(found)))

    async def browse(
        self, asking: Asking, project_id: ProjectId, query: Annotated[ProjectQuery, Query()]
    ) -> ProjectIntegrations:
        del project_id  # it is asking.namespace
        wanted = IntegrationFilter(
            namespace=asking.namespace,
            category=query.category,
            limit=query.limit,
            cursor=query.cursor,
            trail=trail_of(asking),
        )
        page = told(await self._find.list(asking.caller, wanted))
        return ProjectIntegrations(
            integrations=[ProjectIntegration.of(each) for each in page.items],
            next_cursor=page.cursor or None,
            total=page.total,
        )

    async def test(self, asking: Asking, integration_id: IntegrationId) -> HealthAnswer:
        asked = TryInput(asking.namespace, integration_id, trail_of(asking))
        report = told(await self._try(asking.caller, asked))
        return HealthAnswer(health=HealthFigures.of(report))
