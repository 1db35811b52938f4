"""Native batches: the calls in the provider's words, and its answers back in the calls' order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.offerings import Batch
from integration_hub.domain.batch import BatchedAnswer, BatchedCall, batch_answers, batch_call, parts, takes
from integration_hub.domain.endpoint import EndpointCall
from integration_hub.ports.problem import Problem
from integration_hub.providers.catalogue import load_catalogue

ENGINE = CelExpressions()
BATCHES = {entry.name: entry.spec.batch for entry in load_catalogue() if entry.spec.batch is not None}
GRAPH, ASANA, TRELLO = BATCHES["onedrive"], BATCHES["asana"], BATCHES["trello"]


def written(batch: Batch, *calls: BatchedCall) -> EndpointCall:
    made = batch_call(batch, calls, config={}, expressions=ENGINE)
    assert isinstance(made, EndpointCall), made
    return made


def test_microsoft_graph_takes_calls_with_ids_and_answers_in_any_order() -> None:
    made = written(
        GRAPH,
        BatchedCall("GET", "/me/drive", (("$select", "id"),)),
        BatchedCall("PATCH", "/me", body={"city": "X"}),
    )
    assert (made.method, made.path, made.repeatable) == ("POST", "/$batch", False)
    assert json.loads(made.body) == {
        "requests": [
            {"id": "0", "method": "GET", "url": "/me/drive?%24select=id"},
            {
                "id": "1",
                "method": "PATCH",
                "url": "/me",
                "body": {"city": "X"},
                "headers": {"Content-Type": "application/json"},
            },
        ]
    }
    body = json.dumps(
        {
            "responses": [
                {"id": "1", "status": 204},
                {"id": "0", "status": 200, "headers": {}, "body": {"id": "d"}},
            ]
        }
    )
    assert batch_answers(GRAPH, 2, body.encode()) == (
        BatchedAnswer(200, {"id": "d"}),
        BatchedAnswer(204, None),
    )


def test_asana_takes_what_lies_in_the_bodys_envelope_and_no_query() -> None:
    create = BatchedCall("POST", "/tasks", body={"data": {"name": "x"}})
    made = written(ASANA, BatchedCall("GET", "/users/me"), create)
    assert json.loads(made.body) == {
        "data": {
            "actions": [
                {"method": "get", "relative_path": "/users/me"},
                {"method": "post", "relative_path": "/tasks", "data": {"name": "x"}},
            ]
        }
    }
    assert not takes(ASANA, BatchedCall("GET", "/tasks", (("project", "1"),)))
    assert not takes(ASANA, BatchedCall("GET", "/tasks?project=1"))
    assert takes(ASANA, create)
    body = {"data": [{"status_code": 200, "body": {"data": 1}}, {"status_code": 404, "body": {"errors": []}}]}
    assert batch_answers(ASANA, 2, json.dumps(body).encode()) == (
        BatchedAnswer(200, {"data": 1}),
        BatchedAnswer(404, {"errors": []}),
    )


def test_trello_takes_paths_in_the_query_and_answers_by_status() -> None:
    made = written(
        TRELLO, BatchedCall("GET", "/boards/1", (("fields", "a,b"),)), BatchedCall("GET", "/lists/2")
    )
    assert (made.method, made.path, made.body, made.repeatable) == ("GET", "/batch", b"", True)
    assert made.query == (("urls", "/boards/1?fields=a%2Cb,/lists/2"),)
    assert not takes(TRELLO, BatchedCall("POST", "/cards", body={}))
    body = [{"200": {"id": "1"}}, {"name": "NotFoundError", "message": "no", "statusCode": 404}]
    assert batch_answers(TRELLO, 2, json.dumps(body).encode()) == (
        BatchedAnswer(200, {"id": "1"}),
        BatchedAnswer(404, body[1]),
    )


def test_calls_beyond_what_one_batch_holds_go_in_several() -> None:
    calls = [BatchedCall("GET", f"/{n}") for n in range(25)]
    assert [len(part) for part in parts(ASANA, calls)] == [10, 10, 5]


@pytest.mark.parametrize(
    "body",
    [b"<html>", b'{"responses": 7}', b'{"error": {}}'],
)
def test_an_answer_that_is_no_list_of_answers_is_told(body: bytes) -> None:
    assert isinstance(batch_answers(GRAPH, 1, body), Problem)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [{"id": "7", "status": 200}],
        [{"id": "x", "status": 200}],
        [{"id": "0", "status": "soon"}],
        ["nonsense"],
    ],
    ids=["none", "out of range", "no number", "no status", "no object"],
)
def test_a_call_that_was_not_answered_has_no_status(answers: list[Any]) -> None:
    read = batch_answers(GRAPH, 1, json.dumps({"responses": answers}).encode())
    assert not isinstance(read, Problem)
    assert read[0].status == 0
