"""What a provider offers besides single calls: named calls, events, collections, dashboard data, batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from integration_hub.api.meta import (
    Expression,
    FreeJson,
    HeaderValues,
    HttpMethod,
    ListMap,
    ListSet,
    Model,
    Rule,
    Template,
    Word,
)


class Parameter(Model):
    """A parameter of a named endpoint."""

    name: Word = Field(description="Its name.")
    location: Literal["query", "path", "header"] = Field(
        default="query",
        alias="in",
        description="Where it goes. Into the path: where `{{ params.NAME }}` stands there. A GraphQL "
        "document takes what is neither of the path nor a header as variables.",
    )
    type: Literal["string", "number", "integer", "boolean", "array", "object"] = Field(
        default="string", description="JSON type of its value."
    )
    required: bool = Field(
        default=False, description="Whether a call without it is refused. One of the path always is."
    )
    description: str = Field(default="", description="What it means.", max_length=1024)
    value_schema: Annotated[dict[str, Any], FreeJson(16)] = Field(
        default_factory=dict,
        alias="schema",
        description="More about its value, in JSON Schema: enum, pattern, minimum, items, default …",
    )


Parameters = Annotated[list[Parameter], ListMap(("name",)), Field(max_length=32)]


class Endpoint(Model):
    """A call with a name, for people who should not have to know paths."""

    RULES = (
        Rule(
            "(self.kind == 'graphql') == has(self.document)",
            "an endpoint of kind graphql needs a document, and no other has one",
            ".document",
        ),
        Rule(
            "!has(self.requestBody) || (self.kind == 'rest' && !(self.method in ['GET', 'HEAD']))",
            "requestBody belongs to a REST call whose method is not GET or HEAD: use parameters",
            ".requestBody",
        ),
    )

    name: Word = Field(description="Its name, unique within the provider.")
    kind: Literal["rest", "graphql"] = Field(default="rest", description="REST path or GraphQL document.")
    method: HttpMethod = Field(
        default="GET", description="HTTP method. A GraphQL document is always sent by POST."
    )
    path: Template = Field(
        description="Path appended to baseUrl. May hold `{{ config.… }}` and `{{ params.… }}`.", min_length=1
    )
    description: str = Field(default="", description="What the call does.", max_length=1024)
    document: str | None = Field(
        default=None, description="GraphQL document; parameters become its variables.", max_length=8192
    )
    headers: HeaderValues = Field(
        default_factory=dict, description="Headers of this call, after the provider's own."
    )
    parameters: Parameters = Field(default_factory=list, description="Parameters, checked before the call.")
    request_body: Annotated[dict[str, Any], FreeJson()] | None = Field(
        default=None, description="Body fields: name to type word, or a JSON Schema."
    )
    encoding: Literal["json", "form"] = Field(
        default="json", description="How the body is written: JSON, or a form (nested names in brackets)."
    )
    response_schema: Annotated[dict[str, Any], FreeJson()] | None = Field(
        default=None, description="JSON Schema the answer is checked against, if given."
    )
    read_only: bool = Field(
        default=False,
        description="Changes nothing although its method is not GET (a search by POST, a GraphQL query): it "
        "may be sent again after a failure, and feed widgets.",
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


class Paging(Model):
    """How the pages of a collection follow each other."""

    RULES = (
        Rule(
            "!has(self.type) || !(self.type in ['cursor', 'offset', 'page']) || has(self.parameter)",
            "paging by cursor, offset or page needs parameter: what carries it in the request",
            ".parameter",
        ),
        Rule(
            "!has(self.type) || self.type != 'cursor' || has(self.next)",
            "paging by cursor needs next: where an answer holds the cursor of the next page",
            ".next",
        ),
        Rule(
            "!has(self.type) || self.type != 'offset' || has(self.size)",
            "paging by offset needs size: how far one page goes",
            ".size",
        ),
    )

    type: Literal["none", "link", "cursor", "offset", "page"] = Field(
        default="none",
        description="none: one answer holds all; link: the answer gives the next page's address (in a Link "
        "header with rel=next, RFC 8288, unless `next` says otherwise); cursor, offset and page: the "
        "request says where to go on.",
    )
    parameter: Word | None = Field(
        default=None,
        description="What carries cursor, offset or page number: a query parameter, or a parameter or body "
        "field of the entity's endpoint.",
    )
    size_parameter: Word | None = Field(default=None, description="What carries the size of a page.")
    size: int | None = Field(default=None, description="Records asked for by page.", ge=1, le=10_000)
    first: int = Field(default=1, description="Number of the first page.", ge=0, le=1)
    next: Expression | None = Field(
        default=None,
        description="CEL over `body` and `headers`: the next page's address or cursor. Empty, null or absent "
        "means that there is none.",
    )
    more: Expression | None = Field(
        default=None,
        description="CEL over `body` and `headers`: whether another page follows. Without it, pages end "
        "where `next` is empty or a page holds fewer records than asked for.",
    )
    next_endpoint: Word | None = Field(
        default=None, description="Endpoint that reads every page but the first, where that is another one."
    )


class Entity(Model):
    """A collection that can be synchronised: how to read, page and recognise its records."""

    RULES = (
        Rule(
            "has(self.readPath) != has(self.endpoint)",
            "give either readPath or endpoint: where the collection is read",
            ".readPath",
        ),
    )

    name: Word = Field(description="Its name, such as `issues`.")
    read_path: Template | None = Field(
        default=None,
        description="Path that lists it. May hold `{{ config.… }}` and `{{ params.… }}`.",
        min_length=1,
    )
    endpoint: Word | None = Field(
        default=None, description="Name of the endpoint that lists it, where a path does not tell all."
    )
    parameters: Parameters = Field(
        default_factory=list, description="What a sync has to say, such as which repository."
    )
    write_path: Template | None = Field(default=None, description="Path that records are written to.")
    write_method: Literal["POST", "PUT", "PATCH"] = Field(
        default="POST", description="Method that records are written with."
    )
    records: Expression | None = Field(
        default=None,
        description="CEL over `body` that gives the list of records; the body itself by default. A mere path "
        "such as `body.data.items` or `body.data[-1].id` takes any size of answer, other expressions 16 KiB.",
    )
    id_field: Word = Field(default="id", description="Field that identifies a record; dots go deeper.")
    cursor_field: Word | None = Field(
        default=None, description="Field that grows with every change; dots go deeper."
    )
    cursor_parameter: Word | None = Field(
        default=None,
        description="Parameter that asks for what changed since a value of cursorField.",
    )
    paging: Paging = Field(default_factory=Paging, description="How pages follow each other.")


class Widget(Model):
    """A small piece of data for a workspace's dashboard."""

    RULES = (
        Rule(
            "has(self.path) != has(self.endpoint)",
            "give either path or endpoint: the call that feeds the widget",
            ".path",
        ),
    )

    id: Word = Field(description="Its id.")
    title: Word = Field(description="Its title.")
    path: Template | None = Field(
        default=None,
        description="Path of the GET that feeds it. May hold `{{ config.… }}` and `{{ params.… }}`.",
        min_length=1,
    )
    endpoint: Word | None = Field(
        default=None, description="Name of the endpoint that feeds it; one that only reads."
    )
    arguments: Annotated[dict[str, Any], FreeJson(32)] = Field(
        default_factory=dict, description="Values of parameters, where the caller gives none."
    )
    parameters: Parameters = Field(
        default_factory=list, description="What the caller may or must say, for a widget with a path."
    )
    keep: Annotated[list[Word], ListSet(), Field(max_length=64)] = Field(
        default_factory=list,
        description="Dotted fields of the answer that are kept, lists walked through (`items.title`); all by "
        "default. An expression takes 16 KiB, and many vendors send a hundred fields by record.",
    )
    transform: Expression | None = Field(default=None, description="CEL over `body` that shapes the data.")
    ttl_seconds: int = Field(default=60, description="Seconds the data may be served again.", ge=1, le=86_400)


