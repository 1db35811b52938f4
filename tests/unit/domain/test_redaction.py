"""What is kept of a call holds no secret, whatever its shape, and is cut only after that."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from integration_hub.domain import redaction
from integration_hub.domain.concealment import concealing, nothing
from integration_hub.ports import SecretText

CANARY = "s3cr3t-canary/+=7f"
CONCEAL = concealing([SecretText(CANARY)])
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie")),
        *((name, True) for name in ("X-Api-Key", "apikey", "api_key", "X-Auth-Token", "PRIVATE-TOKEN")),
        *((name, True) for name in ("X-Amz-Security-Token", "X-Hub-Signature-256", "DD-APPLICATION-KEY")),
        *((name, True) for name in ("auth", "X-Auth", "x-functions-key")),
        *(
            (name, True)
            for name in ("password", "user[password]", "newPassword", "client_secret", "clientSecret")
        ),
        *((name, True) for name in ("access_token", "refreshToken", "id_token", "client_assertion")),
        *((name, True) for name in ("sig", "X-Amz-Signature", "session_id", "privateKey", "otp")),
        *((name, False) for name in ("Content-Type", "key", "code", "key_id", "keyword", "monkey", "title")),
        *((name, False) for name in ("token_type", "ETag", "signed_at", "author", "status_code", "zip_code")),
        *((name, False) for name in ("authority", "author_name", "oauth2_provider")),
    ],
    ids=str,
)
def test_names_that_tell(name: str, expected: bool) -> None:
    assert redaction.names_secret(name) is expected


def test_headers_are_kept_without_secrets() -> None:
    given = {
        "Authorization": f"Bearer {CANARY}",
        "X-Odd": f"before {CANARY} after",
        "Accept": "application/json",
        "X-Long": "y" * 9_000,
        "Location": "https://user:UNKNOWN-7@x.example.com/?page=2&access_token=UNKNOWN-7",
        "Link": '<https://x.example.com/?page=2&sig=UNKNOWN-7>; rel="next"',
    }
    kept = redaction.headers(given, CONCEAL)
    assert kept["authorization"] == "***"
    assert kept["x-odd"] == "before *** after"
    assert kept["accept"] == "application/json"
    assert kept["location"] == "https://***@x.example.com/?page=2&access_token=***"
    assert kept["link"] == '<https://x.example.com/?page=2&sig=***>; rel="next"'
    assert len(kept["x-long"]) == redaction.MAX_HEADER
    assert len(redaction.headers({f"x-{n}": "y" for n in range(500)}, nothing)) == redaction.MAX_HEADERS


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/user", "/user"),
        ("/user?state=open&page=2", "/user?state=open&page=2"),
        ("/user?api_key=abc&page=2", "/user?api_key=***&page=2"),
        ("/user?key=abc&code=def&keyed=1", "/user?key=***&code=***&keyed=1"),
        ("/user?%61pi_key=abc", "/user?%61pi_key=***"),
        (f"/bot{CANARY}/sendMessage", "/bot***/sendMessage"),
        (f"/bot{quote(CANARY, safe='')}/x", "/bot***/x"),
        (f"/user?q={quote(CANARY, safe='')}", "/user?q=***"),
        (f"/user?q={quote(CANARY, safe='').lower()}", "/user?q=***"),
        ("/user?flag&x=", "/user?flag&x="),
    ],
)
def test_paths_and_queries(path: str, shown: str) -> None:
    assert redaction.path(path, CONCEAL) == shown


def test_a_path_is_cut() -> None:
    assert len(redaction.path("/" + "a" * 5_000, nothing)) == redaction.MAX_PATH


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps({"a": [{"password": CANARY}]}), JSON),
        (json.dumps({"note": f"it is {CANARY}!"}), JSON),
        (json.dumps({CANARY: 1}), JSON),
        (json.dumps({"password": 12345, "x": "s3cr3t"}).replace("12345", json.dumps(CANARY)), "text/plain"),
        (json.dumps({"token": CANARY})[:-1], JSON),
        (urlencode({"grant_type": "refresh_token", "refresh_token": CANARY}), FORM),
        (urlencode({"state": CANARY}), FORM),
        (f"<a><b>{CANARY}</b></a>", "text/xml"),
        (f"password = {CANARY}", "text/plain"),
        (f"x{'y' * 300_000}{CANARY}", "text/plain"),
        (f"{'y' * (redaction.MAX_BODY - 5)}{CANARY}", "text/plain"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_known_secret_is_in_no_body(body: str, kind: str) -> None:
    kept = redaction.body(body.encode(), kind, CONCEAL)
    assert CANARY not in kept
    assert CANARY[:8] not in kept
    assert len(kept) <= redaction.MAX_BODY


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"access_token": "UNKNOWN-7"}, JSON),
        ({"deep": [[{"clientSecret": {"value": "UNKNOWN-7"}}]]}, JSON),
        ({"pin": 1234567, "note": "UNKNOW-8"}, JSON),
        ('{"access_token": "UNKNOWN-7", "x": ', JSON),
        ("access_token=UNKNOWN-7&x=1", FORM),
        ("access_token=UNKNOWN-7&x=1", "text/plain"),
        ("user[password]=UNKNOWN-7", FORM),
        ("Authorization: Bearer UNKNOWN-7xyz", "text/plain"),
        ("https://user:UNKNOWN-7@host/", "text/plain"),
        ("-----BEGIN RSA PRIVATE KEY-----\nUNKNOWN-7\n-----END RSA PRIVATE KEY-----", "text/plain"),
        ({"url": "https://user:UNKNOWN-7@host/"}, JSON),
        ({"note": "use ghp_UNKNOWN7abcdef"}, JSON),
        ({"note": "use ihp_UNKNOWN7abc_def"}, JSON),
        ({"url": "https://x.example.com/a?access_token=UNKNOWN-7"}, JSON),
        ({"url": "https://x.example.com/a?page=2&code=UNKNOWN-7#top"}, JSON),
        ({"url": "https://x.example.com/?to=https://y.example.com/?sig=UNKNOWN-7"}, JSON),
        ("see https://x.example.com/a?access_token=UNKNOWN-7", "text/plain"),
        ("<r><SecretAccessKey>UNKNOWN-7</SecretAccessKey></r>", "application/xml"),
        ('<s:r><s:password type="text"><![CDATA[UNKNOWN-7]]></s:password></s:r>', "text/xml"),
        ([{"name": "DB_PASSWORD", "value": "UNKNOWN-7"}], JSON),
        ({"variables": [{"key": "API_TOKEN", "value": {"of": "UNKNOWN-7"}}]}, JSON),
        ("payload=" + quote('{"password": "UNKNOWN-7"}'), FORM),
        ("next=" + quote("https://x.example.com/?access_token=UNKNOWN-7", safe=""), FORM),
    ],
    ids=lambda value: str(value)[:32],
)
def test_what_a_name_or_a_shape_tells_is_struck_though_nobody_knew_it(body: Any, kind: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    kept = redaction.body(text.encode(), kind, nothing)
    assert "UNKNOWN" not in kept
    assert "1234567" not in kept
    assert "***" in kept


@pytest.mark.parametrize(
    "said",
    [
        json.dumps({"data": json.dumps({"password": "hunter2hunter2"})}),
        json.dumps({"data": json.dumps([{"deep": json.dumps({"client_secret": "hunter2hunter2"})}])}),
        json.dumps({"url": "/echo?access_token=hunter2hunter2&page=2"}),
        json.dumps({"error": "wrong password: hunter2hunter2"}),
    ],
    ids=["a body as text", "twice", "a path", "a sentence"],
)
def test_what_a_text_within_json_tells_is_struck_too(said: str) -> None:
    shown = redaction.body(said.encode(), JSON, nothing)
    assert "hunter2" not in shown
    assert json.loads(shown)


def test_a_document_that_was_cut_or_put_into_a_sentence_is_struck_as_text() -> None:
    echo = json.dumps({"body": json.dumps({"password": "hunter2hunter2", "page": 2})})
    for text in (f"They say {echo}", echo[:-1], json.dumps({"m": echo})[:-1], f"They say {json.dumps(echo)}"):
        assert "hunter2" not in redaction.free_text(text, nothing)
        assert "page" in redaction.free_text(text, nothing)


def test_what_is_harmless_stays_readable() -> None:
    body = {
        "token_type": "bearer",
        "link": "https://x.example.com/?page=2&q=a%20b",
        "items": [1, 2.5, None, True],
        "title": "Grüße",
        "empty": "",
    }
    assert json.loads(redaction.body(json.dumps(body).encode(), JSON, CONCEAL)) == body


@pytest.mark.parametrize(
    ("data", "kind", "shown"),
    [
        (b"", JSON, ""),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png", "(10 bytes of image/png)"),
        (b"\x89PNG\r\n\x1a\n", "image/png", "(8 bytes of image/png)"),
        (b"\xff\xfe\xfd", "", "(3 bytes of no named type)"),
        (b"plain", "", "plain"),
    ],
    ids=str,
)
def test_what_is_no_text_is_told_by_its_size(data: bytes, kind: str, shown: str) -> None:
    assert redaction.body(data, kind, CONCEAL) == shown


def test_depth_beyond_reason_is_struck_whole() -> None:
    deep: Any = CANARY
    for _ in range(100):
        deep = [deep]
    assert CANARY not in redaction.body(json.dumps(deep).encode(), JSON, nothing)


def test_json_nested_to_break_a_parser_is_taken_as_text() -> None:
    kept = redaction.body(b"[" * 100_000, JSON, CONCEAL)
    assert len(kept) == redaction.MAX_BODY
