"""Which answers may be served again, and to which question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import call_stage
from integration_hub.domain import answer_cache
from integration_hub.domain.answer_cache import StoredAnswer
from integration_hub.ports import CallRequest

LINK = call_stage.link()
ASKED = CallRequest("GET", "/items", cache_seconds=60)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"cache_seconds": 0}, False),
        ({"method": "POST"}, False),
        ({"method": "HEAD"}, False),
        ({"body": b"{}"}, False),
    ],
    ids=str,
)
def test_only_a_get_that_asks_for_it(change: dict[str, Any], expected: bool) -> None:
    assert answer_cache.cacheable(replace(ASKED, **change)) is expected


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (StoredAnswer(200, {}, b"x"), 60),
        (StoredAnswer(200, {"cache-control": "private, max-age=5"}, b"x"), 60),
        (StoredAnswer(200, {"cache-control": "private, No-Store"}, b"x"), 0),
        (StoredAnswer(203, {}, b"x"), 0),
        (StoredAnswer(206, {}, b"x"), 0),
        (StoredAnswer(200, {}, b"x" * (answer_cache.MAX_BODY + 1)), 0),
    ],
    ids=lambda value: str(value)[:60],
)
def test_how_long_an_answer_is_kept(answer: StoredAnswer, seconds: int) -> None:
    assert answer_cache.seconds_to_keep(ASKED, answer) == seconds


@pytest.mark.parametrize(
    ("link", "request_", "version"),
    [
        ({"uid": "other"}, {}, "v1"),
        ({"generation": 2}, {}, "v1"),
        ({"provider_uid": "other"}, {}, "v1"),
        ({"provider_generation": 2}, {}, "v1"),
        ({}, {"path": "/item"}, "v1"),
        ({}, {"path": "/items?"}, "v1"),
        ({}, {"query": (("a", "b"),)}, "v1"),
        ({}, {"headers": {"Accept": "text/plain"}}, "v1"),
        ({}, {"max_response_bytes": 10}, "v1"),
        ({}, {}, "v2"),
    ],
    ids=str,
)
def test_whatever_changes_the_question_changes_the_key(
    link: dict[str, Any], request_: dict[str, Any], version: str
) -> None:
    changed = answer_cache.key(replace(LINK, **link), replace(ASKED, **request_), version)
    assert changed != answer_cache.key(LINK, ASKED, "v1")


def test_who_asks_and_how_long_it_may_be_kept_do_not_matter() -> None:
    asked = replace(ASKED, caller="somebody", correlation_id="c", cache_seconds=5)
    assert answer_cache.key(LINK, asked, "v1") == answer_cache.key(LINK, ASKED, "v1")


def test_what_was_written_is_read() -> None:
    answer = StoredAnswer(200, {"content-type": "text/plain"}, b"one\ntwo\0\xff")
    assert answer_cache.read(answer_cache.written(answer)) == answer


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}\nx", b"[200]\nx", b"[200,{}]", b'["x",[]]\n', b"\xff\n"], ids=str
)
def test_what_cannot_be_read_is_none(data: bytes) -> None:
    assert answer_cache.read(data) is None
