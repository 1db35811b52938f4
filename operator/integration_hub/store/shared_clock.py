"""The time by which replicas agree: the database's, carried on by this machine's monotonic clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from integration_hub.ports import Clock
from integration_hub.store.engine import Engine


class SharedClock:
    """ports.Clock. A lease ends for all at once, whatever their wall clocks say. `set` before use."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base = clock.now()
        self._since = clock.monotonic()

    async def set(self, engine: Engine) -> None:
        """Ask the database what time it is. Raises StoreError."""
        began = self._clock.monotonic()
        base = await engine.now()
        self._base, self._since = base, (began + self._clock.monotonic()) / 2

    def now(self) -> datetime:
        return self._base + timedelta(seconds=self.monotonic() - self._since)

    def monotonic(self) -> float:
        return self._clock.monotonic()
