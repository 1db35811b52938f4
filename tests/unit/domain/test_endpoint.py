"""Named endpoints: arguments checked before the call, each put where it belongs, answers checked after."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.errors import ErrorCode
from integration_hub.api.offerings import Endpoint, Parameter
from integration_hub.api.provider import ProviderSpec
from integration_hub.domain import url
from integration_hub.domain.endpoint import (
    EndpointCall,
    answer_problem,
    endpoint_call,
    find,
    parameter_values,
    reads_only,
)
from integration_hub.ports.problem import Problem

ENGINE = CelExpressions()
GET_PROJECTS = {
    "name": "Get Projects",
    "path": "/projects",
    "parameters": [
        {"name": "status", "type": "string", "required": False, "description": "Filter by status"}
    ],
    "responseSchema": {"type": "array", "items": {"type": "object"}},
}
CREATE_PROJECT = {
    "name": "Create Project",
    "method": "POST",
    "path": "/projects",
    "requestBody": {"name": "string", "description": "string"},
}
ISSUE = {
    "name": "Get Issue",
    "path": "/repos/{{ params.owner }}/{{ config.repo }}/issues/{{ params.number }}",
    "parameters": [
        {"name": "owner", "in": "path"},
        {"name": "number", "in": "path", "type": "integer"},
        {"name": "labels", "type": "array", "schema": {"items": {"type": "string"}}},
        {"name": "full", "type": "boolean", "schema": {"default": False}},
        {"name": "X-Trace", "in": "header"},
    ],
}


def endpoint(written: dict[str, Any]) -> Endpoint:
    return Endpoint.model_validate(written)


def call(written: dict[str, Any], arguments: dict[str, Any], **config: Any) -> EndpointCall:
    made = endpoint_call(endpoint(written), arguments, config=config, expressions=ENGINE)
    assert isinstance(made, EndpointCall), made
    return made


def refusal(written: dict[str, Any], arguments: dict[str, Any], **config: Any) -> str:
    made = endpoint_call(endpoint(written), arguments, config=config, expressions=ENGINE)
    assert isinstance(made, Problem), made
    assert made.code is ErrorCode.INVALID_REQUEST
    return made.details


def test_a_parameter_becomes_a_query() -> None:
    made = call(GET_PROJECTS, {"status": "open"})
    assert (made.method, made.path, made.query, made.body) == ("GET", "/projects", (("status", "open"),), b"")
    assert made.repeatable


def test_what_is_left_out_is_not_sent() -> None:
    assert call(GET_PROJECTS, {}).query == ()
    assert call(GET_PROJECTS, {"status": None}).query == ()


def test_each_parameter_goes_where_it_says() -> None:
    made = call(
        ISSUE,
        {"owner": "a/b c", "number": 7, "labels": ["x", "y"], "full": True, "X-Trace": "t"},
        repo="web",
    )
    assert made.path == "/repos/a%2Fb%20c/web/issues/7"
    assert made.query == (("labels", "x"), ("labels", "y"), ("full", "true"))
    assert made.headers == {"X-Trace": "t"}


def test_text_stands_for_the_number_or_truth_that_is_meant() -> None:
    """As people type it on a command line or in a query string."""
    made = call(ISSUE, {"owner": "a", "number": "7", "full": "true", "labels": '["x"]'}, repo="web")
    assert made.path.endswith("/issues/7")
    assert ("full", "true") in made.query
    assert ("labels", "x") in made.query


def test_defaults_are_sent() -> None:
    assert ("full", "false") in call(ISSUE, {"owner": "a", "number": 1}, repo="web").query


def test_body_fields_are_sent_as_json_with_their_type() -> None:
    made = call(CREATE_PROJECT, {"name": "Apollo", "description": "To the moon"})
    assert json.loads(made.body) == {"name": "Apollo", "description": "To the moon"}
    assert made.headers == {"Content-Type": "application/json"}
    assert not made.repeatable


def test_a_form_writes_nested_fields_in_brackets() -> None:
    made = call(
        {
            "name": "Pay",
            "method": "POST",
            "path": "/pay",
            "encoding": "form",
            "requestBody": {"amount": "integer", "metadata": "object", "items": "array"},
        },
        {"amount": 100, "metadata": {"order": "7 & 8"}, "items": [{"price": 1.0}]},
    )
    assert made.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert parse_qsl(made.body.decode()) == [
        ("amount", "100"),
        ("metadata[order]", "7 & 8"),
        ("items[0][price]", "1"),
    ]


def test_a_graphql_document_is_posted_with_its_variables() -> None:
    made = call(
        {
            "name": "Boards",
            "kind": "graphql",
            "path": "/v2",
            "document": "query ($n: Int!) { boards(limit: $n) { id } }",
            "readOnly": True,
            "parameters": [{"name": "n", "type": "integer", "schema": {"default": 5}}],
        },
        {},
    )
    assert (made.method, made.query) == ("POST", ())
    assert json.loads(made.body) == {
        "query": "query ($n: Int!) { boards(limit: $n) { id } }",
        "variables": {"n": 5},
    }
    assert made.repeatable


@pytest.mark.parametrize(
    ("written", "arguments", "says"),
    [
        (ISSUE, {"owner": "a"}, "number is missing"),
        (ISSUE, {"owner": "a", "number": "x"}, "number must be of type integer"),
        (GET_PROJECTS, {"stauts": "open"}, "has no parameter called stauts (known: status)"),
        (GET_PROJECTS, {"status": 7}, "status must be of type string"),
        (CREATE_PROJECT, {"name": 7}, "data.name must be of type string"),
        (CREATE_PROJECT, {"nmae": "x"}, "data has no setting called nmae (known: description, name)"),
        (ISSUE, {"owner": "..", "number": 1}, "is empty, . or .."),
        (ISSUE, {"owner": "", "number": 1}, "is empty, . or .."),
        (ISSUE, {"owner": "a\r\nHost: b", "number": 1}, "control character"),
        (ISSUE, {"owner": "a", "number": 1, "X-Trace": "a\r\nHost: b"}, "printable ASCII on one line"),
    ],
)
def test_a_wrong_argument_is_refused_by_name_before_anything_is_sent(
    written: dict[str, Any], arguments: dict[str, Any], says: str
) -> None:
    assert says in refusal(written, arguments, repo="web")


def test_a_message_never_repeats_a_value() -> None:
    assert "hunter2" not in refusal(ISSUE, {"owner": "a", "number": "hunter2"}, repo="web")


@given(st.text(min_size=1, max_size=40))
def test_no_value_leaves_its_place_in_the_path(value: str) -> None:
    made = endpoint_call(
        endpoint(ISSUE), {"owner": value, "number": 1}, config={"repo": "web"}, expressions=ENGINE
    )
    if isinstance(made, Problem):
        return
    assert made.path.count("/") == "/repos/x/web/issues/1".count("/")
    assert "?" not in made.path
    joined = url.join("https://h.example/api", made.path)
    assert isinstance(joined, str)
    target = url.parse(joined, trust="tenant", namespace="")
    assert isinstance(target, url.UrlProblem) or target.origin == "https://h.example"


@given(st.text(max_size=40))
def test_no_value_becomes_a_placeholder_or_a_second_header(value: str) -> None:
    made = endpoint_call(
        endpoint(ISSUE),
        {"owner": "a", "number": 1, "X-Trace": value},
        config={"repo": "w"},
        expressions=ENGINE,
    )
    if isinstance(made, EndpointCall) and value:
        assert made.headers == {"X-Trace": value}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'[{"id": 1}]', None),
        (b"[]", None),
        (b'{"id": 1}', "must be of type array"),
        (b"[1]", "the answer.0 must be of type object"),
        (b"<html>", "is no JSON"),
    ],
)
def test_an_answer_is_checked_by_the_response_schema(body: bytes, says: str | None) -> None:
    found = answer_problem(endpoint(GET_PROJECTS), body)
    if says is None:
        assert found is None
    else:
        assert found is not None
        assert found.code is ErrorCode.RESPONSE_INVALID
        assert says in found.details


def test_without_a_response_schema_any_answer_will_do() -> None:
    assert answer_problem(endpoint(CREATE_PROJECT), b"<html>") is None


def test_more_fields_than_the_short_form_names_may_come_in() -> None:
    written = {**GET_PROJECTS, "responseSchema": {"id": "string"}}
    assert answer_problem(endpoint(written), b'{"id": "1", "more": 2}') is None
    assert answer_problem(endpoint(written), b'{"id": 1}') is not None


def test_an_endpoint_is_found_in_any_case_and_a_missing_one_tells_which_there_are() -> None:
    spec = ProviderSpec.model_validate(
        {
            "displayName": "Internal API",
            "category": "custom",
            "baseUrl": "https://x.example",
            "authModes": [{"type": "NONE"}],
            "endpoints": [GET_PROJECTS, CREATE_PROJECT],
        }
    )
    found = find(spec, "get projects")
    assert isinstance(found, Endpoint)
    missing = find(spec, "Delete")
    assert isinstance(missing, Problem)
    assert missing.code is ErrorCode.NOT_FOUND
    assert "known: Get Projects, Create Project" in missing.details


@pytest.mark.parametrize(
    ("changes", "reads"),
    [
        ({}, True),
        ({"method": "POST"}, False),
        ({"method": "POST", "readOnly": True}, True),
        ({"kind": "graphql", "document": "{ me }"}, False),
        ({"kind": "graphql", "document": "{ me }", "readOnly": True}, True),
    ],
)
def test_only_what_says_so_or_is_a_get_reads_only(changes: dict[str, Any], reads: bool) -> None:
    assert reads_only(endpoint({"name": "e", "path": "/", **changes})) is reads


def test_an_object_parameter_goes_into_the_query_as_json() -> None:
    values = parameter_values([Parameter(name="filter", type="object")], {"filter": {"a": 1}})
    assert values == {"filter": {"a": 1}}
    written = {"name": "e", "path": "/", "parameters": [{"name": "filter", "type": "object"}]}
    assert call(written, {"filter": {"a": 1}}).query == (("filter", '{"a":1}'),)
