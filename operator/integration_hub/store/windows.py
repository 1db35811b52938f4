"""Windows of calls: one row per key, changed by one process at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from integration_hub.ports import StoreError, WindowLimit
from integration_hub.store.engine import Tx
from integration_hub.store.moments import to_ms, to_ms_up
from integration_hub.store.subject import Subject
from integration_hub.store.window import CallWindow

_LOAD = "SELECT held_until, calls FROM call_windows WHERE key = $1"
_SAVE = """
    INSERT INTO call_windows (key, held_until, calls, forgotten_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (key) DO UPDATE SET
      held_until = excluded.held_until, calls = excluded.calls, forgotten_at = excluded.forgotten_at
"""


class WindowTable(Subject):
    """ports.Windows. A power failure may take the last second of them; nobody waits for the disk."""

    async def take(self, key: str, limits: Sequence[WindowLimit], now: datetime) -> float:
        async def work(tx: Tx) -> int:
            held_until, window = await _load(tx, key)
            wait = max(held_until - to_ms(now), window.wait(limits, to_ms(now)), 0)
            if limits and not wait:
                # Kept as if made at the next whole millisecond: never a moment too early gone.
                await _save(tx, key, held_until, window.add(limits, to_ms_up(now)))
            return wait

        return await self.engine.write(work, durable=False, alone=f"window {key}") / 1000

    async def hold(self, key: str, until: datetime) -> None:
        async def work(tx: Tx) -> None:
            held_until, window = await _load(tx, key)
            await _save(tx, key, max(held_until, to_ms_up(until)), window)

        await self.engine.write(work, durable=False, alone=f"window {key}")

    async def used(self, key: str, seconds: int, now: datetime) -> int:
        async def work(tx: Tx) -> CallWindow:
            return (await _load(tx, key))[1]

        return (await self.engine.read(work)).used(seconds, to_ms(now))


async def _load(tx: Tx, key: str) -> tuple[int, CallWindow]:
    rows = await tx.rows(_LOAD, key)
    if not rows:
        return 0, CallWindow()
    held_until, calls = rows[0]
    try:
        return held_until, CallWindow.decode(calls)
    except ValueError as error:
        raise StoreError(f"the window of {key} cannot be read: {error}") from None


async def _save(tx: Tx, key: str, held_until: int, window: CallWindow) -> None:
    await tx.run(_SAVE, key, held_until, window.encode(), max(held_until, window.forgotten_at))
