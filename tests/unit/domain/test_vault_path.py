"""Which path of Vault belongs to which namespace: no template mixes tenants, no path climbs out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.domain.vault_path import PathProblem, VaultPaths

DEFAULT = VaultPaths("{namespace}/{path}")


@pytest.mark.parametrize(
    "template",
    ["{namespace}/{path}", "teams/{namespace}/{path}", "a.b/{namespace}/integrations/{path}"],
)
def test_a_template_that_keeps_tenants_apart_is_taken(template: str) -> None:
    assert VaultPaths.parse(template) == VaultPaths(template)


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{path}",
        "{namespace}",
        "{namespace}-{path}",
        "team-{namespace}/{path}",
        "{path}/{namespace}",
        "{namespace}/{path}/hub",
        "{namespace}/{namespace}/{path}",
        "/{namespace}/{path}",
        "{namespace}//{path}",
        "../{namespace}/{path}",
        "{namespace}/../{path}",
        "a%2fb/{namespace}/{path}",
        "{namespace}/{path}{path}",
        "{other}/{namespace}/{path}",
    ],
)
def test_a_template_that_could_mix_them_is_refused(template: str) -> None:
    problem = VaultPaths.parse(template)
    assert isinstance(problem, PathProblem)
    assert "{namespace}" in problem.message


@pytest.mark.parametrize(
    ("path", "full"),
    [
        ("slack", "team-a/slack"),
        ("apps/slack", "team-a/apps/slack"),
        ("bot@example.com_2", "team-a/bot@example.com_2"),
        (".hidden/..x", "team-a/.hidden/..x"),
    ],
)
def test_a_path_lies_below_its_namespace(path: str, full: str) -> None:
    assert DEFAULT.of("team-a", path) == full


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/slack",
        "slack/",
        "a//b",
        ".",
        "..",
        "../team-b/slack",
        "a/../../team-b",
        "a/./b",
        "..%2fteam-b",
        "%2e%2e/team-b",
        "a\\..\\b",
        "a?version=1",
        "a#b",
        "a b",
        "a\nb",
        "{namespace}",
        "{path}",
        "...",
        "slack\u2215x",
        "x" * 513,
    ],
)
def test_a_path_that_could_climb_out_is_refused(path: str) -> None:
    assert isinstance(DEFAULT.of("team-a", path), PathProblem)


@pytest.mark.parametrize("namespace", ["", "..", "a/b", "Team", "a b", "-a"])
def test_what_is_no_namespace_has_no_path(namespace: str) -> None:
    assert isinstance(DEFAULT.of(namespace, "slack"), PathProblem)


@given(st.text(max_size=40))
def test_whatever_is_written_stays_below_the_namespace(path: str) -> None:
    found = DEFAULT.of("team-a", path)
    if isinstance(found, str):
        segments = found.split("/")
        assert segments[0] == "team-a"
        assert found.isascii()
        assert not {"", ".", ".."} & set(segments)
        assert not set(found) & set("%?#\\ \n")
