from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.provider import ClassRule
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import (
    LASTING,
    LONGEST_WAIT,
    MAX_BODY,
    Outcome,
    Subject,
    classify,
    explain,
    retry_after,
)
from integration_hub.domain.concealment import concealing
from integration_hub.ports import ExpressionError, Failure, HttpFailure, HttpResponse, SecretText

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def answer(status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, headers or {}, raw, truncated=False, elapsed_seconds=0.25)


def rule(when: str, result: Any, message: str = "") -> ClassRule:
    return ClassRule(when=when, result=result, message=message)


def sort(response: HttpResponse | HttpFailure, *rules: ClassRule) -> Outcome:
    return classify(response, rules, CelExpressions(), NOON)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, Reason.CONNECTED),
        (204, Reason.CONNECTED),
        (301, Reason.UNEXPECTED_ANSWER),
        (304, Reason.UNEXPECTED_ANSWER),
        (400, Reason.CONFIG_REFUSED),
        (401, Reason.INVALID_CREDENTIALS),
        (403, Reason.INVALID_CREDENTIALS),
        (404, Reason.CONFIG_REFUSED),
        (405, Reason.CONFIG_REFUSED),
        (408, Reason.UPSTREAM_ERROR),
        (410, Reason.CONFIG_REFUSED),
        (429, Reason.RATE_LIMITED),
        (500, Reason.UPSTREAM_ERROR),
        (503, Reason.UPSTREAM_ERROR),
    ],
)
def test_http_statuses_have_their_usual_meaning(status: int, reason: Reason) -> None:
    outcome = sort(answer(status))
    assert (outcome.reason, outcome.status, outcome.elapsed_seconds) == (reason, status, 0.25)
    assert outcome.success is (reason is Reason.CONNECTED)


@pytest.mark.parametrize("failure", list(Failure), ids=lambda each: each.value)
def test_a_missing_answer_keeps_its_word_and_its_message(failure: Failure) -> None:
    outcome = sort(HttpFailure(failure, "api.example.com did this", 1.5))
    assert (outcome.reason.value, outcome.detail) == (failure.value, "api.example.com did this")
    assert outcome.counts is (failure is not Failure.OVERLOADED)


SLACK = (
    rule("status == 200 && body.ok == false && body.error == 'ratelimited'", "rateLimited"),
    rule(
        "status == 200 && body.ok == false && body.error in ['invalid_auth', 'account_inactive']",
        "revoked",
        "Slack says {{ body.error }}",
    ),
    rule("status == 200 && body.ok == false", "config", "Slack says {{ body.error }}"),
)


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        pytest.param({"ok": True}, Reason.CONNECTED, "", id="ok"),
        pytest.param(
            {"ok": False, "error": "invalid_auth"},
            Reason.REAUTH_REQUIRED,
            "Slack says invalid_auth",
            id="revoked",
        ),
        pytest.param({"ok": False, "error": "ratelimited"}, Reason.RATE_LIMITED, "", id="first-match-wins"),
        pytest.param(
            {"ok": False, "error": "missing_scope"},
            Reason.CONFIG_REFUSED,
            "Slack says missing_scope",
            id="other",
        ),
        pytest.param(b"<html>", Reason.CONNECTED, "", id="a-rule-that-cannot-be-evaluated-does-not-apply"),
    ],
)
def test_a_200_can_be_a_failure_when_the_provider_says_so(body: Any, reason: Reason, detail: str) -> None:
    outcome = sort(answer(200, body), *SLACK)
    assert (outcome.reason, outcome.detail) == (reason, detail)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("success", Reason.CONNECTED),
        ("transient", Reason.UPSTREAM_ERROR),
        ("rateLimited", Reason.RATE_LIMITED),
        ("config", Reason.CONFIG_REFUSED),
        ("expired", Reason.INVALID_CREDENTIALS),
        ("revoked", Reason.REAUTH_REQUIRED),
    ],
)
def test_each_class_has_its_reason(result: str, reason: Reason) -> None:
    assert sort(answer(418), rule("status == 418", result)).reason is reason


