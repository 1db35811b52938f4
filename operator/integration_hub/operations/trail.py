"""How a request is followed through logs, audit and the outside system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Trail:
    """`trace` holds W3C `traceparent` and `tracestate`; `idempotency_key` is the caller's own, if any."""

    correlation_id: str = ""
    trace: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str = ""


NO_TRAIL = Trail()
