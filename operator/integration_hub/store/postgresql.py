"""PostgreSQL: a pool of connections, one transaction per piece of work, LISTEN for wakeups.

Replicas are kept apart by advisory locks that end with their transaction, and by statements that change
and read a row at once. Work that met a deadlock, or whose connection broke before COMMIT was sent, has had
no effect and is done again; where it broke during COMMIT nobody knows, and the caller is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

import asyncpg

from integration_hub.ports import StoreError
from integration_hub.store.engine import Dialect, RefusedError, Row, Value, Work
from integration_hub.store.limits import StoreLimits
from integration_hub.store.url import PostgresqlUrl

_log = logging.getLogger(__name__)
T = TypeVar("T")

_DIALECT = Dialect(
    "postgresql",
    among="= ANY (ARRAY(SELECT json_array_elements_text({}::json)))",
    skip_locked="FOR UPDATE SKIP LOCKED",
)
_ATTEMPTS = 3
_RETRY_SECONDS = 0.05
_LONGEST_PAUSE = 15.0
_CONNECT_SECONDS = 5.0
_PATIENCE_SECONDS = 600

# What comes of others' work, or of a connection that was lost: the same again may well succeed.
_PASSING = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    OSError,
)
_OFFENCES = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """Nothing that we do outlives its transaction, so nothing is to be reset afterwards."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


class _Tx:
    """engine.Tx on a connection."""

    def __init__(self, connection: Any, channel: str, timeout: float | None = None) -> None:
        self._connection = connection
        self._channel = channel
        self._timeout = timeout

    async def rows(self, sql: str, *values: Value) -> Sequence[Row]:
        found = await self._connection.fetch(sql, *values, timeout=self._timeout)
        return [tuple(row) for row in found]

    async def run(self, sql: str, *values: Value) -> None:
        await self._connection.execute(sql, *values, timeout=self._timeout)

    async def run_many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        if rows:
            await self._connection.executemany(sql, rows, timeout=self._timeout)

    async def ring(self) -> None:
        await self.run("SELECT pg_notify($1, '')", self._channel)


