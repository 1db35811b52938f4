"""Tenants do not reach each other: not by name, not by uid, not by header, reference, key or state."""

from __future__ import annotations

import json
import re
import urllib.parse
from typing import Any

import pytest

from eventually import eventually
from far_end import Asked, Reply
from tenant import SOON, head_of
from threat_stage import Answer, Siege
from threat_words import CUSTOM, address_of, body_for

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("threats"), pytest.mark.timeout(180)]

HUB = "/api/integration-hub"
MARK = "victims-own-words"
"""Stands in everything of the victim's that a caller could be shown."""


class Two:
    """A victim, whose Integration `chat` is connected; somebody with every right in another namespace."""

    def __init__(self, siege: Siege) -> None:
        self.siege = siege
        self.victim, self.own = siege.tenant("victim"), siege.tenant("mallory")
        self.victim.provider(displayName=MARK)
        self.victim.secret(token="right")
        self.victim.integration(description=MARK)
        self.victim.becomes("True", "Succeeded")
        self.share([])
        self.token = siege.caller(self.own.namespace, "admin")
        self.uid: str = self.victim.get()["metadata"]["uid"]

    def share(self, namespaces: list[str], **changes: Any) -> None:
        """The victim's custom integration, granted to these namespaces."""
        spec = {
            "displayName": MARK,
            "category": "custom",
            "baseUrl": self.victim.corner.url,
            "authModes": [{"type": "NONE"}],
            "sharedWith": namespaces,
            **changes,
        }
        head = head_of("IntegrationProvider", CUSTOM, self.victim.namespace)
        self.victim.apply({**head, "spec": spec})

    def ask(self, method: str, path: str, body: Any = None, /, **headers: str | bytes) -> Answer:
        return self.siege.ask(method, path, self.token, body, **headers)

    def untouched(self) -> tuple[int, str, str]:
        """What no attempt may change: what the far end was asked besides probes, and the objects."""
        calls = [asked for asked in self.victim.corner.asked if asked.path != "/me"]
        versions = (self.victim.get()["spec"], self.victim.get(CUSTOM, "iprov")["spec"])
        names = self.victim.plane.kubectl(
            "get", "intg,iprov,secret", "-n", self.victim.namespace, "-o", "name"
        ).stdout
        return len(calls), json.dumps(versions), names


@pytest.fixture(scope="module")
def two(under_siege: Siege) -> Two:
    return Two(under_siege)


@pytest.mark.req("SEC-24", "CUS-05")
@pytest.mark.parametrize("by", ["name", "uid"])
def test_every_route_refuses_who_names_another_namespace(two: Two, by: str) -> None:
    """In the path, in the header, in the body: 403, whether what is named exists or not."""
    before = two.untouched()
    namespace, identity = two.victim.namespace, "chat" if by == "name" else two.uid
    crossed = []
    for method, template in two.siege.routes(two.token):
        path = address_of(template, namespace, identity)
        body = body_for(method, template, namespace)
        answer = two.ask(method, path, body, X_Tenant=namespace)
        nowhere = two.ask(method, address_of(template, namespace, "no-such-thing"), body, X_Tenant=namespace)
        if (answer.status, nowhere.status) != (403, 403) or MARK.encode() in answer.body:
            crossed.append((method, template, answer.status, nowhere.status, answer.body[:200]))
    assert crossed == []
    assert two.untouched() == before


@pytest.mark.req("SEC-24")
@pytest.mark.parametrize("by", ["name", "uid"])
def test_an_id_of_another_namespace_is_nothing_in_ones_own(two: Two, by: str) -> None:
    """Asked in the caller's own namespace, every route says the same of it as of what is not there."""
    before, own = two.untouched(), two.own.namespace
    identity = "chat" if by == "name" else two.uid
    crossed = []
    for method, template in two.siege.routes(two.token):
        if "{" not in re.sub(r"\{(workspaceId|projectId|widgetId|path|slug)\}", "", template):
            continue
        body = body_for(method, template, own)
        answers = [
            two.ask(method, address_of(template, own, each), body) for each in (identity, "no-such-thing")
        ]
        said = [
            re.sub(rb"\S*(no-such-thing|chat|" + two.uid.encode() + rb")\S*", b"?", a.body) for a in answers
        ]
        same = [re.sub(rb'"timestamp":"[^"]*"', b"", each) for each in said]
        if {a.status for a in answers} - {404, 422} or same[0] != same[1] or MARK.encode() in answers[0].body:
            crossed.append((method, template, [a.status for a in answers], same))
    assert crossed == []
    assert two.untouched() == before


