"""The one expression language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from integration_hub.ports.base import Json


@dataclass(frozen=True, slots=True)
class ExpressionError:
    """A CEL expression that does not compile or evaluate; `message` is for the author.

    `later`: nothing is wrong with it and the data, it was only held back for now.
    """

    message: str
    later: bool = False


class Program(Protocol):
    """A compiled CEL expression, safe to share and to evaluate many times."""

    def evaluate(self, variables: Mapping[str, Json]) -> Json | ExpressionError:
        """Its value, or why there is none. Bounded in time and size; never raises."""
        ...


class Expressions(Protocol):
    """The one expression language, CEL."""

    def compile(self, source: str, variables: Sequence[str]) -> Program | ExpressionError:
        """Compile (and remember) `source`, which may use the named variables, each of any type."""
        ...
