"""Wrong objects made from a CRD's schema: every field of `spec` wrong in every way its schema knows.

Each case comes with its control: the same object with that field right. The API server must take the
control and refuse the case, and its message must name the field.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
Path = tuple[str | int, ...]

_SAMPLES = ("a", "b", "/", "http://a", "1s", "0", "1", "A", "A1", "*")
_BAD_SAMPLES = (" ", "-", "A b", "ftp:/x", "!", "é")


@dataclass(frozen=True, slots=True)
class Case:
    """One wrong object. `field` is what the refusal has to name, such as `spec.authModes[0].type`."""

    name: str
    field: str
    wrong: Schema
    right: Schema


ABSENT = object()
"""A companion that must not stand there."""


def cases(definition: Schema, companions: Mapping[str, Mapping[Path, Any]]) -> Iterator[Case]:
    """Every case of a CRD's first version.

    `companions`: field to what has to stand beside it for it to be right, where a rule ties fields together;
    ABSENT for what must not stand there.
    """
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    whole = {
        "apiVersion": f"{definition['spec']['group']}/{definition['spec']['versions'][0]['name']}",
        "kind": definition["spec"]["names"]["kind"],
        "metadata": {"name": "case"},
        "spec": _good(schema),
    }
    yield Case("spec: missing", "spec", {k: v for k, v in whole.items() if k != "spec"}, whole)
    yield from _of(schema, ("spec",), whole, companions)


def _of(
    schema: Schema, path: Path, whole: Schema, companions: Mapping[str, Mapping[Path, Any]]
) -> Iterator[Case]:
    """Cases of the value at `path` and of all below it; `whole` is right and holds that value."""
    field = _text(path)
    for where, companion in companions.get(field, {}).items():
        whole = _without(whole, where) if companion is ABSENT else _with(whole, where, companion)
    for name, value in _wrong_values(schema):
        yield Case(f"{field}: {name}", field, _with(whole, path, value), whole)
    for name in schema.get("required", ()):
        yield Case(f"{field}.{name}: missing", f"{field}.{name}", _without(whole, (*path, name)), whole)
    if schema.get("properties"):
        unknown = "noSuchField"
        yield Case(f"{field}: unknown key", f"{field}.{unknown}", _with(whole, (*path, unknown), 1), whole)
    for step, inner in _parts(schema):
        yield from _of(inner, (*path, step), _with(whole, (*path, step), _good(inner)), companions)


def _parts(schema: Schema) -> Iterator[tuple[str | int, Schema]]:
    """What is one step further down: every property, the first item, or one key of a map."""
    if schema["type"] == "array":
        yield 0, schema["items"]
    elif "additionalProperties" in schema:
        yield _map_key(schema), schema["additionalProperties"]
    yield from schema.get("properties", {}).items()


def _wrong_values(schema: Schema) -> Iterator[tuple[str, Any]]:
    """Name of the mistake and the value that makes it."""
    yield "of another type", {"string": 12345, "boolean": "yes"}.get(schema["type"], "text")
    if "enum" in schema:
        yield "no word of the enum", "no-such-word"
    if "minimum" in schema:
        yield "below the minimum", schema["minimum"] - 1
    if "maximum" in schema:
        yield "above the maximum", schema["maximum"] + (schema["maximum"] // 1000 or 1)
    if schema["type"] == "integer":
        yield "a fraction", schema["minimum"] + 0.5
    if schema.get("minLength"):
        yield "empty", ""
    if "maxLength" in schema:
        yield "too long", "a" * (schema["maxLength"] + 1)
    if "pattern" in schema:
        pattern = re.compile(schema["pattern"])
        yield "against the pattern", next(text for text in _BAD_SAMPLES if not pattern.search(text))
    if schema.get("minItems"):
        yield "an empty list", []
    if "maxItems" in schema:
        yield "too many items", list(itertools.islice(_distinct(schema["items"]), schema["maxItems"] + 1))
    if schema.get("x-kubernetes-list-type") in {"set", "map"}:
        yield "the same item twice", [_good(schema["items"])] * 2
    if "maxProperties" in schema:
        keys = (f"key{index}" for index in range(schema["maxProperties"] + 1))
        yield "too many keys", dict.fromkeys(keys, _good_property(schema))


def _good(schema: Schema) -> Any:
    """The smallest value that the schema takes."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema["type"]
    if kind == "string":
        return _good_text(schema)
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _good(properties[name]) for name in schema.get("required", ())}
    if kind == "array":
        return [_good(schema["items"])] * schema.get("minItems", 0)
    return {"boolean": True}.get(kind, schema.get("minimum"))


def _good_text(schema: Schema) -> str:
    pattern = re.compile(schema.get("pattern", ""))
    return next(
        text
        for text in _SAMPLES
        if pattern.search(text) and schema.get("minLength", 0) <= len(text) <= schema["maxLength"]
    )


def _good_property(schema: Schema) -> Any:
    inner = schema.get("additionalProperties")
    return _good(inner) if inner else 1


def _map_key(schema: Schema) -> str:
    """A key that the map takes: the first that its rule lists, if it lists them."""
    rules = schema.get("x-kubernetes-validations", [])
    listed = re.search(r"in \['([^']+)'", rules[0]["rule"]) if rules else None
    return listed[1] if listed else "a"


def _distinct(schema: Schema) -> Iterator[Any]:
    """Values that differ from each other, right or not: an enum has fewer words than a list has room."""
    for index in itertools.count():
        if schema["type"] == "object":
            key = next(iter(schema.get("required", ())), None)
            yield _good(schema) | ({key: f"a{index}"} if key else {})
        elif schema["type"] == "string":
            yield f"a{index}"
        else:
            yield index


def _with(whole: Schema, path: Path, value: Any) -> Schema:
    return _edited(whole, path, lambda holder, key: _put(holder, key, value))


def _without(whole: Schema, path: Path) -> Schema:
    return _edited(whole, path, lambda holder, key: holder.pop(key))


def _put(holder: Any, key: str | int, value: Any) -> None:
    if isinstance(holder, list) and key == len(holder):
        holder.append(value)
    else:
        holder[key] = value


def _edited(whole: Schema, path: Path, edit: Callable[[Any, Any], object]) -> Schema:
    changed = copy.deepcopy(whole)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    edit(holder, path[-1])
    return changed


def _text(path: Path) -> str:
    """The path as the API server writes it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