@pytest.mark.req("SEC-24")
def test_lists_and_figures_show_only_what_is_ones_own(two: Two) -> None:
    for method, template in two.siege.routes(two.token):
        if method == "GET":
            answer = two.ask(method, address_of(template, two.own.namespace, "chat"))
            about_providers = template.endswith(("/providers", "/integrations")) and "{" not in template
            assert about_providers or MARK.encode() not in answer.body, (template, answer.body)
            assert two.victim.namespace.encode() not in answer.body, (template, answer.body)
    everything = two.ask("GET", f"{HUB}/custom?projectId={two.own.namespace}").body
    assert MARK.encode() not in everything


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X_Tenant": "{victim}"}, 403),
        ({"X_Tenant": "{victim},{own}"}, 422),
        ({"X_Tenant": "{own} {victim}"}, 422),
        ({"X_Tenant": "*"}, 422),
        ({"X_Tenant": "../{victim}"}, 422),
        ({"X_Tenant": "{victim}%00"}, 422),
        (
            {"X_Tenant": "{own}", "X_Namespace": "{victim}", "X_Workspace": "{victim}", "Tenant": "{victim}"},
            404,
        ),
        ({"Impersonate_User": "system:admin", "Impersonate_Group": "system:masters"}, 404),
        ({"X_Remote_User": "system:admin", "X_Remote_Group": "system:masters"}, 404),
        ({"X_Forwarded_User": "system:admin", "X_Original_URL": "/api/v1/audit"}, 404),
    ],
    ids=lambda value: next(iter(value.values())) + "-" + next(iter(value)) if isinstance(value, dict) else "",
)
def test_no_header_moves_a_caller_elsewhere(two: Two, headers: dict[str, str], status: int) -> None:
    names = {"victim": two.victim.namespace, "own": two.own.namespace}
    given = {name: value.format(**names) for name, value in headers.items()}
    answer = two.ask("GET", "/api/v1/integrations/chat", **given)
    assert answer.status == status, answer.body
    assert MARK.encode() not in answer.body


def test_a_path_and_a_header_that_disagree_are_refused(two: Two) -> None:
    victim, own = two.victim.namespace, two.own.namespace
    for path in (
        f"/workspaces/{own}/integrations",
        f"{HUB}/projects/{own}",
        f"{HUB}/projects/{own}/statistics",
    ):
        assert two.ask("GET", path, X_Tenant=victim).status == 422, path
    body = {"projectId": victim, "name": "New", "provider": two.victim.provider_name}
    assert two.ask("POST", f"{HUB}/register", body, X_Tenant=own).status == 422
    assert two.ask("POST", f"{HUB}/register", body).status == 403


@pytest.mark.req("SEC-24", "CUS-05")
def test_a_provider_is_used_elsewhere_only_while_it_is_shared(two: Two) -> None:
    own, victim = two.own.namespace, two.victim.namespace
    ref = {"kind": "IntegrationProvider", "name": CUSTOM, "namespace": victim}
    for name, reference in (("erp", ref), ("nothing", {**ref, "name": "no-such-thing"})):
        two.own.integration(name, providerRef=reference, config={}, credentials={}, instance=name)
        two.own.becomes("False", "ProviderNotShared", name=name)
    shown = {name: told(two.own.status(name)) for name in ("erp", "nothing")}
    assert shown["erp"].replace(CUSTOM, "?") == shown["nothing"].replace("no-such-thing", "?")
    assert two.ask("POST", f"{HUB}/erp/execute", {"endpoint": "/a"}).status != 200
    two.share(["somebody-else"])
    assert two.ask("POST", f"{HUB}/erp/execute", {"endpoint": "/b"}).status != 200
    two.share([own])
    two.own.becomes("True", "Succeeded", name="erp")
    assert two.ask("POST", f"{HUB}/erp/execute", {"endpoint": "/c"}).status == 200
    two.share([])
    refused = {"FORBIDDEN", "INVALID_CONFIGURATION", "NOT_FOUND"}
    eventually(
        lambda: two.ask("POST", f"{HUB}/erp/execute", {"endpoint": "/d"}).code in refused,
        "a grant that is taken back is gone",
        seconds=SOON,
    )
    answer = two.ask("POST", f"{HUB}/erp/execute", {"endpoint": "/e"})
    assert answer.code in refused
    two.own.becomes("False", "ProviderNotShared", name="erp")
    asked = [each.path for each in two.victim.corner.asked]
    assert "/c" in asked
    assert not {"/a", "/b", "/e"} & set(asked)


@pytest.mark.req("SEC-24")
def test_a_secret_of_another_namespace_cannot_be_named(two: Two) -> None:
    """Neither as a path nor by a field: the reference is a name within the namespace."""
    two.own.provider()
    base = {"providerRef": {"name": two.own.provider_name}, "config": {"channel": "x"}}
    head = head_of("Integration", "thief", two.own.namespace)
    for reference in (
        {"name": f"{two.victim.namespace}/token"},
        {"name": "../token"},
        {"name": "token", "namespace": two.victim.namespace},
    ):
        body = json.dumps({**head, "spec": {**base, "credentials": {"secretRef": reference}}})
        applied = two.own.plane.kubectl("apply", "--server-side", "-f", "-", input=body, check=False)
        assert applied.returncode != 0, applied.stdout
    two.own.integration("thief")
    two.own.becomes("False", "SecretNotFound", name="thief")
    assert two.own.corner.asked == []


