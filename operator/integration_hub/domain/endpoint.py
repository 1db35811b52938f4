"""A named endpoint and somebody's arguments to one call: checked, then put where each belongs.

Nothing is sent that was not checked first: a wrong argument is answered by name, and costs the
provider's budget nothing. Values cannot bend the address (see `placeholder`): what goes into the path
is percent-encoded there, the rest becomes query, header, body or GraphQL variables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from integration_hub.api.errors import ErrorCode
from integration_hub.api.offerings import Endpoint, Parameter
from integration_hub.api.provider import ProviderSpec
from integration_hub.domain import placeholder
from integration_hub.domain.form import FORM, form, scalar
from integration_hub.domain.json_schema import JsonSchema, SchemaProblem, with_defaults
from integration_hub.domain.placeholder import PlaceholderProblem
from integration_hub.ports import Expressions, Json
from integration_hub.ports.problem import Problem

PATH_VARIABLES = ("config", "params")
"""What a placeholder in an endpoint's, entity's or widget's path or header may use."""
MAX_PROBLEMS = 5
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class EndpointCall:
    """A call as `ports.CallRequest` takes it: the path begins with a slash and holds no placeholder.

    `repeatable`: it may be sent again after a failure, because it changes nothing.
    """

    method: str
    path: str = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    cache_seconds: int = 0
    repeatable: bool = False


def find(spec: ProviderSpec, name: str) -> Endpoint | Problem:
    """The provider's endpoint of that name, in any case of letters."""
    wanted = name.casefold()
    for endpoint in spec.endpoints:
        if endpoint.name.casefold() == wanted:
            return endpoint
    known = ", ".join(endpoint.name for endpoint in spec.endpoints) or "none"
    return Problem(
        ErrorCode.NOT_FOUND, f"{spec.display_name} has no endpoint called {name!r} (known: {known})"
    )


def endpoint_call(
    endpoint: Endpoint,
    arguments: Mapping[str, Json],
    *,
    config: Mapping[str, Json],
    expressions: Expressions,
) -> EndpointCall | Problem:
    """Check the arguments, then build the call.

    `arguments` holds parameters by name; where the endpoint has a requestBody, what is no parameter is
    a field of the body. A null counts as not given. `config` has its defaults applied.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    declared = {parameter.name for parameter in endpoint.parameters}
    values = parameter_values(
        endpoint.parameters, {name: value for name, value in given.items() if name in declared}
    )
    if isinstance(values, Problem):
        return values
    body = _body_fields(endpoint, {name: value for name, value in given.items() if name not in declared})
    if isinstance(body, Problem):
        return body
    placed = {name: values[name] for name in _names(endpoint.parameters, "path")}
    evaluate = placeholder.evaluator(expressions, {"config": dict(config), "params": placed})
    path = placeholder.render_path(endpoint.path, evaluate)
    if isinstance(path, PlaceholderProblem):
        return _refused(f"the path of {endpoint.name!r} cannot be filled: {path.message}")
    headers = _headers(endpoint, values, evaluate)
    if isinstance(headers, Problem):
        return headers
    content_type, payload = _payload(endpoint, values, body)
    if content_type:
        headers = {"Content-Type": content_type} | headers
    return EndpointCall(
        method="POST" if endpoint.kind == "graphql" else endpoint.method,
        path=path,
        query=() if endpoint.kind == "graphql" else tuple(_query(endpoint, values)),
        headers=headers,
        body=payload,
        cache_seconds=endpoint.cache_ttl_seconds if reads_only(endpoint) else 0,
        repeatable=reads_only(endpoint),
    )


def reads_only(endpoint: Endpoint) -> bool:
    """Whether a call of it changes nothing at the provider."""
    return endpoint.read_only or (endpoint.kind == "rest" and endpoint.method in ("GET", "HEAD"))


def answer_problem(endpoint: Endpoint, body: bytes) -> Problem | None:
    """What is wrong with a successful answer, by the endpoint's responseSchema; None if there is none."""
    if endpoint.response_schema is None:
        return None
    schema = _compiled(json.dumps(endpoint.response_schema), "responseSchema", open_=True)
    if isinstance(schema, SchemaProblem):
        return Problem(ErrorCode.INVALID_CONFIGURATION, f"endpoint {endpoint.name!r}: {schema.message}")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Problem(ErrorCode.RESPONSE_INVALID, f"the answer to {endpoint.name!r} is no JSON")
    found = _told(schema, value, root="the answer", of="responseSchema")
    return Problem(ErrorCode.RESPONSE_INVALID, found) if found else None


def schema_problems(endpoint: Endpoint) -> Iterator[str]:
    """What is wrong with the schemas that an endpoint declares; each begins with the field's name."""
    read = [parameter_schema(endpoint.parameters)]
    if endpoint.request_body is not None:
        read.append(JsonSchema.read(endpoint.request_body, field="requestBody"))
    if endpoint.response_schema is not None:
        read.append(
            JsonSchema.read(endpoint.response_schema, field="responseSchema", closed=False, any_type=True)
        )
    yield from (schema.message for schema in read if isinstance(schema, SchemaProblem))


