"""What commands print: aligned tables for people, JSON, YAML and names for programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

Json = Any
_GREEN, _YELLOW, _RED = "green", "yellow", "red"
_COLOURS = {
    **dict.fromkeys(("True", "ACTIVE", "healthy", "passed", "allowed", "ok", "HEALTHY"), _GREEN),
    **dict.fromkeys(
        ("Unknown", "PENDING_AUTH", "PAUSED", "degraded", "warn", "unknown", "not known"), _YELLOW
    ),
    **dict.fromkeys(("False", "ERROR", "unhealthy", "failed", "denied", "error"), _RED),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def coloured() -> bool:
    """Whether standard output is a person's terminal that wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, wrap: bool = False) -> None:
    """Columns three spaces apart, as kubectl's; a cell without a value is `-`.

    `wrap`: the last column is prose, and goes on in the next line where it is wider than the terminal.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(headings), *cells]) for i in range(len(headings))]
    if wrap:
        before = sum(widths[:-1]) + 3 * (len(widths) - 1)
        cells = [part for line in cells for part in _wrapped(line, _width() - before)]
    for number, line in enumerate([list(headings), *cells]):
        shown = [
            text.ljust(width) if i + 1 < len(line) else text
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        if number and coloured():
            shown = [_paint(padded, text) for padded, text in zip(shown, line, strict=True)]
        click.echo("   ".join(shown).rstrip())


def _width() -> int:
    """Characters of a line: the terminal's, or what still reads well where there is none."""
    return shutil.get_terminal_size((110, 24)).columns


def _wrapped(line: list[str], width: int) -> list[list[str]]:
    """A row as several, the last cell cut into lines of at most `width` (at least 30) characters."""
    *others, prose = line
    first, *more = textwrap.wrap(prose, max(30, width), break_long_words=False) or [prose]
    return [[*others, first], *([*([""] * len(others)), each] for each in more)]


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values below each other."""
    listed = [(f"{name}:", _cell(value)) for name, value in pairs]
    width = max((len(name) for name, _ in listed), default=0)
    for name, text in listed:
        click.echo(f"{name.ljust(width)}  {_paint(text, text) if coloured() else text}")


def structured(value: Json, form: str) -> None:
    """JSON or YAML."""
    if form == "yaml":
        import yaml  # noqa: PLC0415 - only for those who ask for it

        click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def server_table(answer: Mapping[str, Json], *, wide: bool, namespaces: bool = False) -> None:
    """A table as the API server made it (meta.k8s.io/v1 Table)."""
    columns = [
        (i, column["name"].upper())
        for i, column in enumerate(answer["columnDefinitions"])
        if wide or not column.get("priority")
    ]
    rows = []
    for row in answer.get("rows") or ():
        space = [row["object"]["metadata"].get("namespace", "")] if namespaces else []
        rows.append([*space, *(_served(row["cells"][i]) for i, _ in columns)])
    table([*(["NAMESPACE"] if namespaces else []), *(name for _, name in columns)], rows)


def _served(cell: Json) -> Json:
    return "" if cell is None else str(cell) if isinstance(cell, bool) else cell


def ago(moment: str | None) -> str:
    """How long a time of the API (RFC 3339) is past, as kubectl shows ages."""
    if not moment:
        return ""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return span((datetime.now(UTC) - then).total_seconds())


def span(seconds: float) -> str:
    """A length of time in its largest unit; negative ones lie ahead."""
    ahead, seconds = seconds < 0, abs(seconds)
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return f"{'in ' if ahead else ''}{int(seconds // size)}{unit}"
    return f"{'in ' if ahead else ''}{int(seconds)}s"


def percent(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f} %"


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:g}"
    return plain(str(value))


def plain(text: str) -> str:
    """Text of others in one line, without what a terminal would obey."""
    return _CONTROL.sub(" ", text)


def _paint(padded: str, text: str) -> str:
    colour = _COLOURS.get(text)
    return click.style(padded, fg=colour) if colour else padded
