"""Config schemas in both forms, defaults, messages that name the field, and secrets kept out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.domain.config_schema import (
    MAX_PROBLEMS,
    ConfigSchema,
    InvalidConfig,
    ValidConfig,
)
from integration_hub.domain.json_schema import SchemaProblem, normalise

SHORT = {
    "apiEndpoint": {"type": "string", "required": True, "description": "API base URL."},
    "timeout": {"type": "number", "required": False, "default": 30000},
}


def read(written: dict[str, Any]) -> ConfigSchema:
    schema = ConfigSchema.read(written)
    assert isinstance(schema, ConfigSchema), schema
    return schema


def problems(written: dict[str, Any], config: dict[str, Any]) -> str:
    result = read(written).validate(config)
    assert isinstance(result, InvalidConfig), result
    return result.message


def test_the_short_form_becomes_json_schema() -> None:
    assert normalise(SHORT, field="configSchema") == {
        "type": "object",
        "properties": {
            "apiEndpoint": {"type": "string", "description": "API base URL."},
            "timeout": {"type": "number", "default": 30000},
        },
        "additionalProperties": False,
        "required": ["apiEndpoint"],
    }


def test_defaults_are_applied_and_the_given_config_stays_as_it_is() -> None:
    config = {"apiEndpoint": "https://x"}
    assert read(SHORT).validate(config) == ValidConfig({"apiEndpoint": "https://x", "timeout": 30000})
    assert config == {"apiEndpoint": "https://x"}


def test_defaults_reach_into_objects_that_are_there() -> None:
    schema = {
        "properties": {
            "retry": {"type": "object", "properties": {"times": {"type": "integer", "default": 3}}},
            "other": {"type": "object", "default": {"a": 1}},
        }
    }
    assert read(schema).validate({"retry": {}}) == ValidConfig({"retry": {"times": 3}, "other": {"a": 1}})
    assert read(schema).validate({}) == ValidConfig({"other": {"a": 1}})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, {"type": "object"}),
        (
            {"properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        ({"type": "object"}, {"type": "object"}),
        (
            {"required": {"type": "boolean"}, "properties": {"type": "string"}},
            {
                "type": "object",
                "properties": {"required": {"type": "boolean"}, "properties": {"type": "string"}},
                "additionalProperties": False,
            },
        ),
        (
            {"type": {"type": "string"}},
            {"type": "object", "properties": {"type": {"type": "string"}}, "additionalProperties": False},
        ),
        (
            {"properties": {"type": {"type": "string"}}},
            {"type": "object", "properties": {"type": {"type": "string"}}},
        ),
    ],
    ids=["empty", "full", "bare", "short with odd names", "short with a field called type", "full with one"],
)
def test_the_two_forms_are_told_apart(written: dict[str, Any], expected: dict[str, Any]) -> None:
    assert normalise(written, field="configSchema") == expected


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"a": {"type": "strng"}}, "configSchema.a.type must be one of string, number"),
        ({"a": {}}, "configSchema.a.type must be one of"),
        ({"a": {"type": "string", "required": "yes"}}, "configSchema.a.required must be true or false"),
        ({"a": {"type": "string", "minLenght": 1}}, "configSchema.a has unknown keys: minLenght"),
        ({"type": "array"}, "must describe an object"),
        ({"properties": {"a": {"type": "strin"}}}, "configSchema.properties.a.type"),
        ({"properties": {"a": {"pattern": "("}}}, "configSchema.properties.a.pattern"),
        ({"properties": {"a": {"pattern": "^(?=x)"}}}, "configSchema.properties.a.pattern"),
        ({"properties": {"a": {"pattern": "(a{999}){999}"}}}, "configSchema.properties.a.pattern"),
        ({"$ref": "http://example.com/schema.json"}, "Retrieval is disabled"),
        ({"$ref": "file:///etc/passwd"}, "Retrieval is disabled"),
        ({"allOf": [{"$ref": "#/$defs/a"}] * 17, "$defs": {"a": {}}}, "more than 16 references"),
        ({"properties": {"a": {"description": "x" * 20_000}}}, "larger than 16384 bytes"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(written: dict[str, Any], says: str) -> None:
    problem = ConfigSchema.read(written)
    assert isinstance(problem, SchemaProblem)
    assert says in problem.message


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "spec.config.apiEndpoint is missing: API base URL"),
        ({"apiEndpoint": 3}, "spec.config.apiEndpoint must be of type string"),
        ({"apiEndpoint": "x", "timout": 3}, "no setting called timout (known: apiEndpoint, timeout)"),
    ],
)
def test_a_wrong_config_names_the_field_and_the_way_out(config: dict[str, Any], says: str) -> None:
    assert says in problems(SHORT, config)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ({"enum": ["eu", "us"]}, "xx", 'must be one of "eu", "us"'),
        (
            {"type": "string", "pattern": "^[a-z]+$", "description": "The site's name."},
            "A",
            "pattern ^[a-z]+$: The site's name",
        ),
        ({"type": "string", "format": "uri"}, "not a uri", "is no valid uri"),
        ({"type": "integer", "minimum": 5}, 1, "minimum is 5"),
        ({"type": "string", "maxLength": 2}, "abc", "maxLength is 2"),
        ({"type": ["string", "null"]}, 1, "must be of type"),
        ({"multipleOf": 5}, 3, "breaks the rule 'multipleOf'"),
        ({"type": "object", "required": ["inner"]}, {}, "spec.config.a.inner is missing"),
        ({"type": "array", "items": {"type": "string"}}, [1], "spec.config.a.0 must be of type string"),
    ],
)
def test_each_kind_of_mistake_has_its_words(field: dict[str, Any], value: Any, says: str) -> None:
    assert says in problems({"properties": {"a": field}}, {"a": value})


def test_only_so_many_problems_are_told() -> None:
    schema = {"properties": {f"f{n}": {"type": "string"} for n in range(20)}}
    result = read(schema).validate({f"f{n}": n for n in range(20)})
    assert isinstance(result, InvalidConfig)
    assert len(result.problems) == MAX_PROBLEMS


SECRET_KEYS = [
    "apiKey",
    "apikey",
    "api_key",
    "API-KEY",
    "x-api-key",
    "password",
    "dbPassword",
    "passwd",
    "passphrase",
    "token",
    "accessToken",
    "GITHUB_TOKEN",
    "secret",
    "clientSecret",
    "privateKey",
    "secretKey",
    "accessKey",
    "credentials",
    "authorization",
    "connectionString",
]
SECRET_VALUES = [
    "ghp_abcdefghijklmnop",
    "github_pat_11ABCDEFG",
    "glpat-abcdefgh",
    "xoxb-123-456",
    "sk_live_abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "Bearer abc",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
    "-----BEGIN RSA PRIVATE KEY-----\nabc",
    "https://user:hunter2@example.com/",
    "postgresql://app:hunter2@db/app",
]


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_key_that_names_a_secret_is_refused_with_the_way_out(key: str) -> None:
    result = read({}).validate({"outer": [{key: "hunter2"}]})
    assert isinstance(result, InvalidConfig)
    assert result.has_secret
    assert f"spec.config.outer.0.{key} looks like a secret" in result.message
    assert "spec.credentials.secretRef" in result.message
    assert "hunter2" not in result.message


@pytest.mark.parametrize("value", SECRET_VALUES)
def test_a_value_that_looks_like_a_secret_is_refused_under_any_key(value: str) -> None:
    result = read({}).validate({"note": value})
    assert isinstance(result, InvalidConfig)
    assert result.has_secret
    assert value not in result.message


@pytest.mark.parametrize(
    "config",
    [
        {"tokenUrl": "https://x/token"},
        {"passwordPolicy": "strict"},
        {"keyboard": "us"},
        {"secretName": "my-secret"},
        {"secretRef": "my-secret"},
        {"monkey": "x"},
        {"apiKey": ""},
        {"token": None},
        {"site": "acme", "url": "https://example.com:8443/a@b"},
    ],
)
def test_what_only_resembles_a_secret_is_let_through(config: dict[str, Any]) -> None:
    assert read({}).validate(config) == ValidConfig(config)


def test_a_message_about_a_wrong_value_does_not_repeat_it() -> None:
    for field in (
        {"enum": ["a"]},
        {"pattern": "^a$"},
        {"type": "integer"},
        {"format": "uri"},
        {"maxLength": 1},
        {"const": 1},
    ):
        assert "hunter2" not in problems({"properties": {"a": field}}, {"a": "hunter2 hunter2"})


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"a": "x" * 9_000}, "larger than 8192 bytes"),
        ({"a": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}, "deeper than 16 levels"),
    ],
)
def test_a_config_beyond_its_bounds_is_refused(config: dict[str, Any], says: str) -> None:
    assert says in problems({}, config)


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = read(
        {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"child": {"$ref": "#/$defs/node"}}}}}
    )
    assert isinstance(schema.validate({"child": {"child": {}}}), ValidConfig)
    assert isinstance(schema.validate({"child": {"child": 3}}), ValidConfig)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["object", "string", "#/x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "required", "$ref", "enum", "pattern", "a", "default"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["type", "properties", "required", "$ref", "a", "b"]), JSON, max_size=4),
    st.dictionaries(st.text(max_size=4), JSON, max_size=3),
)
def test_no_schema_and_no_config_makes_it_raise(written: dict[str, Any], config: dict[str, Any]) -> None:
    schema = ConfigSchema.read(written)
    if isinstance(schema, ConfigSchema):
        assert isinstance(schema.validate(config), ValidConfig | InvalidConfig)
