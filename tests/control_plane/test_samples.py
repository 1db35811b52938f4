"""The examples of callers, run as they are written, with credentials in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hub_chart
import samples
from caller import ApiCaller
from controlplane import ControlPlane
from far_end import Asked, Reply
from hub_process import HubProcess
from tenant import Tenant

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub"), pytest.mark.req("ENV-05")]

CALLERS = samples.FOLDER / "callers"
MINE = {
    "GITHUB_ACCESS_TOKEN": "gho_of'the\"$environment",
    "GITHUB_REFRESH_TOKEN": "ghr_of the environment",
    "ERP_API_KEY": "erp=key of the environment",
}


@pytest.fixture
def target(tenant: Tenant) -> Iterator[Tenant]:
    """The project that a custom integration is deployed to."""
    name = f"{tenant.namespace}-t"
    tenant.plane.create_namespace(name)
    hub_chart.serve(tenant.plane, name)
    yield Tenant(tenant.plane, name, tenant.corner)
    tenant.plane.delete_namespace(name)


@pytest.fixture
def environment(tenant: Tenant, target: Tenant, hub: HubProcess) -> dict[str, str]:
    """What a person exports before they run an example."""
    service = ApiCaller(tenant.plane, hub.api, tenant.namespace, "service").given("edit")
    service.given("edit", target.namespace)
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        **MINE,
        "HUB_URL": hub.api,
        "INTEGRATION_HUB_TOKEN": service.token,
        "PROJECT": tenant.namespace,
        "TARGET": target.namespace,
        "GITHUB_API_URL": tenant.corner.url,
        "ERP_ENDPOINT": f"{tenant.corner.url}/api",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def outside(asked: Asked) -> Reply:
    """GitHub and the ERP in one: each lets in who shows what the environment holds."""
    if asked.path.startswith("/api/"):
        known = asked.headers.get("x-api-key") == MINE["ERP_API_KEY"]
        return Reply(200, [{"asked": asked.path}]) if known else Reply(401, {})
    known = asked.headers.get("authorization") == f"Bearer {MINE['GITHUB_ACCESS_TOKEN']}"
    return Reply(200, [{"title": "An issue"}]) if known else Reply(401, {"message": "Bad credentials"})


def run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        command, cwd=CALLERS, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for secret in MINE.values():
        assert secret not in done.stdout + done.stderr
    return done.stdout


def test_github_is_registered_with_tokens_of_the_environment(
    tenant: Tenant, environment: dict[str, str]
) -> None:
    tenant.corner.behave = outside
    told = run(environment, sys.executable, "github_repository.py")
    assert "GitHub integration registered: " in told
    assert "Connection health: healthy" in told
    assert "Open issues: [{'title': 'An issue'}]" in told
    assert "/repos/owner/repo/issues?state=open" in {asked.path for asked in tenant.corner.asked}
    tenant.becomes("True", "Succeeded", name="github-repository")
    kept = tenant.get("github-repository")
    assert MINE["GITHUB_ACCESS_TOKEN"] not in str(kept)


def test_the_erp_is_deployed_with_the_key_of_the_environment(
    tenant: Tenant, target: Tenant, environment: dict[str, str]
) -> None:
    tenant.corner.behave = outside
    told = run(environment, sys.executable, "internal_erp.py")
    assert "Projects: [{'asked': '/api/api/projects?department=ENGINEERING'}]" in told
    target.becomes("True", "Succeeded", name="internal-erp-system")


def test_the_samples_secrets_are_filled_from_the_environment(
    control_plane: ControlPlane, tenant: Tenant, target: Tenant, environment: dict[str, str], tmp_path: Path
) -> None:
    tenant.corner.behave = outside
    project, deployed = (each.namespace for each in (tenant, target))
    moved = {"project-123": project, "project-456": deployed}
    for name, setting, address in (
        ("github.yaml", "apiEndpoint", tenant.corner.url),
        ("erp.yaml", "erpEndpoint", f"{tenant.corner.url}/api"),
    ):
        for body in samples.of_file(name):
            tenant.apply(_elsewhere(body, moved, setting, address))
    tenant.becomes("False", "OAuthClientMissing", name="github")  # what the sample's own token wants
    with_kubectl = {**environment, "KUBECONFIG": str(control_plane.kubeconfig)}
    told = run(with_kubectl, "sh", "secrets.sh").split()
    assert told == ["secret/github-oauth", "replaced", "secret/erp", "replaced"]
    tenant.becomes("True", "Succeeded", name="github")
    target.becomes("True", "Succeeded", name="erp")
    control_plane.kubectl("-n", project, "delete", "secret", "github-oauth")
    assert run(with_kubectl, "sh", "secrets.sh").split()[:2] == ["secret/github-oauth", "created"]
    tenant.becomes("True", "Succeeded", name="github")


def _elsewhere(body: dict[str, Any], moved: dict[str, str], setting: str, address: str) -> dict[str, Any]:
    """A sample in namespaces of the test's own, with the outside system at its address."""
    metadata = {**body["metadata"], "namespace": moved[body["metadata"]["namespace"]]}
    changed = {**body, "metadata": metadata}
    if body["kind"] == "IntegrationProvider":
        changed["spec"] = {**body["spec"], "sharedWith": [moved[each] for each in body["spec"]["sharedWith"]]}
    if body["kind"] == "Integration":
        reference = body["spec"]["providerRef"]
        if "namespace" in reference:
            reference = {**reference, "namespace": moved[reference["namespace"]]}
        config = {**body["spec"]["config"], setting: address}
        changed["spec"] = {**body["spec"], "providerRef": reference, "config": config}
    return changed