class Batch(Model):
    """How the provider takes several calls in one request."""

    RULES = (
        Rule(
            "has(self.callsAt) != has(self.callsParameter)",
            "give either callsAt (field of the body) or callsParameter (query parameter)",
            ".callsAt",
        ),
    )

    method: Literal["GET", "POST"] = Field(default="POST", description="HTTP method of the batch.")
    path: Template = Field(description="Path appended to baseUrl.", min_length=1)
    max_calls: int = Field(description="Calls that one batch may hold.", ge=2, le=1000)
    methods: Annotated[list[HttpMethod], ListSet(), Field(max_length=6)] = Field(
        default_factory=list, description="Methods that may be batched; all by default."
    )
    calls_at: Word | None = Field(
        default=None, description="Dotted field of the request's body that takes the list of calls."
    )
    calls_parameter: Word | None = Field(
        default=None, description="Query parameter that takes the calls' paths, joined by commas."
    )
    call_fields: Annotated[
        dict[Literal["id", "method", "path", "body", "headers"], Word], Field(max_length=5)
    ] = Field(
        default_factory=dict,
        description="What the vendor calls the parts of one call; a part that is not named is not sent.",
    )
    lower_case_methods: bool = Field(default=False, description="Write methods in small letters.")
    query_in_path: bool = Field(
        default=True, description="Whether a path may carry its query; if not, calls with one go alone."
    )
    body_at: Word | None = Field(
        default=None,
        description="Dotted field of a call's body that travels in its stead, where a batch has no envelope.",
    )
    answers_at: Word | None = Field(
        default=None, description="Dotted field of the answer that holds the list of answers; itself if none."
    )
    answer_fields: Annotated[dict[Literal["id", "status", "body", "headers"], Word], Field(max_length=4)] = (
        Field(
            default_factory=dict,
            description="What the vendor calls the parts of one answer. With no status, each answer is an "
            "object whose only key is the status.",
        )
    )
