"""How a family of paths spells words (HUB-22); operations know the CRD's words alone.

Going in, both spellings of a word are understood; coming out, a family keeps its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from integration_hub.api.errors import ErrorCode
from integration_hub.gateway.errors import Refusal
from integration_hub.ports import Problem

_E = TypeVar("_E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One family's way: UPPER_SNAKE words or kebab-case ones, and words that are its very own."""

    upper: bool
    own: Mapping[str, str] = field(default_factory=dict)
    """CRD word to this family's, where it is another word and not only other letters."""

    def word(self, value: StrEnum | str) -> str:
        """A CRD word as this family spells it."""
        text = str(value)
        if text in self.own:
            return self.own[text]
        return text.upper().replace("-", "_") if self.upper else text.lower().replace("_", "-")

    def read(self, words: type[_E], text: str, where: str) -> _E:
        """The CRD's word for what a caller wrote; refused, naming the field, if there is none."""
        found = find_word(words, text)
        if found is None:
            known = ", ".join(self.word(each) for each in words)
            raise Refusal(Problem(ErrorCode.INVALID_REQUEST, f"{where}: must be one of {known}"))
        return found


def find_word(words: type[_E], text: str) -> _E | None:
    """The CRD's word for any family's spelling of it."""
    flat = _ALIASES.get(_flat(text), _flat(text))
    return next((each for each in words if _flat(str(each)) == flat), None)


def _flat(text: str) -> str:
    return text.lower().replace("-", "").replace("_", "").replace(" ", "")


_ALIASES = {"oauth": "oauth2"}

UPPER = Spelling(upper=True)
"""004 and 003: camelCase keys, UPPER_SNAKE words."""
KEBAB = Spelling(upper=False, own={"OAUTH2": "oauth"})
"""002: camelCase keys, lower-case kebab words."""
