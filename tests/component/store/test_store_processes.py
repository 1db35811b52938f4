"""Several processes, and processes that are killed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import store_crashes
import store_racer
from integration_hub.adapters.clock import SystemClock, SystemEntropy
from integration_hub.ports import StoreError, Wakeup
from integration_hub.store import StoreLimits, open_store
from postgresql_server import PostgresqlServer
from store_stage import NAMESPACE

RACERS = 3
THINGS = store_racer.THINGS


@pytest.mark.parametrize(("engine", "points"), [("sqlite", 40), ("postgresql", 20)])
def test_a_process_killed_at_any_line_loses_nothing_that_was_acknowledged(
    engine: str, points: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    target = str(tmp_path)
    if engine == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        target = server.dsn
    asked = [sys.executable, store_crashes.__file__, target, str(points)]
    ran = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr[-3000:]
    said = json.loads(ran.stdout)
    assert said["wrong"] == []
    assert said["killed"] > points / 2, "else it was no test"


async def test_processes_that_race_share_fairly(postgresql: PostgresqlServer) -> None:
    url = postgresql.url()
    racers = [await _racer(url, f"racer-{number}") for number in range(RACERS)]
    # All of them make the schema at once; what they race for comes while they do.
    running = [asyncio.create_task(racer.communicate(b"go\n")) for racer in racers]
    store = await open_store(url, SystemClock(), SystemEntropy())
    later = datetime.now(UTC) + timedelta(hours=1)
    for thing in range(THINGS):
        await store.put_once(f"digest-{thing}", "value", later)
        await store.wake(Wakeup("Integration", NAMESPACE, f"object-{thing}", "Called"))
    said = await asyncio.gather(*running)
    assert [racer.returncode for racer in racers] == [0] * RACERS
    outcomes = [json.loads(out) for out, _ in said]

    def all_of(what: str) -> list[int | str]:
        return [thing for outcome in outcomes for thing in outcome[what]]

    assert len(all_of("taken")) == store_racer.LIMIT.requests
    assert len(all_of("locks")) == THINGS
    assert sorted(all_of("keys")) == list(range(THINGS))
    assert len(all_of("values")) == len(set(all_of("values")))
    drained = [*all_of("drained"), *(wakeup.name for wakeup in await store.drain())]
    assert sorted(drained) == sorted(f"object-{thing}" for thing in range(THINGS))
    breaker = (await store.load_breakers())["breaker"]
    assert breaker.failures == breaker.version == len(all_of("bumps"))
    figures = await store.call_figures(NAMESPACE, [])
    calls = RACERS * store_racer.AT_ONCE * THINGS
    assert sum(each.total for each in figures.values()) == calls
    await store.close()


async def _racer(url: str, name: str) -> Process:
    """A process that stands at the line."""
    racer = await asyncio.create_subprocess_exec(
        *(sys.executable, store_racer.__file__, url, name), stdin=PIPE, stdout=PIPE
    )
    assert racer.stdout is not None
    assert await racer.stdout.readline() == b"ready\n"
    return racer


async def test_a_second_process_is_kept_from_a_sqlite_file(tmp_path: Path) -> None:
    url, limits = f"sqlite://{tmp_path}/hub.db", StoreLimits(open_seconds=0.2)
    first = await open_store(url, SystemClock(), SystemEntropy())
    with pytest.raises(StoreError, match=r"another process uses .*hub\.db"):
        await open_store(url, SystemClock(), SystemEntropy(), limits=limits)
    assert await first.ready() == ""
    await first.close()
    second = await open_store(url, SystemClock(), SystemEntropy(), limits=limits)
    await second.close()
