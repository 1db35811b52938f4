"""CustomResourceDefinitions from the pydantic kinds: structural schemas, or an error that names the field.

What Kubernetes cannot express, or what would leave something unbounded or unexplained, is
refused here and not discovered by a user: a field without a description, a string without a
maximum length, a list or map without a maximum size, a number without a range, a union.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from integration_hub.api.conditions import PENDING
from integration_hub.api.meta import (
    CATEGORY,
    Column,
    Format,
    FreeJson,
    KindInfo,
    ListMap,
    ListSet,
    Model,
    Rule,
)

Schema = dict[str, Any]


class NotExpressibleError(Exception):
    """A field that a structural schema cannot hold; the message names it."""


def custom_resource_definition(info: KindInfo) -> Schema:
    """The whole CRD of a kind, ready to be written as YAML."""
    root: Schema = {
        "type": "object",
        "description": info.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this schema."},
            "kind": {"type": "string", "description": "Kind of the object."},
            "metadata": {"type": "object"},
            "spec": {"description": _summary(info.spec), **_model(info.spec, f"{info.kind}.spec")},
            "status": _status(info),
        },
    }
    if info.rules:
        root["x-kubernetes-validations"] = _rules(info.rules)
    version: Schema = {
        "name": info.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in info.columns],
    }
    if info.selectable_fields:
        version["selectableFields"] = [{"jsonPath": path} for path in info.selectable_fields]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": info.crd_name},
        "spec": {
            "group": info.group,
            "scope": "Namespaced" if info.namespaced else "Cluster",
            "names": {
                "kind": info.kind,
                "listKind": f"{info.kind}List",
                "plural": info.plural,
                "singular": info.singular,
                "shortNames": list(info.short_names),
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def _status(info: KindInfo) -> Schema:
    schema = _model(info.status, f"{info.kind}.status", defaults=False)
    schema.pop("required", None)
    schema["default"] = {"observedGeneration": -1, "conditions": [dict(PENDING)]}
    return {"description": _summary(info.status), **schema}


def _summary(model: type[Model]) -> str:
    """The model's docstring on one line, for `kubectl explain`."""
    if not model.__doc__:
        raise NotExpressibleError(f"{model.__name__}: every model of a kind needs a docstring")
    return " ".join(model.__doc__.split())


def _column(column: Column) -> Schema:
    entry: Schema = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.json_path,
        "description": column.description,
    }
    if column.priority:
        entry["priority"] = column.priority
    return entry


def _rules(rules: Iterable[Rule]) -> list[Schema]:
    return [
        {
            "rule": rule.rule,
            "message": rule.message,
            **({"fieldPath": rule.field_path} if rule.field_path else {}),
        }
        for rule in rules
    ]


def _model(model: type[Model], path: str, *, defaults: bool = True) -> Schema:
    properties: Schema = {}
    required: list[str] = []
    for name, info in model.model_fields.items():
        wire = info.alias or name
        where = f"{path}.{wire}"
        if not info.description:
            raise NotExpressibleError(f"{where}: every field needs a description for `kubectl explain`")
        schema = _type(info.annotation, list(info.metadata), where, defaults=defaults)
        properties[wire] = {"description": info.description, **schema}
        if info.is_required():
            required.append(wire)
        elif defaults:
            default = _default(info)
            if default is not None:
                properties[wire]["default"] = default
    out: Schema = {"type": "object", "properties": properties}
    if required:
        out["required"] = required
    if model.RULES:
        out["x-kubernetes-validations"] = _rules(model.RULES)
    return out


