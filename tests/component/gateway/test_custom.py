"""Custom integrations over HTTP: both worked examples to the letter, sharing, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import samples
from gateway_stage import ALICE, BOB, NAMESPACE, OTHER, GatewayStage
from integration_hub.api.integration import INTEGRATION
from integration_hub.api.provider import INTEGRATION_PROVIDER
from integration_hub.ports import Json
from integration_hub.runtime.status import resource_of
from memory_calls import said

HUB = "/api/integration-hub"
CUSTOM = f"{HUB}/custom"
PROVIDERS = resource_of(INTEGRATION_PROVIDER)
INTEGRATIONS = resource_of(INTEGRATION)
INTERNAL: dict[str, Any] = {
    "projectId": "project-123",
    "name": "Custom API Integration",
    "description": "Integration with internal company API",
    "template": {
        "name": "Internal API",
        "description": "Company internal API integration",
        "type": "custom",
        "configurationSchema": {
            "apiEndpoint": {"type": "string", "required": True, "description": "API base URL"},
            "timeout": {"type": "number", "required": False, "default": 30000},
        },
        "credentialsSchema": {
            "apiKey": {"type": "string", "required": True, "description": "API key for authentication"}
        },
        "endpoints": [
            {
                "name": "Get Projects",
                "method": "GET",
                "path": "/projects",
                "description": "Retrieve all projects",
                "parameters": [
                    {
                        "name": "status",
                        "type": "string",
                        "required": False,
                        "description": "Filter by status",
                    }
                ],
                "responseSchema": {"type": "array", "items": {"type": "object"}},
            },
            {
                "name": "Create Project",
                "method": "POST",
                "path": "/projects",
                "description": "Create a new project",
                "requestBody": {"name": "string", "description": "string"},
            },
        ],
        "webhooks": [
            {
                "event": "project.created",
                "description": "Triggered when a project is created",
                "payloadSchema": {"projectId": "string", "name": "string", "createdAt": "string"},
            }
        ],
    },
}
INTERNAL_DEPLOYED: dict[str, Any] = {
    "projectId": "project-456",
    "configuration": {"enabled": True, "apiEndpoint": "https://api.company.com", "timeout": 30000},
    "credentials": {"type": "api-key", "apiKey": "company-api-key"},
}
ERP: dict[str, Any] = {
    "projectId": "project-123",
    "name": "Internal ERP System",
    "description": "Integration with company ERP for project data sync",
    "template": {
        "name": "ERP Integration",
        "description": "Company ERP system integration",
        "type": "custom",
        "configurationSchema": {
            "erpEndpoint": {"type": "string", "required": True, "description": "ERP API endpoint"},
            "department": {"type": "string", "required": True, "description": "Department code"},
        },
        "credentialsSchema": {"apiKey": {"type": "string", "required": True, "description": "ERP API key"}},
        "endpoints": [
            {
                "name": "Get Projects",
                "method": "GET",
                "path": "/api/projects",
                "description": "Retrieve projects from ERP",
                "parameters": [
                    {
                        "name": "department",
                        "type": "string",
                        "required": True,
                        "description": "Department filter",
                    }
                ],
            },
            {
                "name": "Sync Project Data",
                "method": "POST",
                "path": "/api/projects/sync",
                "description": "Sync project data to ERP",
                "requestBody": {"projectId": "string", "data": "object"},
            },
        ],
    },
}
ERP_DEPLOYED: dict[str, Any] = {
    "projectId": "project-456",
    "configuration": {
        "enabled": True,
        "erpEndpoint": "https://erp.company.com/api",
        "department": "ENGINEERING",
    },
    "credentials": {"type": "api-key", "apiKey": "the value of ERP_API_KEY"},
}


def both(stage: GatewayStage) -> GatewayStage:
    """Alice may work in both projects."""
    stage.authorizer.grant(ALICE, namespace=OTHER)
    return stage


async def created(stage: GatewayStage, body: Json = INTERNAL) -> dict[str, Any]:
    answer = await stage.ask("POST", f"{CUSTOM}/create", body)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()["customIntegration"]
    return told


def sample(kind: str, name: str) -> dict[str, Any]:
    [found] = [
        each["spec"]
        for each in samples.documents()
        if each["kind"] == kind and each["metadata"]["name"] == name
    ]
    return dict(found)


# --------------------------------------------------------------------------- worked examples


@pytest.mark.req("CUS-02", "CUS-03", "CUS-04", "CUS-05", "CUS-06", "CUS-07", "CUS-14", "CUS-16")
@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param(INTERNAL, "internal-api", id="internal API", marks=pytest.mark.req("CUS-11")),
        pytest.param(ERP, "erp", id="ERP", marks=pytest.mark.req("CUS-12")),
    ],
)
async def test_a_template_becomes_the_provider_that_the_sample_shows(body: Json, name: str) -> None:
    async with GatewayStage() as stage:
        told = await created(stage, body)
        wanted = {
            key: value for key, value in sample("IntegrationProvider", name).items() if key != "sharedWith"
        }
        obj = stage.cluster.read(PROVIDERS, NAMESPACE, told["resourceName"])
        assert obj is not None
        assert obj["spec"] == wanted
        assert (told["projectId"], told["name"], told["usable"]) == (NAMESPACE, body["name"], True)
        for part in body["template"]:
            assert told["template"][part] == body["template"][part]


@pytest.mark.req("CUS-10", "CUS-13", "CUS-01")
@pytest.mark.parametrize(
    ("body", "deployed", "name"),
    [
        pytest.param(INTERNAL, INTERNAL_DEPLOYED, "internal-api", id="API", marks=pytest.mark.req("CUS-11")),
        pytest.param(ERP, ERP_DEPLOYED, "erp", id="ERP", marks=pytest.mark.req("CUS-12")),
    ],
)
async def test_deploying_connects_the_other_project(body: Json, deployed: Json, name: str) -> None:
    async with GatewayStage() as stage:
        custom = await created(both(stage), body)
        answer = await stage.ask("POST", f"{CUSTOM}/{custom['id']}/deploy", deployed)
        assert answer.status_code == 201, answer.text
        told = answer.json()["deployment"]
        assert (told["customId"], told["projectId"]) == (custom["id"], OTHER)
        assert told["id"] != custom["id"]
        obj = stage.cluster.read(INTEGRATIONS, OTHER, told["resourceName"])
        assert obj is not None
        wanted = sample("Integration", name)
        for part in ("displayName", "description", "config", "enabled"):
            assert obj["spec"][part] == wanted[part]
        assert obj["spec"]["providerRef"] == {
            "kind": "IntegrationProvider",
            "name": custom["resourceName"],
            "namespace": NAMESPACE,
        }
        assert stage.intake.kept == {told["id"]: {"apiKey": deployed["credentials"]["apiKey"]}}
        assert deployed["credentials"]["apiKey"] not in answer.text + str(obj)


@pytest.mark.req("CUS-12")
async def test_the_deployed_one_is_called_by_the_endpoints_name() -> None:
    async with GatewayStage() as stage:
        custom = await created(both(stage), ERP)
        made = await stage.ask("POST", f"{CUSTOM}/{custom['id']}/deploy", ERP_DEPLOYED)
        path = f"{HUB}/{made.json()['deployment']['id']}/execute"
        stage.calls.behave = lambda _: said(200, [{"id": "p1"}])
        body = {"endpoint": "Get Projects", "data": {"department": "ENGINEERING"}}
        answer = await stage.ask("POST", path, body, x_tenant=OTHER)
        assert answer.json()["result"]["data"] == [{"id": "p1"}]
        rehearsed = await stage.ask("POST", path, body | {"dryRun": True}, x_tenant=OTHER)
        url = rehearsed.json()["dryRun"]["url"]
        assert url == "https://erp.company.com/api/api/projects?department=ENGINEERING"
        missing = await stage.ask("POST", path, {"endpoint": "Get Projects"}, x_tenant=OTHER)
        assert "department" in missing.json()["details"]


# --------------------------------------------------------------------------- found


@pytest.mark.req("CUS-08", "CUS-09")
async def test_own_and_shared_ones_are_listed_and_found() -> None:
    async with GatewayStage() as stage:
        own = await created(stage)
        base = stage.cluster.read(PROVIDERS, NAMESPACE, own["resourceName"])
        assert base is not None
        shared = stage.own_provider("shared", {**base["spec"], "sharedWith": [NAMESPACE]}, namespace=OTHER)
        secret = stage.own_provider("secret", base["spec"], namespace=OTHER)
        for query in ("", f"?projectId={NAMESPACE}"):
            told = (await stage.ask("GET", f"{CUSTOM}{query}")).json()["customIntegrations"]
            assert {each["id"] for each in told} == {own["id"], shared.uid}
        for wanted in (own["id"], own["resourceName"], shared.uid):
            assert (await stage.ask("GET", f"{CUSTOM}/{wanted}")).status_code == 200
        hidden = await stage.ask("GET", f"{CUSTOM}/{secret.uid}")
        nothing = await stage.ask("GET", f"{CUSTOM}/no-such-thing")
        assert [hidden.status_code, nothing.status_code] == [404, 404]
        assert hidden.json()["details"].replace(secret.uid, "") == nothing.json()["details"].replace(
            "no-such-thing", ""
        )


async def test_who_may_see_both_projects_sees_what_is_not_shared() -> None:
    async with GatewayStage() as stage:
        own = await created(both(stage))
        assert (await stage.ask("GET", f"{CUSTOM}/{own['id']}", x_tenant=OTHER)).status_code == 200
        assert (await stage.ask("GET", f"{CUSTOM}/{own['id']}", user=BOB)).status_code == 404


# --------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        pytest.param(
            {"configurationSchema": {}}, "INVALID_CONFIGURATION", "template.baseUrl", id="no address"
        ),
        pytest.param({"type": "sofa"}, "INVALID_REQUEST", "template.type", id="no type"),
        pytest.param(
            {"baseUrl": "{{ config.nope( }}"}, "INVALID_CONFIGURATION", "template.baseUrl", id="broken CEL"
        ),
        pytest.param(
            {"baseUrl": "ftp://x"}, "INVALID_CONFIGURATION", "template.baseUrl", id="an address that is none"
        ),
        pytest.param(
            {"configurationSchema": {"apiEndpoint": {"type": "sofa"}}},
            "INVALID_CONFIGURATION",
            "template.configurationSchema",
            id="a schema that is none",
        ),
        pytest.param(
            {"endpoints": [{"name": "x", "path": "/x", "colour": "red"}]},
            "INVALID_REQUEST",
            "template.endpoints.0.colour",
            id="a field that nobody knows",
        ),
        pytest.param(
            {"endpoints": [{"name": "x"}]}, "INVALID_REQUEST", "template.endpoints.0.path", id="no path"
        ),
    ],
)
async def test_a_template_that_cannot_be_used_is_refused_by_its_field(
    change: Any, code: str, field: str
) -> None:
    async with GatewayStage() as stage:
        body = {**INTERNAL, "template": {**INTERNAL["template"], **change}}
        answer = await stage.ask("POST", f"{CUSTOM}/create", body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
        assert answer.json()["details"].startswith(field), answer.text
        assert stage.cluster.all(PROVIDERS) == []


async def test_a_name_that_is_taken_is_a_conflict() -> None:
    async with GatewayStage() as stage:
        await created(stage)
        answer = await stage.ask("POST", f"{CUSTOM}/create", INTERNAL)
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        pytest.param(
            {"configuration": {}}, "INVALID_CONFIGURATION", "configuration.apiEndpoint", id="nothing"
        ),
        pytest.param(
            {"configuration": {"apiEndpoint": "https://x.example", "apiEndpoit": 1}},
            "INVALID_CONFIGURATION",
            "configuration",
            id="a misspelt setting",
        ),
        pytest.param(
            {"configuration": {"apiEndpoint": "https://u:p@x.example"}},
            "INVALID_CONFIGURATION",
            "configuration.apiEndpoint looks like a secret",
            id="a secret in a setting",
        ),
        pytest.param(
            {"credentials": {"type": "basic"}},
            "INVALID_CONFIGURATION",
            "credentials.type",
            id="another scheme",
        ),
        pytest.param({"projectId": "No"}, "INVALID_REQUEST", "projectId", id="no namespace"),
    ],
)
async def test_a_deployment_that_cannot_work_is_refused_and_nothing_is_shared(
    change: Any, code: str, field: str
) -> None:
    async with GatewayStage() as stage:
        custom = await created(both(stage))
        answer = await stage.ask("POST", f"{CUSTOM}/{custom['id']}/deploy", {**INTERNAL_DEPLOYED, **change})
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
        assert answer.json()["details"].startswith(field), answer.text
        assert stage.cluster.all(INTEGRATIONS) == []
        [provider] = stage.cluster.all(PROVIDERS)
        assert "sharedWith" not in provider["spec"]


@pytest.mark.req("CUS-13")
async def test_deploying_elsewhere_needs_rights_on_both_sides() -> None:
    async with GatewayStage() as stage:
        custom = await created(stage)
        path = f"{CUSTOM}/{custom['id']}/deploy"
        there = await stage.ask("POST", path, INTERNAL_DEPLOYED)
        assert (there.status_code, there.json()["code"]) == (403, "FORBIDDEN")
        stage.authenticator.introduce("carol", OTHER)
        stage.authorizer.grant("carol", namespace=OTHER)
        stage.authorizer.grant("carol", "get", "integrationproviders", NAMESPACE)
        here = await stage.ask("POST", path, INTERNAL_DEPLOYED, user="carol")
        assert (here.status_code, here.json()["code"]) == (403, "FORBIDDEN")
        assert "spec.sharedWith" in here.json()["details"]
        unseen = await stage.ask("POST", path, INTERNAL_DEPLOYED, user=BOB)
        assert unseen.status_code == 404
        obj = stage.cluster.read(PROVIDERS, NAMESPACE, custom["resourceName"])
        assert obj is not None
        assert "sharedWith" not in obj["spec"]
        assert stage.cluster.all(INTEGRATIONS) == []


@pytest.mark.req("CUS-13")
async def test_what_its_owner_shares_needs_no_rights_there() -> None:
    async with GatewayStage() as stage:
        custom = await created(stage)
        obj = stage.cluster.read(PROVIDERS, NAMESPACE, custom["resourceName"])
        assert obj is not None
        shared = stage.own_provider("shared", {**obj["spec"], "sharedWith": [OTHER]})
        answer = await stage.ask("POST", f"{CUSTOM}/{shared.uid}/deploy", INTERNAL_DEPLOYED, user=BOB)
        assert answer.status_code == 201, answer.text
        assert answer.json()["deployment"]["projectId"] == OTHER


async def test_what_gitops_keeps_is_shared_in_its_repository() -> None:
    async with GatewayStage() as stage:
        custom = await created(both(stage))
        obj = stage.cluster.read(PROVIDERS, NAMESPACE, custom["resourceName"])
        assert obj is not None
        kept = stage.put(
            INTEGRATION_PROVIDER,
            "kept",
            obj["spec"],
            namespace=NAMESPACE,
            labels={"argocd.argoproj.io/instance": "shop"},
        )
        answer = await stage.ask("POST", f"{CUSTOM}/{kept.uid}/deploy", INTERNAL_DEPLOYED)
        assert (answer.status_code, answer.json()["code"]) == (409, "MANAGED_BY_GITOPS")


async def test_two_deployments_of_one_into_one_project_need_names() -> None:
    async with GatewayStage() as stage:
        custom = await created(both(stage))
        path = f"{CUSTOM}/{custom['id']}/deploy"
        first = await stage.ask("POST", path, INTERNAL_DEPLOYED)
        again = await stage.ask("POST", path, INTERNAL_DEPLOYED)
        named = await stage.ask("POST", path, {**INTERNAL_DEPLOYED, "name": "Second one"})
        assert [each.status_code for each in (first, again, named)] == [201, 409, 201]
        obj = stage.cluster.read(PROVIDERS, NAMESPACE, custom["resourceName"])
        assert obj is not None
        assert obj["spec"]["sharedWith"] == [OTHER]
