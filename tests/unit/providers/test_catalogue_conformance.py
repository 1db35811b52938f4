"""The suite that every file of the bundled catalogue passes.

What a provider answers, and what that means, lies beside it: `answers/NAME.yaml`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.authentication import AuthMode, AuthType
from integration_hub.api.offerings import Endpoint, Parameter
from integration_hub.api.reasons import Reason
from integration_hub.domain import url
from integration_hub.domain.batch import BatchedCall, batch_call
from integration_hub.domain.classification import CLASS_VARIABLES, classify, rules, variables
from integration_hub.domain.config_schema import ConfigSchema, ValidConfig
from integration_hub.domain.endpoint import EndpointCall, endpoint_call, find, reads_only
from integration_hub.domain.json_schema import JsonSchema
from integration_hub.domain.provider import examine
from integration_hub.domain.widget import widget_call
from integration_hub.ports import ExpressionError, HttpRequest, HttpResponse, SecretText
from integration_hub.providers import auth, secret_values
from integration_hub.providers.catalogue import CatalogueEntry, load_catalogue
from integration_hub.providers.request import base_url, build, filled_url, probe_request
from integration_hub.providers.signature_profiles import load_signature_profiles

HERE = Path(__file__).parent
FILES = Path(__file__).parents[3] / "operator/integration_hub/providers/catalogue"
ENGINE = CelExpressions()
CATALOGUE = {entry.name: entry for entry in load_catalogue()}
PROFILES = load_signature_profiles()
CONFIGS: dict[str, dict[str, Any]] = {
    "jira": {"site": "acme"},
    "github-actions": {"owner": "acme", "repo": "web"},
    "gitlab-ci": {"project": "acme/web"},
    "aws-s3": {"bucket": "acme-data"},
    "quickbooks": {"realmId": "123"},
    "generic-rest": {"apiEndpoint": "https://api.example.com/v1", "tokenUrl": "https://id.example.com/token"},
}
"""Configs of those that cannot do without. Those that only ask for an address get one; others get none."""
FURTHER = {
    "github": {"installationId": "7"},
    "github-actions": {"owner": "acme", "repo": "web", "installationId": "7"},
}
"""Configs of modes that need more than the default mode does."""
OAUTH_KEYS = {"accessToken", "refreshToken", "tokenExpiry", "clientId", "clientSecret"}
CLIENT_KEYS = {"clientId", "clientSecret"}
EXCHANGING = {AuthType.OAUTH2, AuthType.OAUTH2_CLIENT_CREDENTIALS, AuthType.JWT_BEARER, AuthType.TWO_STEP}


@pytest.fixture(params=CATALOGUE)
def entry(request: pytest.FixtureRequest) -> CatalogueEntry:
    return CATALOGUE[request.param]


def config_of(entry: CatalogueEntry, further: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    schema = ConfigSchema.read(entry.spec.config_schema)
    assert isinstance(schema, ConfigSchema), schema
    written = further or CONFIGS.get(entry.name)
    if written is None:
        wanted = schema.schema.get("required", ())
        assert set(wanted) <= {"url"}, "name a config for it in CONFIGS"
        written = {"url": f"https://{entry.name}.example.com/root/"} if wanted else {}
    valid = schema.validate(written)
    assert isinstance(valid, ValidConfig), valid
    return valid.values


def head(entry: CatalogueEntry) -> str:
    """The comment at the file's head: where its facts come from."""
    lines = (FILES / f"{entry.name}.yaml").read_text().splitlines()
    return " ".join(line.removeprefix("# ") for line in lines if line.startswith("#"))


# ------------------------------------------------------------------ what it says


