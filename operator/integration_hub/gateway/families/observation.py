"""How connections are and what went through them: 002's words and 004's, and the audit.

OBS-01 to OBS-03, OBS-10, OBS-12, OBS-14, OBS-17, OBS-18, SEC-20.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from integration_hub.gateway.errors import told
from integration_hub.gateway.families.calls import IntegrationId, trail_of
from integration_hub.gateway.families.models.observation import (
    AuditAnswer,
    AuditEntry,
    AuditQueryParameters,
    HealthAnswer,
    HealthFigures,
    HealthSummaryAnswer,
    LogEntry,
    LogQuery,
    LogsAnswer,
    MetricsAnswer,
    MetricsFigures,
    ProjectFigures,
    ProjectStatisticsAnswer,
    UsageAnswer,
    WindowQuery,
)
from integration_hub.gateway.families.spelling import KEBAB, UPPER
from integration_hub.gateway.identity import Asking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route
from integration_hub.operations.audit import AuditInput
from integration_hub.operations.logs import LogsInput
from integration_hub.operations.metrics import MetricsInput
from integration_hub.operations.statistics import StatisticsInput

HUB = "/api/integration-hub"
V1 = "/api/v1"
ProjectId = Annotated[str, Path(alias="projectId", max_length=63, description="The namespace.")]
Id = Annotated[str, Path(max_length=253, description="Name or uid of the Integration.")]


class ObservationRoutes:
    """Read only; what they tell is of this moment."""

    def __init__(self, parts: GatewayParts) -> None:
        self._health = parts.operations.health
        self._metrics = parts.operations.metrics
        self._logs = parts.operations.logs
        self._statistics = parts.operations.statistics
        self._audit = parts.operations.audit

    def router(self) -> APIRouter:
        router = APIRouter(tags=["observation"], route_class=api_route(None))
        get = ["GET"]
        for path, handler, summary in (
            (f"{HUB}/projects/{{projectId}}/statistics", self.project, "Get integration statistics"),
            (f"{HUB}/{{integrationId}}/health", self.hub_health, "Get health status"),
            (f"{HUB}/{{integrationId}}/metrics", self.hub_metrics, "Get metrics"),
            (f"{HUB}/{{integrationId}}/logs", self.hub_logs, "Get logs"),
            (f"{V1}/integrations/health", self.health_of_all, "Get health of all integrations"),
            (f"{V1}/integrations/stats", self.usage, "Get usage statistics"),
            (f"{V1}/integrations/{{id}}/health", self.health, "Get health status"),
            (f"{V1}/integrations/{{id}}/logs", self.logs, "Get request logs"),
            (f"{V1}/audit", self.audit, "Read the audit"),
        ):
            router.add_api_route(path, handler, methods=get, summary=summary)
        return router

    # ------------------------------------------------------------------ 002

    async def hub_health(self, asking: Asking, integration_id: IntegrationId) -> HealthAnswer:
        return await self.health(asking, integration_id)

    async def hub_metrics(
        self, asking: Asking, integration_id: IntegrationId, query: Annotated[WindowQuery, Query()]
    ) -> MetricsAnswer:
        asked = MetricsInput(asking.namespace, integration_id, query.span, trail_of(asking))
        return MetricsAnswer(metrics=MetricsFigures.of(told(await self._metrics(asking.caller, asked))))

    async def hub_logs(
        self, asking: Asking, integration_id: IntegrationId, query: Annotated[LogQuery, Query()]
    ) -> LogsAnswer:
        return await self.logs(asking, integration_id, query)

    async def project(
        self, asking: Asking, project_id: ProjectId, query: Annotated[WindowQuery, Query()]
    ) -> ProjectStatisticsAnswer:
        del project_id  # it is asking.namespace
        asked = StatisticsInput(asking.namespace, query.span, trail_of(asking))
        found = told(await self._statistics(asking.caller, asked))
        return ProjectStatisticsAnswer(statistics=ProjectFigures.of(found, KEBAB))

    # ------------------------------------------------------------------ 004

    async def health(self, asking: Asking, id: Id) -> HealthAnswer:  # noqa: A002 - the seed's name
        report = told(await self._health.one(asking.caller, asking.namespace, id, trail_of(asking)))
        return HealthAnswer(health=HealthFigures.of(report))

    async def health_of_all(self, asking: Asking) -> HealthSummaryAnswer:
        summary = told(await self._health.all(asking.caller, asking.namespace, trail_of(asking)))
        return HealthSummaryAnswer.of(summary)

    async def logs(
        self,
        asking: Asking,
        id: Id,  # noqa: A002
        query: Annotated[LogQuery, Query()],
    ) -> LogsAnswer:
        asked = LogsInput(
            namespace=asking.namespace,
            integration=id,
            limit=query.limit,
            level=query.level,
            since=query.since,
            before=query.before,
            trail=trail_of(asking),
        )
        page = told(await self._logs(asking.caller, asked))
        return LogsAnswer(logs=[LogEntry.of(each) for each in page.entries], next=page.next or None)

    async def usage(self, asking: Asking, query: Annotated[WindowQuery, Query()]) -> UsageAnswer:
        asked = StatisticsInput(asking.namespace, query.span, trail_of(asking))
        return UsageAnswer.of(told(await self._statistics(asking.caller, asked)), query.window, UPPER)

    async def audit(self, asking: Asking, query: Annotated[AuditQueryParameters, Query()]) -> AuditAnswer:
        asked = AuditInput(
            namespace=asking.namespace,
            name=query.name,
            actor=query.actor,
            since=query.since,
            limit=query.limit,
            before=query.before,
            trail=trail_of(asking),
        )
        page = told(await self._audit(asking.caller, asked))
        return AuditAnswer(entries=[AuditEntry.of(each) for each in page.entries], next=page.next or None)
