"""A dashboard's data: the widget's one read, served again for as long as its provider says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from integration_hub.domain import widget as widgets
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.one_call import request_of
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Caller, Calls, Expressions, Json, Problem, Purpose

WIDGETS = "widgets"
"""The virtual subresource that lets somebody see an Integration's widgets (verb get)."""


@dataclass(frozen=True, slots=True)
class WidgetInput:
    """`arguments` are values of the widget's parameters; they may be text, as query strings are."""

    namespace: str
    integration: str
    widget: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class WidgetData:
    """`cached`: it was asked for earlier, at most `ttl_seconds` ago."""

    widget: str
    title: str
    data: Json = field(repr=False)
    cached: bool
    ttl_seconds: int


class ReadWidget:
    """The far end's answer is what is kept (`Calls` does it), so whatever drops that drops the widget."""

    def __init__(self, integrations: Integrations, calls: Calls, expressions: Expressions) -> None:
        self._integrations = integrations
        self._calls = calls
        self._expressions = expressions

    async def __call__(self, caller: Caller, asked: WidgetInput) -> WidgetData | Problem:
        """NOT_FOUND where the provider declares no such widget."""
        link = await self._integrations.link(
            caller, asked.namespace, asked.integration, verb="get", subresource=WIDGETS, trail=asked.trail
        )
        if isinstance(link, Problem):
            return link
        widget = widgets.find(link.provider, asked.widget)
        if isinstance(widget, Problem):
            return widget
        made = widgets.widget_call(
            link.provider, widget, asked.arguments, config=link.config, expressions=self._expressions
        )
        if isinstance(made, Problem):
            return made
        answer = await self._calls.call(link, request_of(made, caller, asked.trail, Purpose.WIDGET))
        if answer.problem is not None:
            return answer.problem
        data = widgets.widget_data(widget, answer.body, self._expressions)
        if isinstance(data, Problem):
            return data
        return WidgetData(widget.id, widget.title, data, answer.cached, widget.ttl_seconds)
