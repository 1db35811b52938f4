"""How much a store keeps, for how long, and how patient it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from integration_hub.ports import FIGURES_KEPT

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Days, hours, seconds, rows and characters, as the names say.

    A log over its rows or bytes loses the oldest entries of the namespace that takes most of it, so that
    no tenant can push out another's.
    """

    call_days: float = 14
    call_rows: int = 1_000_000
    call_bytes: int = 1024 * MIB
    audit_days: float = 365
    audit_rows: int = 1_000_000
    audit_bytes: int = 512 * MIB
    minute_hours: float = FIGURES_KEPT / timedelta(hours=1)
    """Figures by the minute, for trends. Sums since the first call stay."""
    health_hours: float = 25
    lock_days: float = 7
    """A lock that nobody took for so long is forgotten."""
    running_seconds: float = 300
    """How long a request with an idempotency key may run before it is taken for dead."""

    flush_seconds: float = 0.5
    flush_rows: int = 1_000
    buffer_rows: int = 20_000
    buffer_bytes: int = 32 * MIB
    buffer_figures: int = 50_000
    """Sums by Integration and minute that may wait for the database."""
    body_characters: int = 65_536
    header_characters: int = 16_384
    text_characters: int = 2_048

    tend_seconds: float = 60
    """Pause between two rounds of retention, with jitter."""
    open_seconds: float = 30
    """Patience at start: for a database that comes up, for an older process to let go of the file."""
    statement_seconds: float = 10
    lock_seconds: float = 5
    """Patience with others who hold what is needed."""
    connections: int = 8
