"""A widget: the one read that feeds it, and what its provider makes of the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping

from integration_hub.api.errors import ErrorCode
from integration_hub.api.offerings import Endpoint, Widget
from integration_hub.api.provider import ProviderSpec
from integration_hub.domain import endpoint as endpoints
from integration_hub.domain import selection
from integration_hub.domain.endpoint import EndpointCall
from integration_hub.ports import ExpressionError, Expressions, Json
from integration_hub.ports.problem import Problem


def find(spec: ProviderSpec, widget_id: str) -> Widget | Problem:
    """The provider's widget of that id."""
    for widget in spec.widgets:
        if widget.id == widget_id:
            return widget
    known = ", ".join(widget.id for widget in spec.widgets) or "none"
    return Problem(
        ErrorCode.NOT_FOUND, f"{spec.display_name} has no widget called {widget_id!r} (known: {known})"
    )


def widget_call(
    spec: ProviderSpec,
    widget: Widget,
    arguments: Mapping[str, Json],
    *,
    config: Mapping[str, Json],
    expressions: Expressions,
) -> EndpointCall | Problem:
    """The call that feeds the widget; the caller's arguments win over the widget's own.

    Its answer may be served again for the widget's `ttlSeconds`.
    """
    source = _source(spec, widget)
    if isinstance(source, Problem):
        return source
    if not endpoints.reads_only(source):
        return Problem(
            ErrorCode.INVALID_CONFIGURATION,
            f"widget {widget.id!r} is fed by {source.name!r}, which may change something: widgets only read",
        )
    return endpoints.endpoint_call(
        source.model_copy(update={"cache_ttl_seconds": widget.ttl_seconds}),
        {**widget.arguments, **arguments},
        config=config,
        expressions=expressions,
    )


def widget_data(widget: Widget, body: bytes, expressions: Expressions) -> Json | Problem:
    """The answer's body as the widget shows it: decoded, cut down to `keep`, then transformed."""
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return Problem(ErrorCode.RESPONSE_INVALID, f"the answer that feeds widget {widget.id!r} is no JSON")
    kept = selection.keep(decoded, widget.keep)
    if widget.transform is None:
        return kept
    value = selection.evaluate(widget.transform, {"body": kept}, expressions)
    if isinstance(value, ExpressionError):
        code = ErrorCode.OVERLOADED if value.later else ErrorCode.RESPONSE_INVALID
        return Problem(code, f"the transform of widget {widget.id!r}: {value.message}")
    return value


def _source(spec: ProviderSpec, widget: Widget) -> Endpoint | Problem:
    """The named endpoint, or the widget's own path as one."""
    if widget.endpoint is not None:
        return endpoints.find(spec, widget.endpoint)
    return Endpoint(name=widget.id, path=widget.path or "/", parameters=widget.parameters)
