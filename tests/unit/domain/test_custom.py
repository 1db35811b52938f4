"""Templates to provider specs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import samples
from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.provider import ProviderSpec
from integration_hub.domain.custom import Template, TemplateProblem, provider_spec, template_of
from integration_hub.domain.provider import examine

KEY = {"apiKey": {"type": "string", "required": True}}
PLAIN = Template("ERP", configuration_schema={"apiEndpoint": {"type": "string"}}, credentials_schema=KEY)


def spec_of(template: Template) -> dict[str, Any]:
    found = provider_spec(template, "custom")
    assert isinstance(found, dict), found
    assert examine(ProviderSpec.model_validate(found), CelExpressions()).usable
    return found


@pytest.mark.parametrize("name", ["internal-api", "erp"])
def test_the_samples_come_of_their_own_templates(name: str) -> None:
    [sample] = [
        each["spec"]
        for each in samples.documents()
        if each["kind"] == "IntegrationProvider" and each["metadata"]["name"] == name
    ]
    told = template_of(sample)
    template = Template(
        name=told["name"],
        description=told["description"],
        configuration_schema=told["configurationSchema"],
        credentials_schema=told["credentialsSchema"],
        endpoints=told["endpoints"],
        webhooks=told["webhooks"],
    )
    assert spec_of(template) == {name: value for name, value in sample.items() if name != "sharedWith"}


@pytest.mark.parametrize(
    ("schema", "modes"),
    [
        pytest.param(KEY, [{"type": "API_KEY", "apiKey": {"name": "X-API-Key"}}], id="an API key"),
        pytest.param({"token": {"type": "string"}}, [{"type": "BEARER"}], id="a token"),
        pytest.param(
            {"accessToken": {"type": "string"}},
            [{"type": "BEARER", "secretKeys": {"token": "accessToken"}}],
            id="a token by another name",
        ),
        pytest.param(
            {"erpKey": {"type": "string"}},
            [{"type": "API_KEY", "apiKey": {"name": "X-API-Key"}, "secretKeys": {"apiKey": "erpKey"}}],
            id="a key by another name",
        ),
        pytest.param(
            {"username": {"type": "string"}, "password": {"type": "string"}}, [{"type": "BASIC"}], id="a user"
        ),
        pytest.param({}, [{"type": "NONE"}], id="nothing"),
    ],
)
def test_the_scheme_is_read_from_the_credentials_fields(schema: Any, modes: Any) -> None:
    assert spec_of(replace(PLAIN, credentials_schema=schema))["authModes"] == modes


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"configuration_schema": {}}, "baseUrl", id="no address"),
        pytest.param(
            {"configuration_schema": {"aUrl": {"type": "string"}, "bUrl": {"type": "string"}}},
            "baseUrl",
            id="two addresses",
        ),
        pytest.param(
            {"configuration_schema": {"a": {"type": "text"}}}, "configurationSchema", id="no schema"
        ),
        pytest.param(
            {"credentials_schema": {"clientId": {"type": "string"}, "secret": {"type": "string"}}},
            "authModes",
            id="a scheme that nobody can guess",
        ),
        pytest.param({"endpoints": [{"name": "x"}]}, "endpoints.0.path", id="an endpoint without a path"),
        pytest.param({"name": ""}, "name", id="no name"),
    ],
)
def test_what_is_missing_is_told_by_the_templates_name_for_it(changes: Any, field: str) -> None:
    found = provider_spec(replace(PLAIN, **changes), "custom")
    assert isinstance(found, TemplateProblem)
    assert found.message.startswith(f"{field}: ") or found.message.startswith(f"{field}.")


def test_what_is_written_out_wins() -> None:
    spec = spec_of(
        replace(
            PLAIN,
            base_url="https://erp.example.com",
            auth_modes=[{"type": "NONE"}],
            probe={"path": "/up"},
            endpoints=[{"name": "all", "path": "/all"}],
        )
    )
    assert (spec["baseUrl"], spec["authModes"]) == ("https://erp.example.com", [{"type": "NONE"}])
    assert spec["probe"] == {"path": "/up"}


def test_a_config_field_that_is_no_identifier_is_still_found() -> None:
    schema = {"api-url": {"type": "string"}, "the key": {"type": "string"}}
    endpoints: list[dict[str, Any]] = [
        {"name": "a", "path": "/a", "parameters": [{"name": "the key", "required": True}]}
    ]
    spec = spec_of(replace(PLAIN, configuration_schema=schema, endpoints=endpoints))
    assert spec["baseUrl"] == '{{ config["api-url"] }}'
    assert spec["probe"] == {"path": '/a?the%20key={{ config["the key"] }}'}


def test_no_probe_is_made_of_what_needs_values_or_changes_something() -> None:
    endpoints: list[dict[str, Any]] = [
        {"name": "a", "method": "POST", "path": "/a"},
        {"name": "b", "path": "/b/{{ params.id }}", "parameters": [{"name": "id", "in": "path"}]},
        {"name": "c", "path": "/c", "parameters": [{"name": "q", "required": True}]},
    ]
    assert "probe" not in spec_of(replace(PLAIN, endpoints=endpoints))
