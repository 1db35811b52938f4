"""002's custom integrations: `/api/integration-hub/custom…` (CUS-02, CUS-08 to CUS-10)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from integration_hub.api.errors import ErrorCode
from integration_hub.api.provider import Category
from integration_hub.gateway.errors import Refusal, told
from integration_hub.gateway.families.calls import trail_of
from integration_hub.gateway.families.models import Body
from integration_hub.gateway.families.models.custom import (
    CreateCustomBody,
    CustomAnswered,
    CustomIntegrationAnswer,
    CustomListed,
    DeployBody,
    Deployed,
    DeploymentAnswer,
)
from integration_hub.gateway.families.spelling import KEBAB
from integration_hub.gateway.idempotency import Idempotency
from integration_hub.gateway.identity import Asked, MaybeAsking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route
from integration_hub.operations.create_custom import CreateCustomInput
from integration_hub.operations.deploy_custom import DeployInput
from integration_hub.ports import Problem

PREFIX = "/api/integration-hub/custom"
CustomId = Annotated[
    str, Path(alias="customId", max_length=253, description="Its id; within its own project its name too.")
]


class CustomQuery(Body):
    """Whose."""

    project_id: str = Field(default="", max_length=63, description="This project's own and what it may use.")


class CustomRoutes:
    """Custom integrations are made in one project and connect others."""

    def __init__(self, parts: GatewayParts) -> None:
        self._create = parts.operations.create_custom
        self._find = parts.operations.find_custom
        self._deploy = parts.operations.deploy_custom
        self._idempotency = Idempotency(
            parts.idempotency, parts.clock, seconds=parts.limits.idempotency_seconds
        )

    def router(self) -> APIRouter:
        router = APIRouter(prefix=PREFIX, tags=["custom"], route_class=api_route(self._idempotency))
        add = router.add_api_route
        add("", self.browse, methods=["GET"], summary="List custom integrations")
        add("/create", self.create, methods=["POST"], summary="Create custom integration", status_code=201)
        add("/{customId}", self.get, methods=["GET"], summary="Get custom integration")
        add(
            "/{customId}/deploy",
            self.deploy,
            methods=["POST"],
            summary="Deploy custom integration",
            status_code=201,
        )
        return router

    async def browse(self, asking: MaybeAsking, query: Annotated[CustomQuery, Query()]) -> CustomListed:
        within = asking.within(query.project_id) if query.project_id else asking
        if not within.namespace:
            raise Refusal(
                Problem(ErrorCode.NAMESPACE_REQUIRED, "Name a namespace in projectId or in X-Tenant.")
            )
        found = told(await self._find.list(within.caller, within.namespace, trail_of(within)))
        return CustomListed(custom_integrations=[CustomIntegrationAnswer.of(each) for each in found])

    async def create(self, asking: MaybeAsking, body: CreateCustomBody, response: Response) -> CustomAnswered:
        within = asking.within(body.project_id)
        asked = CreateCustomInput(
            namespace=within.namespace,
            name=body.name,
            description=body.description,
            template=body.template.template(),
            category=KEBAB.read(Category, body.template.type, "template.type"),
            trail=trail_of(within),
        )
        made = told(await self._create(within.caller, asked))
        response.headers["Location"] = f"{PREFIX}/{made.uid}"
        return CustomAnswered(custom_integration=CustomIntegrationAnswer.of(made))

    async def get(self, asking: MaybeAsking, custom_id: CustomId) -> CustomAnswered:
        found = await self._find.get(asking.caller, asking.namespace, custom_id, trail_of(asking))
        return CustomAnswered(custom_integration=CustomIntegrationAnswer.of(told(found)))

    async def deploy(
        self, asking: MaybeAsking, custom_id: CustomId, body: DeployBody, response: Response
    ) -> Deployed:
        # The caller's namespace is where the custom integration is looked for, the body's what is connected.
        target = Asked(asking.caller, "", asking.correlation_id, asking.trace).within(body.project_id)
        credentials = body.credentials
        asked = DeployInput(
            namespace=asking.namespace or target.namespace,
            custom=custom_id,
            target=target.namespace,
            configuration=body.configuration,
            auth_type=credentials.auth_type if credentials is not None else None,
            credentials=credentials.given() if credentials is not None else {},
            name=body.name,
            trail=trail_of(asking),
        )
        made = told(await self._deploy(asking.caller, asked))
        response.headers["Location"] = f"/api/integration-hub/{made.uid}"
        return Deployed(deployment=DeploymentAnswer.of(made))
