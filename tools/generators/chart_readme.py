"""The table of values in the chart's README, from the comments in values.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

START, END = "<!-- values: begin -->", "<!-- values: end -->"

_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_]+):")
_COMMENT = re.compile(r"^ *# (?P<first>-- )?(?P<text>.*)$")


def with_values(readme: str, values: str) -> str:
    """The README with its table renewed. Raises ValueError where it has no place for one."""
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the README lacks {START} or {END}")
    rows = "\n".join(
        f"| `{path}` | `{json.dumps(default)}` | {text} |" for path, default, text in _entries(values)
    )
    return f"{before}{START}\n| Value | Default | What it does |\n|---|---|---|\n{rows}\n{END}{after}"


def _entries(values: str) -> Iterator[tuple[str, object, str]]:
    """Dotted path, default and comment of every value, in the order of the file."""
    defaults = yaml.safe_load(values)
    above: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in values.splitlines():
        if noted := _COMMENT.match(line):
            comment = [noted["text"]] if noted["first"] else [*comment, noted["text"]]
            continue
        found = _KEY.match(line)
        if found:
            depth = len(found["indent"])
            above = [entry for entry in above if entry[0] < depth] + [(depth, found["key"])]
            keys = [key for _, key in above]
            default = _at(defaults, keys)
            if not isinstance(default, dict) or not default:
                yield ".".join(keys), default, " ".join(comment)
        comment = []


def _at(values: object, keys: list[str]) -> object:
    for key in keys:
        assert isinstance(values, dict)
        values = values[key]
    return values
