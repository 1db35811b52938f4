"""Placeholders: values go in by where they stand and cannot bend what is around them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.domain import url
from integration_hub.domain.placeholder import (
    PlaceholderProblem,
    Slot,
    expressions,
    render_base_url,
    render_path,
    render_text,
    split,
)


def given_value(value: Any) -> Any:
    return lambda _source: value


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        ("plain", ("plain",)),
        ("", ()),
        ("{{ config.site }}", (Slot("config.site"),)),
        (
            "https://{{config.site}}.example.com/{{ config.x }}",
            ("https://", Slot("config.site"), ".example.com/", Slot("config.x")),
        ),
        ("{{ {'a': {'b': 1}}['a'].b }}", (Slot("{'a': {'b': 1}}['a'].b"),)),
        ("{{ '}}' + \"}}\" }}", (Slot("'}}' + \"}}\""),)),
        ("{{ 'it\\'s }}' }}", (Slot("'it\\'s }}'"),)),
        ("single { brace }", ("single { brace }",)),
    ],
)
def test_a_template_is_taken_apart(template: str, parts: tuple[object, ...]) -> None:
    assert split(template) == parts


@pytest.mark.parametrize("template", ["{{", "{{ x", "x }}", "{{}}", "{{  }}", "{{ 'x }}", "{{ a }} }}"])
def test_a_broken_template_is_refused(template: str) -> None:
    assert isinstance(split(template), PlaceholderProblem)
    assert isinstance(expressions(template), PlaceholderProblem)
    assert isinstance(render_text(template, given_value("x")), PlaceholderProblem)


def test_the_expressions_of_a_template_can_be_listed() -> None:
    assert expressions("{{ a }}-{{ b }}") == ("a", "b")


@pytest.mark.parametrize(
    ("value", "text"), [("x", "x"), (3, "3"), (1.5, "1.5"), (True, "true"), (False, "false")]
)
def test_texts_numbers_and_booleans_can_be_put_into_text(value: Any, text: str) -> None:
    assert render_text("<{{ v }}>", given_value(value)) == f"<{text}>"


@pytest.mark.parametrize(
    "value", [None, [], {}, ["a"], "a\r\nX: y", "a\x00", "x" * 1025, PlaceholderProblem("no")]
)
def test_other_values_cannot(value: Any) -> None:
    assert isinstance(render_text("{{ v }}", given_value(value)), PlaceholderProblem)


@pytest.mark.parametrize("value", ["acme", "acme-2", "eu.acme"])
def test_part_of_a_host_name_may_stand_in_the_host(value: str) -> None:
    assert (
        render_base_url("https://{{ v }}.example.com/api", given_value(value))
        == f"https://{value}.example.com/api"
    )


@pytest.mark.parametrize(
    "value",
    [
        "evil.com/",
        "evil.com#",
        "evil.com?",
        "evil.com\\",
        "user@evil.com",
        "evil.com:443",
        "",
        ".",
        "a..b",
        ".a",
        "a.",
        "a b",
        "ä",
        "%2f",
        "[::1]",
        "a\r\nb",
    ],
)
def test_nothing_else_may(value: str) -> None:
    assert isinstance(render_base_url("https://{{ v }}.example.com", given_value(value)), PlaceholderProblem)
    assert isinstance(render_base_url("https://api.{{ v }}", given_value(value)), PlaceholderProblem)


def test_a_template_that_begins_with_a_placeholder_takes_a_whole_url() -> None:
    assert (
        render_base_url("{{ v }}/api/v4", given_value("https://git.example.com/sub/"))
        == "https://git.example.com/sub/api/v4"
    )


def test_a_value_in_the_path_of_a_base_is_encoded() -> None:
    assert render_base_url("https://h/{{ v }}/x", given_value("a/b?c#d")) == "https://h/a%2Fb%3Fc%23d/x"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("a/b", "/x/a%2Fb/y"),
        ("a?b=c&d", "/x/a%3Fb%3Dc%26d/y"),
        ("ü", "/x/%C3%BC/y"),
        ("..a", "/x/..a/y"),
        (7, "/x/7/y"),
    ],
)
def test_a_value_in_a_path_is_encoded(value: Any, path: str) -> None:
    assert render_path("/x/{{ v }}/y", given_value(value)) == path


@pytest.mark.parametrize("value", ["", ".", "..", "a\nb"])
def test_a_value_that_would_walk_through_the_path_is_refused(value: str) -> None:
    assert isinstance(render_path("/x/{{ v }}/y", given_value(value)), PlaceholderProblem)


def test_a_value_in_a_query_may_be_empty() -> None:
    assert render_path("/x?q={{ v }}", given_value("")) == "/x?q="


@given(st.text(max_size=60))
def test_no_value_leaves_the_domain_that_the_template_names(value: str) -> None:
    rendered = render_base_url("https://{{ v }}.example.com", given_value(value))
    if isinstance(rendered, str):
        target = url.parse(rendered, trust="tenant", namespace="demo")
        if isinstance(target, url.Target):
            assert target.host.endswith(".example.com")
            assert target.port == 443


@given(st.text(max_size=60))
def test_no_value_leaves_the_path_segment_that_the_template_names(value: str) -> None:
    rendered = render_path("/a/{{ v }}/b", given_value(value))
    if isinstance(rendered, str) and "\\" not in value:
        target = url.parse(f"https://h.example{rendered}", trust="tenant", namespace="demo")
        assert isinstance(target, url.Target)
        assert target.path.count("/") == 3
        assert "?" not in target.path