def test_an_idempotency_key_is_its_callers_own(two: Two) -> None:
    """The answer kept for one caller is neither shown to another nor stands in their way."""
    member = two.siege.caller(two.victim.namespace, "edit")
    key, body = "one-key-for-all", {"method": "POST", "endpoint": "/kept", "data": {"x": 1}}
    first = two.siege.ask("POST", f"{HUB}/chat/execute", member, body, Idempotency_Key=key)
    assert first.status == 200
    again = two.siege.ask("POST", f"{HUB}/chat/execute", member, body, Idempotency_Key=key)
    assert (again.status, again.headers.get("idempotency-replayed")) == (200, "true")
    stolen = two.ask("POST", f"{HUB}/chat/execute", body, X_Tenant=two.victim.namespace, Idempotency_Key=key)
    assert (stolen.status, stolen.headers.get("idempotency-replayed")) == (403, None)
    other = two.siege.caller(two.victim.namespace, "view")
    seen = two.siege.ask("POST", f"{HUB}/chat/execute", other, body, Idempotency_Key=key)
    assert (seen.status, seen.headers.get("idempotency-replayed")) == (403, None)


def told(status: Any) -> str:
    """A status without its moments."""
    return re.sub(r"20\d\d-[0-9T:-]+Z", "", json.dumps(status, sort_keys=True))


# --------------------------------------------------------------------------- OAuth


@pytest.mark.req("OAU-03", "OAU-06", "SEC-24")
@pytest.mark.req("HUB-14", part="OAuth tokens")
@pytest.mark.req("HUB-16", part="OAuth and integration services")
@pytest.mark.req("TST-17", part="OAuth")
def test_a_state_is_good_once_for_one_integration_one_person_and_one_provider(under_siege: Siege) -> None:
    tenant, other = under_siege.tenant("oauth"), under_siege.tenant("other")

    def vendor(asked: Asked) -> Reply:
        fresh = {"access_token": "at-0123456789abcdef", "token_type": "bearer", "expires_in": 3600}
        return Reply(200, fresh if asked.path == "/token" else {"ok": True})

    tenant.corner.behave = vendor
    for each in (tenant, other):
        each.provider(
            baseUrl=tenant.corner.url,
            authModes=[{"type": "OAUTH2"}],
            oauth={
                "authorizeUrl": f"{tenant.corner.url}/authorize",
                "tokenUrl": f"{tenant.corner.url}/token",
            },
            configSchema={},
        )
        each.secret("client", clientId="id", clientSecret="client-secret-value")
        for name in ("one", "two"):
            each.integration(name, config={}, instance=name, credentials={"secretRef": {"name": "client"}})
            each.becomes("False", "PendingAuthorization", name=name)
    alice, bob = (under_siege.caller(tenant.namespace, "edit") for _ in "12")
    eve = under_siege.caller(other.namespace, "admin")

    def begin(token: str = alice) -> str:
        answer = under_siege.ask("POST", "/api/v1/integrations/one/oauth/authorize", token)
        assert answer.status == 200, answer.body
        page = urllib.parse.urlsplit(answer.json["authorizeUrl"])
        return str(urllib.parse.parse_qs(page.query)["state"][0])

    def finish(state: str, token: str, name: str = "one") -> Answer:
        path, body = f"/api/v1/integrations/{name}/oauth/callback", {"state": state, "code": "a-code"}
        return under_siege.ask("POST", path, token, body)

    def browser(state: str, slug: str) -> Answer:
        return under_siege.ask("GET", f"/oauth/callback/{slug}?state={state}&code=a-code")

    refused = {
        "somebody else's": finish(begin(), bob),
        "of another Integration": finish(begin(), alice, "two"),
        "in another namespace": finish(begin(), eve),
        "of another provider": browser(begin(), other.provider_name),
        "guessed": browser("A" * 43, tenant.provider_name),
    }
    assert {why: answer.status for why, answer in refused.items()} == dict.fromkeys(refused, 422)
    assert [asked for asked in tenant.corner.asked if asked.path == "/token"] == []
    unknown = under_siege.caller(tenant.namespace)
    state = begin()
    assert finish(state, unknown).status == 403
    assert finish(state, alice).status == 200, "who may not connect does not use the state up"
    tenant.becomes("True", "Succeeded", name="one")
    assert finish(state, alice).status == 422, "replayed"
    assert browser(state, tenant.provider_name).status == 422
    assert len([asked for asked in tenant.corner.asked if asked.path == "/token"]) == 1
