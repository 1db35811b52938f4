"""The short form with type words, told apart from JSON Schema; see test_config_schema for the rest."""

from __future__ import annotations

from typing import Any

import pytest

from integration_hub.domain.json_schema import JsonSchema, SchemaProblem, normalise


@pytest.mark.parametrize(
    ("written", "short"),
    [
        ({"name": "string", "description": "string"}, True),
        ({"projectId": "string", "data": "object"}, True),
        ({"title": "string", "description": "string"}, True),
        ({"name": "string", "age": {"type": "integer", "required": True}}, True),
        ({"name": "strng"}, True),
        ({"type": "object"}, False),
        ({"type": "object", "description": "A thing"}, False),
        ({"type": "string", "name": "string"}, True),
        ({"$ref": "#/$defs/a"}, False),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"description": "free text"}, False),
        ({"properties": {"a": {"type": "string"}}}, False),
        ({"enum": ["a"]}, False),
    ],
)
def test_the_two_forms_are_told_apart(written: dict[str, Any], short: bool) -> None:
    schema = normalise(written, field="f", any_type=True)
    if isinstance(schema, SchemaProblem):
        assert short
    else:
        assert (schema != written) is short


def test_a_word_is_a_type_and_nothing_is_required_unless_it_says_so() -> None:
    assert normalise({"name": "string", "age": {"type": "integer", "required": True}}, field="f") == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "additionalProperties": False,
        "required": ["age"],
    }


def test_what_comes_in_may_hold_more_than_is_named() -> None:
    schema = normalise({"name": "string"}, field="f", closed=False)
    assert not isinstance(schema, SchemaProblem)
    assert "additionalProperties" not in schema


def test_only_what_comes_in_may_be_something_else_than_an_object() -> None:
    assert isinstance(normalise({"type": "array"}, field="f"), SchemaProblem)
    assert normalise({"type": "array"}, field="f", any_type=True) == {"type": "array"}
    assert normalise({}, field="f", any_type=True) == {}


def test_a_problem_names_the_root_that_the_caller_gives() -> None:
    schema = JsonSchema.read({"name": {"type": "string", "required": True}}, field="f")
    assert isinstance(schema, JsonSchema)
    assert [p.message for p in schema.problems({}, root="the answer", of="f")] == [
        "the answer.name is missing"
    ]
    assert [p.message for p in schema.problems({}, root="", of="f")] == ["name is missing"]
    assert [p.message for p in schema.problems(7, root="", of="f")] == ["it must be of type object"]
