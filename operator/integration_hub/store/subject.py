"""What every subject's tables stand on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from integration_hub.ports import Clock
from integration_hub.store.engine import Engine, Value
from integration_hub.store.limits import StoreLimits
from integration_hub.store.recorder import Recorder


@dataclass(eq=False, repr=False)
class Subject:
    """The parts of a store; each subject adds its methods. `bell` rings when there may be wakeups."""

    engine: Engine
    recorder: Recorder
    limits: StoreLimits
    clock: Clock
    bell: asyncio.Event

    def _among(self, mark: str) -> str:
        """What follows a column that must be one of the texts of the JSON list for which `mark` stands."""
        return self.engine.dialect.among.format(mark)


class Conditions:
    """The WHERE of a query, and its values in order.

    >>> where = Conditions()
    >>> where.require(f"name = {where.value('crm')}")
    >>> str(where), where.values
    ('name = $1', ['crm'])
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._parts: list[str] = []

    def value(self, value: Value) -> str:
        """The mark that stands for `value`."""
        self.values.append(value)
        return f"${len(self.values)}"

    def require(self, condition: str) -> None:
        self._parts.append(condition)

    def __str__(self) -> str:
        return " AND ".join(self._parts)
