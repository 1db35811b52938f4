"""The caller's trace goes on to the far end, through a span of ours where spans are made."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Span, SpanContext, TraceFlags

from integration_hub.egress.tracing import Tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
GIVEN = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=1", "baggage": "a=b"}


class CountingTracer(NoOpTracer):
    """Makes children with span ids 1, 2, …, as an SDK would with random ones."""

    spans = 0

    def start_span(self, name: str, context: Context | None = None, *args: Any, **kwargs: Any) -> Span:
        self.spans += 1
        parent = trace.get_current_span(context).get_span_context()
        return NonRecordingSpan(
            SpanContext(
                parent.trace_id or 0xABC, self.spans, False, TraceFlags(1), trace_state=parent.trace_state
            )
        )


def sent(tracing: Tracing, given: dict[str, str]) -> dict[str, str]:
    span, headers = tracing.begin(tracing.parent(given), "GET", "api.example.com", "slack", 1)
    tracing.end(span, 200, "Connected", success=True)
    return headers


def test_without_an_sdk_the_callers_trace_goes_on_as_it_came_and_no_other_is_made_up() -> None:
    assert sent(Tracing(), GIVEN) == {name: GIVEN[name] for name in ("traceparent", "tracestate")}
    assert sent(Tracing(), {}) == {}


def test_with_one_each_attempt_is_a_child_of_its_own() -> None:
    tracing = Tracing(CountingTracer())
    first, second = sent(tracing, GIVEN), sent(tracing, GIVEN)
    assert first["traceparent"] == f"00-{TRACE}-0000000000000001-01"
    assert second["traceparent"] == f"00-{TRACE}-0000000000000002-01"
    assert first["tracestate"] == "vendor=1"


def test_with_one_a_call_without_a_trace_begins_one() -> None:
    assert sent(Tracing(CountingTracer()), {})["traceparent"].endswith("-0000000000000001-01")


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        f"00-{TRACE}-b7ad6b7169203331",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        "00-x\r\nX: y-1-01",
    ],
    ids=repr,
)
def test_what_is_no_trace_goes_nowhere(parent: str) -> None:
    assert sent(Tracing(), {"traceparent": parent, "tracestate": "vendor=1"}) == {}
