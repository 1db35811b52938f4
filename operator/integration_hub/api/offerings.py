"""What a provider offers besides single calls: named calls, events, collections, dashboard data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from integration_hub.api.meta import Expression, FreeJson, HttpMethod, ListMap, Model, Template, Word


class Parameter(Model):
    """A parameter of a named endpoint."""

    name: Word = Field(description="Its name.")
    location: Literal["query", "path", "header"] = Field(
        default="query", alias="in", description="Where it goes."
    )
    type: Literal["string", "number", "integer", "boolean", "array", "object"] = Field(
        default="string", description="JSON type of its value."
    )
    required: bool = Field(default=False, description="Whether a call without it is refused.")
    description: str = Field(default="", description="What it means.", max_length=1024)


class Endpoint(Model):
    """A call with a name, for people who should not have to know paths."""

    name: Word = Field(description="Its name, unique within the provider.")
    kind: Literal["rest", "graphql"] = Field(default="rest", description="REST path or GraphQL document.")
    method: HttpMethod = Field(default="GET", description="HTTP method.")
    path: Template = Field(description="Path appended to baseUrl.", min_length=1)
    description: str = Field(default="", description="What the call does.", max_length=1024)
    parameters: Annotated[list[Parameter], ListMap(("name",)), Field(max_length=32)] = Field(
        default_factory=list, description="Parameters, checked before the call."
    )
    request_body: Annotated[dict[str, Any], FreeJson()] | None = Field(
        default=None, description="Body fields: name to type word, or a JSON Schema."
    )
    response_schema: Annotated[dict[str, Any], FreeJson()] | None = Field(
        default=None, description="JSON Schema the answer is checked against, if given."
    )
    cache_ttl_seconds: int = Field(
        default=0, description="Seconds a GET's answer may be served again; 0 never.", ge=0, le=86_400
    )


class WebhookEvent(Model):
    """An event type that the provider announces by webhook."""

    event: Word = Field(description="Event type, such as `project.created`.")
    description: str = Field(default="", description="When it is sent.", max_length=1024)
    payload_schema: Annotated[dict[str, Any], FreeJson()] | None = Field(
        default=None, description="JSON Schema (or field map) of the payload."
    )


class Entity(Model):
    """A collection that can be synchronised: how to read, page and recognise its records."""

    name: Word = Field(description="Its name, such as `issues`.")
    read_path: Template = Field(description="Path that lists it.", min_length=1)
    write_path: Template | None = Field(default=None, description="Path that records are written to.")
    records: Expression | None = Field(
        default=None,
        description="CEL over `body` that gives the list of records; the body itself by default.",
    )
    id_field: Word = Field(default="id", description="Field that identifies a record.")
    cursor_field: Word | None = Field(default=None, description="Field that grows with every change.")
    paging: Annotated[dict[str, Any], FreeJson(16)] = Field(
        default_factory=dict,
        description="How pages follow each other: type link, cursor, offset or page, and its fields.",
    )


class Widget(Model):
    """A small piece of data for a workspace's dashboard."""

    id: Word = Field(description="Its id.")
    title: Word = Field(description="Its title.")
    path: Template = Field(description="Path of the call that feeds it.", min_length=1)
    transform: Expression | None = Field(default=None, description="CEL over `body` that shapes the data.")
    ttl_seconds: int = Field(default=60, description="Seconds the data may be served again.", ge=1, le=86_400)
