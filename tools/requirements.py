#!/usr/bin/env python3
"""Join the requirement index with the tests that prove it.

    python tools/requirements.py            write docs/requirements.md and print what nothing proves
    python tools/requirements.py --check    write nothing; exit 1 if the page has drifted

A test claims rows with `@pytest.mark.req("INT-02", ...)`: on the function, on its class, on one
`pytest.param`, or for a whole module as `pytestmark`. Marks are read from the source; no test runs.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
INDEX = Path("docs/requirements.yaml")
PAGE = Path("docs/requirements.md")
TESTS = Path("tests")
MARK = "req"


class RequirementError(Exception):
    """The index or a mark is wrong; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that belong together, by id, in the order of the index."""

    name: str
    title: str
    rows: Mapping[str, str]


@dataclass(frozen=True, slots=True, order=True)
class Proof:
    """A test that claims a row. `path` is relative to the repository, `test` is `name` or `Class::name`."""

    requirement: str
    path: str
    test: str


def load_index(text: str) -> tuple[Group, ...]:
    """Read the index. Raises RequirementError if a row stands in the wrong group or is no line of text."""
    groups = []
    for name, body in yaml.safe_load(text).items():
        for row, line in body["rows"].items():
            if row.partition("-")[0] != name:
                raise RequirementError(f"{INDEX}: {row} stands in group {name}")
            if not isinstance(line, str) or "\n" in line.strip():
                raise RequirementError(f"{INDEX}: {row} is not one line of text")
        groups.append(Group(name, body["title"], body["rows"]))
    return tuple(groups)


def collect(root: Path) -> list[Proof]:
    """Every claim in the test modules below `root`/tests, sorted.

    Raises RequirementError on a mark whose rows cannot be read from the source.
    """
    proofs: set[Proof] = set()
    for path in sorted((root / TESTS).rglob("test_*.py")):
        relative = path.relative_to(root).as_posix()
        module = ast.parse(path.read_text(encoding="utf-8"), filename=relative)
        shared = [
            row for node in module.body if _is_pytestmark(node) for row in _marked_rows([node], relative)
        ]
        proofs |= {Proof(row, relative, test) for test, row in _claims(module.body, relative, "", shared)}
    return sorted(proofs)


def unknown(groups: Iterable[Group], proofs: Iterable[Proof]) -> list[Proof]:
    """Claims of rows that the index does not have."""
    known = {row for group in groups for row in group.rows}
    return [proof for proof in proofs if proof.requirement not in known]


def page(groups: Sequence[Group], proofs: Sequence[Proof]) -> str:
    """docs/requirements.md: one table per group, each row with links to the tests that prove it."""
    by_row = _by_row(proofs)
    total = sum(len(group.rows) for group in groups)
    lines = [
        "<!-- Written by `make requirements` from docs/requirements.yaml and the tests. Do not edit. -->",
        "# Requirements and their proof",
        "",
        f"{len(by_row)} of {total} rows are proven by a test through a public door: kubectl, HTTP or the",
        "command line. A row without a test is not claimed.",
    ]
    for group in groups:
        proven = sum(row in by_row for row in group.rows)
        lines += ["", f"## {group.name}: {group.title} ({proven} of {len(group.rows)})", ""]
        lines += ["| ID | What holds | Proven by |", "|---|---|---|"]
        for row, text in group.rows.items():
            links = "<br>".join(_link(proof) for proof in by_row.get(row, ()))
            lines.append(f"| {row} | {_cell(text)} | {links} |")
    return "\n".join(lines) + "\n"


def summary(groups: Sequence[Group], proofs: Sequence[Proof]) -> str:
    """What nothing proves, by group, for a terminal."""
    proven = set(_by_row(proofs))
    lines = []
    for group in groups:
        open_rows = [row for row in group.rows if row not in proven]
        if open_rows:
            numbers = _ranges([int(row.partition("-")[2]) for row in open_rows])
            lines.append(f"{group.name:5}{len(open_rows):3} of {len(group.rows):2} unproven: {numbers}")
    total = sum(len(group.rows) for group in groups)
    return "\n".join([*lines, f"{len(proven)} of {total} rows proven by {len(proofs)} claims"])


def run(root: Path, *, check: bool) -> int:
    """Do what the command line asks; 0 if all is well, 1 after one line on standard error."""
    try:
        groups = load_index((root / INDEX).read_text(encoding="utf-8"))
        proofs = collect(root)
    except (RequirementError, SyntaxError) as error:
        print(f"requirements: {error}", file=sys.stderr)
        return 1
    strangers = unknown(groups, proofs)
    for proof in strangers:
        print(
            f"requirements: {proof.path}::{proof.test}: no row {proof.requirement} in {INDEX}",
            file=sys.stderr,
        )
    if strangers:
        return 1
    text = page(groups, proofs)
    target = root / PAGE
    if check:
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            print(f"requirements: {PAGE} has drifted: run `make requirements`", file=sys.stderr)
            return 1
        return 0
    target.write_text(text, encoding="utf-8")
    print(summary(groups, proofs))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page has drifted")
    return run(ROOT, check=parser.parse_args(arguments).check)


def _claims(
    body: Sequence[ast.stmt], path: str, prefix: str, inherited: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Pairs of test and row within a module's or a class's body."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            rows = [*inherited, *_marked_rows(node.decorator_list, path)]
            rows += [row for part in node.body if _is_pytestmark(part) for row in _marked_rows([part], path)]
            yield from _claims(node.body, path, f"{prefix}{node.name}::", rows)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for row in (*inherited, *_marked_rows(node.decorator_list, path)):
                yield prefix + node.name, row


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    )


def _marked_rows(nodes: Iterable[ast.AST], path: str) -> list[str]:
    """Rows named by any `pytest.mark.req(...)` within the nodes, also inside a `pytest.param`."""
    rows = []
    for call in (inner for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Call)):
        if not (isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == f"pytest.mark.{MARK}"):
            continue
        for argument in call.args:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise RequirementError(f"{path}:{call.lineno}: rows are named as plain strings")
            rows.append(argument.value)
    return rows


def _by_row(proofs: Iterable[Proof]) -> dict[str, list[Proof]]:
    by_row: dict[str, list[Proof]] = {}
    for proof in proofs:
        by_row.setdefault(proof.requirement, []).append(proof)
    return by_row


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in short: `[1, 2, 3, 7]` is `01-03 07`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(f"{run[0]:02}" if len(run) == 1 else f"{run[0]:02}-{run[-1]:02}" for run in runs)


def _link(proof: Proof) -> str:
    short = proof.path.removeprefix(f"{TESTS}/")
    return f"[{short}::{proof.test}](../{proof.path})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
