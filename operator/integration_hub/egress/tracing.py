"""W3C trace context: the caller's comes in, a span for each request we send, ours goes out with it.

Only the API is used here: without an SDK configured (extra `otel`) spans cost next to nothing, and the
caller's context goes on to the far end as it came.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_HEADERS = ("traceparent", "tracestate")


class Tracing:
    """Makes spans. Attributes follow OpenTelemetry's conventions for HTTP clients; no path, no query."""

    def __init__(self, tracer: trace.Tracer | None = None) -> None:
        self._tracer = tracer or trace.get_tracer("integration_hub.egress")

    def parent(self, given: Mapping[str, str]) -> Context | None:
        """The caller's context; None if it sent none, or none that can be read."""
        if not given:
            return None
        carrier = {name: given[name] for name in _HEADERS if name in given}
        return _PROPAGATOR.extract(carrier) if carrier else None

    def begin(
        self, parent: Context | None, method: str, host: str, provider: str, attempt: int
    ) -> tuple[Span, dict[str, str]]:
        """A span for one attempt, and the headers that carry it."""
        span = self._tracer.start_span(method, context=parent, kind=SpanKind.CLIENT)
        if span.is_recording():
            span.set_attributes(
                {"http.request.method": method, "server.address": host, "integration_hub.provider": provider}
            )
            if attempt > 1:
                span.set_attribute("http.request.resend_count", attempt - 1)
        headers: dict[str, str] = {}
        if span.get_span_context().is_valid:
            _PROPAGATOR.inject(headers, context=trace.set_span_in_context(span))
        return span, headers

    def end(self, span: Span, status: int, outcome: str, *, success: bool) -> None:
        if span.is_recording():
            if status:
                span.set_attribute("http.response.status_code", status)
            if not success:
                span.set_attribute("error.type", outcome)
                span.set_status(Status(StatusCode.ERROR))
        span.end()
