"""OAuth 2.0 against Keycloak, from the outside: kubectl, the HTTP API, and a person with a browser.

Its refresh tokens are good once: whoever sends one twice loses the session.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from joserfc import jwk

from eventually import eventually
from hub_caller import HubCaller
from hub_process import HubProcess, running_hub
from keycloak_server import REALM, Keycloak, way_back
from postgresql_server import PostgresqlServer
from tenant import Tenant, head_of

pytestmark = pytest.mark.control_plane

USERINFO = "/protocol/openid-connect/userinfo"
LONG, SHORT = 600, 20
"""Lives of access tokens in seconds; the short one is renewed within the test."""


@pytest.fixture(scope="module")
def outside(keycloak: Keycloak) -> str:
    return keycloak.base


def browse(address: str) -> httpx2.Response:
    """A person's browser opens it."""
    return httpx2.get(address, follow_redirects=True, timeout=60, trust_env=False)


def storm(clients: Sequence[httpx2.Client], *, seconds: float, callers: int = 50) -> list[int]:
    """Statuses of calls that `callers` make one after the other, all at once, for so long."""
    until = time.monotonic() + seconds
    body = {"endpoint": USERINFO}

    def calling(number: int) -> list[int]:
        client, found = clients[number % len(clients)], []
        while time.monotonic() < until:
            found.append(client.post("/api/integration-hub/account/execute", json=body).status_code)
            time.sleep(1.5)
        return found

    with ThreadPoolExecutor(callers) as pool:
        return [status for found in pool.map(calling, range(callers)) for status in found]


@pytest.fixture(scope="module")
def hub_settings(hub_settings: dict[str, str], postgresql: PostgresqlServer) -> dict[str, str]:
    """With a store that a second process can share."""
    return {**hub_settings, "store_url": postgresql.url("keycloak")}


@dataclass
class Scene:
    """One tenant, one client of the realm, one person."""

    keycloak: Keycloak
    tenant: Tenant
    caller: HubCaller
    hub: HubProcess
    client: str
    person: str
    person_id: str

    def setting(self, *, seconds: int = LONG, client: dict[str, Any] | None = None, **oauth: Any) -> None:
        """The client at Keycloak, and the provider here."""
        redirect = f"{self.hub.api}/oauth/callback/keycloak"
        self.keycloak.client(self.client, token_seconds=seconds, redirect=redirect, **(client or {}))
        self.tenant.secret("keycloak-client", clientId=self.client, clientSecret=f"{self.client}-secret")
        head = head_of("IntegrationProvider", "keycloak", self.tenant.namespace)
        spec = {
            "displayName": "Keycloak",
            "category": "custom",
            "baseUrl": self.keycloak.issuer,
            "authModes": [{"type": "OAUTH2"}, {"type": "OAUTH2_CLIENT_CREDENTIALS"}],
            "probe": {"path": USERINFO, "intervalSeconds": 3600},
            "oauth": {
                "authorizeUrl": self.keycloak.endpoint("auth"),
                "tokenUrl": self.keycloak.endpoint("token"),
                "revokeUrl": self.keycloak.endpoint("revoke"),
                "issuer": self.keycloak.issuer,
                "scopes": ["openid"],
                "account": {"path": USERINFO, "id": "body.sub"},
                "clientSecretRef": {"name": "keycloak-client"},
                **oauth,
            },
        }
        self.tenant.apply({**head, "spec": spec})

    def integration(self, name: str = "account", **changes: Any) -> None:
        provider = {"kind": "IntegrationProvider", "name": "keycloak"}
        self.tenant.integration(name, providerRef=provider, config={}, **{"credentials": {}, **changes})

    def connect(self, name: str = "account") -> httpx2.Response:
        """A person gives the hub their consent; the page they end on."""
        path = f"/api/v1/integrations/{name}/oauth/authorize"
        return browse(way_back(self.caller.ask("POST", path)["authorizeUrl"], self.person))

    def connected(self, **settings: Any) -> None:
        """The usual beginning."""
        self.setting(**settings)
        self.integration()
        self.tenant.becomes("False", "PendingAuthorization", name="account")
        page = self.connect()
        assert page.status_code == 200, page.text
        self.tenant.becomes("True", "Succeeded", name="account")

    def whoami(self, name: str = "account", *, status: int = 200) -> Any:
        return self.caller.execute(name, USERINFO, status=status)

    def count(self, *types: str) -> int:
        """How often Keycloak was asked for this by our client."""
        return len(self.keycloak.events(self.client, *types))


