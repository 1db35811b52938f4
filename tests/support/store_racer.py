"""One of several processes that want the same things of one database at once.

    python store_racer.py URL NAME

Says `ready`, waits for a line, then races, and prints what it got as a JSON object.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).resolve().parent
sys.path[:0] = [str(SUPPORT), str(SUPPORT.parents[1] / "operator")]

from integration_hub.adapters.clock import SystemClock, SystemEntropy  # noqa: E402
from integration_hub.ports import BreakerRow, WindowLimit  # noqa: E402
from integration_hub.store import DatabaseStore, open_store  # noqa: E402
from store_stage import NAMESPACE, Stage  # noqa: E402

THINGS = 30
AT_ONCE = 4
LIMIT = WindowLimit(50, 86_400)


async def race(store: DatabaseStore, name: str) -> dict[str, list[Any]]:
    """Everything that only so many may have, a few of each at once."""
    now = datetime.now(UTC)
    later = now + timedelta(hours=1)
    stage = Stage()
    got: dict[str, list[Any]] = {
        what: [] for what in ("taken", "locks", "values", "keys", "bumps", "drained")
    }

    marks = itertools.count(zlib.crc32(name.encode()) % 10**9)

    async def some(each: int) -> None:
        for thing in range(THINGS):
            got["taken"] += [thing] if not await store.take("account", [LIMIT], now) else []
            fence = await store.try_lock(f"lock-{thing}", f"{name}-{each}", 3600)
            got["locks"] += [fence] if fence else []
            got["values"] += [thing] if await store.take_once(f"digest-{thing}", now) else []
            begun = await store.begin("ann", f"key-{thing}", "fingerprint", later)
            got["keys"] += [thing] if begun == "new" else []
            got["bumps"] += [thing] if await _bump(store, next(marks)) else []
            store.record_call(stage.call(integration_uid=f"uid-{thing % 3}"))
            got["drained"] += [wakeup.name for wakeup in await store.drain(2)]

    await asyncio.gather(*(some(each) for each in range(AT_ONCE)))
    await store.call_figures(NAMESPACE, [])
    return got


async def _bump(store: DatabaseStore, mark: int) -> bool:
    """One try to count the breaker's failures up; whether it was ours, which has our mark, that won."""
    row = (await store.load_breakers()).get("breaker", BreakerRow())
    mine = replace(row, state="open", failures=row.failures + 1, successes=mark)
    return await store.save_breaker("breaker", mine) == replace(mine, version=row.version + 1)


async def main(url: str, name: str) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    store = await open_store(url, SystemClock(), SystemEntropy())
    got = await race(store, name)
    await store.close()
    sys.stdout.write(json.dumps(got) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
