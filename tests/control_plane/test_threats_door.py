"""Default deny: every route of the gateway's own description, asked by those who must not be let in."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from far_end import Asked
from tenant import Tenant, head_of
from threat_stage import Siege
from threat_words import CUSTOM, address_of, body_for

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("threats"), pytest.mark.timeout(180)]

OPEN = {"/healthz", "/readyz"}


@pytest.fixture(scope="module")
def house(under_siege: Siege) -> Tenant:
    """Somebody's connected Integration `chat` and custom integration, which no stranger may touch."""
    tenant = under_siege.tenant("door")
    tenant.connected()
    custom(tenant)
    return tenant


@pytest.mark.req("SEC-10", "SEC-12", "SEC-21", "HUB-19")
def test_no_route_answers_to_anybody_without_a_good_token(under_siege: Siege, house: Tenant) -> None:
    member = under_siege.caller(house.namespace, "edit")
    short = under_siege.caller(house.namespace, seconds=600)
    keys = {
        "none": {},
        "empty": {"Authorization": ""},
        "nonsense": {"Authorization": "Bearer not-a-token"},
        "basic": {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()},
        "another audience": {
            "Authorization": f"Bearer {under_siege.caller(house.namespace, audience='vault')}"
        },
        "expired": {"Authorization": f"Bearer {with_claims(short, exp=int(time.time()) - 3600)}"},
        "unsigned": {"Authorization": f"Bearer {unsigned(member)}"},
        "of another's name": {"Authorization": f"Bearer {with_claims(member, sub='system:admin')}"},
        "of another issuer": {"Authorization": f"Bearer {with_claims(member, iss='https://evil.example')}"},
        "a wrong static key": {"Authorization": "Bearer sk-wrong-0123456789"},
        "in the query": {"path": f"?access_token={member}&token={member}"},
    }
    calls, version = len(works(house)), house.get()["metadata"]["resourceVersion"]
    let_in: list[tuple[str, str, str, int]] = []
    routes = [*under_siege.routes(member), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/metrics")]
    for method, template in routes:
        path = address_of(template, house.namespace, "chat")
        for who, headers in keys.items():
            given = dict(headers)
            answer = under_siege.ask(
                method, path + given.pop("path", ""), "", body_for(method, template, house.namespace), **given
            )
            if answer.status != 401 or (method != "HEAD" and answer.code != "UNAUTHENTICATED"):
                let_in.append((method, template, who, answer.status))
    assert let_in == []
    assert len(works(house)) == calls
    assert house.get()["metadata"]["resourceVersion"] == version


@pytest.mark.req("SEC-19", "SEC-24")
def test_a_token_without_rights_opens_nothing(under_siege: Siege, house: Tenant) -> None:
    """403 wherever something belongs to a namespace; the rest shows what everybody may know."""
    stranger = under_siege.caller(house.namespace)
    calls, version = len(works(house)), house.get()["metadata"]["resourceVersion"]
    let_in = []
    for method, template in under_siege.routes(stranger):
        path = address_of(template, house.namespace, "chat")
        answer = under_siege.ask(method, path, stranger, body_for(method, template, house.namespace))
        if answer.status != 403:
            let_in.append((method, template, answer.status, answer.body[:200]))
    assert let_in == []
    assert len(works(house)) == calls
    assert house.get()["metadata"]["resourceVersion"] == version


@pytest.mark.req("SEC-19")
def test_who_may_look_may_not_act(under_siege: Siege, house: Tenant) -> None:
    """The role `view`: every GET but the audit and the calls, and no other method."""
    viewer = under_siege.caller(house.namespace, "view")
    calls, version = len(works(house)), house.get()["metadata"]["resourceVersion"]
    for method, template in under_siege.routes(viewer):
        path = address_of(template.replace("{slug}", house.provider_name), house.namespace, "chat")
        answer = under_siege.ask(method, path, viewer, body_for(method, template, house.namespace))
        acts = method != "GET" or "/proxy/" in template or template == "/api/v1/audit"
        assert (answer.status == 403) == acts, (method, template, answer.status, answer.body)
    assert len(works(house)) == calls
    assert house.get()["metadata"]["resourceVersion"] == version


@pytest.mark.req("SEC-21", "TST-20")
def test_only_probes_and_what_a_browser_opens_are_open(under_siege: Siege) -> None:
    for path in OPEN:
        answer = under_siege.ask("GET", path)
        assert (answer.status, answer.json) == (200, {"ok": True})
    back = under_siege.ask("GET", "/oauth/callback/github?state=guess&code=guess")
    assert back.status == 422
    assert b"guess" not in back.body
    page = under_siege.ask("GET", "/connect/nowhere/nothing")
    assert page.status == 200
    assert under_siege.ask("GET", "/connect/nowhere/nothing").body == page.body, (
        "it tells nothing of the Integration"
    )
    for path in (
        "/healthz/",
        "/healthz/..",
        "//healthz",
        "/HEALTHZ",
        "/readyz/x",
        "/connect/a",
        "/oauth/callback/",
    ):
        assert under_siege.ask("GET", path).status == 401, path
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert under_siege.ask(method, "/healthz").status == 401, method


@pytest.mark.req("SEC-12")
def test_a_static_key_is_somebody_with_no_rights_of_its_own(under_siege: Siege, house: Tenant) -> None:
    answer = under_siege.ask("GET", "/api/v1/integrations", under_siege.static_key, X_Tenant=house.namespace)
    assert (answer.status, answer.code) == (403, "FORBIDDEN")


@pytest.mark.req("SEC-10", "SEC-13", "SEC-22", "SEC-23")
def test_who_guesses_is_slowed_down_and_counted(under_siege: Siege, house: Tenant) -> None:
    address, member = {"X_Forwarded_For": "203.0.113.66"}, under_siege.caller(house.namespace, "view")
    metric = "integration_hub_gateway_refusals_total"
    before = under_siege.hub.metric(metric, why="authentication") or 0
    statuses = [
        under_siege.ask("GET", "/api/v1/integrations", f"guess-{each}", **address).status
        for each in range(120)
    ]
    assert set(statuses) == {401, 429}
    assert statuses[0] == 401
    assert (under_siege.hub.metric(metric, why="authentication") or 0) >= before + statuses.count(401)
    elsewhere = under_siege.ask("GET", "/api/v1/integrations", member, X_Forwarded_For="203.0.113.67")
    assert elsewhere.status == 200, "whoever comes from another address is not shut out"


def custom(tenant: Tenant) -> None:
    """A custom integration of the tenant's."""
    spec = {
        "displayName": "ERP",
        "category": "custom",
        "baseUrl": tenant.corner.url,
        "authModes": [{"type": "NONE"}],
    }
    tenant.apply({**head_of("IntegrationProvider", CUSTOM, tenant.namespace), "spec": spec})


def works(tenant: Tenant) -> list[Asked]:
    """What the far end was asked besides probes."""
    return [asked for asked in tenant.corner.asked if asked.path != "/me"]


def with_claims(token: str, **claims: Any) -> str:
    """The same token with other claims and the signature that it had."""
    head, body, signature = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(body + "=="))
    return ".".join((head, _part({**read, **claims}), signature))


def unsigned(token: str) -> str:
    """The same token, of the algorithm `none`."""
    return ".".join((_part({"alg": "none", "typ": "JWT"}), token.split(".")[1], ""))


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
