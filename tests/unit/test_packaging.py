"""What the project is made of, and with what it is tested."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import entry_points, metadata, requires
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ("kopf", "kubernetes", "pydantic", "aiohttp", "cryptography", "pyyaml", "prometheus-client")


def packages(lines: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0].lower() for line in lines if line[:1].isalnum()}


@pytest.mark.req("PLT-02")
def test_the_distribution_asks_for_the_packages_of_the_design() -> None:
    needed = packages([line for line in requires("integration-hub") or [] if "extra ==" not in line])
    assert set(RUNTIME) <= needed


def test_every_extra_has_code_behind_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    source = "\n".join(path.read_text() for path in (ROOT / "operator").rglob("*.py"))
    for extra, lines in project["optional-dependencies"].items():
        for package in packages(lines):
            assert re.search(rf"^\s*(import|from) {package}\b", source, re.MULTILINE), extra


@pytest.mark.req("PLT-02")
@pytest.mark.parametrize(
    ("lock", "wanted"),
    [("requirements.lock", RUNTIME), ("requirements-dev.lock", (*RUNTIME, "pytest", "httpx2"))],
)
def test_every_package_is_locked_with_its_hashes(lock: str, wanted: tuple[str, ...]) -> None:
    text = (ROOT / lock).read_text()
    pins = re.findall(r"^([a-z0-9._-]+)==\S+", text, re.MULTILINE)
    assert set(wanted) <= set(pins)
    blocks = re.split(r"^(?=[a-z0-9._-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.req("PLT-02")
def test_a_kind_cluster_is_described_for_those_who_have_a_container_engine() -> None:
    (config,) = [
        document
        for file in sorted((ROOT / "manifests/kind").glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document and document.get("kind") == "Cluster"
    ]
    assert config["apiVersion"] == "kind.x-k8s.io/v1alpha4"


@pytest.mark.req("PLT-01")
def test_it_is_a_python_package_for_the_supported_versions() -> None:
    assert metadata("integration-hub")["Requires-Python"] == "<3.14,>=3.11"


@pytest.mark.req("DOC-08")
@pytest.mark.parametrize("target", ["install", "run", "build", "test"])
def test_developers_have_one_command_for_each_step_and_are_told_of_it(target: str) -> None:
    rule = re.search(rf"^{target}:.*## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert rule is not None
    assert rule[1].strip()
    assert f"`make {target}`" in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("program", ["integration-hub", "kubectl-hub", "kubectl_complete-hub"])
def test_the_programs_are_installed(program: str) -> None:
    (found,) = entry_points(group="console_scripts", name=program)
    assert callable(found.load())
