"""Schemas of data that others shaped: both forms read, compiled once, and problems told by field.

Authors write one of two forms. The full form is JSON Schema (2020-12). The short form is a map of
field name to a type word (`name: string`) or to `{type, required, description, default}`, where
`required` is a boolean beside the type. The object in the cluster keeps what its author wrote.
Validation is jsonschema-rs, offline: it never follows a `$ref` out of the document, and its regular
expressions run in linear time.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

MAX_SCHEMA_BYTES = 16_384
MAX_DEPTH = 16
MAX_REFS = 16
"""References that fan out multiply the work: 16 of them can at worst ask for a few hundred checks."""
WORDS = ("string", "number", "integer", "boolean", "array", "object")
_SHORT_KEYS = frozenset(
    {"type", "required", "description", "default", "enum", "pattern", "format", "minimum", "maximum", "title"}
    | {"minLength", "maxLength", "items", "examples", "minItems", "maxItems"}
)
_COMPOSING = frozenset(
    {"$schema", "$id", "$ref", "$defs", "properties", "patternProperties", "additionalProperties", "allOf"}
    | {"anyOf", "oneOf", "not", "if", "required", "minProperties", "maxProperties", "propertyNames"}
)
_KEYWORDS = _COMPOSING | _SHORT_KEYS | {"const", "then", "else", "prefixItems", "uniqueItems", "multipleOf"}


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """A schema cannot be used; `message` is for its author."""

    message: str


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """One thing wrong with a value: `path` is the dotted way to it (empty: the whole).

    `message` names the field and never repeats the value: somebody may have put a secret there.
    """

    path: str
    message: str


class JsonSchema:
    """A compiled schema. Immutable; share it."""

    def __init__(self, schema: Mapping[str, Any], validator: jsonschema_rs.Draft202012Validator) -> None:
        self.schema = schema
        """The JSON Schema in its full form."""
        self._validator = validator

    @staticmethod
    def read(
        written: Mapping[str, Any], *, field: str, closed: bool = True, any_type: bool = False
    ) -> JsonSchema | SchemaProblem:
        """Normalise and compile. `field` names it in messages; see `normalise` for the rest."""
        schema = normalise(written, field=field, closed=closed, any_type=any_type)
        if isinstance(schema, SchemaProblem):
            return schema
        try:
            jsonschema_rs.meta.validate(schema)
            validator = jsonschema_rs.Draft202012Validator(
                schema,
                offline=True,
                validate_formats=True,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20),
            )
        except jsonschema_rs.ValidationError as error:
            where = ".".join(str(step) for step in error.instance_path)
            return SchemaProblem(f"{field}{'.' + where if where else ''}: {error.message}")
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            return SchemaProblem(f"{field} cannot be used: {error}")
        return JsonSchema(schema, validator)

    def problems(self, value: Any, *, root: str, of: str) -> Iterator[ValueProblem]:
        """What is wrong with a value. `root` is what messages call the value, `of` the schema."""
        for error in self._validator.iter_errors(value):
            yield self._explain(error, root, of)

    def _explain(self, error: jsonschema_rs.ValidationError, root: str, of: str) -> ValueProblem:
        path = ".".join(str(step) for step in error.instance_path)
        field = _below(root, path)
        details = error.kind.as_dict()
        match error.kind.name:
            case "required":
                missing = str(details.get("property", ""))
                return ValueProblem(
                    f"{path}.{missing}" if path else missing,
                    f"{_below(field, missing)} is missing{self._described(error.instance_path, missing)}",
                )
            case "additionalProperties" | "unevaluatedProperties":
                unknown = ", ".join(str(name) for name in details.get("unexpected", ()))
                known = ", ".join(sorted(self.schema.get("properties", {}))) if not path else ""
                hint = f" (known: {known})" if known else ""
                return ValueProblem(path, f"{field or 'it'} has no setting called {unknown}{hint}")
            case "type":
                wanted = " or ".join(str(word) for word in details.get("types", ())) or "another type"
                return ValueProblem(path, f"{field or 'it'} must be of type {wanted}")
            case "enum":
                options = ", ".join(json.dumps(option) for option in details.get("options", ()))
                return ValueProblem(path, f"{field} must be one of {options}")
            case "pattern":
                return ValueProblem(
                    path, f"{field} does not match the pattern {details.get('pattern')}{self._about(path)}"
                )
            case "format":
                return ValueProblem(path, f"{field} is no valid {details.get('format')}{self._about(path)}")
            case "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" as bound:
                return ValueProblem(path, f"{field} is outside its bound: {bound} is {details.get('limit')}")
            case other:
                return ValueProblem(path, f"{field} breaks the rule {other!r} of {of}")

    def _about(self, path: str) -> str:
        *parents, name = path.split(".") if path else [""]
        return self._described(parents, name)

    def _described(self, parents: Any, name: str) -> str:
        """The field's own description, as a hint for the reader."""
        schema: Any = self.schema
        for step in (*parents, name):
            properties = schema.get("properties") if isinstance(schema, dict) else None
            schema = properties.get(step) if isinstance(properties, dict) else None
        text = schema.get("description") if isinstance(schema, dict) else None
        return f": {text.rstrip('.')}" if isinstance(text, str) and text else ""


