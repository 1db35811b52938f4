"""Breakers as the leader shows them: what the store says, read at start and whenever one moves."""

from __future__ import annotations

from collections.abc import Mapping

from integration_hub.ports import BreakerRow, Breakers


class Circuits:
    """Rows of breakers that are not closed, by Integration uid. Calls go by their own; this is for status."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers
        self._rows: Mapping[str, BreakerRow] = {}

    async def refresh(self) -> None:
        """Read them anew. Raises StoreError."""
        self._rows = await self._breakers.load_breakers()

    def row(self, uid: str) -> BreakerRow | None:
        """Its breaker; None while calls go through."""
        found = self._rows.get(uid)
        return found if found is not None and found.state != "closed" else None
