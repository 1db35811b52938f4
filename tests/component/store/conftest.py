"""The stores that the contract holds for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration_hub.ports import Clock, Entropy, Store
from integration_hub.store import StoreLimits, open_store
from memory_store import MemoryStore
from postgresql_server import PostgresqlServer
from store_stage import Stage


@pytest.fixture
def limits() -> StoreLimits:
    """Those of the stores; a file of tests may have its own."""
    return StoreLimits()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """One store of each sort, open."""
    async with _staged(request.param, request, tmp_path) as stage:
        yield stage


@pytest.fixture(params=["sqlite", "postgresql"])
async def durable(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """Those that outlive the process."""
    async with _staged(request.param, request, tmp_path) as stage:
        yield stage


def _staged(kind: str, request: pytest.FixtureRequest, folder: Path) -> Stage:
    if kind == "memory":

        async def in_memory(clock: Clock, _: Entropy) -> Store:
            return MemoryStore(clock)

        return Stage(in_memory)
    url = f"sqlite://{folder}/hub.db"
    if kind == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        url = server.url()

    limits: StoreLimits = request.getfixturevalue("limits")

    async def by_url(clock: Clock, entropy: Entropy) -> Store:
        return await open_store(url, clock, entropy, limits=limits)

    return Stage(by_url)
