"""Breakers as the leader shows them: what the store says, read at start and whenever one moves."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from integration_hub.ports import BreakerRow, Breakers, StoreError

_log = logging.getLogger(__name__)


class Circuits:
    """Rows of breakers that are not closed, by Integration uid. Calls go by their own; this is for status."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers
        self._rows: Mapping[str, BreakerRow] | None = None

    async def known(self) -> None:
        """Return once they were read in this term."""
        if self._rows is None:
            await self.refresh()

    async def refresh(self) -> None:
        """Read them anew; where the store does not work, what was known stays."""
        try:
            self._rows = await self._breakers.load_breakers()
        except StoreError as error:
            _log.warning("Breakers cannot be read", extra={"cause": str(error)})
            self._rows = self._rows or {}

    def forget(self) -> None:
        """The term is over."""
        self._rows = None

    def row(self, uid: str) -> BreakerRow | None:
        """Its breaker; None while calls go through."""
        found = (self._rows or {}).get(uid)
        return found if found is not None and found.state != "closed" else None
