"""The catalogue as a platform team finds it in its cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controlplane import ControlPlane
from eventually import eventually
from integration_hub.providers.catalogue import load_catalogue

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub"), pytest.mark.usefixtures("hub")]

BUNDLED = {entry.name: entry for entry in load_catalogue()}
SEEDED = {
    "cad": ("PRV-19", "solidworks autocad fusion-360 inventor catia creo nx onshape"),
    "simulation": ("PRV-20", "ansys matlab simulink comsol abaqus ls-dyna openfoam star-ccm-plus"),
    "eda": ("PRV-21", "altium-designer kicad eagle orcad cadence mentor-graphics"),
    "project-management": ("PRV-22", "jira asana trello monday notion"),
    "communication": ("PRV-23", "slack microsoft-teams discord google-calendar"),
    "version-control": ("PRV-24", "github gitlab bitbucket"),
    "cloud-storage": ("PRV-25", "google-drive dropbox onedrive aws-s3"),
    "ci-cd": ("PRV-26", "jenkins gitlab-ci github-actions circleci"),
    "testing": ("PRV-27", "selenium cypress jest pytest"),
    "monitoring": ("PRV-28", "datadog new-relic prometheus grafana"),
    "ACCOUNTING": ("PRV-32", "quickbooks xero"),
    "PAYMENT": ("PRV-32", "stripe"),
    "LOAD_BOARD": ("PRV-34", "load-board"),
    "ELD": ("PRV-34", "eld"),
    "CRM": ("PRV-34", "crm"),
    "RATING": ("PRV-34", "rating"),
    "TRACKING": ("PRV-34", "tracking"),
    "EDI": ("PRV-34", "edi"),
}
AUDIENCES = {
    "common": ("PRV-30", "slack google-calendar microsoft-teams notion asana"),
    "cto": ("PRV-31", "github gitlab jira datadog"),
    "cfo": ("PRV-32", "quickbooks xero stripe"),
}


def installed(plane: ControlPlane, *selection: str) -> dict[str, dict[str, Any]]:
    """The bundled providers that are there; tests beside this one have some of their own."""
    items = json.loads(plane.kubectl("get", "ciprov", "--output", "json", *selection).stdout)["items"]
    return {item["metadata"]["name"]: item for item in items if item["metadata"]["name"] in BUNDLED}


@pytest.mark.req("PRV-17", "PRV-18", "PRV-33", "PRV-34")
def test_every_bundled_provider_is_installed_and_accepted(control_plane: ControlPlane) -> None:
    def not_accepted() -> dict[str, Any]:
        found = installed(control_plane)
        return {
            name: found.get(name, {}).get("status", {}).get("conditions")
            for name in BUNDLED
            if not any(
                condition["type"] == "Ready" and condition["reason"] == "Accepted"
                for condition in found.get(name, {}).get("status", {}).get("conditions", ())
            )
        }

    eventually(lambda: not not_accepted(), "all providers of the catalogue accepted")
    assert len(installed(control_plane)) == 53 + 6 + 2


@pytest.mark.parametrize(
    ("category", "names"),
    [
        pytest.param(category, names, marks=pytest.mark.req(row), id=category)
        for category, (row, names) in SEEDED.items()
    ],
)
def test_a_category_is_seeded(control_plane: ControlPlane, category: str, names: str) -> None:
    chosen = f"--field-selector=spec.category={category}"
    eventually(
        lambda: set(installed(control_plane, chosen)) == set(names.split()), f"the category {category}"
    )


@pytest.mark.parametrize(
    ("audience", "names"),
    [
        pytest.param(audience, names, marks=pytest.mark.req(row), id=audience)
        for audience, (row, names) in AUDIENCES.items()
    ],
)
def test_an_audience_finds_its_tools(control_plane: ControlPlane, audience: str, names: str) -> None:
    def suited() -> set[str]:
        found = installed(control_plane).items()
        return {name for name, item in found if audience in item["spec"].get("audiences", ())}

    eventually(lambda: suited() == set(names.split()), f"the tools of {audience}")


@pytest.mark.req("PRV-35")
def test_the_two_google_providers_share_the_vendors_client(control_plane: ControlPlane) -> None:
    eventually(lambda: {"google-calendar", "google-drive"} <= set(installed(control_plane)), "both providers")
    found = installed(control_plane)
    calendar, drive = (found[name]["spec"]["oauth"] for name in ("google-calendar", "google-drive"))
    assert calendar["clientEnvPrefix"] == drive["clientEnvPrefix"] == "GOOGLE"
    assert not set(calendar["scopes"]) & set(drive["scopes"])
