"""A call goes to its provider's base and nowhere else, as one request and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from call_stage import EXPRESSIONS, link
from integration_hub.ports import CallRequest, HttpRequest, Presented, Purpose, SecretText
from integration_hub.providers.composing import Composer, Draft, compose
from integration_hub.providers.request import RequestProblem

BASE = "https://api.example.com/v1"
LINK = link(provider={"baseUrl": BASE, "defaultHeaders": {"Accept": "application/json", "X-Version": "1"}})
CREDENTIALS = Presented(headers={"Authorization": SecretText("Bearer t")}, query={"key": SecretText("a&b")})


def drafted(path: str = "/me", *, method: str = "GET", **more: Any) -> Draft | RequestProblem:
    return Composer(EXPRESSIONS).draft(LINK, CallRequest(method, path, **more))


NOTHING = Presented()


def composed(path: str = "/me", presented: Presented = NOTHING, **more: Any) -> HttpRequest:
    draft = drafted(path, **more)
    assert isinstance(draft, Draft), draft
    return compose(draft, presented, {"x-correlation-id": "c-1"})


def refused(path: str = "/me", **more: Any) -> str:
    problem = drafted(path, **more)
    assert isinstance(problem, RequestProblem), problem
    return problem.message


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/me", f"{BASE}/me"),
        ("", BASE),
        ("/", f"{BASE}/"),
        ("/v1/me", f"{BASE}/v1/me"),
        ("/a%2Fb/c", f"{BASE}/a%2Fb/c"),
        ("/a?x=1", f"{BASE}/a?x=1"),
        ("/a?next=https://elsewhere.example/", f"{BASE}/a?next=https://elsewhere.example/"),
        ("/@elsewhere.example/", f"{BASE}/@elsewhere.example/"),
        ("/compare/main...dev", f"{BASE}/compare/main...dev"),
        ("/.github/..x/x..", f"{BASE}/.github/..x/x.."),
        ("/a//b", f"{BASE}/a//b"),
        ("/a:b;c=d/e", f"{BASE}/a:b;c=d/e"),
        ("/files/100%2525", f"{BASE}/files/100%2525"),
    ],
)
def test_a_path_is_appended_to_the_base_as_written(path: str, url: str) -> None:
    assert composed(path).url == url


@pytest.mark.parametrize(
    "path",
    [
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "/\\elsewhere.example/",
        "\\\\elsewhere.example",
        "elsewhere",
        ".elsewhere.example",
        "@elsewhere.example",
        ":443",
        "/../admin",
        "/a/../../admin",
        "/..",
        "/.",
        "/./a",
        "/%2e%2e/admin",
        "/%2E./admin",
        "/.%2e/admin",
        "/a%2f..%2f..%2fadmin",
        "/a/..%2fadmin",
        "/%252e%252e/admin",
        "/%25252e%25252e/admin",
        "/..;/admin",
        "/..;x=1/admin",
        "/a/%2e%2e;/admin",
        "/..%5cadmin",
        "/a%5c..%5cb",
        "/..%255cadmin",
        "/a\r\nHost: elsewhere.example",
        "/a%0d%0aX-Injected: 1",
        "/a%0aX",
        "/a%00",
        "/a b",
        "/a\tb",
        "/grüße",
        "/a#b",
        "/a%zz",
        "/a%",
        "/\u2025/admin",
        "/a" + "b" * 5_000,
    ],
    ids=lambda path: repr(path[:40]),
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    assert refused(path)


def test_the_query_is_added_encoded_after_the_paths_own_and_before_the_credentials() -> None:
    request = composed("/me?x=1", CREDENTIALS, query=(("q", "a b&c=d"), ("q", "2"), ("é", "")))
    assert request.url == f"{BASE}/me?x=1&q=a%20b%26c%3Dd&q=2&%C3%A9=&key=a%26b"


def test_credentials_win_over_the_caller_and_the_caller_over_the_provider() -> None:
    request = composed(
        presented=Presented(headers={"X-Api-Key": SecretText("ours")}),
        headers={"x-api-KEY": "theirs", "ACCEPT": "text/plain"},
    )
    assert request.headers == {
        "accept": "text/plain",
        "x-version": "1",
        "x-api-key": "ours",
        "x-correlation-id": "c-1",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "Proxy-Authorization", "Cookie", "Cookie2", "Host", "Content-Length", "Expect"),
        *("Transfer-Encoding", "TE", "Trailer", "Upgrade", "Connection", "Keep-Alive", "Proxy-Connection"),
        *("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP", "Accept-Encoding"),
        *("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Traceparent", "Tracestate"),
        *("Baggage", "X-Correlation-Id", "X-Tenant", "Sec-Fetch-Site", "HTTP2-Settings", "Proxy-Anything"),
    ],
)
def test_headers_that_are_not_a_callers_do_not_go_out(name: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        sent = composed(headers={spelling: "smuggled"}).headers
        assert "smuggled" not in sent.values()


def test_a_header_that_connection_names_stays_here() -> None:
    sent = composed(headers={"Connection": "close, X-Mine", "X-Mine": "1", "X-Yours": "2"}).headers
    assert "x-mine" not in sent
    assert sent["x-yours"] == "2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\nX-B: 2"),
        ("X-A", "1\r"),
        ("X-A", "a\0b"),
        ("X-A", "\u2028"),
        ("X-A", "\x7f"),
        ("X-A", "y" * 10_000),
        ("X-A\r\nX-B", "1"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("", "1"),
        ("Transfer-Encoding ", "chunked"),
        ("X\u212a", "1"),
    ],
    ids=repr,
)
def test_a_header_that_would_become_another_request_is_refused(name: str, value: str) -> None:
    message = refused(headers={name: value})
    assert "X-B: 2" not in message


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "GET ", "GET / HTTP/1.1\r\nX: y", "", "PURGE"])
def test_a_method_that_no_provider_needs_is_refused(method: str) -> None:
    assert "method" in refused(method=method)


@pytest.mark.parametrize("key", ["a\r\nX: y", "a b", "é", "k" * 256], ids=repr)
def test_an_idempotency_key_is_visible_ascii(key: str) -> None:
    assert "idempotency" in refused(method="POST", idempotency_key=key)


def test_an_idempotency_key_travels_as_a_header() -> None:
    sent = composed(method="POST", idempotency_key="k-1", headers={"Idempotency-Key": "other"})
    assert sent.headers["idempotency-key"] == "k-1"


def test_credentials_go_to_no_host_that_nobody_agreed_to() -> None:
    draft = Composer(EXPRESSIONS).draft(
        replace(LINK, hosts=("other.example.com",)), CallRequest("GET", "/me")
    )
    assert draft == RequestProblem("nobody agreed that credentials go to api.example.com")


def test_the_base_is_filled_once_for_each_state_of_a_connection() -> None:
    composer = Composer(EXPRESSIONS)
    site = {"baseUrl": "https://{{ config.site }}.example.com"}
    one = replace(link(provider=site), config={"site": "acme"})
    for state, host in ((one, "acme.example.com"), (one, "acme.example.com")):
        draft = composer.draft(state, CallRequest("GET", "/me"))
        assert isinstance(draft, Draft)
        assert draft.host == host
    changed = replace(one, config={"site": "other"}, generation=2)
    draft = composer.draft(changed, CallRequest("GET", "/me"))
    assert isinstance(draft, Draft)
    assert draft.host == "other.example.com"
    assert composer.ground(one) is composer.ground(one)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, True),
        ({"purpose": Purpose.SYNC}, True),
        ({"purpose": Purpose.PROBE}, False),
        ({"method": "HEAD"}, False),
        ({"headers": {"Range": "bytes=0-9"}}, False),
    ],
    ids=str,
)
def test_answers_travel_packed_where_that_is_worth_it(more: dict[str, Any], expected: bool) -> None:
    assert composed(**more).gzip is expected


def test_the_deadline_is_the_callers_or_the_integrations() -> None:
    assert composed().timeout_seconds == 30.0
    assert composed(timeout_seconds=2.5).timeout_seconds == 2.5


def test_nothing_secret_shows() -> None:
    request = composed("/me?token=hunter2", CREDENTIALS, headers={"X-A": "hunter2"}, body=b"hunter2")
    assert "hunter2" not in repr(request)
    assert "Bearer" not in repr(request)
    assert "hunter2" not in repr(drafted("/me?token=hunter2", headers={"X-A": "hunter2"}))
