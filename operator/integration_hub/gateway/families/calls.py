"""002's calls through a connection: one, several at once (EXE-01, EXE-02); forgotten answers (PERF-03)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path

from integration_hub.api.meta import format_time
from integration_hub.gateway.errors import Refusal, headline, told
from integration_hub.gateway.families.models.call import (
    BatchAnswer,
    BatchBody,
    BatchItem,
    DryRunAnswer,
    ExecuteAnswer,
    ExecuteBody,
    FailedCall,
    UpstreamAnswer,
)
from integration_hub.gateway.families.spelling import KEBAB
from integration_hub.gateway.idempotency import Idempotency
from integration_hub.gateway.identity import Asked, Asking
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import api_route
from integration_hub.operations.batch import BatchInput, Result
from integration_hub.operations.execute import ExecuteInput, Rehearsed
from integration_hub.operations.forget_answers import ForgetInput
from integration_hub.operations.one_call import Answered
from integration_hub.operations.trail import Trail
from integration_hub.ports import Problem

EXECUTE = "Execute API call"
IntegrationId = Annotated[
    str, Path(alias="integrationId", max_length=253, description="Name or uid of the Integration.")
]
IdempotencyKey = Annotated[
    str, Header(max_length=255, description="Sent again with the same key, a POST is done once.")
]


class CallRoutes:
    """Calls in 002's words."""

    def __init__(self, parts: GatewayParts) -> None:
        self._execute = parts.operations.execute
        self._batch = parts.operations.batch
        self._forget = parts.operations.forget_answers
        self._clock = parts.clock
        self._idempotency = Idempotency(
            parts.idempotency, parts.clock, seconds=parts.limits.idempotency_seconds
        )

    def router(self) -> APIRouter:
        router = APIRouter(tags=["calls"], route_class=api_route(self._idempotency))
        add = router.add_api_route
        one = "/api/integration-hub/{integrationId}"
        add(f"{one}/execute", self.execute, methods=["POST"], summary=EXECUTE)
        add(f"{one}/batch-execute", self.batch, methods=["POST"], summary="Execute API calls")
        add(
            "/api/v1/integrations/{integrationId}/cache",
            self.forget,
            methods=["DELETE"],
            summary="Clear cached answers",
            status_code=204,
        )
        return router

    async def execute(
        self,
        asking: Asking,
        integration_id: IntegrationId,
        body: ExecuteBody,
        idempotency_key: IdempotencyKey = "",
    ) -> ExecuteAnswer | DryRunAnswer:
        outcome = await self._execute(
            asking.caller,
            ExecuteInput(
                namespace=asking.namespace,
                integration=integration_id,
                wording=body.wording(),
                dry_run=body.dry_run,
                trail=trail_of(asking, idempotency_key),
            ),
        )
        if isinstance(outcome, Problem):
            raise Refusal(outcome)
        if isinstance(outcome, Rehearsed):
            return DryRunAnswer.of(outcome, KEBAB)
        answer = UpstreamAnswer.of(outcome)
        if outcome.problem is not None:
            raise Refusal(outcome.problem, upstream=answer)
        return ExecuteAnswer(result=answer)

    async def batch(
        self,
        asking: Asking,
        integration_id: IntegrationId,
        body: BatchBody,
        idempotency_key: IdempotencyKey = "",
    ) -> BatchAnswer:
        outcome = told(
            await self._batch(
                asking.caller,
                BatchInput(
                    namespace=asking.namespace,
                    integration=integration_id,
                    calls=[each.wording() for each in body.calls],
                    native=body.native,
                    trail=trail_of(asking, idempotency_key),
                ),
            )
        )
        items = [self._item(each) for each in outcome.results]
        successful = sum(item.success for item in items)
        return BatchAnswer(results=items, successful=successful, failed=len(items) - successful)

    async def forget(self, asking: Asking, integration_id: IntegrationId) -> None:
        asked = ForgetInput(asking.namespace, integration_id, trail_of(asking))
        told(await self._forget(asking.caller, asked))

    def _item(self, result: Result) -> BatchItem:
        problem = result if isinstance(result, Problem) else result.problem
        answer = UpstreamAnswer.of(result) if isinstance(result, Answered) else None
        if problem is None:
            return BatchItem(success=True, result=answer)
        failed = FailedCall(
            error=headline(EXECUTE),
            details=problem.details or problem.code.way_out,
            code=problem.code.value,
            timestamp=format_time(self._clock.now()),
            retryable=problem.retryable,
            upstream=answer,
        )
        return BatchItem(success=False, error=failed)


def trail_of(asking: Asked, idempotency_key: str = "") -> Trail:
    """What operations are told of the request's way."""
    return Trail(asking.correlation_id, asking.trace, idempotency_key)
