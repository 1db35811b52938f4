"""Secrets of served namespaces, and text that must not be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol


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
    `owners` are the uids of its ownerReferences.
    """

    state: SecretState
    data: Mapping[str, SecretText] = field(default_factory=dict)
    resource_version: str = ""
    undecodable: Sequence[str] = ()
    uid: str = ""
    type: str = ""
    owners: Sequence[str] = ()


class Secrets(Protocol):
    """Values of Secrets, as the API server has them at this moment."""

    async def read(self, namespace: str, name: str) -> SecretRead: ...


class SecretVersions(Protocol):
    """What the metadata-only watch knows of Secrets, so that one that did not change is not read again."""

    def version(self, namespace: str, name: str) -> tuple[str, str] | Literal["missing", "unknown"]:
        """Its uid and resourceVersion; `unknown` where the namespace is not followed (now)."""
        ...


@dataclass(frozen=True, slots=True)
class SecretDraft:
    """A Secret of the hub itself, whole: it belongs to an object of our kinds and goes when that goes."""

    namespace: str
    name: str
    type: str
    data: Mapping[str, SecretText]
    owner_kind: str
    owner_name: str
    owner_uid: str


class SecretWriteState(StrEnum):
    WRITTEN = "Written"
    CONFLICT = "Conflict"
    """Somebody else was first: it exists already, is gone, or has changed since it was read."""
    DENIED = "Denied"


@dataclass(frozen=True, slots=True)
class SecretWrite:
    """What came of a write; `resource_version` and `uid` are of what was written."""

    state: SecretWriteState
    resource_version: str = ""
    uid: str = ""


class OwnedSecrets(Protocol):
    """Secrets that the hub itself writes. Raises ApiError where nobody answers."""

    async def read(self, namespace: str, name: str) -> SecretRead: ...

    async def create(self, draft: SecretDraft) -> SecretWrite: ...

    async def replace(self, draft: SecretDraft, *, uid: str, resource_version: str) -> SecretWrite:
        """Compare-and-swap: written only if it is still the one that was read."""
        ...

    async def delete(self, namespace: str, name: str, *, uid: str) -> SecretWriteState:
        """Only that one; fine where it is gone already."""
        ...

    async def write_back(
        self, namespace: str, name: str, values: Mapping[str, SecretText], *, uid: str, resource_version: str
    ) -> SecretWrite:
        """Replace these keys of a user's Secret and nothing else of it: only where its owner asked for it."""
        ...
