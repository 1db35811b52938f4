"""002's calls through a connection: one, several at once (EXE-01, EXE-02); forgotten answers (PERF-03)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response

from integration_hub.api.errors import ErrorCode
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
from integration_hub.gateway.idempotency import HEADER, Idempotency
from integration_hub.gateway.identity import Asked, Asking, asking_in
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.route import answer_of, api_route, body_of
from integration_hub.operations.batch import BatchInput, Result
from integration_hub.operations.execute import ExecuteInput, Rehearsed
from integration_hub.operations.forget_answers import ForgetInput
from integration_hub.operations.one_call import Answered
from integration_hub.operations.trail import Trail
from integration_hub.ports import Problem

EXECUTE = "Execute API call"
MAX_NAME = 253
IntegrationId = Annotated[
    str, Path(alias="integrationId", max_length=MAX_NAME, description="Name or uid of the Integration.")
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
        add(
            f"{one}/execute",
            self.execute,
            methods=["POST"],
            summary=EXECUTE,
            route_class_override=api_route(self._idempotency, self._quick_execute),
        )
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

    async def _quick_execute(self, request: Request) -> Response:
        """`execute`, resolved by hand: it is what services ask for all day."""
        integration_id = request.path_params["integrationId"]
        if len(integration_id) > MAX_NAME:
            raise Refusal(Problem(ErrorCode.INVALID_REQUEST, f"integrationId: at most {MAX_NAME} characters"))
        asking = await asking_in(request)
        body = await body_of(request, ExecuteBody)
        key = request.headers.get(HEADER, "")  # looked at before, by Idempotency
        return answer_of(await self.execute(asking, integration_id, body, key))

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
