"""Answers to token requests: what vendors make of RFC 6749, and what is read from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.authentication import TokenAnswer
from integration_hub.domain.concealment import concealing
from integration_hub.ports import Failure, HttpFailure, HttpResponse, SecretText
from integration_hub.providers.token_answer import LONGEST_LIFE, Refused, Token, TokenRefusal, parse

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
EXPRESSIONS = CelExpressions()


def read(body: Any, *, status: int = 200, declared: TokenAnswer | None = None, **headers: str) -> object:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = HttpResponse(status, named, data, truncated=False, elapsed_seconds=0.1)
    conceal = concealing([SecretText("hunter2-secret")])
    return parse(answer, declared, expressions=EXPRESSIONS, now=NOW, conceal=conceal)


def token(outcome: object) -> tuple[str, str | None, float | None]:
    assert isinstance(outcome, Token), outcome
    refresh = outcome.refresh_token.reveal() if outcome.refresh_token else None
    return outcome.access_token.reveal(), refresh, outcome.expires_in


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"access_token": "a", "expires_in": 60}, ("a", None, 60), id="RFC 6749"),
        pytest.param(
            {"access_token": "a", "refresh_token": "r", "expires_in": "60"}, ("a", "r", 60), id="life as text"
        ),
        pytest.param({"access_token": "a"}, ("a", None, None), id="no life"),
        pytest.param({"access_token": "a", "expires_in": 0}, ("a", None, None), id="life of zero"),
        pytest.param({"access_token": "a", "expires_in": -5}, ("a", None, None), id="less than none"),
        pytest.param({"access_token": "a", "expires_in": None}, ("a", None, None), id="null"),
        pytest.param({"access_token": "a", "expires_in": "soon"}, ("a", None, None), id="nonsense"),
        pytest.param({"access_token": "a", "expires_in": True}, ("a", None, None), id="true"),
        pytest.param({"access_token": "a", "expires_in": 1e300}, ("a", None, LONGEST_LIFE), id="for ever"),
        pytest.param(
            {"ok": True, "authed_user": {"access_token": "a", "refresh_token": "r", "expires_in": 9}},
            ("a", "r", 9),
            id="Slack's user token",
        ),
        pytest.param(
            {"token": "a", "expires_at": "2026-11-21T11:00:00Z"}, ("a", None, 3600), id="GitHub App"
        ),
        pytest.param({"token": "a", "expires_at": 1795258800}, ("a", None, 3600), id="end in seconds"),
        pytest.param(
            {"token": "a", "expires_at": "2026-11-21T09:00:00Z"}, ("a", None, None), id="end in the past"
        ),
        pytest.param({"data": {"accessToken": "a", "expiresIn": 5}}, ("a", None, 5), id="wrapped"),
        pytest.param(
            {"token": "a", "expires_at": "0001-01-01T00:00:00Z"}, ("a", None, None), id="Go's zero time"
        ),
        pytest.param(
            {"token": "a", "expires_at": "0001-01-01T00:00:00+10:00"}, ("a", None, None), id="before all time"
        ),
        pytest.param(
            {"token": "a", "expires_at": "9999-12-31T23:59:59-10:00"}, ("a", None, None), id="after all time"
        ),
    ],
)
def test_a_token_is_found_as_vendors_send_it(
    body: Any, expected: tuple[str, str | None, float | None]
) -> None:
    assert token(read(body)) == expected


def test_githubs_form_encoded_answer_is_read() -> None:
    body = b"access_token=gho_x&expires_in=28800&refresh_token=ghr_y&scope=repo%2Cuser&token_type=bearer"
    outcome = read(body, content_type="application/x-www-form-urlencoded; charset=utf-8")
    assert token(outcome) == ("gho_x", "ghr_y", 28800)


@pytest.mark.parametrize(
    ("declared", "body", "expected"),
    [
        pytest.param(
            {"accessToken": "body.session.key", "lifetimeSeconds": 600},
            {"session": {"key": "a"}},
            ("a", None, 600),
            id="nested, with a usual life",
        ),
        pytest.param({"accessToken": "body"}, "bare-token", ("bare-token", None, None), id="the whole body"),
        pytest.param(
            {"accessToken": "headers['x-token']"}, {}, ("from-a-header", None, None), id="in a header"
        ),
        pytest.param(
            {"accessToken": "body.t", "expiresAt": "body.end"},
            {"t": "a", "end": 1795258800000},
            ("a", None, 3600),
            id="end in milliseconds",
        ),
    ],
)
def test_a_provider_may_say_where_it_is(
    declared: dict[str, Any], body: Any, expected: tuple[str, str | None, float | None]
) -> None:
    answer = TokenAnswer.model_validate(declared)
    assert token(read(body, declared=answer, x_token="from-a-header")) == expected


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        pytest.param(400, {"error": "invalid_grant"}, Refused.GRANT, id="RFC 6749"),
        pytest.param(200, {"error": "bad_refresh_token"}, Refused.GRANT, id="GitHub, with 200"),
        pytest.param(
            200, {"ok": False, "error": "invalid_refresh_token"}, Refused.GRANT, id="Slack, with 200"
        ),
        pytest.param(401, {"error": "invalid_client"}, Refused.CLIENT, id="the client"),
        pytest.param(401, {}, Refused.CLIENT, id="401 without a word"),
        pytest.param(403, {"message": "no"}, Refused.CLIENT, id="403"),
        pytest.param(400, {"error": "invalid_scope"}, Refused.REQUEST, id="the scope"),
        pytest.param(404, {}, Refused.REQUEST, id="404"),
        pytest.param(302, {}, Refused.REQUEST, id="a redirect, which is not followed"),
        pytest.param(200, {"ok": False}, Refused.REQUEST, id="200 without a word"),
        pytest.param(429, {}, Refused.TRANSIENT, id="429"),
        pytest.param(503, {"error": "invalid_grant_but_down"}, Refused.TRANSIENT, id="503"),
        pytest.param(
            200, {"ok": False, "error": "ratelimited"}, Refused.TRANSIENT, id="Slack's limit, with 200"
        ),
        pytest.param(
            400,
            {"error": {"status": "UNAVAILABLE", "code": 400, "message": "later"}},
            Refused.REQUEST,
            id="an API's own error object",
        ),
    ],
)
def test_a_refusal_is_sorted_by_whose_matter_it_is(status: int, body: Any, refused: Refused) -> None:
    outcome = read(body, status=status)
    assert isinstance(outcome, TokenRefusal)
    assert outcome.refused is refused


def test_a_provider_may_say_what_a_refusal_looks_like() -> None:
    declared = TokenAnswer.model_validate({"error": "body.code != 0 ? 'invalid_grant' : ''"})
    assert isinstance(read({"code": 17, "access_token": "a"}, declared=declared), TokenRefusal)
    assert token(read({"code": 0, "access_token": "a", "error": "not one"}, declared=declared))[0] == "a"


def test_how_long_to_wait_is_taken_from_the_answer() -> None:
    outcome = read({}, status=429, retry_after="17")
    assert isinstance(outcome, TokenRefusal)
    assert outcome.retry_after == 17


@pytest.mark.parametrize(
    ("failure", "refused", "unanswered"),
    [
        (Failure.TIMEOUT, Refused.TRANSIENT, True),
        (Failure.PROTOCOL, Refused.TRANSIENT, True),
        (Failure.CONNECT, Refused.TRANSIENT, False),
        (Failure.DNS, Refused.TRANSIENT, False),
        (Failure.BLOCKED, Refused.REQUEST, False),
    ],
)
def test_no_answer_passes_unless_the_address_is_closed(
    failure: Failure, refused: Refused, unanswered: bool
) -> None:
    outcome = parse(
        HttpFailure(failure, "why"), None, expressions=EXPRESSIONS, now=NOW, conceal=concealing([])
    )
    assert outcome == TokenRefusal(refused, "why", unanswered=unanswered)


def test_what_is_said_of_a_refusal_holds_no_secret_and_no_control_character() -> None:
    outcome = read(
        {
            "error": "invalid_request",
            "error_description": "bad hunter2-secret\x1b[2J\u202e\ud800" + "x" * 999,
        },
        status=400,
    )
    assert isinstance(outcome, TokenRefusal)
    assert "hunter2" not in outcome.message
    assert "\x1b" not in outcome.message
    assert "\u202e" not in outcome.message
    assert outcome.message.encode()
    assert len(outcome.message) < 350


@pytest.mark.parametrize(
    "body",
    [
        {"access_token": ""},
        {"access_token": "a\r\nb"},
        {"access_token": 7},
        {"access_token": "ü"},
        [],
        3,
        None,
    ],
)
def test_what_cannot_be_sent_is_no_token(body: Any) -> None:
    assert isinstance(read(body), TokenRefusal)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["access_token", "error", "ok", "expires_in", "expires_at", "data", "authed_user", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(json_values, st.sampled_from([200, 201, 302, 400, 401, 500]))
def test_no_answer_makes_it_fail(body: Any, status: int) -> None:
    assert isinstance(read(body, status=status), Token | TokenRefusal)


@example(b"[" * 100_000)
@given(st.binary(max_size=200))
def test_nor_do_bytes(body: bytes) -> None:
    assert isinstance(read(body, content_type="application/x-www-form-urlencoded"), Token | TokenRefusal)
