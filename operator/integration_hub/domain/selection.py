"""Taking parts out of an answer: by a dotted path, by a list of fields, or by a CEL expression.

An expression takes 16 KiB (see `adapters.cel`), but answers are often larger. So a source that only
selects (`body.data.items`, `body.data[-1].id`) is walked here and knows no size, and `keep` cuts an
answer down to the fields that somebody wants before an expression sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from integration_hub.ports import ExpressionError, Expressions, Json

_CHAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*|\[-?[0-9]{1,4}\])*")
_STEP = re.compile(r"[^.\[\]]+|\[-?[0-9]+\]")
_WORDS = frozenset({"true", "false", "null", "in"})


def evaluate(source: str, variables: Mapping[str, Json], expressions: Expressions) -> Json | ExpressionError:
    """The value of an expression. One that only selects gives null where something on the way is absent."""
    if selects(source):
        name, *steps = _STEP.findall(source.strip())
        if name in variables:
            return _walk(variables[name], steps)
    program = expressions.compile(source, tuple(variables))
    return program if isinstance(program, ExpressionError) else program.evaluate(variables)


def selects(source: str) -> bool:
    """Whether a source only selects: names, dots and indexes, [-1] being the last."""
    return _CHAIN.fullmatch(source.strip()) is not None and source.strip() not in _WORDS


def at(value: Json, path: str) -> Json:
    """What lies at a dotted path, or null; an empty path is the value itself."""
    return _walk(value, path.split(".") if path else ())


def _walk(value: Json, steps: Iterable[str]) -> Json:
    for step in steps:
        if step.startswith("[") and isinstance(value, list):
            index = int(step[1:-1])
            value = value[index] if -len(value) <= index < len(value) else None
        elif isinstance(value, Mapping):
            value = value.get(step)
        else:
            return None
    return value


def put(value: Json, path: str) -> dict[str, Any]:
    """An object that holds the value at a dotted path: `put(1, "a.b")` is `{"a": {"b": 1}}`."""
    for step in reversed(path.split(".")):
        value = {step: value}
    return dict(value)


def keep(value: Json, paths: Iterable[str]) -> Json:
    """A copy that holds only these dotted fields. Lists are walked through, not counted as a step."""
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for step in path.split("."):
            node = node.setdefault(step, {})
    return _kept(value, tree) if tree else value


def _kept(value: Json, tree: Mapping[str, Any]) -> Json:
    if not tree:
        return value
    if isinstance(value, list):
        return [_kept(each, tree) for each in value]
    if isinstance(value, Mapping):
        return {name: _kept(value[name], below) for name, below in tree.items() if name in value}
    return None
