"""Token requests made of a provider's data: addresses, fields, headers, and what none of them can do."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.authentication import TokenRequest
from integration_hub.api.provider import ProviderSpec
from integration_hub.ports import HttpRequest, SecretText
from integration_hub.providers.request import RequestProblem
from integration_hub.providers.token_request import Setting, build

EXPRESSIONS = CelExpressions()


def setting(*, config: dict[str, Any] | None = None, hosts: tuple[str, ...] = (), **secret: str) -> Setting:
    provider = ProviderSpec.model_validate(
        {
            "displayName": "X",
            "category": "custom",
            "baseUrl": "https://{{ config.site }}.example.com/api",
            "authModes": [{"type": "NONE"}],
            "defaultHeaders": {"X-Version": "1", "accept": "application/vnd.x+json"},
        }
    )
    values = {name: SecretText(value) for name, value in secret.items()}
    return Setting(provider, "team-a", config or {"site": "acme"}, values, "", hosts, EXPRESSIONS)


def request(**fields: Any) -> TokenRequest:
    return TokenRequest.model_validate({"url": "/login", **fields})


def made(asked: TokenRequest, given: Setting, **headers: str) -> HttpRequest:
    outcome = build(asked, given, headers=headers)
    assert isinstance(outcome, HttpRequest), outcome
    return outcome


def test_a_path_is_below_the_base_and_a_whole_address_is_its_own() -> None:
    assert made(request(), setting()).url == "https://acme.example.com/api/login"
    whole = request(url="https://login.example.com/{{ config.site }}/token")
    assert made(whole, setting()).url == "https://login.example.com/acme/token"


@pytest.mark.parametrize("encoding", ["form", "json"])
def test_values_are_encoded_so_that_none_breaks_out_of_its_field(encoding: str) -> None:
    asked = request(encoding=encoding, fields={"user": "{{ secret.user }}", "fixed": "x", "empty": ""})
    outcome = made(asked, setting(user='a&admin=1"}\u00fc'))
    body = json.loads(outcome.body) if encoding == "json" else dict(parse_qsl(outcome.body.decode()))
    assert body == {"user": 'a&admin=1"}\u00fc', "fixed": "x"}


def test_headers_come_from_the_provider_then_the_request_then_the_hub() -> None:
    asked = request(headers={"X-Version": "2", "Authorization": "theirs"}, fields={"a": "b"})
    outcome = made(asked, setting(), Authorization="ours")
    assert dict(outcome.headers) == {
        "accept": "application/vnd.x+json",
        "X-Version": "2",
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": "ours",
    }


def test_user_name_and_password_may_go_as_basic() -> None:
    outcome = made(request(basic=True), setting(username="u", password="p:w"))
    assert outcome.headers["Authorization"] == "Basic dTpwOnc="


def test_a_get_carries_no_empty_body() -> None:
    outcome = made(request(method="GET"), setting())
    assert (outcome.method, outcome.body) == ("GET", b"")


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        pytest.param(request(url="/{{ config.site }}/x"), setting(config={"site": ".."}), id="traversal"),
        pytest.param(
            request(url="https://{{ secret.host }}/x"), setting(host="a.b/@c"), id="a host that is none"
        ),
        pytest.param(request(headers={"X": "{{ secret.v }}"}), setting(v="a\r\nB: c"), id="a second header"),
        pytest.param(request(fields={"x": "{{ secret.none }}"}), setting(), id="a key that is not there"),
        pytest.param(request(url="ftp://x.example.com/"), setting(), id="another scheme"),
        pytest.param(
            request(url="https://elsewhere.example.com/x"),
            setting(hosts=("acme.example.com",)),
            id="a host nobody agreed to",
        ),
    ],
)
def test_what_cannot_be_asked_is_a_problem(asked: TokenRequest, given: Setting) -> None:
    assert isinstance(build(asked, given), RequestProblem)


def test_a_problem_does_not_show_a_secret() -> None:
    asked = request(fields={"x": "{{ int(secret.pin) }}"})
    outcome = build(asked, setting(pin="hunter2-canary"))
    assert isinstance(outcome, RequestProblem)
    assert "hunter2" not in outcome.message


def test_nothing_of_a_request_shows() -> None:
    outcome = made(request(fields={"p": "{{ secret.p }}"}), setting(p="hunter2"))
    assert "hunter2" not in repr(outcome)
    assert "hunter2" not in repr(setting(p="hunter2"))
