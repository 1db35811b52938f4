"""004's integrations: `/api/v1/integrations…` (INT-20 to INT-26)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response

from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import Phase
from integration_hub.gateway.errors import Refusal, told
from integration_hub.gateway.families.calls import trail_of
from integration_hub.gateway.families.models import Listed
from integration_hub.gateway.families.models.integration import (
    ChangeQuery,
    IntegrationAnswer,
    IntegrationBody,
    IntegrationQuery,
    StatusBody,
    listed,
)
from integration_hub.gateway.families.models.observation import HealthAnswer, HealthFigures
from integration_hub.gateway.families.spelling import UPPER
from integration_hub.gateway.idempotency import Idempotency
from integration_hub.gateway.identity import Asking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route
from integration_hub.operations.change_integration import ReplaceInput, ToggleInput
from integration_hub.operations.create_integration import CreateInput
from integration_hub.operations.delete_integration import DeleteInput
from integration_hub.operations.try_connection import TryInput
from integration_hub.ports import Problem

PREFIX = "/api/v1/integrations"
Id = Annotated[str, Path(max_length=253, description="Name or uid of the Integration.")]
Change = Annotated[ChangeQuery, Query()]


class IntegrationRoutes:
    """A tenant's connections, whole: make, see, change, try, switch, remove."""

    def __init__(self, parts: GatewayParts) -> None:
        self._find = parts.operations.find
        self._create = parts.operations.create
        self._change = parts.operations.change
        self._delete = parts.operations.delete
        self._try = parts.operations.try_connection
        self._idempotency = Idempotency(
            parts.idempotency, parts.clock, seconds=parts.limits.idempotency_seconds
        )

    def router(self) -> APIRouter:
        router = APIRouter(prefix=PREFIX, tags=["integrations"], route_class=api_route(self._idempotency))
        add = router.add_api_route
        add("", self.browse, methods=["GET"], summary="List integrations")
        add("", self.create, methods=["POST"], summary="Create integration", status_code=201)
        add("/{id}", self.get, methods=["GET"], summary="Get integration")
        add("/{id}", self.replace, methods=["PUT"], summary="Replace integration")
        add("/{id}", self.delete, methods=["DELETE"], summary="Delete integration", status_code=204)
        add("/{id}/test", self.test, methods=["POST"], summary="Test connection")
        add("/{id}/status", self.toggle, methods=["PATCH"], summary="Switch integration on or off")
        return router

    async def browse(
        self, asking: Asking, query: Annotated[IntegrationQuery, Query()]
    ) -> Listed[IntegrationAnswer]:
        wanted = query.filter(asking.namespace, trail_of(asking))
        return listed(told(await self._find.list(asking.caller, wanted)), UPPER)

    async def create(self, asking: Asking, body: IntegrationBody, response: Response) -> IntegrationAnswer:
        asked = CreateInput(asking.namespace, body.draft(), trail_of(asking))
        made = told(await self._create(asking.caller, asked))
        response.headers["Location"] = f"{PREFIX}/{made.key.name}"
        return IntegrationAnswer.of(made, UPPER)

    async def get(self, asking: Asking, id: Id) -> IntegrationAnswer:  # noqa: A002 - the seed's name
        found = await self._find.get(asking.caller, asking.namespace, id, trail_of(asking))
        return IntegrationAnswer.of(told(found), UPPER)

    async def replace(
        self,
        asking: Asking,
        id: Id,  # noqa: A002
        body: IntegrationBody,
        change: Change,
    ) -> IntegrationAnswer:
        asked = ReplaceInput(asking.namespace, id, body.draft(), change.force, trail_of(asking))
        return IntegrationAnswer.of(told(await self._change.replace(asking.caller, asked)), UPPER)

    async def delete(self, asking: Asking, id: Id, change: Change) -> None:  # noqa: A002
        asked = DeleteInput(asking.namespace, id, change.force, trail_of(asking))
        told(await self._delete(asking.caller, asked))

    async def test(self, asking: Asking, id: Id) -> HealthAnswer:  # noqa: A002
        report = told(await self._try(asking.caller, TryInput(asking.namespace, id, trail_of(asking))))
        return HealthAnswer(health=HealthFigures.of(report))

    async def toggle(
        self,
        asking: Asking,
        id: Id,  # noqa: A002
        change: Change,
        body: Annotated[StatusBody | None, Body()] = None,
    ) -> IntegrationAnswer:
        asked = ToggleInput(asking.namespace, id, _wanted(body), change.force, trail_of(asking))
        return IntegrationAnswer.of(told(await self._change.toggle(asking.caller, asked)), UPPER)


def _wanted(body: StatusBody | None) -> bool | None:
    """On, off, or (None) the other way round."""
    if body is None or (body.is_enabled is None and body.status is None):
        return None
    if body.status is None:
        return body.is_enabled
    phase = UPPER.read(Phase, body.status, "status")
    if phase not in {Phase.ACTIVE, Phase.PAUSED}:
        raise Refusal(Problem(ErrorCode.INVALID_REQUEST, "status: only ACTIVE or PAUSED can be asked for"))
    enabled = phase is Phase.ACTIVE
    if body.is_enabled is not None and body.is_enabled is not enabled:
        raise Refusal(Problem(ErrorCode.INVALID_REQUEST, "status: says the opposite of isEnabled"))
    return enabled
