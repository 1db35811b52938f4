"""Tests of a connection that its owner wrote (`spec.tests`), run when somebody asks for a test."""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.api.integration import ConnectionTest
from integration_hub.domain.classification import MAX_BODY
from integration_hub.domain.json_text import decoded
from integration_hub.ports import CallAnswer, ExpressionError, Expressions, Json

VARIABLES = ("status", "headers", "body")
"""What `expect` may use."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What one test came to; `message` is for a person and repeats no body."""

    name: str
    passed: bool
    message: str


def judge(test: ConnectionTest, answer: CallAnswer, expressions: Expressions) -> Checked:
    """Whether an answer is what the test expects; one without an answer never is."""
    if not answer.status:
        why = answer.detail or answer.reason.value
        return Checked(test.name, passed=False, message=f"No answer: {why}")
    program = expressions.compile(test.expect, VARIABLES)
    seen = {"status": answer.status, "headers": dict(answer.headers), "body": _body(answer)}
    found: Json = program if isinstance(program, ExpressionError) else program.evaluate(seen)
    if isinstance(found, ExpressionError):
        return Checked(test.name, passed=False, message=f"expect cannot be evaluated: {found.message}")
    passed = found is True
    said = "as expected" if passed else f"which is not what is expected ({test.expect})"
    return Checked(test.name, passed, f"It answered HTTP {answer.status}, {said}.")


def _body(answer: CallAnswer) -> Json:
    if answer.truncated or len(answer.body) > MAX_BODY:
        return None
    return decoded(answer.body)
