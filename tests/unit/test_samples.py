"""The samples are right in themselves: what the hub would say of them before it calls anybody."""

from __future__ import annotations

from typing import Any

import pytest

import samples
from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.integration import IntegrationSpec
from integration_hub.api.provider import ProviderSpec
from integration_hub.domain import provider
from integration_hub.domain.config_schema import ValidConfig
from integration_hub.providers import auth
from integration_hub.providers.catalogue import load_catalogue

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
    assert spec.credentials.secret_ref is not None
    (secret,) = [
        found
        for found in DOCUMENTS
        if found["kind"] == "Secret"
        and named(found) == spec.credentials.secret_ref.name
        and found["metadata"]["namespace"] == body["metadata"]["namespace"]
    ]
    keys = auth.required_keys(mode)
    if isinstance(keys, auth.Unsupported):
        assert {"accessToken", "refreshToken"} <= secret["stringData"].keys()
    else:
        assert set(keys) <= secret["stringData"].keys()


@pytest.mark.parametrize("body", INTEGRATIONS, ids=named)
def test_a_sample_integration_may_use_the_provider_it_names(body: dict[str, Any]) -> None:
    spec = IntegrationSpec.model_validate(body["spec"])
    owner = spec.provider_ref.namespace
    assert owner is None or provider.may_use(provider_of(spec), owner, body["metadata"]["namespace"])
