"""The API against its own description: nothing fails, what is wrong is refused, answers are as described.

Examples are drawn by schemathesis from /openapi.json, the same ones in every run.
"""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from gateway_stage import ALICE, GITHUB, GatewayStage
from integration_hub.gateway.parts import GatewayLimits

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
TOKEN = {"Authorization": f"Bearer {ALICE}"}
BOUNDED = settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def _stage() -> GatewayStage:
    """A gateway with something in it, whom nobody can ask too often."""
    stage = GatewayStage(GatewayLimits(caller_rate=1e9, caller_burst=10**9, address_burst=10**9))
    stage.provider("github", probe={"path": "/user"}, widgets=[{"id": "open", "title": "Open", "path": "/x"}])
    stage.own_provider("erp", {**GITHUB, "category": "custom"})
    stage.integration("gh", status={"phase": "ACTIVE"})
    return stage


schema = schemathesis.openapi.from_asgi("/openapi.json", _stage().app, headers=TOKEN)


@pytest.mark.req("SEC-11", "ERR-08", "HUB-23")
@schema.parametrize()
@BOUNDED
def test_every_operation_keeps_to_its_description(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(headers=TOKEN, checks=CHECKS)


@pytest.mark.req("SEC-21")
@schema.parametrize()
@settings(BOUNDED, max_examples=1)
def test_no_operation_is_open(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(headers=TOKEN, checks=[ignored_auth])