def test_nothing_in_a_file_is_unknown_to_the_kind(entry: CatalogueEntry) -> None:
    """The model drops fields it does not know, so a misspelt one would vanish without a word."""
    written = entry.manifest["spec"]
    read = entry.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert read == written
    assert set(entry.manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(entry.manifest["metadata"]) == {"name"}


def test_a_provider_can_be_used(entry: CatalogueEntry) -> None:
    assert examine(entry.spec, ENGINE).problems == ()


def test_it_fits_into_an_object_with_room_to_spare(entry: CatalogueEntry) -> None:
    assert len(json.dumps(entry.manifest)) < 10_000


def test_it_tells_people_what_it_is_and_where_credentials_come_from(entry: CatalogueEntry) -> None:
    assert entry.spec.description.endswith(".")
    assert all(mode.description for mode in entry.spec.auth_modes)
    assert all(endpoint.description for endpoint in entry.spec.endpoints)
    assert all(event.description for event in entry.spec.webhooks)
    assert entry.spec.documentation_url.startswith("https://")


def test_its_facts_name_their_source(entry: CatalogueEntry) -> None:
    text = head(entry)
    assert "https://" in text
    assert re.search(r"[Pp]robe", text), "the probe's page"
    assert re.search(r"[Ll]imit", text), "the page about limits, or why there are none"
    if entry.spec.rate_limit is None and entry.spec.quota is None:
        assert re.search(
            r"no rateLimit here|no limit of its own|[Nn]o limit is published|none is (known|published)", text
        )


def test_a_tool_without_a_web_api_says_so(entry: CatalogueEntry) -> None:
    if "has no web API" in head(entry) or "without a web API" in head(entry):
        assert "no web API" in entry.spec.description
        assert entry.spec.base_url == "{{ config.url }}"


# ------------------------------------------------------------------ where it leads


def test_its_addresses_are_public_https(entry: CatalogueEntry) -> None:
    base = base_url(entry.spec, config=config_of(entry), expressions=ENGINE)
    assert isinstance(base, str), base
    for address in (base, *entry.spec.regions.values(), entry.spec.documentation_url):
        target = url.parse(address, trust="tenant", namespace="demo")
        assert isinstance(target, url.Target), target
        assert target.scheme == "https"
        assert target.needs_listing == ""


def test_its_token_endpoints_are_public_https(entry: CatalogueEntry) -> None:
    oauth = entry.spec.oauth
    wants = any(mode.type.value.startswith("OAUTH2") for mode in entry.spec.auth_modes)
    assert (oauth is not None) == wants
    addresses = [mode.login.url for mode in entry.spec.auth_modes if mode.login is not None]
    if oauth is not None:
        account = oauth.account.path if oauth.account is not None else ""
        addresses += [oauth.authorize_url or "", oauth.token_url, oauth.revoke_url or "", account]
    for template in addresses:
        if not template or template.startswith("/"):
            continue
        address = filled_url(template, config=config_of(entry), expressions=ENGINE)
        assert isinstance(address, str), address
        target = url.parse(address, trust="tenant", namespace="demo")
        assert isinstance(target, url.Target), target
        assert (target.scheme, target.needs_listing) == ("https", "")


def test_a_shared_client_only_goes_to_hosts_of_the_vendor(entry: CatalogueEntry) -> None:
    """Where a config decides over the token endpoint, the catalogue's client is bound to named hosts."""
    oauth = entry.spec.oauth
    if oauth is not None and oauth.client_env_prefix and oauth.token_url.startswith("{{"):
        assert oauth.client_hosts


def joined(entry: CatalogueEntry, call: EndpointCall, config: Mapping[str, Any]) -> url.Target:
    """Where a call goes: on the provider's own host, whatever the arguments."""
    base = base_url(entry.spec, config=config, expressions=ENGINE)
    assert isinstance(base, str)
    address = url.join(base, call.path)
    assert isinstance(address, str), address
    target = url.parse(address, trust="tenant", namespace="demo")
    assert isinstance(target, url.Target), target
    root = url.parse(base, trust="tenant", namespace="demo")
    assert isinstance(root, url.Target)
    assert target.origin == root.origin
    assert target.path.startswith(root.path.rstrip("/"))
    return target


NASTY = "a b?c#d&e/f;{{ config }}%2e%2e"


def arguments_for(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """A value for each: the nastiest text where the schema lets any through."""
    return {parameter.name: _value(parameter) for parameter in parameters}


def _value(parameter: Parameter) -> Any:
    schema = parameter.value_schema
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if parameter.location == "header":
        return "plain"
    plain: dict[str, Any] = {
        "string": NASTY,
        "integer": schema.get("minimum", 1),
        "number": 1.5,
        "boolean": True,
        "array": ["a", NASTY],
        "object": {"a": 1},
    }
    return plain[parameter.type]


def _body(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.request_body is None:
        return {}
    schema = JsonSchema.read(endpoint.request_body, field="requestBody")
    assert isinstance(schema, JsonSchema), schema
    samples = {"string": "x", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}
    found = {}
    for name, field in schema.schema.get("properties", {}).items():
        found[name] = field.get("enum", [samples[field["type"]]])[0]
    return found


ENDPOINTS = [(entry.name, each.name) for entry in CATALOGUE.values() for each in entry.spec.endpoints]


@pytest.mark.parametrize(("name", "called"), ENDPOINTS, ids=lambda text: text.replace(" ", "-"))
def test_an_endpoint_stays_on_the_providers_host_whatever_its_arguments(name: str, called: str) -> None:
    entry = CATALOGUE[name]
    endpoint = find(entry.spec, called)
    assert isinstance(endpoint, Endpoint)
    config = config_of(entry)
    given = {**arguments_for(endpoint.parameters), **_body(endpoint)}
    call = endpoint_call(endpoint, given, config=config, expressions=ENGINE)
    assert isinstance(call, EndpointCall), call
    joined(entry, call, config)
    if endpoint.kind == "graphql" or _body(endpoint):
        assert call.body
        assert "Content-Type" in call.headers
    assert call.repeatable == reads_only(endpoint)


def test_endpoints_have_names_of_their_own_in_any_case(entry: CatalogueEntry) -> None:
    names = [endpoint.name.casefold() for endpoint in entry.spec.endpoints]
    assert len(names) == len(set(names))


def test_its_widgets_can_be_called(entry: CatalogueEntry) -> None:
    config = config_of(entry)
    for widget in entry.spec.widgets:
        given = arguments_for(widget.parameters)
        if widget.endpoint is not None:
            source = find(entry.spec, widget.endpoint)
            assert isinstance(source, Endpoint)
            wanted = [each for each in source.parameters if each.required or each.location == "path"]
            given = {k: v for k, v in arguments_for(wanted).items() if k not in widget.arguments}
            declared = {each.name for each in source.parameters} | set(_body(source))
            assert set(widget.arguments) <= declared
        call = widget_call(entry.spec, widget, given, config=config, expressions=ENGINE)
        assert isinstance(call, EndpointCall), call
        assert call.cache_seconds == widget.ttl_seconds
        joined(entry, call, config)


def test_its_collections_can_be_read(entry: CatalogueEntry) -> None:
    config = config_of(entry)
    for entity in entry.spec.entities:
        if entity.endpoint is not None:
            source = find(entry.spec, entity.endpoint)
            assert isinstance(source, Endpoint)
            known = {each.name for each in source.parameters} | set(_body(source))
            sent = {entity.paging.size_parameter, entity.cursor_parameter} - {None}
            assert sent <= known, (entity.name, sent - known)
            wanted = {each.name for each in source.parameters if each.required or each.location == "path"}
            wanted -= {each.name for each in source.parameters if "default" in each.value_schema}
            said = {each.name for each in entity.parameters} | {
                entity.paging.parameter,
                entity.cursor_parameter,
            }
            assert wanted <= said, (entity.name, wanted - said)
        else:
            source = Endpoint(name=entity.name, path=entity.read_path or "/", parameters=entity.parameters)
        given = arguments_for(source.parameters)
        call = endpoint_call(source, given, config=config, expressions=ENGINE)
        assert isinstance(call, EndpointCall), call
        joined(entry, call, config)
        if entity.paging.type in ("offset", "page"):
            assert entity.paging.size, "without a size nobody knows which page is the last"


def test_a_batch_can_be_written(entry: CatalogueEntry) -> None:
    batch = entry.spec.batch
    assert entry.spec.supports.batch == (batch is not None)
    if batch is not None:
        calls = [BatchedCall("GET", "/a"), BatchedCall("GET", "/b")]
        config = config_of(entry)
        call = batch_call(batch, calls, config=config, expressions=ENGINE)
        assert isinstance(call, EndpointCall), call
        joined(entry, call, config)


def test_what_it_announces_can_be_proved(entry: CatalogueEntry) -> None:
    assert entry.spec.supports.webhooks == bool(entry.spec.webhooks) == bool(entry.spec.signature_profile)
    if entry.spec.signature_profile:
        assert entry.spec.signature_profile in PROFILES


def test_no_signature_profile_is_idle() -> None:
    assert set(PROFILES) == {entry.spec.signature_profile for entry in CATALOGUE.values()} - {""}


# ------------------------------------------------------------------ credentials


def keys_of(mode: AuthMode) -> set[str]:
    """Every key of a Secret that this mode reads."""
    further = {AuthType.OAUTH2: OAUTH_KEYS, AuthType.OAUTH2_CLIENT_CREDENTIALS: CLIENT_KEYS}
    session = {"sessionToken"} if mode.type is AuthType.AWS_SIGV4 else set()
    return {*secret_values.needed(mode), *further.get(mode.type, set()), *session}


def test_its_credentials_schema_names_what_its_modes_read_and_nothing_else(entry: CatalogueEntry) -> None:
    schema = ConfigSchema.read(entry.spec.credentials_schema, "credentialsSchema")
    assert isinstance(schema, ConfigSchema), schema
    described = schema.schema.get("properties", {})
    assert set(described) == {key for mode in entry.spec.auth_modes for key in keys_of(mode)}
    assert all(field["type"] == "string" and field["description"] for field in described.values())
    required = set(schema.schema.get("required", ()))
    for mode in entry.spec.auth_modes:
        if mode.type is not AuthType.NONE:
            assert required <= keys_of(mode), "required keys are those of every mode"


MODES = [(entry.name, mode.type.value) for entry in CATALOGUE.values() for mode in entry.spec.auth_modes]


@pytest.mark.parametrize(("name", "word"), MODES)
def test_a_mode_can_be_read_from_a_secret_and_the_probe_sent_with_it(name: str, word: str) -> None:
    entry = CATALOGUE[name]
    mode = auth.mode_of(entry.spec, AuthType(word))
    assert mode is not None
    data = {key: SecretText("x") for key in keys_of(mode)}
    if mode.secret_document:
        inside = {"client_email": "a@b", "private_key": "x", "private_key_id": "1"}
        data[mode.secret_document] = SecretText(json.dumps(inside))
    values = secret_values.read(mode, data)
    assert isinstance(values, Mapping), values
    if mode.type in EXCHANGING or mode.type is AuthType.AWS_SIGV4:
        applied = auth.Applied({"Authorization": SecretText("Bearer x")})
    else:
        found = auth.apply(mode, data)
        assert isinstance(found, auth.Applied), found
        applied = found
    config = config_of(entry, FURTHER.get(name))
    request = probe_request(entry.spec, config=config, auth=applied, namespace="demo", expressions=ENGINE)
    assert isinstance(request, HttpRequest), request
    if request.method == "POST" and request.body:
        assert "content-type" in {header.lower() for header in request.headers}
    if mode.jwt is not None and mode.jwt.request is not None and mode.jwt.request.url.startswith("/"):
        exchange = build(
            entry.spec,
            method="POST",
            path=mode.jwt.request.url,
            config=config,
            auth=applied,
            namespace="demo",
            expressions=ENGINE,
        )
        assert isinstance(exchange, HttpRequest), exchange


# ------------------------------------------------------------------ limits


def test_a_probe_never_eats_the_quota(entry: CatalogueEntry) -> None:
    for limit in (entry.spec.rate_limit, entry.spec.quota):
        if limit is not None and entry.spec.probe is not None:
            probes = limit.window_seconds / entry.spec.probe.interval_seconds
            assert probes <= limit.requests / 5


def test_a_limit_is_told_by_both_of_its_headers_or_neither(entry: CatalogueEntry) -> None:
    told = entry.spec.rate_limit_headers
    assert told is None or (told.remaining and told.reset)


def test_everybody_can_be_probed_with_something_that_changes_nothing(entry: CatalogueEntry) -> None:
    probe = entry.spec.probe
    assert probe is not None
    if probe.method == "POST":
        reads = "/auth.test", "/check/user"
        assert '"query"' in probe.body or probe.path in reads
        assert "mutation" not in probe.body


# ------------------------------------------------------------------ what its answers mean


def _cases() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((HERE / "answers").glob("*.yaml")):
        for case in yaml.safe_load(file.read_text()):
            yield file.stem, case


CASES = list(_cases())


def answer_of(case: Mapping[str, Any]) -> HttpResponse:
    body = case.get("body")
    if case.get("large"):
        body = {**case["body"], "padding": "x" * 13_000}
    text = json.dumps(body, separators=(",", ":")) if "body" in case else case.get("text", "")
    return HttpResponse(case["status"], case.get("headers", {}), text.encode(), False, 0.1)


@pytest.mark.parametrize(
    ("name", "case"), CASES, ids=[f"{name}-{case['what']}".replace(" ", "-") for name, case in CASES]
)
def test_an_answer_means_what_the_vendor_says_it_means(name: str, case: Mapping[str, Any]) -> None:
    which = rules(CATALOGUE[name].spec, probing=case.get("probe", False))
    outcome = classify(answer_of(case), which, ENGINE, datetime(2026, 1, 1, tzinfo=UTC))
    assert outcome.reason.value == case["means"]
    assert "{{" not in outcome.detail


def test_the_usual_answers_are_written_down_for_everybody(entry: CatalogueEntry) -> None:
    mine = [case for name, case in CASES if name == entry.name]
    usual = {Reason.CONNECTED, Reason.RATE_LIMITED, Reason.INVALID_CREDENTIALS, Reason.CONFIG_REFUSED}
    assert {reason.value for reason in usual} <= {case["means"] for case in mine}
    assert any(case.get("probe") for case in mine)


def test_every_rule_decides_about_some_answer(entry: CatalogueEntry) -> None:
    """One that decides about none above is either wrong or not shown to be right."""
    deciding = set()
    for name, case in CASES:
        if name == entry.name:
            chain = rules(entry.spec, probing=case.get("probe", False))
            deciding |= {next((rule.when for rule in chain if _applies(rule.when, answer_of(case))), "")}
    every = rules(entry.spec, probing=True)
    assert {rule.when for rule in every} <= deciding


def _applies(when: str, answer: HttpResponse) -> bool:
    program = ENGINE.compile(when, CLASS_VARIABLES)
    return not isinstance(program, ExpressionError) and program.evaluate(variables(answer)) is True
