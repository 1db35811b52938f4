"""Objects that the leader should look at."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from integration_hub.ports import Wakeup
from integration_hub.store.engine import Row, Tx
from integration_hub.store.moments import to_ms
from integration_hub.store.subject import Subject

_WAKE = """
    INSERT INTO wakeups (kind, namespace, name, reason, at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (kind, namespace, name) DO UPDATE SET reason = excluded.reason
"""
_DRAIN = """
    DELETE FROM wakeups WHERE (kind, namespace, name) IN (
      SELECT kind, namespace, name FROM wakeups ORDER BY at LIMIT $1 {}
    ) RETURNING kind, namespace, name, reason
"""


class WakeupTable(Subject):
    """ports.Wakeups. After a start there may be something: the first wait returns at once."""

    async def wake(self, wakeup: Wakeup) -> None:
        now = to_ms(self.clock.now())

        async def work(tx: Tx) -> None:
            await tx.run(_WAKE, wakeup.kind, wakeup.namespace, wakeup.name, wakeup.reason, now)
            await tx.ring()

        await self.engine.write(work, durable=False)

    async def drain(self, limit: int = 1000) -> Sequence[Wakeup]:
        sql = _DRAIN.format(self.engine.dialect.skip_locked)
        self.bell.clear()

        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(sql, limit)

        taken = [Wakeup(*row) for row in await self.engine.write(work, durable=False)]
        if len(taken) == limit:
            self.bell.set()
        return taken

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.bell.wait()
        except TimeoutError:
            return
