"""The machine's time and chance."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Wall clock, timezone-aware UTC. For display and for times that outlive the process."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump. For deadlines."""
        ...


class Entropy(Protocol):
    def random(self) -> float:
        """Uniform in [0, 1), for jitter."""
        ...

    def uuid(self) -> str:
        """A fresh UUIDv7."""
        ...
