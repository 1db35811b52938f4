"""The samples are right in themselves: what the hub would say of them before it calls anybody."""

from __future__ import annotations

from typing import Any

import pytest

import samples
from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.integration import IntegrationSpec
from integration_hub.api.offerings import Endpoint
from integration_hub.api.provider import ProviderSpec
from integration_hub.domain import endpoint, provider, url
from integration_hub.domain.config_schema import ValidConfig
from integration_hub.ports import Problem
from integration_hub.providers import auth
from integration_hub.providers.catalogue import load_catalogue
from integration_hub.providers.request import base_url
from integration_hub.providers.secret_values import needed

DOCUMENTS = samples.documents()
INTEGRATIONS = [body for body in DOCUMENTS if body["kind"] == "Integration"]
PROVIDERS = [body for body in DOCUMENTS if body["kind"].endswith("IntegrationProvider")]


def named(body: dict[str, Any]) -> str:
    return str(body["metadata"]["name"])


def provider_of(spec: IntegrationSpec) -> ProviderSpec:
    """The sample's own provider, else the catalogue's."""
    bundled = {entry.name: entry.spec for entry in load_catalogue()}
    own = {named(body): ProviderSpec.model_validate(body["spec"]) for body in PROVIDERS}
    return (bundled | own)[spec.provider_ref.name]


@pytest.mark.req("PRV-01", "PRV-04")
@pytest.mark.parametrize("body", PROVIDERS, ids=named)
def test_a_sample_provider_holds_together(body: dict[str, Any]) -> None:
    examined = provider.examine(ProviderSpec.model_validate(body["spec"]), CelExpressions())
    assert examined.problems == ()


@pytest.mark.parametrize("body", INTEGRATIONS, ids=named)
def test_a_sample_integration_fits_its_provider(body: dict[str, Any]) -> None:
    spec = IntegrationSpec.model_validate(body["spec"])
    examined = provider.examine(provider_of(spec), CelExpressions())
    assert examined.config_schema is not None
    assert isinstance(examined.config_schema.validate(spec.config), ValidConfig)


@pytest.mark.parametrize("body", INTEGRATIONS, ids=named)
def test_a_sample_secret_holds_what_the_scheme_reads(body: dict[str, Any]) -> None:
    spec = IntegrationSpec.model_validate(body["spec"])
    mode = auth.mode_of(provider_of(spec), spec.auth_type)
    assert mode is not None, "the provider offers no such authentication mode"
    if spec.credentials.vault_ref is not None:
        assert set(needed(mode)) <= spec.credentials.vault_ref.keys.keys()
        return
    assert spec.credentials.secret_ref is not None
    (secret,) = [
        found
        for found in DOCUMENTS
        if found["kind"] == "Secret"
        and named(found) == spec.credentials.secret_ref.name
        and found["metadata"]["namespace"] == body["metadata"]["namespace"]
    ]
    keys = needed(mode) or ("accessToken", "refreshToken")
    assert set(keys) <= secret["stringData"].keys()


@pytest.mark.parametrize("body", INTEGRATIONS, ids=named)
def test_a_sample_integration_may_use_the_provider_it_names(body: dict[str, Any]) -> None:
    spec = IntegrationSpec.model_validate(body["spec"])
    owner = spec.provider_ref.namespace
    assert owner is None or provider.may_use(provider_of(spec), owner, body["metadata"]["namespace"])


CALLS = [
    ("internal-api", "Get Projects", {"status": "open"}, "GET https://api.company.com/projects?status=open"),
    (
        "internal-api",
        "Create Project",
        {"name": "A", "description": "B"},
        "POST https://api.company.com/projects",
    ),
    (
        "erp",
        "Get Projects",
        {"department": "ENGINEERING"},
        "GET https://erp.company.com/api/api/projects?department=ENGINEERING",
    ),
    (
        "erp",
        "Sync Project Data",
        {"projectId": "project-123", "data": {"a": 1}},
        "POST https://erp.company.com/api/api/projects/sync",
    ),
]


@pytest.mark.parametrize(
    ("name", "called", "arguments", "wire"), CALLS, ids=[f"{c[0]}-{c[1]}" for c in CALLS]
)
def test_a_custom_sample_calls_what_the_requirements_say(
    name: str, called: str, arguments: dict[str, Any], wire: str
) -> None:
    """The base as it is written, the path behind it: for the ERP that means /api twice (C-52)."""
    (provided,) = [ProviderSpec.model_validate(body["spec"]) for body in PROVIDERS if named(body) == name]
    (connected,) = [
        IntegrationSpec.model_validate(body["spec"]) for body in INTEGRATIONS if named(body) == name
    ]
    found = endpoint.find(provided, called)
    assert isinstance(found, Endpoint)
    call = endpoint.endpoint_call(found, arguments, config=connected.config, expressions=CelExpressions())
    assert isinstance(call, endpoint.EndpointCall), call
    base = base_url(provided, config=connected.config, expressions=CelExpressions())
    assert isinstance(base, str)
    joined = url.join(base, call.path)
    assert isinstance(joined, str)
    assert f"{call.method} {url.with_query(joined, dict(call.query))}" == wire


def test_the_erp_refuses_a_call_without_its_department() -> None:
    (provided,) = [ProviderSpec.model_validate(body["spec"]) for body in PROVIDERS if named(body) == "erp"]
    found = endpoint.find(provided, "Get Projects")
    assert isinstance(found, Endpoint)
    problem = endpoint.endpoint_call(found, {}, config={}, expressions=CelExpressions())
    assert isinstance(problem, Problem)
    assert problem.details == "department is missing: Department filter"


@pytest.mark.parametrize("name", ["internal-api", "erp"])
def test_a_custom_sample_is_made_in_one_project_and_deployed_to_another(name: str) -> None:
    (owner,) = [body for body in PROVIDERS if named(body) == name]
    (deployed,) = [body for body in INTEGRATIONS if named(body) == name]
    assert (owner["kind"], owner["metadata"]["namespace"]) == ("IntegrationProvider", "project-123")
    assert owner["spec"]["sharedWith"] == ["project-456"]
    assert deployed["metadata"]["namespace"] == "project-456"
