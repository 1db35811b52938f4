"""Which database: `sqlite:///absolute/path` or `postgresql://user:password@host:port/database?schema=name`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from integration_hub.ports import StoreError

DEFAULT_SCHEMA = "integration_hub"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_FORMS = "sqlite:///absolute/path or postgresql://user:password@host:port/database"


@dataclass(frozen=True, slots=True)
class SqliteUrl:
    path: Path


@dataclass(frozen=True, slots=True)
class PostgresqlUrl:
    """`dsn` holds the password and is never shown; `shown` is for people."""

    dsn: str
    schema: str
    shown: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"PostgresqlUrl({self.shown})"

    def hide(self, text: str) -> str:
        """`text` without the password, should somebody have put it there."""
        for secret in (self.dsn, *self.secrets):
            text = text.replace(secret, "***")
        return text


def parse(url: str) -> SqliteUrl | PostgresqlUrl:
    """Read a store's URL. Raises StoreError, which names no part of a URL that may be a password."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return _sqlite(url)
    if scheme in ("postgresql", "postgres"):
        return _postgresql(url)
    raise StoreError(f"the store's URL must be {_FORMS}")


def _sqlite(url: str) -> SqliteUrl:
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise StoreError("a SQLite store is named sqlite:///absolute/path, without a host and options")
    return SqliteUrl(Path("/" + unquote(parts.path).lstrip("/")))


def _postgresql(url: str) -> PostgresqlUrl:
    try:
        parts = urlsplit(url)
        password, port = parts.password or "", parts.port
    except ValueError:
        raise StoreError(f"the store's URL cannot be read; it must be {_FORMS}") from None
    options = parse_qsl(parts.query)
    schema = dict(options).get("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema):
        raise StoreError(f"{schema!r} is no name of a schema: small letters, digits and _ only")
    rest = [(name, value) for name, value in options if name != "schema"]
    dsn = f"{parts.scheme}://{parts.netloc}{parts.path}{'?' if rest else ''}{urlencode(rest)}"
    secrets = {password, unquote(password), dict(rest).get("password", "")} - {""}
    # A socket's folder stands in the options; a host may be missing altogether.
    host = parts.hostname or dict(rest).get("host", "") or "(default host)"
    shown = f"postgresql://{host}{f':{port}' if port else ''}{parts.path}"
    return PostgresqlUrl(dsn, schema, shown, tuple(sorted(secrets, key=len, reverse=True)))
