"""URLs of stores, and what may be said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_hub.ports import StoreError
from integration_hub.store.url import PostgresqlUrl, SqliteUrl, parse


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/hub.db", "/data/hub.db"),
        ("sqlite:////data/hub.db", "/data/hub.db"),
        ("sqlite:///data/a%20b.db", "/data/a b.db"),
    ],
)
def test_a_file(url: str, path: str) -> None:
    assert parse(url) == SqliteUrl(Path(path))


@pytest.mark.parametrize(
    ("url", "dsn", "schema", "shown"),
    [
        (
            "postgresql://hub:secret@db.example:5433/hub?sslmode=require",
            "postgresql://hub:secret@db.example:5433/hub?sslmode=require",
            "integration_hub",
            "postgresql://db.example:5433/hub",
        ),
        (
            "postgres://hub:secret@db.example/hub?schema=other&sslmode=require",
            "postgres://hub:secret@db.example/hub?sslmode=require",
            "other",
            "postgresql://db.example/hub",
        ),
        (
            "postgresql:///hub?host=/run/postgresql&user=hub&password=secret",
            "postgresql:///hub?host=%2Frun%2Fpostgresql&user=hub&password=secret",
            "integration_hub",
            "postgresql:///run/postgresql/hub",
        ),
    ],
    ids=["whole", "a schema", "a socket"],
)
def test_a_server(url: str, dsn: str, schema: str, shown: str) -> None:
    parsed = parse(url)
    assert isinstance(parsed, PostgresqlUrl)
    assert (parsed.dsn, parsed.schema, parsed.shown) == (dsn, schema, shown)
    assert "secret" not in f"{parsed!r} {parsed}"
    assert parsed.hide("no entry for secret here") == "no entry for *** here"
    assert parsed.hide(f"invalid: {dsn}") == "invalid: ***"


def test_a_password_is_hidden_in_both_its_spellings() -> None:
    parsed = parse("postgresql://hub:p%40ss@db/hub")
    assert isinstance(parsed, PostgresqlUrl)
    assert parsed.hide("p@ss and p%40ss") == "*** and ***"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/data/hub.db",
        "mysql://hub:secret@db/hub",
        "secret",
        "sqlite://secret/hub.db",
        "sqlite:relative.db",
        "sqlite:///hub.db?password=secret",
        "postgresql://hub:secret@db:port/hub",
        "postgresql://hub:secret@[db/hub",
        'postgresql://hub:secret@db/hub?schema=a";drop',
    ],
)
def test_what_is_no_url_of_a_store_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        parse(url)
    assert "secret" not in str(caught.value)
