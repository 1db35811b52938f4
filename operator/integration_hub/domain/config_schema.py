"""What an Integration's `config` must look like, as its provider says, and whether it does.

A provider writes `configSchema` in one of two forms. The full form is JSON Schema. The short form
is a map of field name to `{type, required, description, default}`, where `required` is a boolean
beside the type. `normalise` turns both into JSON Schema (2020-12); the object in the cluster keeps
what its author wrote. Validation is jsonschema-rs, offline: it never follows a `$ref` out of the
document, and its regular expressions run in linear time.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

MAX_SCHEMA_BYTES = 16_384
MAX_CONFIG_BYTES = 8_192
MAX_DEPTH = 16
MAX_REFS = 16
"""References that fan out multiply the work: 16 of them can at worst ask for a few hundred checks."""
MAX_PROBLEMS = 5
_WORDS = ("string", "number", "integer", "boolean", "array", "object")
_SHORT_KEYS = frozenset(
    {"type", "required", "description", "default", "enum", "pattern", "format", "minimum", "maximum", "title"}
    | {"minLength", "maxLength", "items", "examples", "minItems", "maxItems"}
)
_SCHEMA_WORDS = frozenset(
    {"$schema", "$id", "$ref", "$defs", "properties", "patternProperties", "additionalProperties", "allOf"}
    | {"anyOf", "oneOf", "not", "if", "required", "minProperties", "maxProperties", "propertyNames"}
)
_SECRET_WORD = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|pwd|secret|token|api_?key|private_?key|secret_?key|access_?key"
    r"|credentials?|client_?secret|signing_?key|encryption_?key|authorization|bearer|connection_?string)$"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|^(?:xox[abeoprs]-|gh[opsru]_|github_pat_|glpat-|[sr]k_live_"
    r"|AKIA[0-9A-Z]{16}$|eyJ[A-Za-z0-9_-]{8,}\.eyJ|Bearer\s+\S|[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@)"
)


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """The provider's schema cannot be used; `message` is for the provider's author."""

    message: str


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong with a config: `field` is its dotted path (empty: the whole), `message` the way out.

    A message never repeats the value: somebody may have put a secret there by mistake.
    """

    field: str
    message: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class ValidConfig:
    """The config with the schema's defaults filled in."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InvalidConfig:
    """At most MAX_PROBLEMS of what is wrong, in the order of the fields."""

    problems: tuple[ConfigProblem, ...]

    @property
    def has_secret(self) -> bool:
        return any(problem.secret for problem in self.problems)

    @property
    def message(self) -> str:
        """One line for a condition."""
        return "; ".join(problem.message for problem in self.problems)


class ConfigSchema:
    """A provider's schema, ready to judge configs. Immutable; share it."""

    def __init__(self, schema: Mapping[str, Any], validator: jsonschema_rs.Draft202012Validator) -> None:
        self.schema = schema
        """The JSON Schema in its full form."""
        self._validator = validator

    @staticmethod
    def read(written: Mapping[str, Any]) -> ConfigSchema | SchemaProblem:
        """Normalise and compile what the provider wrote; `{}` accepts any config."""
        schema = normalise(written)
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
            return SchemaProblem(f"configSchema{'.' + where if where else ''}: {error.message}")
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            return SchemaProblem(f"configSchema cannot be used: {error}")
        return ConfigSchema(schema, validator)

    def validate(self, config: Mapping[str, Any]) -> ValidConfig | InvalidConfig:
        """Apply defaults, refuse what looks like a secret, then judge by the schema."""
        oversize = _too_large(config, MAX_CONFIG_BYTES)
        if oversize:
            return InvalidConfig((ConfigProblem("", f"spec.config is {oversize}"),))
        secrets = tuple(_secrets(config, ()))[:MAX_PROBLEMS]
        if secrets:
            return InvalidConfig(secrets)
        filled = with_defaults(self.schema, config)
        problems: list[ConfigProblem] = []
        for error in self._validator.iter_errors(filled):
            problem = self._explain(error)
            if problem not in problems:
                problems.append(problem)
            if len(problems) == MAX_PROBLEMS:
                break
        return InvalidConfig(tuple(problems)) if problems else ValidConfig(filled)

    def _explain(self, error: jsonschema_rs.ValidationError) -> ConfigProblem:
        path = ".".join(str(step) for step in error.instance_path)
        field = f"spec.config.{path}" if path else "spec.config"
        details = error.kind.as_dict()
        match error.kind.name:
            case "required":
                missing = str(details.get("property", ""))
                return ConfigProblem(
                    f"{path}.{missing}" if path else missing,
                    f"{field}.{missing} is missing{self._described(error.instance_path, missing)}",
                )
            case "additionalProperties" | "unevaluatedProperties":
                unknown = ", ".join(str(name) for name in details.get("unexpected", ()))
                known = ", ".join(sorted(self.schema.get("properties", {}))) if not path else ""
                hint = f" (known: {known})" if known else ""
                return ConfigProblem(path, f"{field} has no setting called {unknown}{hint}")
            case "type":
                wanted = " or ".join(str(word) for word in details.get("types", ())) or "another type"
                return ConfigProblem(path, f"{field} must be of type {wanted}")
            case "enum":
                options = ", ".join(json.dumps(option) for option in details.get("options", ()))
                return ConfigProblem(path, f"{field} must be one of {options}")
            case "pattern":
                return ConfigProblem(
                    path, f"{field} does not match the pattern {details.get('pattern')}{self._about(path)}"
                )
            case "format":
                return ConfigProblem(path, f"{field} is no valid {details.get('format')}{self._about(path)}")
            case "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" as bound:
                return ConfigProblem(path, f"{field} is outside its bound: {bound} is {details.get('limit')}")
            case other:
                return ConfigProblem(
                    path, f"{field} breaks the rule {other!r} of the provider's configSchema"
                )

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


