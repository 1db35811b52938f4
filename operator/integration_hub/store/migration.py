"""Forward-only numbered SQL: `migrations/NNNN_name.sql`, each in a transaction of its own.

Version n of the program runs on schemas n and n+1, so that a fleet can be upgraded while the old version
still works: expand in one version, contract in a later one. A file that has been released is never edited.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from integration_hub.ports import Clock, StoreError
from integration_hub.store.engine import Engine, Tx
from integration_hub.store.moments import to_ms

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_WORDS = re.compile(r"/\* (\w+): (.*?) \*/")
_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_versions (
      version INTEGER PRIMARY KEY,
      name TEXT NOT NULL,
      applied_at BIGINT NOT NULL
    )
"""


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    text: str

    def statements(self, engine: str) -> Sequence[str]:
        """Its statements as this engine wants them."""
        own = _WORDS.sub(lambda found: found[2] if found[1] == engine else "", self.text)
        lines = [line for line in own.splitlines() if not line.startswith("--")]
        return [part.strip() for part in "\n".join([*lines, ""]).split(";\n") if part.strip()]


def load_migrations() -> Sequence[Migration]:
    """The bundled ones in order; the numbers count from 1 without a gap."""
    found = []
    for file in files("integration_hub.store").joinpath("migrations").iterdir():
        matched = _FILE.fullmatch(file.name)
        if matched:
            found.append(Migration(int(matched[1]), matched[2], file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise AssertionError("the migrations are not numbered 0001, 0002, …")
    return found


async def migrate(engine: Engine, clock: Clock, migrations: Sequence[Migration] | None = None) -> int:
    """Bring the schema up to date and say its version. Two processes may do it at once.

    Raises StoreError where the schema is of a later version than this program can use.
    """
    known = load_migrations() if migrations is None else migrations

    async def one_step(tx: Tx) -> tuple[int, bool]:
        await tx.run(_TABLE)
        (found,) = (await tx.rows("SELECT coalesce(max(version), 0) FROM schema_versions"))[0]
        version = int(found)
        if version > len(known) + 1:
            raise StoreError(
                f"the database has schema {version}, this program knows {len(known)} and works on "
                f"{len(known) + 1} at most: run the version that wrote it, or a later one"
            )
        if version >= len(known):
            return version, False
        following = known[version]
        for statement in following.statements(engine.dialect.name):
            await tx.run(statement)
        await tx.run(
            "INSERT INTO schema_versions (version, name, applied_at) VALUES ($1, $2, $3)",
            following.version,
            following.name,
            to_ms(clock.now()),
        )
        return following.version, following.version < len(known)

    version, more = await engine.write(one_step, alone="schema", patient=True)
    while more:
        version, more = await engine.write(one_step, alone="schema", patient=True)
    return version
