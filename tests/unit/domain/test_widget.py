from __future__ import annotations

import json
from typing import Any

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.errors import ErrorCode
from integration_hub.api.offerings import Widget
from integration_hub.api.provider import ProviderSpec
from integration_hub.domain.endpoint import EndpointCall
from integration_hub.domain.widget import find, widget_call, widget_data
from integration_hub.ports.problem import Problem

ENGINE = CelExpressions()
SPEC = ProviderSpec.model_validate(
    {
        "displayName": "X",
        "category": "custom",
        "baseUrl": "https://x.example",
        "authModes": [{"type": "NONE"}],
        "endpoints": [
            {"name": "Search", "path": "/search", "parameters": [{"name": "q", "required": True}]},
            {"name": "Create", "method": "POST", "path": "/new", "requestBody": {"a": "string"}},
        ],
        "widgets": [
            {
                "id": "by-path",
                "title": "A",
                "path": "/items/{{ params.id }}?limit=5",
                "parameters": [{"name": "id", "in": "path"}],
                "ttlSeconds": 30,
            },
            {"id": "by-endpoint", "title": "B", "endpoint": "Search", "arguments": {"q": "mine"}},
            {"id": "writes", "title": "C", "endpoint": "Create"},
            {"id": "nowhere", "title": "D", "endpoint": "Gone"},
        ],
    }
)


def widget(name: str) -> Widget:
    found = find(SPEC, name)
    assert isinstance(found, Widget)
    return found


def made(name: str, **arguments: Any) -> EndpointCall | Problem:
    return widget_call(SPEC, widget(name), arguments, config={}, expressions=ENGINE)


def test_a_widget_reads_its_path_and_may_be_served_again() -> None:
    call = made("by-path", id="7")
    assert isinstance(call, EndpointCall)
    assert (call.method, call.path, call.cache_seconds) == ("GET", "/items/7?limit=5", 30)


def test_the_callers_arguments_win_over_the_widgets() -> None:
    plain, own = made("by-endpoint"), made("by-endpoint", q="yours")
    assert isinstance(plain, EndpointCall)
    assert isinstance(own, EndpointCall)
    assert plain.query == (("q", "mine"),)
    assert own.query == (("q", "yours"),)


def test_a_widget_never_changes_anything() -> None:
    problem = made("writes", a="x")
    assert isinstance(problem, Problem)
    assert "widgets only read" in problem.details


@pytest.mark.parametrize(
    ("name", "code"), [("nowhere", ErrorCode.NOT_FOUND), ("by-path", ErrorCode.INVALID_REQUEST)]
)
def test_what_cannot_be_asked_is_told(name: str, code: ErrorCode) -> None:
    problem = made(name)
    assert isinstance(problem, Problem)
    assert problem.code is code


def test_an_unknown_widget_tells_which_there_are() -> None:
    missing = find(SPEC, "x")
    assert isinstance(missing, Problem)
    assert "by-path, by-endpoint" in missing.details


def shaped(body: bytes, **changes: Any) -> Any:
    return widget_data(Widget.model_validate({"id": "w", "title": "W", "path": "/", **changes}), body, ENGINE)


def test_data_is_decoded_cut_down_and_transformed() -> None:
    rows = [{"title": f"t{n}", "noise": "x" * 2_000} for n in range(50)]
    body = json.dumps({"items": rows}).encode()
    assert shaped(body, keep=["items.title"], transform="body.items.map(i, i.title)")[:2] == ["t0", "t1"]
    refused = shaped(body, transform="body.items.map(i, i.title)")
    assert isinstance(refused, Problem)
    assert refused.code is ErrorCode.RESPONSE_INVALID
    assert "16384 bytes" in refused.details
    assert shaped(b"[1]") == [1]


def test_an_answer_that_is_no_json_is_told() -> None:
    problem = shaped(b"<html>")
    assert isinstance(problem, Problem)
    assert "no JSON" in problem.details
