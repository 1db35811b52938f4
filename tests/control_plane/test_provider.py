"""Providers as a user meets them, at both ends: their own status, and that of who uses them."""

from __future__ import annotations

import pytest

from controlplane import ControlPlane
from eventually import eventually
from tenant import Tenant, head_of

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]


@pytest.mark.req("PRV-06", "PRV-10", "PRV-09")
def test_an_edit_of_the_provider_takes_effect_and_a_new_host_needs_consent(tenant: Tenant) -> None:
    tenant.connected()
    tenant.provider(probe={"path": "/v2/me"})
    eventually(lambda: tenant.corner.asked[-1].path == "/v2/me", "the new probe")
    tenant.provider(baseUrl="https://elsewhere.example.com")
    tenant.becomes("False", "ProviderChanged")
    assert "elsewhere.example.com" in tenant.message()
    tenant.provider(state="INACTIVE")
    tenant.becomes("False", "ProviderInactive")
    tenant.provider()
    tenant.becomes("True", "Succeeded")


@pytest.mark.req("PRV-01", "PRV-02", "PRV-07", "PRV-08", "PRV-10")
def test_a_provider_tells_whether_it_holds_together_and_who_uses_it(tenant: Tenant) -> None:
    tenant.provider(
        description="A far end",
        supports={"webhooks": True},
        rateLimit={"requests": 50, "windowSeconds": 60},
        documentationUrl="https://docs.example.com",
        apiVersion="v2",
    )
    tenant.secret(token="right")
    tenant.integration()
    tenant.becomes("True", "Succeeded")

    def used() -> bool:
        return bool(tenant.get(tenant.provider_name, "ciprov")["status"].get("integrationCount") == 1)

    eventually(used, "the count of its users")
    found = tenant.get(tenant.provider_name, "ciprov")
    assert found["spec"]["supports"] == {"webhooks": True, "batch": False, "realtime": False}
    assert found["spec"]["state"] == "ACTIVE"
    assert found["status"]["conditions"][0]["reason"] == "Accepted"
    assert found["status"]["updatedAt"]
    heading, line = tenant.plane.kubectl("get", "ciprov", tenant.provider_name).stdout.splitlines()
    assert heading.split() == ["NAME", "TITLE", "CATEGORY", "AUTH", "READY", "REASON", "USED", "AGE"]
    row = line.split()
    assert row[1:-1] == ["Far", "End", "communication", "BEARER", "True", "Accepted", "1"]


@pytest.mark.req("INT-18")
@pytest.mark.parametrize("word", ["cad", "simulation", "version-control", "communication", "custom"])
def test_the_type_of_an_integration_is_its_providers_category(tenant: Tenant, word: str) -> None:
    tenant.provider(category=word, authModes=[{"type": "NONE"}])
    tenant.integration(credentials={})
    named = tenant.get()["spec"]["providerRef"]
    assert tenant.get(named["name"], named["kind"].lower())["spec"]["category"] == word
    rows = tenant.plane.kubectl("get", "ciprov", "--field-selector", f"spec.category={word}", "-o", "name")
    assert f"clusterintegrationprovider.integrationhub.io/{named['name']}" in rows.stdout.splitlines()


def test_a_broken_provider_is_named_at_both_ends(tenant: Tenant) -> None:
    tenant.provider(classes=[{"when": "status ==", "result": "config"}])
    tenant.secret(token="right")
    tenant.integration()
    tenant.becomes("False", "ProviderInvalid")
    assert "spec.classes[0].when" in tenant.message()
    reasons = tenant.get(tenant.provider_name, "ciprov")["status"]["conditions"]
    assert [each["reason"] for each in reasons if each["type"] == "Ready"] == ["ExpressionInvalid"]


@pytest.mark.req("SEC-07", "PRV-17", "PRV-33")
def test_a_namespaces_own_provider_is_for_others_only_by_grant(
    tenant: Tenant, control_plane: ControlPlane
) -> None:
    owner = f"{tenant.namespace[:50]}-own"
    control_plane.create_namespace(owner)
    try:
        head = head_of("IntegrationProvider", "erp", owner)
        spec = {
            "displayName": "ERP",
            "category": "custom",
            "baseUrl": tenant.corner.url,
            "authModes": [{"type": "NONE"}],
            "probe": {"path": "/me", "intervalSeconds": 5},
        }
        tenant.apply({**head, "spec": spec})
        reference = {"kind": "IntegrationProvider", "name": "erp", "namespace": owner}
        tenant.integration(providerRef=reference, config={}, credentials={})
        tenant.becomes("False", "ProviderNotShared")
        tenant.apply({**head, "spec": {**spec, "sharedWith": [tenant.namespace]}})
        tenant.becomes("True", "Succeeded")
        tenant.apply({**head, "spec": spec})
        tenant.becomes("False", "ProviderNotShared")
    finally:
        control_plane.delete_namespace(owner)
