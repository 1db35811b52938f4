"""Several calls in one request, where the provider takes them so: written in its words, and read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from integration_hub.api.errors import ErrorCode
from integration_hub.api.offerings import Batch
from integration_hub.domain import placeholder, selection
from integration_hub.domain.endpoint import EndpointCall
from integration_hub.domain.placeholder import PlaceholderProblem
from integration_hub.ports import Expressions, Json
from integration_hub.ports.problem import Problem


@dataclass(frozen=True, slots=True)
class BatchedCall:
    """One call of a batch. `path` as it would be appended to baseUrl; `body` decoded, null for none."""

    method: str
    path: str = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: Json = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BatchedAnswer:
    """One answer, as if the call had been made alone. `status` 0: the batch did not answer this call."""

    status: int
    body: Json = field(default=None, repr=False)


def takes(batch: Batch, call: BatchedCall) -> bool:
    """Whether this call may travel in a batch; the others go alone."""
    if batch.methods and call.method not in batch.methods:
        return False
    if not batch.query_in_path and (call.query or "?" in call.path):
        return False
    return call.body is None or "body" in batch.call_fields


def parts(batch: Batch, calls: Sequence[BatchedCall]) -> Iterator[Sequence[BatchedCall]]:
    """The calls in their order, in portions that one batch may hold."""
    for start in range(0, len(calls), batch.max_calls):
        yield calls[start : start + batch.max_calls]


def batch_call(
    batch: Batch,
    calls: Sequence[BatchedCall],
    *,
    config: Mapping[str, Json],
    expressions: Expressions,
) -> EndpointCall | Problem:
    """The one request for calls that the batch `takes`, at most `max_calls`."""
    path = placeholder.render_path(
        batch.path, placeholder.evaluator(expressions, {"config": dict(config), "params": {}})
    )
    if isinstance(path, PlaceholderProblem):
        return Problem(ErrorCode.INVALID_CONFIGURATION, f"the batch's path cannot be filled: {path.message}")
    repeatable = all(call.method in ("GET", "HEAD") for call in calls)
    if batch.calls_parameter is not None:
        paths = ",".join(_path(call).replace(",", "%2C") for call in calls)
        return EndpointCall(batch.method, path, ((batch.calls_parameter, paths),), repeatable=repeatable)
    written = [_written(batch, str(index), call) for index, call in enumerate(calls)]
    body = json.dumps(selection.put(written, batch.calls_at or ""), separators=(",", ":"), ensure_ascii=False)
    return EndpointCall(
        batch.method,
        path,
        headers={"Content-Type": "application/json"},
        body=body.encode(),
        repeatable=repeatable,
    )


def batch_answers(batch: Batch, count: int, body: bytes) -> tuple[BatchedAnswer, ...] | Problem:
    """The answers in the order of the `count` calls, whatever order the provider gave them in."""
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return Problem(ErrorCode.RESPONSE_INVALID, "the answer to the batch is no JSON")
    found = selection.at(decoded, batch.answers_at or "")
    if not isinstance(found, list):
        return Problem(ErrorCode.RESPONSE_INVALID, "the answer to the batch holds no list of answers")
    answers = [BatchedAnswer(0)] * count
    for index, each in enumerate(found):
        place = _place(batch, index, each)
        if place is not None and place < count:
            answers[place] = _read(batch, each)
    return tuple(answers)


def _path(call: BatchedCall) -> str:
    if not call.query:
        return call.path
    return f"{call.path}{'&' if '?' in call.path else '?'}{urlencode(call.query)}"


def _written(batch: Batch, identity: str, call: BatchedCall) -> dict[str, Any]:
    method = call.method.lower() if batch.lower_case_methods else call.method
    own: dict[str, Json] = {"id": identity, "method": method, "path": _path(call)}
    if call.body is not None:
        body = selection.at(call.body, batch.body_at or "")
        own |= {"body": body, "headers": {"Content-Type": "application/json"}}
    return {word: own[name] for name, word in batch.call_fields.items() if name in own}


def _place(batch: Batch, index: int, answer: Json) -> int | None:
    """Which call an answer is for: by its id where there is one, else by its position."""
    word = batch.answer_fields.get("id")
    if word is None:
        return index
    identity = selection.at(answer, word)
    return int(identity) if isinstance(identity, str) and identity.isascii() and identity.isdigit() else None


def _read(batch: Batch, answer: Json) -> BatchedAnswer:
    status_word, body_word = batch.answer_fields.get("status"), batch.answer_fields.get("body")
    if status_word is None:
        if isinstance(answer, Mapping) and len(answer) == 1:
            (key, value) = next(iter(answer.items()))
            return BatchedAnswer(_status(key), value)
        return BatchedAnswer(_status(selection.at(answer, "statusCode")), answer)
    return BatchedAnswer(
        _status(selection.at(answer, status_word)), selection.at(answer, body_word) if body_word else answer
    )


def _status(value: Json) -> int:
    text = str(value)
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 0