@pytest.fixture
def scene(keycloak: Keycloak, tenant: Tenant, caller: HubCaller, hub: HubProcess) -> Scene:
    name = uuid.uuid4().hex[:8]
    person = f"person-{name}"
    return Scene(keycloak, tenant, caller, hub, f"hub-{name}", person, keycloak.person(person))


@pytest.mark.req("OAU-01", "OAU-02", "OAU-03", "OAU-09")
def test_a_person_connects_an_account_and_services_call_with_it(scene: Scene) -> None:
    scene.setting()
    namespace = scene.tenant.namespace
    begun = scene.caller.ask("POST", f"/workspaces/{namespace}/integrations/keycloak/connect")
    assert "code_challenge_method=S256" in begun["authorizeUrl"]
    name = begun["name"]
    scene.tenant.becomes("False", "PendingAuthorization", name=name)
    assert scene.tenant.status(name)["phase"] == "PENDING_AUTH"
    back = way_back(begun["authorizeUrl"], scene.person)
    assert back.startswith(f"{scene.hub.api}/oauth/callback/keycloak?")
    assert browse(back).status_code == 200
    scene.tenant.becomes("True", "Succeeded", name=name)
    status = scene.tenant.status(name)
    assert status["phase"] == "ACTIVE"
    assert status["credentials"]["expiresAt"] > status["credentials"]["nextRefreshAt"]
    assert scene.whoami(name)["data"]["preferred_username"] == scene.person
    assert browse(back).status_code == 422  # a way back is good once
    assert scene.count("CODE_TO_TOKEN", "CODE_TO_TOKEN_ERROR") == 1


@pytest.mark.req("OAU-05", "OAU-06")
def test_a_front_end_may_bring_the_code_itself(scene: Scene) -> None:
    scene.setting()
    scene.integration()
    scene.tenant.becomes("False", "PendingAuthorization", name="account")
    path = "/api/v1/integrations/account/oauth"
    back = way_back(scene.caller.ask("POST", f"{path}/authorize")["authorizeUrl"], scene.person)
    given = dict(parse_qsl(urlsplit(back).query))
    body = {name: given[name] for name in ("code", "state", "iss")}
    connected = scene.caller.ask("POST", f"{path}/callback", body)
    assert connected["accountId"] == scene.person_id
    scene.tenant.becomes("True", "Succeeded", name="account")


def test_an_answer_of_another_issuer_is_refused_before_its_code_is_sent(scene: Scene) -> None:
    scene.setting(issuer="https://elsewhere.example.com/realms/hub")
    scene.integration()
    scene.tenant.becomes("False", "PendingAuthorization", name="account")
    page = scene.connect()
    assert page.status_code == 422
    assert "iss" in page.text
    assert scene.count("CODE_TO_TOKEN", "CODE_TO_TOKEN_ERROR") == 0
    assert scene.tenant.condition("account") == ("False", "PendingAuthorization")


@pytest.mark.req("OAU-08")
def test_tokens_are_renewed_ahead_of_their_end_without_anybody_calling(scene: Scene) -> None:
    scene.connected(seconds=SHORT)
    first = scene.tenant.status("account")["credentials"]["expiresAt"]
    eventually(lambda: scene.count("REFRESH_TOKEN") >= 2, "two tokens were renewed", seconds=60)
    eventually(
        lambda: scene.tenant.status("account")["credentials"]["expiresAt"] > first, "status tells", seconds=15
    )
    assert scene.count("REFRESH_TOKEN_ERROR") == 0
    assert scene.whoami()["status"] == 200
    assert scene.tenant.condition("account") == ("True", "Succeeded")


@pytest.mark.req("OAU-04")
def test_disconnecting_ends_the_session_there_and_the_calls_here(scene: Scene) -> None:
    scene.connected()
    assert len(scene.keycloak.sessions(scene.person_id)) == 1
    path = f"/workspaces/{scene.tenant.namespace}/integrations/account/disconnect"
    told = scene.caller.ask("POST", path)
    assert (told["connected"], told["warning"]) == (False, None)
    assert scene.keycloak.sessions(scene.person_id) == []
    assert scene.whoami(status=424)["code"] == "REAUTH_REQUIRED"
    scene.tenant.becomes("False", "PendingAuthorization", name="account")
    assert scene.tenant.status("account")["phase"] == "PENDING_AUTH"
    assert scene.connect().status_code == 200  # and back again
    scene.tenant.becomes("True", "Succeeded", name="account")
    assert scene.whoami()["status"] == 200


