"""The catalogue's GitHub provider against GitHub's own OpenAPI, on a mock that refuses what does not fit."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema_rs import ValidationError, validate

from api_mocks import github_description
from hub_caller import HubCaller
from integration_hub.providers.catalogue import load_catalogue
from tenant import Tenant

pytestmark = pytest.mark.control_plane

GITHUB = next(entry for entry in load_catalogue() if entry.name == "github").spec
REPOSITORY = {"owner": "octo-org", "repo": "hello.world"}
CALLS: dict[str, dict[str, Any]] = {
    "List Issues": {"state": "open", "labels": "bug,good first issue", "per_page": 100, "page": 2},
    "Create Issue": {
        "title": "New Issue",
        "body": "Issue *description*",
        "labels": ["bug"],
        "assignees": ["octocat"],
    },
    "List Pull Requests": {"state": "all", "per_page": 1, "page": 1},
    "Get Repository": {},
}
"""Every named call, with all of its parameters."""


@pytest.fixture(scope="module")
def outside(github: str) -> str:
    return github


@pytest.fixture(scope="module")
def forge(lasting_tenant: Tenant, lasting_caller: HubCaller) -> HubCaller:
    """Connected by its probe, which the OpenAPI accepts."""
    lasting_tenant.provider_name = "github"
    lasting_tenant.secret(token="github_pat_any")
    lasting_tenant.integration("forge", config={"apiEndpoint": lasting_tenant.corner.url})
    lasting_tenant.becomes("True", "Succeeded", name="forge")
    return lasting_caller


def filled(template: str) -> str:
    """A path with its `{{ params.… }}` filled."""
    return re.sub(r"\{\{ *params\.(\w+) *\}\}", lambda found: REPOSITORY[found[1]], template)


def test_every_named_call_is_tried_here() -> None:
    assert set(CALLS) == {endpoint.name for endpoint in GITHUB.endpoints}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.req("PRV-24")
def test_github_accepts_what_we_send_for(forge: HubCaller, name: str) -> None:
    answer = forge.execute("forge", name, {**REPOSITORY, **CALLS[name]})
    assert answer["status"] in (200, 201), answer


@pytest.mark.req("EXE-04")
@pytest.mark.parametrize(
    "call",
    [
        {"method": "GET", "endpoint": "/repos/owner/repo/issues", "data": {"state": "open", "labels": "bug"}},
        {
            "method": "POST",
            "endpoint": "/repos/owner/repo/issues",
            "data": {"title": "New Issue", "body": "Issue description"},
        },
        {"method": "GET", "endpoint": "/repos/owner/repo/pulls"},
    ],
    ids=lambda call: f"{call['method']} {call['endpoint']}",
)
def test_the_worked_examples_fit_githubs_description(forge: HubCaller, call: dict[str, Any]) -> None:
    answer = forge.ask("POST", "/api/integration-hub/forge/execute", call)["result"]
    assert answer["status"] in (200, 201)


@pytest.mark.req("WDG-01")
@pytest.mark.parametrize("widget", GITHUB.widgets, ids=lambda widget: widget.id)
def test_its_widgets_show_data(forge: HubCaller, widget: Any) -> None:
    wanted = {each.name: REPOSITORY[each.name] for each in widget.parameters}
    path = f"/workspaces/{forge.namespace}/integrations/forge/widgets/{widget.id}/data"
    shown = forge.ask("GET", path, query=wanted)["data"]
    assert shown[0]["title"]


@pytest.mark.parametrize("entity", GITHUB.entities, ids=lambda entity: entity.name)
def test_its_collections_are_read_page_by_page(forge: HubCaller, entity: Any) -> None:
    further = {entity.paging.size_parameter: str(entity.paging.size), "page": "2"}
    if entity.cursor_parameter:
        further[entity.cursor_parameter] = "2026-01-02T03:04:05Z"
    path, _, query = filled(entity.read_path).partition("?")
    given = dict(pair.split("=") for pair in query.split("&")) | further
    records = forge.execute("forge", path, given, method="GET")["data"]
    assert records
    assert entity.cursor_field in records[0]


def test_every_call_says_what_version_it_speaks(forge: HubCaller) -> None:
    tried = forge.execute("forge", "Get Repository", REPOSITORY, dryRun=True)["dryRun"]
    assert tried["headers"]["X-GitHub-Api-Version"] == GITHUB.api_version


def test_a_body_fits_githubs_schema_of_it(forge: HubCaller) -> None:
    given = {**REPOSITORY, **CALLS["Create Issue"]}
    sent = forge.execute("forge", "Create Issue", given, dryRun=True)["dryRun"]
    operation = github_description()["paths"]["/repos/{owner}/{repo}/issues"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert sent["data"] == CALLS["Create Issue"]
    validate(schema, sent["data"])
    with pytest.raises(ValidationError, match="title"):
        validate(schema, {"body": "without a title"})


def test_what_github_would_refuse_is_refused_here_too(forge: HubCaller) -> None:
    refused = forge.execute("forge", "/repos/o/r/issues", {"state": "bogus"}, method="GET", status=422)
    assert refused["upstream"]["status"] == 422
