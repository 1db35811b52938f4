"""The catalogue's Stripe provider against Stripe's own mock, which knows Stripe's OpenAPI."""

from __future__ import annotations

from typing import Any

import pytest

from hub_caller import HubCaller
from integration_hub.providers.catalogue import load_catalogue
from tenant import Tenant, head_of

pytestmark = pytest.mark.control_plane

STRIPE = next(entry for entry in load_catalogue() if entry.name == "stripe")
KEY = "sk_test_123"
CALLS: dict[str, dict[str, Any]] = {
    "List Customers": {
        "email": "a+b@example.com",
        "created[gte]": 1_700_000_000,
        "limit": 3,
        "starting_after": "cus_1",
    },
    "Create Customer": {
        "email": "a+b@example.com",
        "name": "Æneas & Söhne = 100 %",
        "description": "from the hub",
        "metadata": {"order id": "6735", "note": "a=b&c"},
    },
    "Create Payment Intent": {
        "amount": 2000,
        "currency": "eur",
        "customer": "cus_1",
        "automatic_payment_methods": {"enabled": True},
        "metadata": {"order": "7"},
    },
    "List Invoices": {"customer": "cus_1", "status": "open", "limit": 100, "starting_after": "in_1"},
    "Get Balance": {},
}
"""Every named call, with all of its parameters."""


@pytest.fixture(scope="module")
def outside(stripe: str) -> str:
    return stripe


def connect(tenant: Tenant, key: str = KEY) -> None:
    """The catalogue's file, with another base address and nothing else changed."""
    spec = STRIPE.spec.model_dump(by_alias=True, exclude_unset=True, mode="json")
    provider = head_of("IntegrationProvider", "stripe", tenant.namespace)
    tenant.apply({**provider, "spec": {**spec, "baseUrl": tenant.corner.url}})
    tenant.secret(secretKey=key)
    tenant.integration(
        "billing",
        providerRef={"kind": "IntegrationProvider", "name": "stripe"},
        config={},
        environment="TEST",
    )


@pytest.fixture(scope="module")
def billing(lasting_tenant: Tenant, lasting_caller: HubCaller) -> HubCaller:
    connect(lasting_tenant)
    lasting_tenant.becomes("True", "Succeeded", name="billing")
    return lasting_caller


def test_every_named_call_is_tried_here() -> None:
    assert set(CALLS) == {endpoint.name for endpoint in STRIPE.spec.endpoints}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.req("PRV-32")
def test_stripe_accepts_what_we_send_for(billing: HubCaller, name: str) -> None:
    answer = billing.execute("billing", name, CALLS[name])
    assert answer["status"] == 200, answer
    assert answer["data"]["object"] in ("list", "customer", "payment_intent", "balance")


def test_a_form_says_what_was_meant(billing: HubCaller) -> None:
    """The mock echoes what it understood."""
    made = billing.execute("billing", "Create Customer", CALLS["Create Customer"])["data"]
    assert (made["email"], made["name"]) == ("a+b@example.com", "Æneas & Söhne = 100 %")
    intent = billing.execute("billing", "Create Payment Intent", CALLS["Create Payment Intent"])["data"]
    assert (intent["amount"], intent["currency"]) == (2000, "eur")


def test_what_stripe_refuses_is_told_in_its_own_words(billing: HubCaller) -> None:
    refused = billing.execute("billing", "/v1/customers", {"nobody": "knows"}, method="GET", status=422)
    assert "additional properties" in refused["upstream"]["data"]["error"]["message"]


@pytest.mark.parametrize("widget", [each.id for each in STRIPE.spec.widgets])
def test_its_widgets_show_data(billing: HubCaller, widget: str) -> None:
    shown = billing.ask("GET", f"/workspaces/{billing.namespace}/integrations/billing/widgets/{widget}/data")
    assert shown["data"]


@pytest.mark.parametrize("entity", STRIPE.spec.entities, ids=lambda entity: entity.name)
def test_its_collections_are_read_page_by_page(billing: HubCaller, entity: Any) -> None:
    query = {entity.paging.parameter: "x_1", entity.paging.size_parameter: entity.paging.size}
    query[entity.cursor_parameter] = 1_700_000_000
    page = billing.execute("billing", entity.read_path, query, method="GET")["data"]
    assert isinstance(page["data"], list)
    assert isinstance(page["has_more"], bool)


def test_a_wrong_key_is_told_as_that(tenant: Tenant) -> None:
    connect(tenant, key="no-key-of-stripe")
    tenant.becomes("False", "InvalidCredentials", name="billing")