@pytest.mark.req("OAU-11")
def test_a_session_that_was_ended_there_takes_a_person_and_no_further_token_request(scene: Scene) -> None:
    scene.connected(seconds=SHORT)
    scene.keycloak.admin("POST", f"/{REALM}/users/{scene.person_id}/logout")
    scene.tenant.becomes("False", "ReauthRequired", name="account", seconds=60)
    assert f"{scene.hub.api}/connect/" in scene.tenant.message("account")
    assert ("Warning", "ReauthRequired") in scene.tenant.events("account")
    assert scene.count("REFRESH_TOKEN_ERROR") == 1
    for _ in range(5):
        assert scene.whoami(status=424)["code"] == "REAUTH_REQUIRED"
    scene.caller.ask("POST", "/api/v1/integrations/account/test", status=424)
    assert scene.count("REFRESH_TOKEN_ERROR") == 1
    assert scene.connect().status_code == 200
    scene.tenant.becomes("True", "Succeeded", name="account")


def test_many_calls_in_two_processes_at_the_end_of_a_token_spend_one_refresh_token(
    scene: Scene, operator_kubeconfig: Path, hub_settings: dict[str, str], tmp_path: Path
) -> None:
    """Fifty callers over more than one life of a token, and nobody is turned away or sends one twice."""
    scene.connected(seconds=SHORT)
    with (
        running_hub(tmp_path, operator_kubeconfig, hub_settings, leads=False) as other,
        httpx2.Client(base_url=other.api, headers=scene.caller.client.headers, timeout=60) as second,
    ):
        before, begun = scene.count("REFRESH_TOKEN"), time.monotonic()
        answers = storm([scene.caller.client, second], seconds=1.5 * SHORT)
        spent, elapsed = scene.count("REFRESH_TOKEN") - before, time.monotonic() - begun
    assert set(answers) == {200}
    assert 1 <= spent <= 1 + elapsed / (SHORT / 2)  # none is renewed in the first half of its life
    assert scene.count("REFRESH_TOKEN_ERROR") == 0
    assert len(scene.keycloak.sessions(scene.person_id)) == 1


def test_a_client_proves_itself_by_a_secret(scene: Scene) -> None:
    scene.setting(client={"serviceAccountsEnabled": True})
    scene.integration(authType="OAUTH2_CLIENT_CREDENTIALS")
    scene.tenant.becomes("True", "Succeeded", name="account")
    assert scene.whoami()["data"]["preferred_username"] == f"service-account-{scene.client}"


def test_a_client_proves_itself_by_a_key(scene: Scene) -> None:
    key = jwk.RSAKey.generate_key(2048, parameters={"kid": "k1", "use": "sig", "alg": "RS256"}, private=True)
    attributes = {
        "use.jwks.string": "true",
        "jwks.string": json.dumps({"keys": [key.as_dict(private=False)]}),
        "token.endpoint.auth.signing.alg": "RS256",
    }
    client = {
        "serviceAccountsEnabled": True,
        "clientAuthenticatorType": "client-jwt",
        "attributes": attributes,
    }
    scene.setting(client=client, clientAuthentication="private_key_jwt")
    pem = key.as_pem(private=True).decode()
    scene.tenant.secret("keycloak-client", clientId=scene.client, privateKey=pem, keyId="k1")
    scene.integration(authType="OAUTH2_CLIENT_CREDENTIALS")
    scene.tenant.becomes("True", "Succeeded", name="account")
    assert scene.whoami()["data"]["preferred_username"] == f"service-account-{scene.client}"


def test_a_wrong_client_secret_is_told_as_that(scene: Scene) -> None:
    scene.setting(client={"serviceAccountsEnabled": True, "secret": "another"})
    scene.integration(authType="OAUTH2_CLIENT_CREDENTIALS")
    scene.tenant.becomes("False", "InvalidCredentials", name="account")
