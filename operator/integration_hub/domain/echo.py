"""Credentials that a far end sends back: struck out of its answer before a caller gets it.

Whoever may call through a connection need not know its credentials, and an error page or an echo service
would tell them. What is struck keeps its length, so that lengths announced in headers stay true. Short
secrets are left: their letters may as well be part of the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from integration_hub.domain.concealment import forms
from integration_hub.ports import SecretText

SHORTEST = 12


class Veil:
    """What to strike out of one answer, whole (`over`) or as it comes (`piece`, then `rest`)."""

    __slots__ = ("_held", "_needles")

    def __init__(self, secrets: Iterable[SecretText]) -> None:
        found = {
            form.encode() for secret in secrets for form in forms(secret.reveal()) if len(form) >= SHORTEST
        }
        self._needles = sorted(found, key=lambda needle: (-len(needle), needle))
        self._held = b""

    def over(self, data: bytes) -> bytes:
        for needle in self._needles:
            if needle in data:
                data = data.replace(needle, b"*" * len(needle))
        return data

    def over_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: self._over_text(value) for name, value in headers.items()}

    def piece(self, data: bytes) -> bytes:
        """What may go on of a body so far. Held back is only an end that could begin a secret."""
        data = self.over(self._held + data)
        keep = max((_overlap(data, needle) for needle in self._needles), default=0)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def rest(self) -> bytes:
        """What was held back at the end of a body."""
        held, self._held = self._held, b""
        return held

    def _over_text(self, value: str) -> str:
        for needle in self._needles:
            text = needle.decode()
            if text in value:
                value = value.replace(text, "*" * len(text))
        return value


def _overlap(data: bytes, needle: bytes) -> int:
    """How many bytes at the end of `data` are the beginning of `needle`, which is not in it."""
    start = max(len(data) - len(needle) + 1, 0)
    first = needle[:1]
    while True:
        start = data.find(first, start)
        if start < 0:
            return 0
        if needle.startswith(data[start:]):
            return len(data) - start
        start += 1