def test_a_rule_sees_headers_and_text() -> None:
    limited = rule("headers['x-ratelimit-remaining'] == '0' && text.contains('slow')", "rateLimited")
    seen = answer(403, b"slow down", {"x-ratelimit-remaining": "0"})
    assert sort(seen, limited).reason is Reason.RATE_LIMITED
    assert sort(answer(403, b"slow down"), limited).reason is Reason.INVALID_CREDENTIALS


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(rule("status ==", "config"), id="does-not-compile"),
        pytest.param(rule("body.absent == 1", "config"), id="no-such-key"),
        pytest.param(rule("'yes'", "config"), id="not-a-boolean"),
    ],
)
def test_a_broken_rule_does_not_decide(broken: ClassRule) -> None:
    assert sort(answer(200, {}), broken).success


def test_a_body_that_is_too_large_is_null_to_a_rule() -> None:
    large = answer(200, {"pad": "x" * MAX_BODY, "ok": False})
    assert sort(large, rule("body == null", "transient")).reason is Reason.UPSTREAM_ERROR


def test_what_a_far_end_says_is_one_line_that_no_terminal_obeys() -> None:
    said = answer(400, {"error": "no\x1b]0;owned\x07\r\nINFO all is well\u202e"})
    assert (
        sort(said, rule("status == 400", "config", "{{ body.error }}")).detail
        == "no ]0;owned INFO all is well"
    )


def test_a_secret_of_several_lines_is_struck_before_they_are_joined() -> None:
    pem = "-----BEGIN KEY-----\nc2VjcmV0\n-----END KEY-----"
    said, told = answer(400, {"error": f"bad key {pem}"}), rule("status == 400", "config", "{{ body.error }}")
    found = classify(said, (told,), CelExpressions(), NOON, concealing([SecretText(pem)]))
    assert found.detail == "bad key ***"


def test_a_message_whose_placeholder_fails_is_left_out() -> None:
    outcome = sort(answer(500, {}), rule("status == 500", "transient", "code {{ body.code }}"))
    assert (outcome.reason, outcome.detail) == (Reason.UPSTREAM_ERROR, "")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("0", 0.0),
        ("17", 17.0),
        ("999999999999", LONGEST_WAIT),
        ("Sat, 21 Nov 2026 12:01:30 GMT", 90.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2099 12:00:00 GMT", LONGEST_WAIT),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOON) == seconds


def test_retry_after_belongs_to_a_failure_only() -> None:
    assert sort(answer(503, headers={"retry-after": "7"})).retry_after == 7
    assert sort(answer(200, headers={"retry-after": "7"})).retry_after is None


@given(st.text(max_size=40))
def test_any_retry_after_is_bounded(value: str) -> None:
    seconds = retry_after({"retry-after": value}, NOON)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


def test_a_message_says_who_what_and_what_to_do() -> None:
    message = explain(sort(answer(401)), Subject("slack.com", "Secret slack-bot"))
    assert "slack.com refused the credentials (HTTP 401)" in message
    assert "Secret slack-bot" in message


def test_the_providers_own_words_come_first() -> None:
    outcome = sort(answer(200, {"ok": False, "error": "missing_scope"}), *SLACK)
    assert explain(outcome, Subject("slack.com")).startswith("Slack says missing_scope. slack.com refused")


def test_a_closed_address_is_told_once_how_it_may_be_opened() -> None:
    said = "it is closed; an administrator may open it by adding 10.0.0.1/32:443 to the egress allow-list"
    told = explain(sort(HttpFailure(Failure.BLOCKED, said)), Subject("10.0.0.1"))
    assert told.startswith(f"{said}. ")
    assert told.count("allow-list") == 1


def test_no_message_repeats_a_body() -> None:
    for status in (200, 302, 401, 404, 429, 500):
        outcome = sort(answer(status, {"leak": "s3cr3t"}))
        assert "s3cr3t" not in explain(outcome, Subject("h")) + outcome.detail


def test_every_outcome_has_words() -> None:
    reasons = {*LASTING, Reason.CONNECTED, Reason.RATE_LIMITED, Reason.UPSTREAM_ERROR}
    reasons |= {sort(HttpFailure(each, "x")).reason for each in Failure}
    for reason in reasons:
        assert explain(Outcome(reason), Subject("api.example.com", "Secret s"))


class HeldBack:
    """An engine that has no time for anybody now."""

    def compile(self, source: str, variables: Any) -> HeldBack:
        return self

    def evaluate(self, variables: Any) -> ExpressionError:
        return ExpressionError("not now", later=True)


def test_an_answer_whose_rule_was_held_back_is_judged_neither_good_nor_bad() -> None:
    outcome = classify(answer(200, {"ok": False}), [rule("body.ok == false", "revoked")], HeldBack(), NOON)
    assert not outcome.success
    assert not outcome.counts
