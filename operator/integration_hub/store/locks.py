"""Short leases with fencing numbers."""

from __future__ import annotations

from collections.abc import Sequence

from integration_hub.store.engine import Row, Tx
from integration_hub.store.moments import to_ms
from integration_hub.store.subject import Subject

# A name that was forgotten starts at the time: above every number that it had before.
_TAKE = """
    INSERT INTO locks AS held (name, holder, fence, expires) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO UPDATE SET
      fence = CASE WHEN held.holder = excluded.holder AND held.expires > $3 THEN held.fence
              ELSE held.fence + 1 END,
      holder = excluded.holder,
      expires = excluded.expires
    WHERE held.holder = excluded.holder OR held.expires <= $3
    RETURNING fence
"""
_LEAVE = "UPDATE locks SET holder = '', expires = 0 WHERE name = $1 AND holder = $2"


class LockTable(Subject):
    """ports.Locks."""

    async def try_lock(self, name: str, holder: str, seconds: float) -> int:
        now = to_ms(self.clock.now())

        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(_TAKE, name, holder, now, now + round(seconds * 1000))

        taken = await self.engine.write(work, durable=False)
        return int(taken[0][0]) if taken else 0

    async def unlock(self, name: str, holder: str) -> None:
        async def work(tx: Tx) -> None:
            await tx.run(_LEAVE, name, holder)

        await self.engine.write(work, durable=False)
