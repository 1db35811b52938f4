"""Calls over a real database: what a breaker, a quota and a quiet were is known in the next life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from call_stage import QuickEntropy, ScriptedEgress, Stage, WallClock, get, link, reply, stage
from integration_hub.api.reasons import Reason
from integration_hub.egress.breakers import TRANSITION
from integration_hub.ports import Wakeup
from integration_hub.store import open_store

YEAR = 31_536_000
LINK = link(provider={"quota": {"requests": 7, "windowSeconds": YEAR}})


@asynccontextmanager
async def process(folder: Path, *answers: int) -> AsyncIterator[tuple[Stage, ScriptedEgress]]:
    """One life of a process on the database in `folder`. Nothing but the database outlives it."""
    clock = WallClock()
    store = await open_store("", clock, QuickEntropy(), data_dir=folder)
    egress = ScriptedEgress([reply(status) for status in answers])
    scene = stage(egress, clock, store=store)
    await scene.calls.restore()
    try:
        yield scene, egress
    finally:
        await store.close()


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_breaker_that_opened_is_open_in_the_next_life(tmp_path: Path) -> None:
    async with process(tmp_path, 503) as (scene, _):
        for _ in range(5):
            await scene.calls.call(LINK, get())
        before = scene.calls.breaker(LINK.uid)
        assert before.state == "open"
        assert await scene.store.drain() == [Wakeup("Integration", "team", "chat", TRANSITION)]
    async with process(tmp_path, 200) as (scene, egress):
        assert scene.calls.breaker(LINK.uid) == before
        assert (await scene.calls.call(LINK, get())).reason is Reason.CIRCUIT_OPEN
        assert egress.sent_at == []


async def test_a_quota_goes_on_in_the_next_life(tmp_path: Path) -> None:
    async with process(tmp_path, 200) as (scene, _):
        for _ in range(4):
            assert (await scene.calls.call(LINK, get())).success
    async with process(tmp_path, 200) as (scene, egress):
        told = [(await scene.calls.call(LINK, get())).success for _ in range(5)]
        assert told == [True, True, True, False, False]
        assert len(egress.sent_at) == 3


async def test_quiet_that_was_asked_for_goes_on_in_the_next_life(tmp_path: Path) -> None:
    async with process(tmp_path, 429) as (scene, egress):
        egress.answers = [reply(429, retry_after="900")]
        await scene.calls.call(LINK, get())
    async with process(tmp_path, 200) as (scene, egress):
        told = await scene.calls.call(LINK, get())
        assert told.reason is Reason.RATE_LIMITED
        assert told.retry_after is not None
        assert 800 < told.retry_after <= 900
        assert egress.sent_at == []


async def test_every_attempt_is_in_the_log_with_nothing_secret(tmp_path: Path) -> None:
    async with process(tmp_path, 500, 200) as (scene, _):
        for _ in range(2):
            await scene.calls.call(LINK, get("/me?access_token=canary-in-the-query"))
    files = written(tmp_path)
    assert b"/api/me?access_token=***" in files
    assert b"canary" not in files
