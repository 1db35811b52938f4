"""CEL behind `ports.Expressions`: right values, clear errors, and no expression that costs much."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_hub.adapters.cel import DEAR_SHARE, CelExpressions
from integration_hub.ports import ExpressionError

ENGINE = CelExpressions(cpu=lambda: 0.0)
"""Nothing is dear to it."""
NAMES = ("status", "headers", "body", "text", "config")
ANSWER: dict[str, Any] = {
    "status": 200,
    "headers": {"x-ratelimit-remaining": "0"},
    "body": {
        "ok": False,
        "error": "invalid_auth",
        "items": [{"state": "up"}, {"state": "down"}],
        "big": 2**62,
        "bigger": 2**80,
        "none": None,
        "ratio": 0.5,
    },
    "text": "plain",
    "config": {"site": "Acme"},
}


def value(source: str, variables: dict[str, Any] | None = None) -> Any:
    program = ENGINE.compile(source, NAMES)
    return program if isinstance(program, ExpressionError) else program.evaluate(variables or ANSWER)


def message(source: str, variables: dict[str, Any] | None = None) -> str:
    result = value(source, variables)
    assert isinstance(result, ExpressionError), result
    return result.message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("status == 200 && body.ok == false", True),
        ("status in [200, 201]", True),
        ("body.error in ['invalid_auth', 'not_authed']", True),
        ("has(body.missing)", False),
        ("'x-ratelimit-remaining' in headers && headers['x-ratelimit-remaining'] == '0'", True),
        ("body.big", 2**62),
        ("body.bigger", float(2**80)),
        ("body.none == null", True),
        ("body.ratio * 2.0", 1.0),
        ("config.site.lowerAscii() + '.example.com'", "acme.example.com"),
        ("body.items.exists(i, i.state == 'down')", True),
        ("body.items.all(i, i.state == 'up')", False),
        ("body.items.filter(i, i.state == 'up')", [{"state": "up"}]),
        ("body.items.map(i, i.state)", ["up", "down"]),
        ("text.matches('^pl')", True),
        ("matches(text, 'zz')", False),
        (r"r'\d' + \"'\" + 'replace('".replace('\\"', '"'), "\\d'replace("),
        ("size(body.items) // replace(", 2),
        ("'a,b'.split(',')", ["a", "b"]),
        ("timestamp('2026-01-02T03:04:05Z')", "2026-01-02T03:04:05Z"),
        ("duration('90s')", "90s"),
        ("b'abc'", "YWJj"),
        ("{1: 'a', 2: 'b'}", {"1": "a", "2": "b"}),
        ("{true: 'a'}", {"true": "a"}),
        ("type(1)", "int"),
        ("true ? 1 : 2", 1),
    ],
)
def test_an_expression_has_its_value(source: str, expected: Any) -> None:
    result = value(source)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("statu == 200", "undeclared reference to 'statu' (line 1, column 1)"),
        ("status ==", "Syntax error"),
        ("'a' + 1", "no matching overload"),
        ("status == 200 &&\n  nope", "line 2, column 3"),
        ("nosuch(1)", "undeclared reference to 'nosuch'"),
        ("", "Syntax error"),
        ("'" + "a" * 1024 + "'", "longer than 1024 bytes"),
        ("'" + "ä" * 600 + "'", "longer than 1024 bytes"),
        ("(" * 300 + "1" + ")" * 300, "nested too deeply"),
        ("text.replace('', text)", "replace() is not available"),
        ("r'\\' + text.replace('', text) + r'\\'", "Syntax error|string|replace"),
        ("'''x''' + text.replace('', text) + '''y'''", "replace() is not available"),
        ("/* no comment */ 1", "Syntax error"),
        ("['a'].join(text)", "join() is not available"),
        ("'%s%s'.format([text, text])", "format() is not available"),
        ("text.matches(text)", "literal pattern"),
        ("text.matches('a' + text)", "literal pattern"),
        ("matches(text, text)", "literal pattern"),
        ("text.matches('a{900}')", "literal pattern"),
        ("text.matches('(a{9}){9}')", "literal pattern"),
        ("text.matches('" + "a" * 257 + "')", "literal pattern"),
        (" || ".join(["text.contains('x')"] * 5), "at most 4"),
        ("body.items.all(x, body.items.all(y, x == y))", "one list macro"),
        ("body.items.map(x, text + text)", "cannot be used together with a list macro"),
        ("body.items.all(x, text.lowerAscii() == '')", "lowerAscii() cannot be used together"),
        ("google.protobuf.Int32Value{value: 3}", "is not available here"),
    ],
)
def test_an_expression_that_cannot_be_used_says_why(source: str, says: str) -> None:
    program = ENGINE.compile(source, NAMES)
    assert isinstance(program, ExpressionError), program
    assert any(part in program.message for part in says.split("|")), program.message
    assert "\n" not in program.message


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("body.missing", "missing"),
        ("1 / 0", "divide by zero"),
        ("9223372036854775807 + 1", "overflow"),
        ("1.0 / 0.0", "not a finite number"),
        ("[text, text, text, text, text].map(x, [x, x, x, x, x, x])", ""),
        ("int(text)", ""),
    ],
)
def test_an_expression_without_a_value_says_why(source: str, says: str) -> None:
    large = {**ANSWER, "text": "x" * 12_000}
    assert says in message(source, large)


def test_a_variable_that_is_not_given_is_an_error_not_a_crash() -> None:
    assert "status" in message("status == 200", {"body": {}})


@pytest.mark.parametrize(
    "body",
    [
        "x" * 16_385,
        {"k" * 9000: "v" * 9000},
        list(range(20_000)),
        {"deep": None},
    ],
    ids=["text", "object", "list", "nesting"],
)
def test_data_beyond_the_bounds_is_refused(body: Any) -> None:
    if isinstance(body, dict) and "deep" in body:
        for _ in range(5_000):
            body = {"a": body}
    assert "cannot be given" in message("body != null", {"body": body})


@pytest.mark.parametrize("body", ["a\0b", ["a\0b"], {"a\0b": 1}, {"a": {"b": "a\0"}}])
def test_a_nul_character_is_refused_since_the_engine_would_cut_the_text_off_there(body: Any) -> None:
    assert "NUL" in message("body == 'a'", {"body": body})
    assert isinstance(ENGINE.compile("true\0 && false", NAMES), ExpressionError)


def test_data_that_the_expression_does_not_use_does_not_count() -> None:
    assert value("status == 200", {"status": 200, "text": "x" * 100_000}) is True


def test_a_macro_takes_short_lists_only() -> None:
    assert value("body.all(x, x >= 0)", {"body": list(range(256))}) is True
    assert "at most 256" in message("body.all(x, x >= 0)", {"body": list(range(257))})


def test_an_error_does_not_quote_the_data() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "s3cret"

    assert "s3cret" not in message("body.x == 1", {"body": {"x": Odd()}})
    assert "s3cret" not in message("int(text)", {"text": "s3cret"})


def test_a_compiled_expression_is_remembered_and_the_memory_is_bounded() -> None:
    engine = CelExpressions(remember=2)
    first = engine.compile("status == 1", ["status"])
    assert engine.compile("status == 1", ["status"]) is first
    engine.compile("status == 2", ["status"])
    engine.compile("status == 3", ["status"])
    assert engine.compile("status == 1", ["status"]) is not first


def test_the_same_source_over_other_variables_is_another_expression() -> None:
    assert isinstance(ENGINE.compile("status == 1", ["body"]), ExpressionError)
    assert not isinstance(ENGINE.compile("status == 1", ["status"]), ExpressionError)


ROUGH = random.Random(7)
WORST_TEXT = "".join(ROUGH.choice("ab") for _ in range(15_900))


@pytest.mark.parametrize(
    "source",
    [
        " || ".join(["text.matches('(.*a.{60}c|.*b.*a)+d')"] * 4),
        "+".join(["text"] * 4) + " == ''",
        "body.all(x, " + " && ".join(["!(x in body)"] * 25) + ")",
        "body.all(x, " + " && ".join(["!text.contains('aaaaaaaaaaaaaaab')"] * 4) + ")",
        "text.split('').size() == 0",
        "[text, text].map(x, [x, x, x, x, x, x, x, x, x])",
    ],
)
def test_the_dearest_expressions_that_are_allowed_still_end(source: str) -> None:
    """The bound itself is in the rules; this shows that the rules leave nothing that runs away."""
    program = ENGINE.compile(source, NAMES)
    assert not isinstance(program, ExpressionError), program
    program.evaluate({"text": WORST_TEXT[:12_000], "body": list(range(256))})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    st.text(max_size=80) | st.text(alphabet="status.body()[]{}'\"?:!&|=<>+-*/%,0123 \\nr", max_size=60), JSON
)
def test_nothing_written_or_received_raises(source: str, body: Any) -> None:
    program = ENGINE.compile(source, ("status", "body"))
    if not isinstance(program, ExpressionError):
        program.evaluate({"status": 200, "body": body})


@settings(deadline=None)
@given(JSON)
def test_json_comes_back_as_it_went_in(body: Any) -> None:
    result = value("body", {"body": body})
    if not isinstance(result, ExpressionError) and _plain(body):
        assert result == body


def _plain(body: Any) -> bool:
    if isinstance(body, dict):
        return all(_plain(child) for child in body.values())
    if isinstance(body, list):
        return all(_plain(child) for child in body)
    return not isinstance(body, int) or isinstance(body, bool) or body.bit_length() <= 63


class Seconds:
    """A clock for wall time and one for CPU time; each reading of the latter costs what is set."""

    def __init__(self) -> None:
        self.wall = 100.0
        self.spent = 0.0
        self.price = 0.0

    def cpu(self) -> float:
        self.spent += self.price
        return self.spent


def test_what_is_dear_gets_a_share_of_the_time_and_holds_up_nobody_else() -> None:
    seconds = Seconds()
    engine = CelExpressions(wall=lambda: seconds.wall, cpu=seconds.cpu)
    cheap, dear, as_dear = (engine.compile(source, ("a",)) for source in ("a", "a == 1", "a == 2"))
    assert not isinstance(cheap, ExpressionError)
    assert not isinstance(dear, ExpressionError)
    assert not isinstance(as_dear, ExpressionError)
    assert cheap.evaluate({"a": 1}) == 1
    seconds.price = 0.1
    for _ in range(2):
        assert dear.evaluate({"a": 1}) is True
        assert as_dear.evaluate({"a": 1}) is False, "each may twice: once may have been chance"
    for _ in range(3):
        held = dear.evaluate({"a": 1})
        assert isinstance(held, ExpressionError)
        assert "held back" in held.message
    seconds.price = 0.0
    assert cheap.evaluate({"a": 1}) == 1
    seconds.wall += 0.2 / DEAR_SHARE - 0.01
    assert isinstance(as_dear.evaluate({"a": 1}), ExpressionError)
    seconds.wall += 0.02
    assert dear.evaluate({"a": 1}) is True
    assert dear.evaluate({"a": 1}) is True, "cheap this time, so no longer dear"
