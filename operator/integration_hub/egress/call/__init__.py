"""`call()` and `stream()`: guard → budget → breaker → credentials → send → classify → retry → log."""

from integration_hub.egress.call.journey import CallMetrics, CallStore
from integration_hub.egress.call.pipeline import CallPipeline

__all__ = ["CallMetrics", "CallPipeline", "CallStore"]
