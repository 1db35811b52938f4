"""Answers kept for a while, so that the same question need not be asked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CacheLook:
    """What is kept under a key, and in which epoch of its scope one looked. None: nothing is kept."""

    value: bytes | None
    epoch: str


class ResponseCache(Protocol):
    """Values by scope (one connection's uid) and key. It is a help, never a need: nothing here raises.

    A scope's epoch changes when it is forgotten. What was fetched in an epoch that has passed is not
    kept: an answer from before a change must not come back after it.
    """

    async def look(self, scope: str, key: str) -> CacheLook: ...

    async def keep(self, scope: str, key: str, value: bytes, *, seconds: int, epoch: str) -> None:
        """`epoch`: of the look that came before the value was fetched."""
        ...

    async def forget(self, scope: str) -> None:
        """Drop everything of a scope."""
        ...
