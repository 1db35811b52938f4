"""The conformance suite that every file of the bundled catalogue passes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.provider import AuthType
from integration_hub.api.reasons import Reason
from integration_hub.domain import url
from integration_hub.domain.classification import classify
from integration_hub.domain.config_schema import ConfigSchema, ValidConfig
from integration_hub.domain.provider import examine
from integration_hub.ports import HttpRequest, HttpResponse, SecretText
from integration_hub.providers.auth import Applied, Unsupported, apply, required_keys
from integration_hub.providers.catalogue import CatalogueEntry, CatalogueError, load_catalogue
from integration_hub.providers.request import base_url, probe_request

ENGINE = CelExpressions()
CATALOGUE = {entry.name: entry for entry in load_catalogue()}
SAMPLES: dict[str, dict[str, Any]] = {
    "jira": {"site": "acme"},
    "grafana": {"url": "https://acme.grafana.net"},
    "prometheus": {"url": "https://prometheus.example.com/prefix"},
    "jenkins": {"url": "https://ci.example.com/jenkins/"},
}
"""A config for those that cannot do without one. All others must work with an empty one."""


@pytest.fixture(params=CATALOGUE)
def entry(request: pytest.FixtureRequest) -> CatalogueEntry:
    return CATALOGUE[request.param]


def config_of(entry: CatalogueEntry) -> Mapping[str, Any]:
    schema = ConfigSchema.read(entry.spec.config_schema)
    assert isinstance(schema, ConfigSchema), schema
    valid = schema.validate(SAMPLES.get(entry.name, {}))
    assert isinstance(valid, ValidConfig), valid
    return valid.values


def test_the_catalogue_has_at_least_a_dozen_providers() -> None:
    assert len(CATALOGUE) >= 12


def test_nothing_in_a_file_is_unknown_to_the_kind(entry: CatalogueEntry) -> None:
    """The model drops fields it does not know, so a misspelt one would vanish without a word."""
    written = entry.manifest["spec"]
    read = entry.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert read == written
    assert set(entry.manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(entry.manifest["metadata"]) == {"name"}


def test_a_provider_can_be_used(entry: CatalogueEntry) -> None:
    assert examine(entry.spec, ENGINE).problems == ()


def test_its_addresses_are_public_https(entry: CatalogueEntry) -> None:
    base = base_url(entry.spec, config=config_of(entry), expressions=ENGINE)
    assert isinstance(base, str), base
    for address in (base, *entry.spec.regions.values(), entry.spec.documentation_url):
        target = url.parse(address, trust="tenant", namespace="demo")
        assert isinstance(target, url.Target), target
        assert target.scheme == "https"
        assert target.needs_listing == ""


def test_its_oauth_endpoints_are_https(entry: CatalogueEntry) -> None:
    oauth = entry.spec.oauth
    assert (oauth is not None) == any(mode.type is AuthType.OAUTH2 for mode in entry.spec.auth_modes)
    if oauth is not None:
        for address in (oauth.authorize_url, oauth.token_url, oauth.revoke_url):
            assert address is None or address.startswith(("https://", "{{ config.url }}/"))


def test_it_works_with_a_secret_of_its_default_mode_and_probes(entry: CatalogueEntry) -> None:
    mode = entry.spec.auth_modes[0]
    keys = required_keys(mode)
    assert not isinstance(keys, Unsupported), "the default mode must work without a token exchange"
    auth = apply(mode, {key: SecretText("x") for key in keys})
    assert isinstance(auth, Applied)
    request = probe_request(
        entry.spec, config=config_of(entry), auth=auth, namespace="demo", expressions=ENGINE
    )
    assert isinstance(request, HttpRequest), request
    if request.method == "POST" and request.body:
        assert "content-type" in {name.lower() for name in request.headers}


def test_it_tells_people_what_it_is_and_where_credentials_come_from(entry: CatalogueEntry) -> None:
    assert entry.spec.description.endswith(".")
    assert all(mode.description for mode in entry.spec.auth_modes)


def test_its_facts_name_their_source(entry: CatalogueEntry) -> None:
    text = (
        Path(__file__).parents[3] / "operator/integration_hub/providers/catalogue" / f"{entry.name}.yaml"
    ).read_text()
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert any("https://" in line for line in comments)
    assert any("robe" in line or "Keys:" in line for line in comments), "the probe's page"
    assert any("imit" in line for line in comments), "the page about limits, or why there are none"


def test_a_probe_never_eats_the_quota(entry: CatalogueEntry) -> None:
    for limit in (entry.spec.rate_limit, entry.spec.quota):
        if limit is not None and entry.spec.probe is not None:
            probes = limit.window_seconds / entry.spec.probe.interval_seconds
            assert probes <= limit.requests / 5


ANSWERS: list[tuple[str, int, dict[str, str], Any, Reason]] = [
    ("slack", 200, {}, {"ok": True, "team": "T"}, Reason.CONNECTED),
    ("slack", 200, {}, {"ok": False, "error": "invalid_auth"}, Reason.INVALID_CREDENTIALS),
    ("slack", 200, {}, {"ok": False, "error": "token_revoked"}, Reason.REAUTH_REQUIRED),
    ("slack", 200, {}, {"ok": False, "error": "ratelimited"}, Reason.RATE_LIMITED),
    ("slack", 200, {}, {"ok": False, "error": "internal_error"}, Reason.UPSTREAM_ERROR),
    ("slack", 200, {}, {"ok": False}, Reason.UPSTREAM_ERROR),
    ("slack", 200, {}, None, Reason.UPSTREAM_ERROR),
    ("slack", 200, {}, [], Reason.UPSTREAM_ERROR),
    ("slack", 429, {"retry-after": "30"}, None, Reason.RATE_LIMITED),
    ("github", 200, {"x-ratelimit-remaining": "0"}, {"login": "octocat"}, Reason.CONNECTED),
    ("github", 401, {}, {"message": "Bad credentials"}, Reason.INVALID_CREDENTIALS),
    ("github", 403, {"x-ratelimit-remaining": "0"}, {}, Reason.RATE_LIMITED),
    ("github", 403, {"retry-after": "60"}, {}, Reason.RATE_LIMITED),
    ("github", 403, {"x-ratelimit-remaining": "12"}, {}, Reason.INVALID_CREDENTIALS),
    ("gitlab", 200, {}, {"id": 1}, Reason.CONNECTED),
    ("gitlab", 401, {}, {"message": "401 Unauthorized"}, Reason.INVALID_CREDENTIALS),
    ("jira", 200, {}, {"accountId": "1"}, Reason.CONNECTED),
    ("jira", 404, {}, None, Reason.CONFIG_REFUSED),
    ("monday", 200, {}, {"data": {"me": {"id": "1"}}}, Reason.CONNECTED),
    ("monday", 200, {}, {"data": {"me": None}}, Reason.INVALID_CREDENTIALS),
    ("monday", 200, {}, {"errors": [{"message": "Parse error"}]}, Reason.CONFIG_REFUSED),
    ("monday", 200, {}, {"error_code": "DAILY_LIMIT_EXCEEDED"}, Reason.RATE_LIMITED),
    ("stripe", 200, {}, {"id": "acct_1"}, Reason.CONNECTED),
    ("stripe", 401, {}, {"error": {}}, Reason.INVALID_CREDENTIALS),
    ("stripe", 403, {}, {"error": {}}, Reason.CONFIG_REFUSED),
    ("datadog", 200, {}, {"status": "ok"}, Reason.CONNECTED),
    ("datadog", 200, {}, {"status": "no"}, Reason.INVALID_CREDENTIALS),
    ("datadog", 403, {}, {"errors": ["Forbidden"]}, Reason.INVALID_CREDENTIALS),
    ("new-relic", 200, {}, {"data": {"actor": {"user": {"id": 1}}}}, Reason.CONNECTED),
    ("new-relic", 200, {}, {"errors": [{"message": "no"}]}, Reason.CONFIG_REFUSED),
    ("new-relic", 200, {}, {"data": {"actor": {"user": None}}}, Reason.INVALID_CREDENTIALS),
    ("prometheus", 200, {}, {"status": "success", "data": {}}, Reason.CONNECTED),
    ("prometheus", 200, {}, None, Reason.CONFIG_REFUSED),
    ("prometheus", 503, {}, None, Reason.UPSTREAM_ERROR),
    ("jenkins", 200, {}, {"anonymous": False, "name": "ci"}, Reason.CONNECTED),
    ("jenkins", 200, {}, {"anonymous": True}, Reason.INVALID_CREDENTIALS),
    ("jenkins", 200, {}, None, Reason.CONFIG_REFUSED),
    ("onshape", 200, {}, {"id": "1"}, Reason.CONNECTED),
    ("onshape", 204, {}, None, Reason.INVALID_CREDENTIALS),
    ("onshape", 402, {}, None, Reason.RATE_LIMITED),
]


@pytest.mark.parametrize(
    ("name", "status", "headers", "body", "reason"),
    ANSWERS,
    ids=[f"{name}-{status}-{reason}-{index}" for index, (name, status, _h, _b, reason) in enumerate(ANSWERS)],
)
def test_an_answer_means_what_the_vendor_says_it_means(
    name: str, status: int, headers: dict[str, str], body: Any, reason: Reason
) -> None:
    raw = b"<html>" if body is None else json.dumps(body).encode()
    answer = HttpResponse(status, headers, raw, False, 0.1)
    outcome = classify(answer, CATALOGUE[name].spec.classes, ENGINE, datetime(2026, 1, 1, tzinfo=UTC))
    assert outcome.reason is reason


def test_every_provider_with_rules_of_its_own_has_answers_above() -> None:
    with_rules = {name for name, entry in CATALOGUE.items() if entry.spec.classes}
    assert with_rules <= {name for name, *_ in ANSWERS}


HEAD = "{apiVersion: integrationhub.io/v1alpha1, kind: ClusterIntegrationProvider, "


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("a.yaml", "a: [", "is no YAML"),
        ("a.yaml", "- 1", "holds no object"),
        ("a.yaml", "kind: Pod", "is not a ClusterIntegrationProvider"),
        (
            "a.yaml",
            HEAD + "metadata: {name: b}}",
            "of its own name",
        ),
        (
            "a.yaml",
            HEAD + "metadata: {name: a}, spec: {}}",
            "displayName",
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, file: str, text: str, says: str) -> None:
    (tmp_path / file).write_text(text)
    (tmp_path / "README.md").write_text("not a provider")
    with pytest.raises(CatalogueError, match=rf"(?s){file}.*{says}"):
        load_catalogue(tmp_path)
