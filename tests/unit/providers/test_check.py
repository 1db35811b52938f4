"""What makes a provider unusable, told by field and reason."""

from __future__ import annotations

from typing import Any

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.provider import ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.providers.check import check_spec

ENGINE = CelExpressions()
GOOD: dict[str, Any] = {
    "displayName": "X",
    "category": "custom",
    "baseUrl": "https://x.example.com/{{ config.team }}",
    "authModes": [{"type": "NONE"}],
    "configSchema": {"team": {"type": "string", "required": True}},
    "defaultHeaders": {"X-Team": "{{ config.team }}"},
    "probe": {"path": "/me?team={{ config.team }}"},
    "classes": [
        {"when": "status == 200 && body.ok == true", "result": "success", "message": "{{ body.team }}"}
    ],
    "regions": {"eu": "https://eu.example.com"},
}


def test_a_good_provider_has_no_problem() -> None:
    assert check_spec(ProviderSpec.model_validate(GOOD), ENGINE) == ()


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"baseUrl": "ftp://x"}, Reason.PROVIDER_INVALID, "spec.baseUrl"),
        ({"baseUrl": "https://u:p@x.example.com"}, Reason.PROVIDER_INVALID, "spec.baseUrl"),
        ({"baseUrl": "https://x.example.com?a=b"}, Reason.PROVIDER_INVALID, "spec.baseUrl"),
        ({"regions": {"eu": "https://127.1"}}, Reason.PROVIDER_INVALID, "spec.regions.eu"),
        ({"baseUrl": "https://{{ conf.x }}"}, Reason.EXPRESSION_INVALID, "spec.baseUrl"),
        ({"baseUrl": "https://{{ config.x"}, Reason.EXPRESSION_INVALID, "spec.baseUrl"),
        ({"configSchema": {"a": {"type": "wrong"}}}, Reason.SCHEMA_INVALID, "spec.configSchema"),
        ({"credentialsSchema": {"a": {"type": "wrong"}}}, Reason.SCHEMA_INVALID, "spec.credentialsSchema"),
        ({"defaultHeaders": {"X-A": "{{ status }}"}}, Reason.EXPRESSION_INVALID, "spec.defaultHeaders.X-A"),
        ({"probe": {"path": "/{{ }}"}}, Reason.EXPRESSION_INVALID, "spec.probe.path"),
        ({"probe": {"headers": {"X-A": "{{ 1 + }}"}}}, Reason.EXPRESSION_INVALID, "spec.probe.headers.X-A"),
        (
            {"endpoints": [{"name": "a", "path": "/{{ x }}"}]},
            Reason.EXPRESSION_INVALID,
            "spec.endpoints[0].path",
        ),
        (
            {"classes": [{"when": "config.x", "result": "success"}]},
            Reason.EXPRESSION_INVALID,
            "spec.classes[0].when",
        ),
        (
            {"classes": [{"when": "true", "result": "config", "message": "{{ nope }}"}]},
            Reason.EXPRESSION_INVALID,
            "spec.classes[0].message",
        ),
    ],
)
def test_each_problem_names_its_field(change: dict[str, Any], reason: Reason, field: str) -> None:
    problems = check_spec(ProviderSpec.model_validate({**GOOD, **change}), ENGINE)
    assert [(problem.reason, problem.field) for problem in problems] == [(reason, field)]
    assert field in problems[0].message
