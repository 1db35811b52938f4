"""The bundled migrations, as every engine gets them."""

from __future__ import annotations

import sqlite3

import pytest

from integration_hub.store.migration import Migration, load_migrations


def test_they_are_numbered_without_a_gap() -> None:
    assert [each.version for each in load_migrations()] == list(range(1, len(load_migrations()) + 1))


@pytest.mark.parametrize("migration", load_migrations(), ids=lambda each: each.name)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_each_splits_into_whole_statements(migration: Migration, engine: str) -> None:
    statements = migration.statements(engine)
    assert statements
    for statement in statements:
        assert sqlite3.complete_statement(f"{statement};")
        assert "/*" not in statement


def test_an_engines_own_words_reach_that_engine_alone() -> None:
    text = "-- a comment; with a semicolon\nCREATE TABLE a (b TEXT) /* sqlite: WITHOUT ROWID */;\nSELECT 1;\n"
    migration = Migration(1, "first", text)
    assert migration.statements("sqlite") == ["CREATE TABLE a (b TEXT) WITHOUT ROWID", "SELECT 1"]
    assert migration.statements("postgresql") == ["CREATE TABLE a (b TEXT)", "SELECT 1"]
