"""Secrets of served namespaces, and text that must not be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class SecretText:
    """A secret value that cannot be printed, logged or serialised by accident: redaction by type."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Call this only where the byte leaves for its destination."""
        return self._value

    def __repr__(self) -> str:
        return "SecretText(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and self._value == other._value

    def __hash__(self) -> int:
        return hash(("SecretText", self._value))


class SecretState(StrEnum):
    FOUND = "Found"
    MISSING = "Missing"
    DENIED = "Denied"


@dataclass(frozen=True, slots=True)
class SecretRead:
    """The answer to reading a Secret: three outcomes a user can act on, as a value.

    `undecodable` names keys whose bytes are not UTF-8 text; they are left out of `data`.
    """

    state: SecretState
    data: Mapping[str, SecretText] = field(default_factory=dict)
    resource_version: str = ""
    undecodable: Sequence[str] = ()


class Secrets(Protocol):
    """Values of Secrets, read on use and never cached."""

    async def read(self, namespace: str, name: str) -> SecretRead: ...
