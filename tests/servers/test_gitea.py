"""The sample provider for Gitea against a real Gitea: its API in every authentication mode, and its OAuth."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

import samples
from eventually import eventually
from gitea_server import PASSWORD, USER, Gitea, way_back
from hub_caller import HubCaller
from hub_process import HubProcess
from tenant import Tenant

pytestmark = pytest.mark.control_plane

HUB = "/api/integration-hub"


@pytest.fixture(scope="module")
def outside(gitea: Gitea) -> str:
    return gitea.base


@pytest.fixture(scope="module")
def token(gitea: Gitea) -> str:
    """A key that may do what the tests do."""
    scopes = ["write:issue", "write:repository", "read:user"]
    made = gitea.api("POST", f"/users/{USER}/tokens", {"name": "hub", "scopes": scopes})
    return str(made["sha1"])


@pytest.fixture
def repository(gitea: Gitea) -> Iterator[str]:
    """An empty one, `owner/name`."""
    name = f"parts-{uuid.uuid4().hex[:8]}"
    gitea.api("POST", "/user/repos", {"name": name})
    yield f"{USER}/{name}"
    gitea.api("DELETE", f"/repos/{USER}/{name}")


def connect(tenant: Tenant, auth_type: str = "API_KEY", **secret: str) -> None:
    """The sample as it stands, in the tenant's namespace."""
    provider, _, integration = samples.of_file("gitea.yaml")
    for each in (provider, integration):
        each["metadata"]["namespace"] = tenant.namespace
    integration["spec"] |= {"config": {"url": tenant.corner.url}, "authType": auth_type}
    tenant.secret("gitea", **secret)
    tenant.apply(provider, integration)


@pytest.fixture
def forge(tenant: Tenant, caller: HubCaller, token: str) -> HubCaller:
    connect(tenant, apiKey=token)
    tenant.becomes("True", "Succeeded", name="gitea")
    return caller


def parameters(repository: str, **further: Any) -> dict[str, Any]:
    owner, _, name = repository.partition("/")
    return {"owner": owner, "repo": name, **further}


@pytest.mark.req("EXE-01", "EXE-03")
def test_an_issue_is_opened_and_found_again(forge: HubCaller, gitea: Gitea, repository: str) -> None:
    body = 'with *marks*, ümlauts and "quotes"\n'
    made = forge.execute("gitea", "Create Issue", parameters(repository, title="Crash", body=body))
    assert made["status"] == 201
    assert gitea.api("GET", f"/repos/{repository}/issues/1")["body"] == body
    found = forge.execute("gitea", f"/repos/{repository}/issues", {"state": "open"}, method="GET")
    assert [each["title"] for each in found["data"]] == ["Crash"]
    assert forge.execute("gitea", "List Issues", parameters(repository, state="closed"))["data"] == []


@pytest.mark.req("EXE-02", "EXE-05", "WDG-01", "OBS-10", "OBS-18")
def test_batch_widget_and_figures_of_a_days_work(forge: HubCaller, repository: str) -> None:
    issues = f"/repos/{repository}/issues"
    wanted = [f"No. {number}" for number in range(5)]
    calls: list[dict[str, Any]] = [
        *({"method": "POST", "endpoint": issues, "data": {"title": title}} for title in wanted),
        {"endpoint": "/repos/nobody/nothing"},
    ]
    told = forge.ask("POST", f"{HUB}/gitea/batch-execute", {"calls": calls})
    assert (told["successful"], told["failed"]) == (5, 1)
    titles = [each["result"]["data"]["title"] for each in told["results"][:5]]
    assert titles == wanted
    assert told["results"][5]["error"]["upstream"]["status"] == 404
    path = f"/workspaces/{forge.namespace}/integrations/gitea/widgets/open-issues/data"
    shown = forge.ask("GET", path, query=parameters(repository))
    assert {each["title"] for each in shown["data"]} == set(titles)
    assert forge.ask("GET", path, query=parameters(repository))["cached"]

    def figures() -> Any:
        return forge.ask("GET", f"{HUB}/gitea/metrics")["metrics"]

    # A probe or more, five issues, one failure, one widget; records are written within a second.
    eventually(lambda: figures()["totalRequests"] >= 8, "every call is counted")
    seen = figures()
    assert seen["failedRequests"] == 1
    assert seen["totalRequests"] == seen["successfulRequests"] + seen["failedRequests"]
    whole = forge.ask("GET", f"{HUB}/projects/{forge.namespace}/statistics")["statistics"]
    assert (whole["total"], whole["byType"]) == (1, {"version-control": 1})
    assert whole["healthyCount"] + whole["unhealthyCount"] == whole["total"]
    assert whole["totalRequests"] >= seen["totalRequests"]


