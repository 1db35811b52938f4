"""Whether what a provider offers holds together: named calls, collections, events, widgets, batches.

Part of `provider.examine`. A mistake here is told when the provider is applied, by field, and not when
somebody calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from integration_hub.api.offerings import Endpoint, Entity, Paging, Parameter, WebhookEvent, Widget
from integration_hub.api.provider import ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain import endpoint as endpoints
from integration_hub.domain import placeholder
from integration_hub.domain.call import OURS
from integration_hub.domain.endpoint import PATH_VARIABLES
from integration_hub.domain.json_schema import JsonSchema, SchemaProblem
from integration_hub.ports import ExpressionError, Expressions
from integration_hub.ports.problem import Problem

Found = tuple[Reason, str]
"""What is wrong, and in words that begin with the field's path below spec."""

_PARAMETER = re.compile(r"\bparams\.([A-Za-z_$][A-Za-z0-9_$]*)|\bparams\[['\"]([^'\"]+)['\"]\]")


def problems(spec: ProviderSpec, expressions: Expressions) -> Iterator[Found]:
    """Everything that is wrong with the offerings of a provider."""
    for endpoint in spec.endpoints:
        yield from _under(f"endpoints[{endpoint.name}]", _of_endpoint(endpoint, expressions))
    for entity in spec.entities:
        yield from _under(f"entities[{entity.name}]", _of_entity(spec, entity, expressions))
    for widget in spec.widgets:
        yield from _under(f"widgets[{widget.id}]", _of_widget(spec, widget, expressions))
    for event in spec.webhooks:
        yield from _under(f"webhooks[{event.event}]", _of_event(event))
    if spec.batch is not None:
        yield from _under("batch", _of_path("path", spec.batch.path, (), expressions))


def _under(field: str, found: Iterator[Found]) -> Iterator[Found]:
    return ((reason, f"{field}.{message}") for reason, message in found)


def _of_endpoint(endpoint: Endpoint, expressions: Expressions) -> Iterator[Found]:
    for message in endpoints.schema_problems(endpoint):
        yield Reason.SCHEMA_INVALID, message
    yield from _of_path("path", endpoint.path, endpoint.parameters, expressions)
    for name, template in endpoint.headers.items():
        yield from _of_template(f"headers.{name}", template, expressions)
    for name in (*endpoint.headers, *_names(endpoint.parameters, "header")):
        if name.lower() in OURS:
            yield Reason.INVALID_SPEC, f"headers.{name}: this header is the hub's own to set"


def _of_entity(spec: ProviderSpec, entity: Entity, expressions: Expressions) -> Iterator[Found]:
    yield from _of_source(spec, entity, entity.read_path, "readPath", expressions)
    if entity.write_path is not None:
        yield from _of_path("writePath", entity.write_path, entity.parameters, expressions, every=False)
    if entity.records is not None:
        yield from _of_expression("records", entity.records, ("body",), expressions)
    yield from _under("paging", _of_paging(spec, entity, entity.paging, expressions))


def _of_paging(
    spec: ProviderSpec, entity: Entity, paging: Paging, expressions: Expressions
) -> Iterator[Found]:
    for field, source in (("next", paging.next), ("more", paging.more)):
        if source is not None:
            yield from _of_expression(field, source, ("body", "headers"), expressions)
    carriers = [("nextEndpoint", paging.next_endpoint)] if paging.next_endpoint else []
    if entity.endpoint is not None and paging.next_endpoint is None:
        carriers = [("parameter", entity.endpoint)]
    for field, name in carriers:
        endpoint = endpoints.find(spec, name or "")
        if isinstance(endpoint, Problem):
            yield Reason.INVALID_SPEC, f"{field}: {endpoint.details}"
        elif paging.parameter is not None and not _takes(endpoint, paging.parameter):
            yield (
                Reason.INVALID_SPEC,
                f"parameter: endpoint {endpoint.name!r} has nothing called {paging.parameter!r}",
            )


def _takes(endpoint: Endpoint, name: str) -> bool:
    body = endpoint.request_body or {}
    fields = body.get("properties", body)
    return name in fields or any(parameter.name == name for parameter in endpoint.parameters)


def _of_widget(spec: ProviderSpec, widget: Widget, expressions: Expressions) -> Iterator[Found]:
    yield from _of_source(spec, widget, widget.path, "path", expressions)
    if widget.transform is not None:
        yield from _of_expression("transform", widget.transform, ("body",), expressions)


def _of_source(
    spec: ProviderSpec, offered: Entity | Widget, path: str | None, field: str, expressions: Expressions
) -> Iterator[Found]:
    """Where a collection or a widget is read: a path of its own, or an endpoint that only reads."""
    schema = endpoints.parameter_schema(offered.parameters)
    if isinstance(schema, SchemaProblem):
        yield Reason.SCHEMA_INVALID, schema.message
    if path is not None:
        yield from _of_path(field, path, offered.parameters, expressions)
    if offered.endpoint is None:
        return
    endpoint = endpoints.find(spec, offered.endpoint)
    if isinstance(endpoint, Problem):
        yield Reason.INVALID_SPEC, f"endpoint: {endpoint.details}"
    elif not endpoints.reads_only(endpoint):
        yield Reason.INVALID_SPEC, f"endpoint: {endpoint.name!r} may change something; set readOnly if not"


def _of_event(event: WebhookEvent) -> Iterator[Found]:
    if event.payload_schema is not None:
        schema = JsonSchema.read(event.payload_schema, field="payloadSchema", closed=False)
        if isinstance(schema, SchemaProblem):
            yield Reason.SCHEMA_INVALID, schema.message


def _of_path(
    field: str,
    template: str,
    parameters: Sequence[Parameter],
    expressions: Expressions,
    *,
    every: bool = True,
) -> Iterator[Found]:
    """`every`: each parameter of the path must have its place."""
    if not template.startswith(("/", "{{")):
        yield Reason.INVALID_URL, f"{field}: the path must start with a slash"
    yield from _of_template(field, template, expressions)
    sources = placeholder.expressions(template)
    if isinstance(sources, placeholder.PlaceholderProblem):
        return
    used = {plain or quoted for source in sources for plain, quoted in _PARAMETER.findall(source)}
    declared = set(_names(parameters, "path"))
    for name in sorted(used - declared):
        yield Reason.INVALID_SPEC, f"{field}: params.{name} is no parameter with `in: path`"
    for name in sorted(declared - used) if every else ():
        yield (
            Reason.INVALID_SPEC,
            f"{field}: it has no place for the parameter {name}, as {{{{ params.{name} }}}}",
        )


def _of_template(field: str, template: str, expressions: Expressions) -> Iterator[Found]:
    sources = placeholder.expressions(template)
    if isinstance(sources, placeholder.PlaceholderProblem):
        yield Reason.EXPRESSION_INVALID, f"{field}: {sources.message}"
        return
    for source in sources:
        yield from _of_expression(f"{field}, in {{{{ {source} }}}}", source, PATH_VARIABLES, expressions)


def _of_expression(
    field: str, source: str, variables: Sequence[str], expressions: Expressions
) -> Iterator[Found]:
    program = expressions.compile(source, variables)
    if isinstance(program, ExpressionError):
        yield Reason.EXPRESSION_INVALID, f"{field}: {program.message}"


def _names(parameters: Sequence[Parameter], location: str) -> Iterator[str]:
    return (parameter.name for parameter in parameters if parameter.location == location)
