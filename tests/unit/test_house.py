"""The house's own rules, which no linter knows."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import samples
from integration_hub.api.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "operator"
MODULES = sorted(SOURCES.rglob("*.py"))

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
NAMES_THAT_SAY_NOTHING = {"utils", "common", "helpers", "manager", "misc", "helper", "util"}
TOP_LEVEL = {
    *("pyproject.toml", "Dockerfile", "Makefile", "README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md"),
    *("operator", "crds", "charts", "manifests", "tests", "tools", "docs", "benchmarks"),
}


def test_pythons_own_operator_module_is_found_from_the_repository_root() -> None:
    """`operator/` is a source root. Were it a package, it would hide the standard library's module."""
    assert not (SOURCES / "__init__.py").exists()
    asked = "import operator, collections; print(operator.__file__)"
    ran = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert not Path(ran.stdout.strip()).is_relative_to(ROOT / "operator")


@pytest.mark.req("PLT-03")
@pytest.mark.parametrize("name", sorted(TOP_LEVEL))
def test_the_repository_has_its_top_level_entries(name: str) -> None:
    assert (ROOT / name).exists()


def test_every_kind_has_a_sample() -> None:
    assert {info.kind for info in KINDS} <= {document["kind"] for document in samples.documents()}


def test_every_sample_file_is_listed() -> None:
    listed = (samples.FOLDER / "kustomization.yaml").read_text()
    for path in samples.FOLDER.glob("*.yaml"):
        assert path.name == "kustomization.yaml" or f"- {path.name}\n" in listed, path.name


def test_modules_stay_short() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_MODULE_LINES} == {}


def test_functions_stay_short() -> None:
    assert {
        f"{_name(path)}:{function.name}": lines
        for path in MODULES
        for function, lines in _functions(path)
        if lines > MAX_FUNCTION_LINES
    } == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = {path.stem for path in SOURCES.rglob("*")} | {
        path.stem for path in (ROOT / "tools").rglob("*.py")
    }
    assert named & NAMES_THAT_SAY_NOTHING == set()


def _functions(path: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, (node.end_lineno or node.lineno) - node.lineno + 1


def _name(path: Path) -> str:
    return str(path.relative_to(SOURCES))
