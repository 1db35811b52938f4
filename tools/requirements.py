#!/usr/bin/env python3
"""Join the requirement index with the tests that prove it.

    python tools/requirements.py            write docs/requirements.md and print what nothing proves
    python tools/requirements.py --check    write nothing; exit 1 if the page has drifted

A test claims rows with `@pytest.mark.req("INT-02", ...)`: on the function, on its class, on one
`pytest.param`, or for a whole module as `pytestmark`. `part="what of it"` claims that much of a row and no
more: the row is shown so, and does not count as proven. Marks are read from the source; no test runs.
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
    """A test that claims a row. `path` is relative to the repository, `test` is `name` or `Class::name`.

    `part`: what of the row it shows; empty, if all of it.
    """

    requirement: str
    path: str
    test: str
    part: str = ""


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
            claim for node in module.body if _is_pytestmark(node) for claim in _marked_rows([node], relative)
        ]
        claims = _claims(module.body, relative, "", shared)
        proofs |= {Proof(claim.row, relative, test, claim.part) for test, claim in claims}
    return sorted(proofs)


def unknown(groups: Iterable[Group], proofs: Iterable[Proof]) -> list[Proof]:
    """Claims of rows that the index does not have."""
    known = {row for group in groups for row in group.rows}
    return [proof for proof in proofs if proof.requirement not in known]


def page(groups: Sequence[Group], proofs: Sequence[Proof]) -> str:
    """docs/requirements.md: one table per group, each row with links to the tests that prove it."""
    by_row, whole = _by_row(proofs), proven(proofs)
    parts = len(by_row) - len(whole)
    total = sum(len(group.rows) for group in groups)
    lines = [
        "<!-- Written by `make requirements` from docs/requirements.yaml and the tests. Do not edit. -->",
        "# Requirements and their proof",
        "",
        f"{len(whole)} of {total} rows are proven by a test through a public door: kubectl, HTTP or the",
        f"command line. Of {parts} more a part is proven, which is named and not counted. A row without a",
        "test is not claimed.",
    ]
    for group in groups:
        count = sum(row in whole for row in group.rows)
        lines += ["", f"## {group.name}: {group.title} ({count} of {len(group.rows)})", ""]
        lines += ["| ID | What holds | Proven by |", "|---|---|---|"]
        for row, text in group.rows.items():
            lines.append(f"| {row} | {_cell(text)} | {_evidence(by_row.get(row, ()))} |")
    return "\n".join(lines) + "\n"


def proven(proofs: Iterable[Proof]) -> set[str]:
    """Rows that some test shows whole."""
    return {proof.requirement for proof in proofs if not proof.part}


def summary(groups: Sequence[Group], proofs: Sequence[Proof]) -> str:
    """What nothing proves, or not the whole of it, by group, for a terminal."""
    whole = proven(proofs)
    lines = []
    for group in groups:
        open_rows = [row for row in group.rows if row not in whole]
        if open_rows:
            numbers = _ranges([int(row.partition("-")[2]) for row in open_rows])
            lines.append(f"{group.name:5}{len(open_rows):3} of {len(group.rows):2} unproven: {numbers}")
    total = sum(len(group.rows) for group in groups)
    return "\n".join([*lines, f"{len(whole)} of {total} rows proven by {len(proofs)} claims"])


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


@dataclass(frozen=True, slots=True)
class _Claim:
    row: str
    part: str = ""


def _claims(
    body: Sequence[ast.stmt], path: str, prefix: str, inherited: Sequence[_Claim]
) -> Iterator[tuple[str, _Claim]]:
    """Pairs of test and claim within a module's or a class's body."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            claims = [*inherited, *_marked_rows(node.decorator_list, path)]
            claims += [
                claim for part in node.body if _is_pytestmark(part) for claim in _marked_rows([part], path)
            ]
            yield from _claims(node.body, path, f"{prefix}{node.name}::", claims)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for claim in (*inherited, *_marked_rows(node.decorator_list, path)):
                yield prefix + node.name, claim


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    )


def _marked_rows(nodes: Iterable[ast.AST], path: str) -> list[_Claim]:
    """What any `pytest.mark.req(...)` within the nodes claims, also inside a `pytest.param`."""
    claims = []
    for call in (inner for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Call)):
        if not (isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == f"pytest.mark.{MARK}"):
            continue
        part = ""
        for keyword in call.keywords:
            if keyword.arg != "part":
                raise RequirementError(f"{path}:{call.lineno}: a mark takes rows and part, no {keyword.arg}")
            part = _plain(keyword.value, f"{path}:{call.lineno}: part is a plain string")
        where = f"{path}:{call.lineno}: rows are named as plain strings"
        claims += [_Claim(_plain(argument, where), part) for argument in call.args]
    return claims


def _plain(node: ast.expr, otherwise: str) -> str:
    """The text of a literal; raises RequirementError with this message if it is none, or empty."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        return node.value
    raise RequirementError(otherwise)


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


def _evidence(proofs: Sequence[Proof]) -> str:
    """Links to the tests: of the whole row, else by the parts that are shown."""
    whole = [_link(proof) for proof in proofs if not proof.part]
    if whole:
        return "<br>".join(whole)
    parts: dict[str, list[str]] = {}
    for proof in proofs:
        parts.setdefault(proof.part, []).append(_link(proof))
    return "<br>".join(
        f"in part ({_cell(part)}):<br>{'<br>'.join(links)}" for part, links in sorted(parts.items())
    )


def _link(proof: Proof) -> str:
    short = proof.path.removeprefix(f"{TESTS}/")
    return f"[{short}::{proof.test}](../{proof.path})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
