"""What is in the catalogue, and how its files are read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from integration_hub.api.provider import Category
from integration_hub.providers.catalogue import CatalogueError, load_catalogue

SPECS = {entry.name: entry.spec for entry in load_catalogue()}
NAMED = {
    "cad": "solidworks autocad fusion-360 inventor catia creo nx onshape",
    "simulation": "ansys matlab simulink comsol abaqus ls-dyna openfoam star-ccm-plus",
    "eda": "altium-designer kicad eagle orcad cadence mentor-graphics",
    "project-management": "jira asana trello monday notion",
    "communication": "slack microsoft-teams discord google-calendar",
    "version-control": "github gitlab bitbucket",
    "cloud-storage": "google-drive dropbox onedrive aws-s3",
    "ci-cd": "jenkins gitlab-ci github-actions circleci",
    "testing": "selenium cypress jest pytest",
    "monitoring": "datadog new-relic prometheus grafana",
    "ACCOUNTING": "quickbooks xero",
    "PAYMENT": "stripe",
}
GENERIC = {
    "LOAD_BOARD": "load-board",
    "ELD": "eld",
    "CRM": "crm",
    "RATING": "rating",
    "TRACKING": "tracking",
    "EDI": "edi",
    "custom": "generic-rest generic-graphql",
}
AUDIENCES = {
    "common": "slack google-calendar microsoft-teams notion asana",
    "cto": "github gitlab jira datadog",
    "cfo": "quickbooks xero stripe",
}


def test_every_named_tool_is_there_and_one_generic_for_each_category_without() -> None:
    named = {name for names in NAMED.values() for name in names.split()}
    generic = {name for names in GENERIC.values() for name in names.split()}
    assert len(named) == 53
    assert set(SPECS) == named | generic


@pytest.mark.parametrize("category", [*NAMED, *GENERIC])
def test_a_category_holds_what_the_requirements_put_there(category: str) -> None:
    found = {name for name, spec in SPECS.items() if spec.category.value == category}
    assert found == {*NAMED.get(category, "").split(), *GENERIC.get(category, "").split()}


def test_no_category_is_empty() -> None:
    used = Counter(spec.category for spec in SPECS.values())
    assert set(used) == set(Category)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_an_audience_has_its_tools(audience: str) -> None:
    assert {name for name, spec in SPECS.items() if audience in spec.audiences} == set(
        AUDIENCES[audience].split()
    )


def test_the_two_google_providers_share_one_client_and_ask_for_different_scopes() -> None:
    calendar, drive = SPECS["google-calendar"].oauth, SPECS["google-drive"].oauth
    assert calendar is not None
    assert drive is not None
    assert calendar.client_env_prefix == drive.client_env_prefix == "GOOGLE"
    assert not set(calendar.scopes) & set(drive.scopes)


def test_a_quota_may_be_as_long_as_a_year() -> None:
    quota = SPECS["onshape"].quota
    assert quota is not None
    assert quota.window_seconds == 365 * 86_400


HEAD = "{apiVersion: integrationhub.io/v1alpha1, kind: ClusterIntegrationProvider, "


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("a.yaml", "a: [", "is no YAML"),
        ("a.yaml", "- 1", "holds no object"),
        ("a.yaml", "kind: Pod", "is not a ClusterIntegrationProvider"),
        (
            "a.yaml",
            HEAD + "metadata: {name: b}}",
            "of its own name",
        ),
        (
            "a.yaml",
            HEAD + "metadata: {name: a}, spec: {}}",
            "displayName",
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, file: str, text: str, says: str) -> None:
    (tmp_path / file).write_text(text)
    (tmp_path / "README.md").write_text("not a provider")
    with pytest.raises(CatalogueError, match=rf"(?s){file}.*{says}"):
        load_catalogue(tmp_path)
