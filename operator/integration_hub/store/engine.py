"""What the tables' code asks of a database: a transaction, and somebody who runs work inside one.

The work is written once, as coroutines over `Tx`. On SQLite nothing in it ever waits, and the writer's
thread drives it to its end; on PostgreSQL it is awaited as usual. Statements number their values `$1`, `$2`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from integration_hub.ports import StoreError

Value = str | int | float | bool | bytes | None
Row = Sequence[Any]
T = TypeVar("T")


class RefusedError(StoreError):
    """The database took offence at the data itself: to try again is useless."""


class Tx(Protocol):
    """One transaction."""

    async def rows(self, sql: str, *values: Value) -> Sequence[Row]:
        """Run one statement and fetch what it gives."""
        ...

    async def run(self, sql: str, *values: Value) -> None: ...

    async def run_many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Run one statement with each of these."""
        ...

    async def ring(self) -> None:
        """Wake those who wait for wakeups, in every process, once this is committed."""
        ...


Work = Callable[[Tx], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The few words in which the databases differ."""

    name: str
    among: str
    """What follows a column that must be one of the texts of a JSON list, the value `{}`."""
    skip_locked: str


class Engine(Protocol):
    """A database. Raises StoreError for whatever is wrong with it."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def shared(self) -> bool: ...

    async def open(self, rung: Callable[[], None]) -> None:
        """Connect. `rung` is called in the event loop when a process rang, or may have rung unheard."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Run work that changes nothing."""
        ...

    async def write(
        self, work: Work[T], *, durable: bool = True, alone: str = "", patient: bool = False
    ) -> T:
        """Run work and commit it.

        Committed work outlives the process. With `durable` it outlives the machine too; without, a power
        failure may take the last second of it, and nobody waits for the disk. Of all work that asks to be
        `alone` with the same name one runs at a time, in all processes. `patient` work may take long,
        such as a migration.
        """
        ...

    async def now(self) -> datetime:
        """The time by which all go who share the database."""
        ...

    async def give_back(self) -> None:
        """Let go of space that deleted rows took, as far as that is cheap."""
        ...

    async def measure(self) -> int:
        """Bytes of the database."""
        ...

    async def close(self) -> None: ...