def _below(root: str, path: str) -> str:
    return f"{root}.{path}" if root and path else root or path


def normalise(
    written: Mapping[str, Any], *, field: str, closed: bool = True, any_type: bool = False
) -> dict[str, Any] | SchemaProblem:
    """Either form to JSON Schema.

    `closed`: the short form allows no field that it does not name (what we send), or does (what comes
    in). `any_type`: the full form may describe something else than an object.
    """
    oversize = too_large(written, MAX_SCHEMA_BYTES)
    if oversize:
        return SchemaProblem(f"{field} is {oversize}")
    if not written:
        return {} if any_type else {"type": "object"}
    if not _is_short(written):
        return _full(written, field, any_type=any_type)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, told in written.items():
        entry = {"type": told} if isinstance(told, str) else told
        problem = _short_problem(f"{field}.{name}", entry)
        if problem:
            return SchemaProblem(problem)
        properties[name] = copy.deepcopy({key: value for key, value in entry.items() if key != "required"})
        if entry.get("required") and "default" not in properties[name]:
            required.append(name)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if closed:
        schema["additionalProperties"] = False
    if required:
        schema["required"] = required
    return schema


def _full(written: Mapping[str, Any], field: str, *, any_type: bool) -> dict[str, Any] | SchemaProblem:
    schema = copy.deepcopy(dict(written))
    if not any_type and schema.setdefault("type", "object") != "object":
        return SchemaProblem(f"{field} must describe an object: set type to object or leave it out")
    if _references(schema) > MAX_REFS:
        return SchemaProblem(f"{field} has more than {MAX_REFS} references ($ref): write some of them out")
    return schema


def _is_short(written: Mapping[str, Any]) -> bool:
    """The short form maps every field to a type word or an object; full JSON Schema has other values too.

    Two things look alike. A schema that only says `properties` looks like the short form of a field by
    that name: the short form's entries have a `type` word, which tells them apart. And a schema whose
    values are all text (`type: string`) is one if it has a `type` and nothing that is no keyword.
    """
    values = written.values()
    if not all(isinstance(value, str | Mapping) for value in values):
        return False
    texts = [value for value in values if isinstance(value, str)]
    if texts and all(name in _KEYWORDS or name.startswith("$") for name in written):
        return not isinstance(written.get("type"), str) and all(text in WORDS for text in texts)
    if not texts and not _COMPOSING.isdisjoint(written):
        return all(isinstance(value.get("type"), str) for value in values)
    return True


def _short_problem(field: str, entry: Mapping[str, Any]) -> str:
    word = entry.get("type")
    if word not in WORDS:
        return f"{field}.type must be one of {', '.join(WORDS)}"
    if not isinstance(entry.get("required", False), bool):
        return f"{field}.required must be true or false"
    unknown = sorted(set(entry) - _SHORT_KEYS)
    if unknown:
        return f"{field} has unknown keys: {', '.join(unknown)} (write full JSON Schema for more)"
    return ""


def with_defaults(schema: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of an object with the defaults of absent properties, nested objects included."""
    filled: dict[str, Any] = copy.deepcopy(dict(value))
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return filled
    for name, field in properties.items():
        if not isinstance(field, Mapping):
            continue
        if name not in filled and "default" in field:
            filled[name] = copy.deepcopy(field["default"])
        if isinstance(filled.get(name), Mapping):
            filled[name] = with_defaults(field, filled[name])
    return filled


def too_large(value: Mapping[str, Any], limit: int) -> str:
    """Why an object is too deep or has more than `limit` bytes as JSON; empty if it is neither."""
    if _depth(value) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    size = len(json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str).encode())
    return f"larger than {limit} bytes" if size > limit else ""


def _depth(value: Any) -> int:
    """Levels of nesting, counted without recursion and no further than needed."""
    level = [value]
    depth = 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [child for node in level for child in _children(node)]
    return depth


def _references(schema: Any) -> int:
    here = (
        sum(key in ("$ref", "$dynamicRef", "$recursiveRef") for key in schema)
        if isinstance(schema, Mapping)
        else 0
    )
    return here + sum(_references(child) for child in _children(schema))


def _children(node: Any) -> list[Any]:
    if isinstance(node, Mapping):
        return list(node.values())
    return list(node) if isinstance(node, list) else []