def normalise(written: Mapping[str, Any]) -> dict[str, Any] | SchemaProblem:
    """Either form to JSON Schema of an object."""
    oversize = _too_large(written, MAX_SCHEMA_BYTES)
    if oversize:
        return SchemaProblem(f"configSchema is {oversize}")
    if not written:
        return {"type": "object"}
    if not _is_short(written):
        schema = copy.deepcopy(dict(written))
        if schema.setdefault("type", "object") != "object":
            return SchemaProblem("configSchema must describe an object: set type to object or leave it out")
        if _references(schema) > MAX_REFS:
            return SchemaProblem(
                f"configSchema has more than {MAX_REFS} references ($ref): write some of them out"
            )
        return schema
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, entry in written.items():
        problem = _short_problem(name, entry)
        if problem:
            return SchemaProblem(problem)
        field = copy.deepcopy({key: value for key, value in entry.items() if key != "required"})
        properties[name] = field
        if entry.get("required") and "default" not in field:
            required.append(name)
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema


def _is_short(written: Mapping[str, Any]) -> bool:
    """The short form maps every key to an object; full JSON Schema has a keyword that is something else.

    A schema that only says `properties` would look like the short form of a field by that name; the
    short form's entries have a `type` word, which tells them apart.
    """
    if not all(isinstance(value, Mapping) for value in written.values()):
        return False
    if not _SCHEMA_WORDS.isdisjoint(written):
        return all(isinstance(value.get("type"), str) for value in written.values())
    return True


def _short_problem(name: str, entry: Mapping[str, Any]) -> str:
    word = entry.get("type")
    if word not in _WORDS:
        return f"configSchema.{name}.type must be one of {', '.join(_WORDS)}"
    if not isinstance(entry.get("required", False), bool):
        return f"configSchema.{name}.required must be true or false"
    unknown = sorted(set(entry) - _SHORT_KEYS)
    if unknown:
        return f"configSchema.{name} has unknown keys: {', '.join(unknown)} (write full JSON Schema for more)"
    return ""


def with_defaults(schema: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the config with the defaults of absent properties, nested objects included."""
    filled: dict[str, Any] = copy.deepcopy(dict(config))
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


def _too_large(value: Mapping[str, Any], limit: int) -> str:
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


def _secrets(value: Any, path: tuple[str, ...]) -> Iterator[ConfigProblem]:
    """Every place in a config that looks like a secret, by its key or by its value."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _secrets(child, (*path, str(key)))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _secrets(child, (*path, str(index)))
    elif isinstance(value, str) and value and (_names_secret(path) or _SECRET_VALUE.search(value)):
        field = ".".join(path)
        yield ConfigProblem(
            field,
            f"spec.config.{field} looks like a secret: remove it, put it into the Secret that "
            "spec.credentials.secretRef names, and replace it at the vendor, since it was readable here",
            secret=True,
        )


def _names_secret(path: tuple[str, ...]) -> bool:
    """Whether the last key that is a name (not a list index) is a secret's: apiKey, db_password, TOKEN."""
    named = [step for step in path if not step.isdigit()]
    if not named:
        return False
    words = re.sub(r"[^A-Za-z0-9]+", "_", _CAMEL.sub("_", named[-1])).lower().strip("_")
    return _SECRET_WORD.search(words) is not None
