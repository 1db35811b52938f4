"""What is remembered about objects between two looks, in memory, by key and uid.

An object that was deleted and created again under its name starts anew. Later the facts move into
the store behind the same three verbs.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from integration_hub.ports import Key

Facts = TypeVar("Facts")


class HealthBook(Generic[Facts]):
    """Facts of any immutable type, one per object."""

    def __init__(self) -> None:
        self._entries: dict[Key, tuple[str, Facts]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, uid: str) -> Facts | None:
        """What is known of this very object; None for a new one, or another of the same name."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] == uid else None

    def uid(self, key: Key) -> str:
        """Whose facts these are; empty where there are none."""
        entry = self._entries.get(key)
        return entry[0] if entry is not None else ""

    def put(self, key: Key, uid: str, facts: Facts) -> None:
        self._entries[key] = (uid, facts)

    def forget(self, key: Key) -> None:
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget all: another replica may have led meanwhile, and statuses know better."""
        self._entries.clear()
