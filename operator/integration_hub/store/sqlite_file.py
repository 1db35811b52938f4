"""A SQLite database's file: made, locked against other processes, and what is wrong with it in words."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from pathlib import Path

from integration_hub.ports import StoreError
from integration_hub.store.engine import RefusedError
from integration_hub.store.limits import StoreLimits

_WAIT_SECONDS = 0.1
_JOURNAL_BYTES = 64 * 1024 * 1024
_CACHE_KIB = 16 * 1024


class SqliteFile:
    """The file at `path`, its lock file beside it, and connections to it. Nobody but us may read it."""

    def __init__(self, path: Path, limits: StoreLimits) -> None:
        self.path = path
        self._limits = limits
        self._lock: int | None = None

    def open(self) -> sqlite3.Connection:
        """Make the file if need be, lock it, and give the connection that may write."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._wait_for_lock(self._lock)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            with contextlib.suppress(PermissionError):  # a volume's owner may be another
                self.path.chmod(0o600)
        except OSError as error:
            self.close()
            raise StoreError(f"cannot use {self.path}: {error.strerror or error}") from None
        connection = self.connect(reader=False)
        try:
            # As long as there is no table: rows that go give their pages back.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            connection.close()
            self.close()
            raise explain(error, self.path) from None
        return connection

    def connect(self, *, reader: bool) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path,
                timeout=self._limits.lock_seconds,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
            for pragma in (
                f"query_only = {int(reader)}",
                f"cache_size = -{_CACHE_KIB}",
                f"journal_size_limit = {_JOURNAL_BYTES}",
                "temp_store = MEMORY",  # what is sorted must not lie about in temporary files
            ):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            self.close()
            raise explain(error, self.path) from None
        return connection

    def size(self) -> int:
        """Bytes of the database and its journal."""
        total = 0
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                total += Path(f"{self.path}{suffix}").stat().st_size
        return total

    def close(self) -> None:
        """Let the next process have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _wait_for_lock(self, lock: int) -> None:
        """An older process may be about to end."""
        deadline = time.monotonic() + self._limits.open_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self.close()
                    raise StoreError(
                        f"another process uses {self.path}: a SQLite store serves one (replicas: 1, strategy "
                        "Recreate); use PostgreSQL for more"
                    ) from None
            time.sleep(_WAIT_SECONDS)


_MEANINGS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "it cannot be written: read-only file or volume",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_PERM": "permission denied",
    "SQLITE_IOERR": "the disk failed",
    "SQLITE_CORRUPT": "it is damaged; restore a backup, or move it away to begin anew",
    "SQLITE_NOTADB": "it is no SQLite database; move it away to begin anew",
    "SQLITE_BUSY": "another process holds its lock",
    "SQLITE_LOCKED": "it is locked",
    "SQLITE_INTERRUPT": "the query took too long",
}
_OFFENCES = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """What SQLite says, in words that help."""
    name = getattr(error, "sqlite_errorname", "")
    for known, meaning in _MEANINGS.items():
        if name.startswith(known):
            return StoreError(f"{path}: {meaning} ({error})")
    kind = RefusedError if isinstance(error, _OFFENCES) else StoreError
    return kind(f"{path}: {error}")
