"""What every kind is made of: the base model, markers for the CRD generator, and the kind's own card.

A field says in Python what `kubectl explain` and the API server will say and enforce: the
description, the bounds, the default, and CEL rules with their messages. `tools/generate.py`
refuses a field that has no description or no bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

GROUP = "integrationhub.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "hub"


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL validation rule (x-kubernetes-validations). `message` says what to do, not only what is wrong.

    On a model it sees the object as `self`; as a marker on a field, that field's value.
    `field_path` is the JSON path the API server names in its refusal (such as `.scale.max`).
    """

    rule: str
    message: str
    field_path: str = ""


@dataclass(frozen=True, slots=True)
class ListMap:
    """Marker: a list whose entries are keyed by these fields (listType map), merged by server-side apply."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListSet:
    """Marker: a list of unique scalars (listType set)."""


@dataclass(frozen=True, slots=True)
class Format:
    """Marker: an OpenAPI format the API server understands, such as `int64` or `date-time`."""

    name: str


@dataclass(frozen=True, slots=True)
class FreeJson:
    """Marker: an object of any shape (x-kubernetes-preserve-unknown-fields), with so many keys at most."""

    max_properties: int = 64


class Model(BaseModel):
    """Base of every spec, status and their parts: camelCase outside, snake_case inside, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        serialize_by_alias=True,
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()

    def to_json(self) -> dict[str, Any]:
        """The wire shape: camelCase, absent where None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second, ending in Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Timestamp = Annotated[
    datetime, PlainSerializer(format_time, return_type=str, when_used="json"), Format("date-time")
]
"""A point in time; on the wire RFC 3339, UTC, whole seconds."""

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)]
Expression = Annotated[str, Field(min_length=1, max_length=1024)]
"""A CEL expression, at most 1 KiB of source."""
Duration = Annotated[str, Field(max_length=32, pattern=r"^([0-9]+(d|h|m|s))+$")]
"""A span of time such as `90d` or `1h30m`; kept as its author wrote it."""
HttpMethod = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Url = Annotated[str, Field(min_length=1, max_length=2048)]
Template = Annotated[str, Field(max_length=2048)]
"""Text that may hold `{{ … }}` placeholders, each a CEL expression over `config`."""
HeaderValues = Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=32)]
Word = Annotated[str, Field(min_length=1, max_length=128)]


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column of `kubectl get`. `priority` 1 shows it in `-o wide` only."""

    name: str
    json_path: str
    description: str
    type: Literal["string", "integer", "number", "boolean", "date"] = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class KindInfo:
    """The card of a kind: its address, its models, and how `kubectl` shows it.

    `riders` are dotted status paths that ride along with a write but never cause one.
    """

    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    spec: type[Model]
    status: type[Model]
    description: str
    columns: tuple[Column, ...]
    namespaced: bool = True
    riders: frozenset[str] = frozenset()
    selectable_fields: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = field(default=())
    group: str = GROUP
    version: str = VERSION

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{self.group}"


class LocalReference(Model):
    """A reference to an object in the same namespace."""

    name: ObjectName = Field(description="Name of the object, in the same namespace.")


class Metadata(Model):
    """The part of an object's metadata that the hub reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
