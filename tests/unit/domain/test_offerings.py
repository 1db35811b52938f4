"""What is wrong with a provider's offerings is told when it is applied, by field."""

from __future__ import annotations

from typing import Any

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.provider import ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain.offerings import problems

ENGINE = CelExpressions()
SEARCH = {"name": "Search", "path": "/search", "parameters": [{"name": "after"}]}
CREATE = {"name": "Create", "method": "POST", "path": "/new", "requestBody": {"a": "string"}}


def found(**changes: Any) -> list[tuple[Reason, str]]:
    written = {
        "displayName": "X",
        "category": "custom",
        "baseUrl": "https://x.example",
        "authModes": [{"type": "NONE"}],
        "endpoints": [SEARCH, CREATE],
        **changes,
    }
    return list(problems(ProviderSpec.model_validate(written), ENGINE))


def test_sound_offerings_have_no_problems() -> None:
    assert (
        found(
            entities=[
                {"name": "a", "readPath": "/a/{{ params.id }}", "parameters": [{"name": "id", "in": "path"}]},
                {
                    "name": "b",
                    "endpoint": "search",
                    "paging": {"type": "cursor", "parameter": "after", "next": "body.next"},
                },
            ],
            widgets=[{"id": "w", "title": "W", "endpoint": "Search"}],
            webhooks=[{"event": "project.created", "payloadSchema": {"projectId": "string"}}],
            batch={"path": "/batch", "maxCalls": 10, "callsAt": "calls"},
        )
        == []
    )


@pytest.mark.parametrize(
    ("changes", "reason", "says"),
    [
        (
            {"endpoints": [{"name": "e", "path": "x"}]},
            Reason.INVALID_URL,
            "endpoints[e].path: the path must start",
        ),
        (
            {"endpoints": [{"name": "e", "path": "/{{ params.id }}"}]},
            Reason.INVALID_SPEC,
            "endpoints[e].path: params.id is no parameter with `in: path`",
        ),
        (
            {"endpoints": [{"name": "e", "path": "/", "parameters": [{"name": "id", "in": "path"}]}]},
            Reason.INVALID_SPEC,
            "endpoints[e].path: it has no place for the parameter id",
        ),
        (
            {"endpoints": [{"name": "e", "path": "/{{ secret.key }}"}]},
            Reason.EXPRESSION_INVALID,
            "endpoints[e].path, in {{ secret.key }}",
        ),
        (
            {"endpoints": [{"name": "e", "path": "/", "headers": {"Authorization": "x"}}]},
            Reason.INVALID_SPEC,
            "endpoints[e].headers.Authorization: this header is the hub's own",
        ),
        (
            {"endpoints": [{"name": "e", "path": "/", "parameters": [{"name": "Host", "in": "header"}]}]},
            Reason.INVALID_SPEC,
            "endpoints[e].headers.Host",
        ),
        (
            {"endpoints": [{**CREATE, "requestBody": {"a": "strng"}}]},
            Reason.SCHEMA_INVALID,
            "endpoints[Create].requestBody.a.type must be one of string",
        ),
        (
            {"endpoints": [{"name": "e", "path": "/", "responseSchema": {"type": "list"}}]},
            Reason.SCHEMA_INVALID,
            "endpoints[e].responseSchema",
        ),
        (
            {"endpoints": [{"name": "e", "path": "/", "parameters": [{"name": "a", "schema": {"enum": 7}}]}]},
            Reason.SCHEMA_INVALID,
            "endpoints[e].parameters",
        ),
        (
            {"entities": [{"name": "n", "endpoint": "Gone"}]},
            Reason.INVALID_SPEC,
            "entities[n].endpoint: X has no endpoint called 'Gone'",
        ),
        (
            {"entities": [{"name": "n", "endpoint": "Create"}]},
            Reason.INVALID_SPEC,
            "entities[n].endpoint: 'Create' may change something",
        ),
        (
            {
                "entities": [
                    {
                        "name": "n",
                        "endpoint": "Search",
                        "paging": {"type": "page", "parameter": "p", "size": 5},
                    }
                ]
            },
            Reason.INVALID_SPEC,
            "entities[n].paging.parameter: endpoint 'Search' has nothing called 'p'",
        ),
        (
            {"entities": [{"name": "n", "readPath": "/n", "paging": {"type": "link", "next": "body."}}]},
            Reason.EXPRESSION_INVALID,
            "entities[n].paging.next",
        ),
        (
            {"widgets": [{"id": "w", "title": "W", "endpoint": "Create"}]},
            Reason.INVALID_SPEC,
            "widgets[w].endpoint: 'Create' may change something",
        ),
        (
            {"webhooks": [{"event": "e", "payloadSchema": {"a": "strng"}}]},
            Reason.SCHEMA_INVALID,
            "webhooks[e].payloadSchema.a.type must be one of",
        ),
        (
            {"batch": {"path": "batch", "maxCalls": 10, "callsAt": "c"}},
            Reason.INVALID_URL,
            "batch.path: the path must start",
        ),
    ],
)
def test_a_mistake_is_told_by_its_field(changes: dict[str, Any], reason: Reason, says: str) -> None:
    ((told, message), *_) = found(**changes)
    assert told is reason
    assert message.startswith(says)
