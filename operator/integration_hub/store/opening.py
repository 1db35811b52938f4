"""A store by its URL."""

from __future__ import annotations

from pathlib import Path

from integration_hub.ports import Clock, Entropy, StoreError
from integration_hub.store.database import DatabaseStore
from integration_hub.store.engine import Engine
from integration_hub.store.limits import StoreLimits
from integration_hub.store.sqlite import SqliteEngine
from integration_hub.store.url import SqliteUrl, parse

FILE_NAME = "hub.db"


async def open_store(
    url: str,
    clock: Clock,
    entropy: Entropy,
    *,
    data_dir: Path | None = None,
    limits: StoreLimits | None = None,
) -> DatabaseStore:
    """Open `sqlite:///absolute/path` or `postgresql://…`; with an empty `url`, `hub.db` in `data_dir`.

    Waits for a database that comes up, and for an older process that lets go of a file, as long as the limits
    say; makes or updates the schema. Raises StoreError, in which no password stands.
    """
    if not url and data_dir is None:
        raise StoreError("a store needs a URL or a folder for its data")
    limits = limits or StoreLimits()
    store = DatabaseStore(_engine(url, data_dir, limits), limits, clock, entropy)
    try:
        await store.open()
    except BaseException:
        await store.close()
        raise
    return store


def _engine(url: str, data_dir: Path | None, limits: StoreLimits) -> Engine:
    if not url and data_dir is not None:
        return SqliteEngine(data_dir.absolute() / FILE_NAME, limits)
    parsed = parse(url)
    if isinstance(parsed, SqliteUrl):
        return SqliteEngine(parsed.path, limits)
    try:
        # Its library is an extra.
        from integration_hub.store.postgresql import PostgresqlEngine  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise StoreError(f"PostgreSQL needs the extra `postgresql` of integration-hub: {error}") from None
    return PostgresqlEngine(parsed, limits)