def test_pages_follow_each_other_by_their_link(forge: HubCaller, gitea: Gitea, repository: str) -> None:
    for number in range(5):
        gitea.api("POST", f"/repos/{repository}/issues", {"title": f"No. {number}"})
    seen, page = [], 1
    while page:
        given = parameters(repository, state="all", limit=2, page=page)
        answer = forge.execute("gitea", "List Issues", given)
        seen += [each["title"] for each in answer["data"]]
        following = re.search(r"[?&]page=(\d+)[^>]*>; *rel=\"next\"", answer["headers"].get("link", ""))
        page = int(following[1]) if following else 0
    assert sorted(seen) == [f"No. {number}" for number in range(5)]
    assert answer["headers"]["x-total-count"] == "5"


@pytest.mark.req("SEC-02")
@pytest.mark.parametrize(
    ("auth_type", "secret"),
    [
        pytest.param("API_KEY", {"apiKey": "0" * 40}, id="a token of nobody"),
        pytest.param("BASIC", {"username": USER, "password": "wrong"}, id="a wrong password"),
    ],
)
def test_wrong_credentials_are_told_as_that(tenant: Tenant, auth_type: str, secret: dict[str, str]) -> None:
    connect(tenant, auth_type, **secret)
    tenant.becomes("False", "InvalidCredentials", name="gitea")


@pytest.mark.req("SEC-02")
def test_basic_authentication_works_too(tenant: Tenant, caller: HubCaller) -> None:
    connect(tenant, "BASIC", username=USER, password=PASSWORD)
    tenant.becomes("True", "Succeeded", name="gitea")
    assert caller.execute("gitea", "/user")["data"]["login"] == USER


def test_a_token_without_the_scope_is_no_wrong_token(tenant: Tenant, caller: HubCaller, gitea: Gitea) -> None:
    made = gitea.api("POST", f"/users/{USER}/tokens", {"name": uuid.uuid4().hex, "scopes": ["read:user"]})
    connect(tenant, apiKey=made["sha1"])
    tenant.becomes("True", "Succeeded", name="gitea")
    refused = caller.execute("gitea", "List Issues", parameters("any/thing"), status=422)
    assert "scope" in refused["details"]
    assert tenant.condition("gitea") == ("True", "Succeeded")


@pytest.mark.req("OAU-01", "OAU-03", "OAU-05", "OAU-08")
def test_a_person_connects_by_oauth_and_used_refresh_tokens_are_not_used_again(
    tenant: Tenant, caller: HubCaller, gitea: Gitea, hub: HubProcess
) -> None:
    redirect = f"{hub.api}/oauth/callback/gitea"
    wanted = {"name": "hub", "redirect_uris": [redirect], "confidential_client": True}
    client = gitea.api("POST", "/user/applications/oauth2", wanted)
    connect(tenant, "OAUTH2", clientId=client["client_id"], clientSecret=client["client_secret"])
    tenant.becomes("False", "PendingAuthorization", name="gitea")
    begun = caller.ask("POST", "/api/v1/integrations/gitea/oauth/authorize")
    page = httpx2.get(way_back(begun["authorizeUrl"]), timeout=60, trust_env=False)
    assert page.status_code == 200, page.text
    tenant.becomes("True", "Succeeded", name="gitea")
    assert caller.execute("gitea", "/user")["data"]["login"] == USER
    # Gitea takes a refresh token once (INVALIDATE_REFRESH_TOKENS) and access tokens last as app.ini says.
    first = tenant.status("gitea")["credentials"]["expiresAt"]
    eventually(
        lambda: tenant.status("gitea")["credentials"]["expiresAt"] > first, "the token is renewed", seconds=60
    )
    assert caller.execute("gitea", "/user")["data"]["login"] == USER
    assert tenant.condition("gitea") == ("True", "Succeeded")
