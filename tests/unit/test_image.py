"""The Dockerfile keeps what a build anywhere needs, and what the chart counts on."""

from __future__ import annotations

import re

import yaml

import hub_chart

DOCKERFILE = (hub_chart.ROOT / "Dockerfile").read_text()
IGNORED = (hub_chart.ROOT / ".dockerignore").read_text().split()


def test_any_builder_without_a_registry_can_build_it() -> None:
    """No frontend to fetch, no heredoc for old builders, every base given from outside."""
    assert "# syntax" not in DOCKERFILE
    assert "<<" not in DOCKERFILE
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${BASE}"}
    assert re.search(r"^ARG BASE=\S+$", DOCKERFILE, re.MULTILINE)


def test_everything_it_copies_is_there_and_let_in() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (hub_chart.ROOT / name).exists(), name
        assert f"!{name}" in IGNORED, name
    assert "*" in IGNORED


def test_every_package_is_checked_against_its_hash() -> None:
    installs = re.findall(r"pip install [^\n]+", DOCKERFILE)
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


def test_it_runs_as_the_user_that_the_chart_asks_for() -> None:
    (user,) = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    rendered = (hub_chart.ROOT / "manifests/base/integration-hub.yaml").read_text()
    (deployment,) = [d for d in yaml.safe_load_all(rendered) if d["kind"] == "Deployment"]
    context = deployment["spec"]["template"]["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == tuple(map(int, user))
    assert 'ENTRYPOINT ["integration-hub"]' in DOCKERFILE
