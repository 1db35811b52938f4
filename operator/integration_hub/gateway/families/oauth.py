"""Connecting and disconnecting accounts for programs: 003's and 004's routes (OAU-02, OAU-04 to OAU-06).

Without Idempotency-Key: an answer that holds a state must not be kept.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path

from integration_hub.api.integration import Environment
from integration_hub.gateway.errors import told
from integration_hub.gateway.families.calls import IntegrationId, trail_of
from integration_hub.gateway.families.models.oauth import (
    AuthorizeAnswer,
    CallbackBody,
    ConnectBody,
    ConnectedAnswer,
    DisconnectedAnswer,
)
from integration_hub.gateway.families.spelling import UPPER
from integration_hub.gateway.families.widgets import WorkspaceId
from integration_hub.gateway.identity import Asking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route
from integration_hub.operations.callback import CallbackInput
from integration_hub.operations.connect import ConnectInput
from integration_hub.operations.connect_provider import ConnectProviderInput
from integration_hub.operations.disconnect import DisconnectInput
from integration_hub.ports import SecretText

Id = Annotated[str, Path(max_length=253, description="Name or uid of the Integration.")]
Slug = Annotated[str, Path(max_length=253, description="The provider's code.")]


class OAuthRoutes:
    """For callers with a token; browsers have `pages`."""

    def __init__(self, parts: GatewayParts) -> None:
        self._connect = parts.operations.connect
        self._connect_provider = parts.operations.connect_provider
        self._callback = parts.operations.callback
        self._disconnect = parts.operations.disconnect

    def router(self) -> APIRouter:
        router = APIRouter(tags=["oauth"], route_class=api_route(None))
        workspace, v1 = "/workspaces/{workspaceId}/integrations", "/api/v1/integrations/{id}/oauth"
        for path, handler, summary in (
            (f"{workspace}/{{slug}}/connect", self.connect, "Connect provider"),
            (f"{workspace}/{{integrationId}}/disconnect", self.disconnect, "Disconnect account"),
            (f"{v1}/authorize", self.authorize, "Start connecting account"),
            (f"{v1}/callback", self.callback, "Finish connecting account"),
        ):
            router.add_api_route(path, handler, methods=["POST"], summary=summary)
        return router

    async def connect(
        self,
        asking: Asking,
        workspace_id: WorkspaceId,
        slug: Slug,
        body: Annotated[ConnectBody | None, Body()] = None,
    ) -> AuthorizeAnswer:
        del workspace_id  # it is asking.namespace
        wanted = body or ConnectBody()
        asked = ConnectProviderInput(
            namespace=asking.namespace,
            slug=slug,
            environment=UPPER.read(Environment, wanted.environment, "environment"),
            instance=wanted.instance,
            config=wanted.config,
            trail=trail_of(asking),
        )
        return AuthorizeAnswer.of(told(await self._connect_provider(asking.caller, asked)))

    async def disconnect(
        self, asking: Asking, workspace_id: WorkspaceId, integration_id: IntegrationId
    ) -> DisconnectedAnswer:
        del workspace_id
        asked = DisconnectInput(asking.namespace, integration_id, trail_of(asking))
        answer = told(await self._disconnect(asking.caller, asked))
        return DisconnectedAnswer(
            namespace=answer.namespace, name=answer.name, connected=False, warning=answer.left or None
        )

    async def authorize(self, asking: Asking, id: Id) -> AuthorizeAnswer:  # noqa: A002 - the seed's name
        asked = ConnectInput(asking.namespace, id, trail=trail_of(asking))
        return AuthorizeAnswer.of(told(await self._connect(asking.caller, asked)))

    async def callback(self, asking: Asking, id: Id, body: CallbackBody) -> ConnectedAnswer:  # noqa: A002
        asked = CallbackInput(
            state=SecretText(body.state.get_secret_value()),
            code=SecretText(body.code.get_secret_value()) if body.code is not None else None,
            namespace=asking.namespace,
            integration=id,
            issuer=body.iss,
            error=body.error,
            error_description=body.error_description,
            trail=trail_of(asking),
        )
        answer = told(await self._callback(asking.caller, asked))
        return ConnectedAnswer(
            namespace=answer.namespace,
            name=answer.name,
            connected=True,
            account_id=answer.account or None,
        )