def parameter_values(
    parameters: Sequence[Parameter], arguments: Mapping[str, Json]
) -> dict[str, Any] | Problem:
    """Arguments with defaults filled in and text turned into the numbers and truths it stands for.

    Text, because people type arguments on command lines and in query strings.
    """
    schema = parameter_schema(parameters)
    if isinstance(schema, SchemaProblem):
        return Problem(ErrorCode.INVALID_CONFIGURATION, schema.message)
    types = {parameter.name: parameter.type for parameter in parameters}
    read = {name: _as_type(value, types.get(name, "string")) for name, value in arguments.items()}
    filled = with_defaults(schema.schema, read)
    found = _told(schema, filled, root="", of="the parameter's schema")
    return _refused(found) if found else filled


def _names(parameters: Sequence[Parameter], location: str) -> Iterator[str]:
    return (parameter.name for parameter in parameters if parameter.location == location)


def parameter_schema(parameters: Sequence[Parameter]) -> JsonSchema | SchemaProblem:
    """What arguments must look like: an object that knows these parameters and no others."""
    properties = {
        parameter.name: {
            "description": parameter.description,
            **parameter.value_schema,
            "type": parameter.type,
        }
        for parameter in parameters
    }
    required = [
        parameter.name
        for parameter in parameters
        if (parameter.required or parameter.location == "path") and "default" not in parameter.value_schema
    ]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return _compiled(json.dumps(schema), "parameters", open_=False)


def _as_type(value: Json, word: str) -> Json:
    if not isinstance(value, str):
        return value
    try:
        match word:
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "boolean":
                return _TRUTH.get(value, value)
            case "array" | "object":
                return json.loads(value)
            case _:
                return value
    except (ValueError, RecursionError):
        return value


def _body_fields(endpoint: Endpoint, rest: Mapping[str, Json]) -> dict[str, Any] | Problem | None:
    """The fields of the request's body, checked; None where the endpoint has no body."""
    if endpoint.request_body is None:
        if rest:
            known = ", ".join(parameter.name for parameter in endpoint.parameters) or "none"
            return _refused(f"{endpoint.name!r} has no parameter called {', '.join(rest)} (known: {known})")
        return None
    schema = _compiled(json.dumps(endpoint.request_body), "requestBody", open_=False)
    if isinstance(schema, SchemaProblem):
        return Problem(ErrorCode.INVALID_CONFIGURATION, f"endpoint {endpoint.name!r}: {schema.message}")
    filled = with_defaults(schema.schema, rest)
    found = _told(schema, filled, root="data", of="requestBody")
    return _refused(found) if found else filled


def _headers(
    endpoint: Endpoint, values: Mapping[str, Json], evaluate: placeholder.Evaluate
) -> dict[str, str] | Problem:
    filled: dict[str, str] = {}
    for name, template in endpoint.headers.items():
        value = placeholder.render_text(template, evaluate)
        if isinstance(value, PlaceholderProblem):
            return _refused(f"the header {name} cannot be filled: {value.message}")
        filled[name] = value
    for name in _names(endpoint.parameters, "header"):
        text = _text(values.get(name, ""))
        if not text.isascii() or not text.isprintable():
            return _refused(f"{name} goes into a header, which takes printable ASCII on one line")
        if text:
            filled[name] = text
    return filled


def _query(endpoint: Endpoint, values: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Lists repeat their name, as OpenAPI's `form` style with `explode` has it."""
    for name in _names(endpoint.parameters, "query"):
        value = values.get(name, [])
        for one in value if isinstance(value, list) else (value,):
            yield name, _text(one)


def _payload(
    endpoint: Endpoint, values: Mapping[str, Json], body: Mapping[str, Json] | None
) -> tuple[str, bytes]:
    """Content type and bytes of the body; both empty where there is none."""
    if endpoint.kind == "graphql":
        variables = {name: values[name] for name in _names(endpoint.parameters, "query") if name in values}
        return "application/json", _json({"query": endpoint.document or "", "variables": variables})
    if body is None:
        return "", b""
    if endpoint.encoding == "form":
        return FORM, form(body)
    return "application/json", _json(body)


def _text(value: Json) -> str:
    """A value in a query or a header: an object as JSON."""
    return _json(value).decode() if isinstance(value, Mapping | list) else scalar(value)


def _json(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@lru_cache(maxsize=1024)
def _compiled(written: str, name: str, *, open_: bool) -> JsonSchema | SchemaProblem:
    """Compiled once by the text of the schema. `open_`: for what comes in: it may hold more, or be a list."""
    return JsonSchema.read(json.loads(written), field=name, closed=not open_, any_type=open_)


def _told(schema: JsonSchema, value: Json, *, root: str, of: str) -> str:
    """At most MAX_PROBLEMS of what is wrong, as one line; empty if nothing is."""
    told: dict[str, None] = {}
    for problem in schema.problems(value, root=root, of=of):
        told[problem.message] = None
        if len(told) == MAX_PROBLEMS:
            break
    return "; ".join(told)


def _refused(details: str) -> Problem:
    return Problem(ErrorCode.INVALID_REQUEST, details)