def _default(info: FieldInfo) -> Any:
    """The default that the API server fills in; empty ones are left out, they say nothing."""
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None:
        return None
    if isinstance(value, Model):
        return {}
    plain = _plain(value)
    return None if plain in ("", [], {}) else plain


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _type(annotation: Any, metadata: list[Any], path: str, *, defaults: bool) -> Schema:
    """The schema of one type with the constraints and markers that stand beside it."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(args[0], _flatten(args[1:]) + metadata, path, defaults=defaults)
    if origin in (Union, types.UnionType):
        members = [arg for arg in args if arg is not type(None)]
        if len(members) != 1:
            raise NotExpressibleError(f"{path}: a union of types has no structural schema")
        return _type(members[0], metadata, path, defaults=defaults)
    if origin is Literal:
        return {"type": "string", "enum": list(args)}
    if origin in (list, tuple):
        return _list(args[0], metadata, path, defaults=defaults)
    if origin is dict:
        return _map(args[0], args[1], metadata, path, defaults=defaults)
    if not isinstance(annotation, type):
        raise NotExpressibleError(f"{path}: {annotation!r} has no structural schema")
    if issubclass(annotation, Model):
        return _model(annotation, path, defaults=defaults)
    if issubclass(annotation, Enum):
        return {"type": "string", "enum": [member.value for member in annotation]}
    return _scalar(annotation, metadata, path)


def _flatten(metadata: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for item in metadata:
        flat.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return flat


def _scalar(annotation: type, metadata: list[Any], path: str) -> Schema:
    if annotation is bool:
        return {"type": "boolean"}
    if annotation is datetime:
        return {"type": "string", "format": "date-time"}
    bounds = _bounds(metadata)
    if annotation is str:
        return _require(
            {"type": "string", **_pick(bounds, "minLength", "maxLength", "pattern")}, "maxLength", path
        )
    if annotation in (int, float):
        schema: Schema = {"type": "integer" if annotation is int else "number"}
        if annotation is int:
            schema["format"] = "int64"
        schema |= _pick(bounds, "minimum", "maximum")
        return _require(_require(schema, "minimum", path), "maximum", path)
    raise NotExpressibleError(f"{path}: {annotation!r} has no structural schema")


def _list(item: Any, metadata: list[Any], path: str, *, defaults: bool) -> Schema:
    bounds = _bounds(metadata)
    schema: Schema = {"type": "array", "items": _type(item, [], f"{path}[]", defaults=defaults)}
    if "minLength" in bounds:
        schema["minItems"] = bounds["minLength"]
    if "maxLength" in bounds:
        schema["maxItems"] = bounds["maxLength"]
    for marker in metadata:
        if isinstance(marker, ListMap):
            schema["x-kubernetes-list-type"] = "map"
            schema["x-kubernetes-list-map-keys"] = list(marker.keys)
        elif isinstance(marker, ListSet):
            schema["x-kubernetes-list-type"] = "set"
    return _require(schema, "maxItems", path)


def _map(key: Any, value: Any, metadata: list[Any], path: str, *, defaults: bool) -> Schema:
    for marker in metadata:
        if isinstance(marker, FreeJson):
            return {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "maxProperties": marker.max_properties,
            }
    schema: Schema = {
        "type": "object",
        "additionalProperties": _type(value, [], f"{path}.*", defaults=defaults),
    }
    bounds = _bounds(metadata)
    if "maxLength" in bounds:
        schema["maxProperties"] = bounds["maxLength"]
    if get_origin(key) is Literal:
        names = ", ".join(f"'{name}'" for name in get_args(key))
        schema["x-kubernetes-validations"] = [
            {"rule": f"self.all(key, key in [{names}])", "message": f"allowed keys: {names}"}
        ]
    return _require(schema, "maxProperties", path)


def _bounds(metadata: list[Any]) -> Schema:
    """Constraints in OpenAPI's words; later ones (nearer to the field) win."""
    bounds: Schema = {}
    for item in metadata:
        if isinstance(item, annotated_types.Ge):
            bounds["minimum"] = item.ge
        elif isinstance(item, annotated_types.Le):
            bounds["maximum"] = item.le
        elif isinstance(item, annotated_types.MinLen):
            bounds["minLength"] = item.min_length
        elif isinstance(item, annotated_types.MaxLen):
            bounds["maxLength"] = item.max_length
        elif isinstance(item, Format):
            bounds["format"] = item.name
        elif getattr(item, "pattern", None):
            bounds["pattern"] = item.pattern
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in bounds.items()
    }


def _pick(bounds: Schema, *names: str) -> Schema:
    return {name: bounds[name] for name in names if name in bounds}


def _require(schema: Schema, bound: str, path: str) -> Schema:
    if bound not in schema and "enum" not in schema:
        raise NotExpressibleError(f"{path}: needs a bound ({bound}); what is unbounded fills etcd")
    return schema
