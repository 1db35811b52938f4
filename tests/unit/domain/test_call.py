"""A call by its path, and what is shown of an answer."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.domain.call import Wording, WordingProblem, compose, show
from integration_hub.domain.endpoint import EndpointCall
from integration_hub.domain.form import form
from integration_hub.domain.url import Target, join, parse

ISSUES = "/repos/owner/repo/issues"


def composed(wording: Wording, **default_headers: str) -> EndpointCall:
    found = compose(wording, {name.replace("_", "-"): value for name, value in default_headers.items()})
    assert isinstance(found, EndpointCall), found
    return found


def refused(wording: Wording) -> str:
    found = compose(wording, {})
    assert isinstance(found, WordingProblem), found
    return found.message


def test_data_of_a_get_is_the_query() -> None:
    call = composed(Wording(ISSUES, "GET", {"state": "open", "labels": "bug"}))
    assert (call.method, call.path, call.body) == ("GET", ISSUES, b"")
    assert call.query == (("state", "open"), ("labels", "bug"))


def test_data_of_a_post_is_the_body() -> None:
    call = composed(Wording(ISSUES, "POST", {"title": "New Issue", "body": "Größe"}))
    assert json.loads(call.body) == {"title": "New Issue", "body": "Größe"}
    assert (call.query, call.headers) == ((), {"Content-Type": "application/json"})


def test_a_call_without_a_method_is_a_get_and_one_in_small_letters_is_understood() -> None:
    assert composed(Wording("/user")).method == "GET"
    assert composed(Wording("/user", "patch", {})).method == "PATCH"


@pytest.mark.parametrize(
    ("data", "query"),
    [
        pytest.param(
            {"page": 2, "draft": False}, (("page", "2"), ("draft", "false")), id="numbers and truth"
        ),
        pytest.param({"label": ["a", "b"]}, (("label", "a"), ("label", "b")), id="a list repeats its name"),
        pytest.param({"since": None, "page": 1}, (("page", "1"),), id="null is left out"),
        pytest.param({}, (), id="nothing"),
    ],
)
def test_values_of_a_query(data: Any, query: Any) -> None:
    assert composed(Wording("/x", "GET", data)).query == query


@pytest.mark.parametrize(
    ("wording", "field"),
    [
        pytest.param(Wording("https://evil.example/x"), "endpoint", id="an absolute address"),
        pytest.param(Wording("//evil.example/x"), "endpoint", id="another host by two slashes"),
        pytest.param(Wording("repos"), "endpoint", id="no slash"),
        pytest.param(Wording("/a/../../admin"), "endpoint", id="upwards"),
        pytest.param(Wording("/a/%2e%2e/admin"), "endpoint", id="upwards, escaped"),
        pytest.param(Wording("/a\\..\\b"), "endpoint", id="a backslash"),
        pytest.param(Wording("/a\r\nHost: evil"), "endpoint", id="a line break"),
        pytest.param(Wording("/a%0d%0aHost:%20evil"), "endpoint", id="a line break, escaped"),
        pytest.param(Wording("/a b"), "endpoint", id="a blank"),
        pytest.param(Wording("/ä"), "endpoint", id="not ASCII"),
        pytest.param(Wording("/a#b"), "endpoint", id="a fragment"),
        pytest.param(Wording("/@evil.example\x00"), "endpoint", id="a NUL"),
        pytest.param(Wording("/" + "x" * 3000), "endpoint", id="too long"),
        pytest.param(Wording("/x", "TRACE"), "method", id="a method that is not passed on"),
        pytest.param(Wording("/x", "GET", "text"), "data", id="a query that is no object"),
        pytest.param(Wording("/x", "GET", {"a": {"b": 1}}), "data.a", id="an object in a query"),
        pytest.param(Wording("/x", "POST", "\ud800"), "data", id="half a character"),
        pytest.param(Wording("/x", "POST", float("inf")), "data", id="no JSON number"),
        pytest.param(Wording("/x", parameters={"a": 1}), "parameters", id="parameters without a name"),
        pytest.param(Wording("/x", headers={"Authorization": "Bearer x"}), "headers.Auth", id="credentials"),
        pytest.param(Wording("/x", headers={"cookie": "a=b"}), "headers.cookie", id="a cookie"),
        pytest.param(Wording("/x", headers={"Host": "evil"}), "headers.Host", id="another host by header"),
        pytest.param(Wording("/x", headers={"Transfer-Encoding": "x"}), "headers.Tr", id="framing"),
        pytest.param(Wording("/x", headers={"X-A": "b\r\nX-C: d"}), "headers.X-A", id="a header in a header"),
        pytest.param(Wording("/x", headers={"X A": "b"}), "headers", id="no header name"),
        pytest.param(
            Wording("/x", "POST", {}, headers={"Content-Type": "text/xml"}), "headers.Content", id="XML"
        ),
    ],
)
def test_what_could_lead_elsewhere_or_means_nothing_is_refused_by_its_field(
    wording: Wording, field: str
) -> None:
    assert refused(wording).startswith(field)


@given(st.text(max_size=60))
def test_no_path_leads_out_of_its_base(tail: str) -> None:
    made = compose(Wording("/" + tail), {})
    if isinstance(made, EndpointCall):
        joined = join("https://api.example.com/v1", made.path)
        target = parse(str(joined), trust="tenant", namespace="")
        assert isinstance(target, Target)
        assert (target.host, target.port) == ("api.example.com", 443)
        assert target.path.startswith("/v1/")


def test_a_provider_that_takes_forms_gets_a_form() -> None:
    call = composed(
        Wording("/v1/customers", "POST", {"name": "Ä & Co", "metadata": {"tier": 2}, "tags": ["a", "b"]}),
        content_type="application/x-www-form-urlencoded",
    )
    assert call.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert parse_qsl(call.body.decode()) == [
        ("name", "Ä & Co"),
        ("metadata[tier]", "2"),
        ("tags[0]", "a"),
        ("tags[1]", "b"),
    ]


def test_a_form_nested_without_end_ends() -> None:
    deep: dict[str, Any] = {"a": 1}
    for _ in range(200):
        deep = {"a": deep}
    assert form(deep) == b""


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "data"),
    [
        pytest.param(b'{"a": 1}', "application/json; charset=utf-8", "json", {"a": 1}, id="JSON"),
        pytest.param(b"[1]", "application/vnd.github+json", "json", [1], id="a kind of JSON"),
        pytest.param(b"7", "", "json", 7, id="JSON that nobody called so"),
        pytest.param(b"hello", "", "text", "hello", id="text that nobody called so"),
        pytest.param(b"{broken", "application/json", "text", "{broken", id="broken JSON is text"),
        pytest.param(b"[NaN]", "application/json", "text", "[NaN]", id="what only Python calls JSON"),
        pytest.param(b'"\\ud800"', "application/json", "text", '"\\ud800"', id="half a character"),
        pytest.param("grün".encode(), "text/plain", "text", "grün", id="text"),
        pytest.param(
            "grün".encode("latin-1"), "text/plain; charset=ISO-8859-1", "text", "grün", id="Latin 1"
        ),
        pytest.param(b"\x89PNG\r\n\x1a\n", "image/png", "base64", "iVBORw0KGgo=", id="a picture"),
        pytest.param(b"a\x00b", "text/plain", "base64", "YQBi", id="text with a NUL"),
        pytest.param(b'{"a": 1}', "text/plain", "text", '{"a": 1}', id="JSON that was called text"),
        pytest.param(b"", "application/json", "none", None, id="nothing"),
        pytest.param(b"[" * 100_000, "application/json", "text", "[" * 100_000, id="nested without end"),
    ],
)
def test_a_body_is_shown_as_what_it_is(body: bytes, kind: str, encoding: str, data: Any) -> None:
    shown = show(body, kind)
    assert (shown.encoding, shown.data) == (encoding, data)


def test_half_an_answer_is_not_passed_off_as_json() -> None:
    assert show(b"[1, 2]", "application/json", truncated=True).encoding == "text"


@given(st.binary(max_size=200), st.sampled_from(["", "application/json", "text/plain", "image/png"]))
def test_whatever_comes_back_can_be_written_as_json(body: bytes, kind: str) -> None:
    json.dumps(show(body, kind).data, ensure_ascii=False).encode()