class PostgresqlEngine:
    """engine.Engine on a database that other processes use too."""

    dialect = _DIALECT
    shared = True

    def __init__(self, url: PostgresqlUrl, limits: StoreLimits) -> None:
        self._url = url
        self._limits = limits
        self._channel = f"{url.schema}_wakeups"
        self._pool: Any = None
        self._listening: asyncio.Task[None] | None = None

    async def open(self, rung: Callable[[], None]) -> None:
        """Connect, however long the database takes to come up within the limits."""
        deadline = asyncio.get_running_loop().time() + self._limits.open_seconds
        while True:
            try:
                await self._connect()
                break
            except (*_PASSING, TimeoutError) as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise self._explain(error) from None
                await asyncio.sleep(1)
            except (asyncpg.PostgresError, asyncpg.ClientConfigurationError, ValueError) as error:
                raise self._explain(error) from None
        self._listening = asyncio.create_task(self._listen(rung), name="store-listener")

    async def read(self, work: Work[T]) -> T:
        return await self._attempts(self._read, work)

    async def write(
        self, work: Work[T], *, durable: bool = True, alone: str = "", patient: bool = False
    ) -> T:
        # Said, since a server's default may differ. Sent together: each message is a way there and back.
        begin = ["BEGIN ISOLATION LEVEL READ COMMITTED"]
        if not durable:
            begin.append("SET LOCAL synchronous_commit = off")
        if patient:
            begin.append(f"SET LOCAL statement_timeout = '{_PATIENCE_SECONDS}s'")
            begin.append(f"SET LOCAL lock_timeout = '{_PATIENCE_SECONDS}s'")
        if alone:
            begin.append(f"SELECT pg_advisory_xact_lock({_number_of(self._url.schema, alone)})")
        timeout = _PATIENCE_SECONDS if patient else None

        async def attempt(work: Work[T]) -> T:
            return await self._write(work, "; ".join(begin), timeout)

        return await self._attempts(attempt, work)

    async def give_back(self) -> None:
        """Autovacuum does."""

    async def now(self) -> datetime:
        sql = "SELECT clock_timestamp()"
        moment: datetime = (await self.read(lambda tx: tx.rows(sql)))[0][0]
        return moment

    async def measure(self) -> int:
        sql = """
            SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
            WHERE relnamespace = to_regnamespace($1) AND relkind = 'r'
        """
        return int((await self.read(lambda tx: tx.rows(sql, self._url.schema)))[0][0])

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await pool.close()
            except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                pool.terminate()

    # ------------------------------------------------------------------ transactions

    async def _attempts(self, attempt: Callable[[Work[T]], Any], work: Work[T]) -> T:
        """Run work; again where it certainly had no effect."""
        for number in range(1, _ATTEMPTS + 1):
            try:
                return cast("T", await attempt(work))
            except _UnknownOutcomeError as error:
                raise self._explain(
                    error.__cause__ or error, "nobody knows whether it was committed"
                ) from None
            except _PASSING as error:
                if number == _ATTEMPTS:
                    raise self._explain(error) from None
                await asyncio.sleep(_RETRY_SECONDS * number)
            except (asyncpg.PostgresError, asyncpg.InternalClientError, TimeoutError) as error:
                raise self._explain(error) from None
        raise AssertionError("the last attempt returns or raises")

    async def _read(self, work: Work[T]) -> T:
        async with self._borrowed() as connection:
            return await work(_Tx(connection, self._channel))

    async def _write(self, work: Work[T], begin: str, timeout: float | None) -> T:  # noqa: ASYNC109
        async with self._borrowed() as connection:
            try:
                await connection.execute(begin, timeout=timeout)
                outcome = await work(_Tx(connection, self._channel, timeout))
            except BaseException:
                await _roll_back(connection)
                raise
            try:
                await connection.execute("COMMIT")
            except BaseException as error:
                connection.terminate()
                if isinstance(error, (*_PASSING, TimeoutError)):
                    raise _UnknownOutcomeError from error
                raise
            return outcome

    @contextlib.asynccontextmanager
    async def _borrowed(self) -> Any:
        if self._pool is None:
            raise StoreError("the store is closed")
        async with self._pool.acquire(timeout=self._limits.lock_seconds) as connection:
            yield connection

    # ------------------------------------------------------------------ connections

    async def _connect(self) -> None:
        """Build the pool, and the schema if need be."""
        pool = await asyncpg.create_pool(
            self._url.dsn,
            min_size=0,
            max_size=self._limits.connections,
            timeout=_CONNECT_SECONDS,
            command_timeout=self._limits.statement_seconds + 2,
            connection_class=_Connection,
            init=self._prepare,
        )
        try:
            async with pool.acquire() as connection:
                # Only where it is missing: making schemas may be somebody else's right.
                if await connection.fetchval("SELECT to_regnamespace($1)", self._url.schema) is None:
                    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._url.schema}")
        except BaseException:
            pool.terminate()
            raise
        self._pool = pool

    async def _prepare(self, connection: Any) -> None:
        limits = self._limits
        await connection.execute(
            f"SET search_path TO {self._url.schema}"
            f"; SET statement_timeout = '{limits.statement_seconds:g}s'"
            f"; SET lock_timeout = '{limits.lock_seconds:g}s'"
            f"; SET idle_in_transaction_session_timeout = '{2 * limits.statement_seconds:g}s'"
            "; SET application_name = 'integration-hub'"
        )

    async def _listen(self, rung: Callable[[], None]) -> None:
        """Hear the bell until cancelled. After each connection there may have been one that nobody heard."""
        pause, trouble = _RETRY_SECONDS, ""
        while True:
            try:
                connection = await asyncpg.connect(self._url.dsn, timeout=_CONNECT_SECONDS)
                try:
                    ended = asyncio.Event()
                    connection.add_termination_listener(lambda _, ended=ended: ended.set())
                    await connection.add_listener(self._channel, lambda *_: rung())
                    rung()
                    pause, trouble = _RETRY_SECONDS, ""
                    await ended.wait()
                finally:
                    connection.terminate()
            except (*_PASSING, asyncpg.PostgresError, TimeoutError) as error:
                cause = str(self._explain(error))
                if cause != trouble:
                    _log.info("Cannot listen for wakeups, will retry", extra={"cause": cause})
                trouble = cause
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _explain(self, error: BaseException, more: str = "") -> StoreError:
        """What the database or the way to it says, without the password and without data."""
        said = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, asyncpg.DataError):
            said = f"a value that it does not take ({type(error).__name__})"  # the message quotes it
        elif isinstance(error, asyncpg.PostgresError):
            said = error.message or said  # the details, left out here, quote rows
        elif isinstance(error, TimeoutError):
            said = "no answer in time"
        kind = RefusedError if isinstance(error, _OFFENCES) else StoreError
        return kind(": ".join(part for part in (self._url.shown, more, self._url.hide(said)) if part))


class _UnknownOutcomeError(Exception):
    """The connection broke while COMMIT was under way."""


def _number_of(schema: str, name: str) -> int:
    """The advisory lock of a name: two that share one by chance wait for each other, no more."""
    digest = hashlib.blake2b(f"{schema} {name}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


async def _roll_back(connection: Any) -> None:
    """End the transaction, or else the connection."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await connection.execute("ROLLBACK")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        connection.terminate()
