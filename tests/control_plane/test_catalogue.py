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


def installed(plane: ControlPlane, *selection: str) -> dict[str, dict[str, Any]]:
    """The bundled providers that are there; tests beside this one have some of their own."""
    items = json.loads(plane.kubectl("get", "ciprov", "--output", "json", *selection).stdout)["items"]
    return {item["metadata"]["name"]: item for item in items if item["metadata"]["name"] in BUNDLED}


@pytest.mark.req("PRV-18", "PRV-34")
@pytest.mark.req("HUB-14", part="ready-made connectors")
@pytest.mark.req("HUB-16", part="connector registry")
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
        pytest.param(
            "cad",
            "solidworks autocad fusion-360 inventor catia creo nx onshape",
            marks=pytest.mark.req("PRV-19"),
            id="cad",
        ),
        pytest.param(
            "simulation",
            "ansys matlab simulink comsol abaqus ls-dyna openfoam star-ccm-plus",
            marks=pytest.mark.req("PRV-20"),
            id="simulation",
        ),
        pytest.param(
            "eda",
            "altium-designer kicad eagle orcad cadence mentor-graphics",
            marks=pytest.mark.req("PRV-21"),
            id="eda",
        ),
        pytest.param(
            "project-management",
            "jira asana trello monday notion",
            marks=pytest.mark.req("PRV-22"),
            id="project-management",
        ),
        pytest.param(
            "communication",
            "slack microsoft-teams discord google-calendar",
            marks=pytest.mark.req("PRV-23"),
            id="communication",
        ),
        pytest.param(
            "version-control",
            "github gitlab bitbucket",
            marks=pytest.mark.req("PRV-24"),
            id="version-control",
        ),
        pytest.param(
            "cloud-storage",
            "google-drive dropbox onedrive aws-s3",
            marks=pytest.mark.req("PRV-25"),
            id="cloud-storage",
        ),
        pytest.param(
            "ci-cd", "jenkins gitlab-ci github-actions circleci", marks=pytest.mark.req("PRV-26"), id="ci-cd"
        ),
        pytest.param(
            "testing", "selenium cypress jest pytest", marks=pytest.mark.req("PRV-27"), id="testing"
        ),
        pytest.param(
            "monitoring",
            "datadog new-relic prometheus grafana",
            marks=pytest.mark.req("PRV-28"),
            id="monitoring",
        ),
        pytest.param("ACCOUNTING", "quickbooks xero", marks=pytest.mark.req("PRV-32"), id="ACCOUNTING"),
        pytest.param("PAYMENT", "stripe", marks=pytest.mark.req("PRV-32"), id="PAYMENT"),
        pytest.param("LOAD_BOARD", "load-board", marks=pytest.mark.req("PRV-34"), id="LOAD_BOARD"),
        pytest.param("ELD", "eld", marks=pytest.mark.req("PRV-34"), id="ELD"),
        pytest.param("CRM", "crm", marks=pytest.mark.req("PRV-34"), id="CRM"),
        pytest.param("RATING", "rating", marks=pytest.mark.req("PRV-34"), id="RATING"),
        pytest.param("TRACKING", "tracking", marks=pytest.mark.req("PRV-34"), id="TRACKING"),
        pytest.param("EDI", "edi", marks=pytest.mark.req("PRV-34"), id="EDI"),
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
        pytest.param(
            "common",
            "slack google-calendar microsoft-teams notion asana",
            marks=pytest.mark.req("PRV-30"),
            id="common",
        ),
        pytest.param("cto", "github gitlab jira datadog", marks=pytest.mark.req("PRV-31"), id="cto"),
        pytest.param("cfo", "quickbooks xero stripe", marks=pytest.mark.req("PRV-32"), id="cfo"),
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
