"""From provider, config and credentials to a request that has passed the URL rules."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.provider import ProviderSpec
from integration_hub.ports import HttpRequest, SecretText
from integration_hub.providers.auth import Applied
from integration_hub.providers.request import NoProbe, RequestProblem, base_url, build, probe_request

ENGINE = CelExpressions()


def provider(**fields: Any) -> ProviderSpec:
    return ProviderSpec.model_validate(
        {
            "displayName": "X",
            "category": "custom",
            "baseUrl": "https://{{ config.site }}.example.com/api",
            "authModes": [{"type": "NONE"}],
            **fields,
        }
    )


def probe(spec: ProviderSpec, config: dict[str, Any], **more: Any) -> HttpRequest | NoProbe | RequestProblem:
    return probe_request(
        spec, config=config, auth=more.pop("auth", Applied()), namespace="demo", expressions=ENGINE, **more
    )


def test_a_probe_is_rendered_joined_and_authenticated() -> None:
    spec = provider(
        defaultHeaders={"Accept": "application/json", "X-Site": "{{ config.site }}"},
        probe={
            "method": "POST",
            "path": "/me/{{ config.team }}",
            "headers": {"accept": "text/plain"},
            "body": "{}",
        },
    )
    auth = Applied({"Authorization": SecretText("Bearer t")}, {"key": SecretText("a&b")})
    request = probe(spec, {"site": "acme", "team": "a/b"}, auth=auth, timeout_seconds=7.0)
    assert isinstance(request, HttpRequest), request
    assert request.method == "POST"
    assert request.url == "https://acme.example.com/api/me/a%2Fb?key=a%26b"
    assert request.headers == {"X-Site": "acme", "accept": "text/plain", "Authorization": "Bearer t"}
    assert request.body == b"{}"
    assert request.timeout_seconds == 7.0
    assert (request.destination.trust, request.destination.namespace) == ("tenant", "demo")


def test_a_header_that_comes_out_empty_is_left_out() -> None:
    """Xero's organisation, which a custom connection has no use for."""
    spec = provider(defaultHeaders={"X-Account": "{{ config.account }}"}, probe={"path": "/me"})
    for account, sent in (("7", {"X-Account": "7"}), ("", {})):
        request = probe(spec, {"site": "acme", "account": account})
        assert isinstance(request, HttpRequest), request
        assert request.headers == sent


def test_a_request_does_not_show_its_secrets() -> None:
    auth = Applied({"Authorization": SecretText("hunter2")}, {"key": SecretText("hunter2")})
    request = probe(provider(probe={"path": "/me"}), {"site": "acme"}, auth=auth)
    assert "hunter2" not in repr(request)


def test_credentials_win_over_headers_whatever_their_case() -> None:
    spec = provider(defaultHeaders={"authorization": "Basic default"}, probe={"path": "/"})
    request = probe(spec, {"site": "acme"}, auth=Applied({"Authorization": SecretText("Bearer t")}))
    assert isinstance(request, HttpRequest)
    assert request.headers == {"Authorization": "Bearer t"}


def test_a_path_of_the_users_replaces_the_providers_and_is_no_template() -> None:
    spec = provider(probe={"path": "/me"})
    request = probe(spec, {"site": "acme"}, path="/other?x=1")
    assert isinstance(request, HttpRequest)
    assert request.url == "https://acme.example.com/api/other?x=1"
    assert isinstance(probe(spec, {"site": "acme"}, path="/{{ config.site }}"), RequestProblem)


def test_a_provider_without_a_probe_says_so_unless_the_user_names_a_path() -> None:
    assert probe(provider(), {"site": "acme"}) == NoProbe()
    request = probe(provider(), {"site": "acme"}, path="/ping")
    assert isinstance(request, HttpRequest)
    assert request.method == "GET"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "config.site"),
        ({"site": "evil.com/"}, "not part of one"),
        ({"site": "a\r\nb"}, "not part of one"),
        ({"site": ["a"]}, "no text or number"),
        ({"site": "x" * 300}, "no valid host name"),
    ],
)
def test_a_config_that_gives_no_address_says_which_placeholder(config: dict[str, Any], says: str) -> None:
    problem = probe(provider(probe={"path": "/me"}), config)
    assert isinstance(problem, RequestProblem)
    assert says in problem.message


@pytest.mark.parametrize(
    "path", ["//evil.com", "@evil.com", "/../admin", "/a#b", "/a b", "/a\r\nb", "no-slash"]
)
def test_a_path_that_leaves_its_place_is_refused(path: str) -> None:
    assert isinstance(probe(provider(), {"site": "acme"}, path=path), RequestProblem)


def test_a_header_cannot_be_split_by_a_value() -> None:
    spec = provider(baseUrl="https://x.example.com", defaultHeaders={"X-Y": "{{ config.v }}"})
    problem = build(
        spec,
        method="GET",
        path="/",
        config={"v": "a\r\nZ: 1"},
        auth=Applied(),
        namespace="demo",
        expressions=ENGINE,
    )
    assert isinstance(problem, RequestProblem)
    assert "X-Y" in problem.message


def test_a_region_has_its_own_address() -> None:
    spec = provider(regions={"eu": "https://eu.example.com"})
    assert base_url(spec, config={}, region="eu", expressions=ENGINE) == "https://eu.example.com"
    problem = base_url(spec, config={}, region="us", expressions=ENGINE)
    assert isinstance(problem, RequestProblem)
    assert "(eu)" in problem.message


def test_the_host_that_credentials_go_to_is_known_beforehand() -> None:
    base = base_url(provider(), config={"site": "acme"}, expressions=ENGINE)
    assert isinstance(base, str)
    assert urlsplit(base).hostname == "acme.example.com"
    assert isinstance(base_url(provider(), config={}, expressions=ENGINE), RequestProblem)
