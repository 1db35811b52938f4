from __future__ import annotations

from typing import Any

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.domain import selection
from integration_hub.ports import ExpressionError

ENGINE = CelExpressions()
BODY = {"data": {"items": [{"id": 1, "user": {"name": "a", "mail": "m"}}, {"id": 2}]}, "next": ""}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("body", BODY),
        ("body.next", ""),
        ("body.data.items[0].id", 1),
        ("body.data.items[-1].id", 2),
        ("body.data.items[7].id", None),
        ("body.missing.deeper", None),
        ("body.data.items.id", None),
        (" body.data.items[1].id ", 2),
        ("size(body.data.items)", 2),
        ("body.data.items.map(i, i.id)", [1, 2]),
        ("true", True),
    ],
)
def test_a_source_is_evaluated_whether_it_only_selects_or_not(source: str, value: Any) -> None:
    assert selection.evaluate(source, {"body": BODY}, ENGINE) == value


def test_what_only_selects_knows_no_size() -> None:
    large = {"items": ["x" * 100] * 1_000, "cursor": "c"}
    assert selection.evaluate("body.cursor", {"body": large}, ENGINE) == "c"
    assert isinstance(selection.evaluate("size(body.items)", {"body": large}, ENGINE), ExpressionError)


def test_keep_cuts_an_answer_down_and_walks_through_lists() -> None:
    kept = selection.keep(BODY, ["data.items.id", "data.items.user.name", "missing"])
    assert kept == {"data": {"items": [{"id": 1, "user": {"name": "a"}}, {"id": 2}]}}
    assert selection.keep(BODY, []) == BODY
    assert selection.keep([{"a": 1, "b": 2}], ["a"]) == [{"a": 1}]
    assert selection.keep(7, ["a"]) is None


def test_put_builds_what_at_finds() -> None:
    assert selection.put([1], "data.actions") == {"data": {"actions": [1]}}
    assert selection.at(selection.put([1], "data.actions"), "data.actions") == [1]
