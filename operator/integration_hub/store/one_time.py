"""Values that may be used once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from integration_hub.store.engine import Row, Tx
from integration_hub.store.moments import to_ms
from integration_hub.store.subject import Subject

_PUT = """
    INSERT INTO one_time_values (digest, value, expires) VALUES ($1, $2, $3)
    ON CONFLICT (digest) DO UPDATE SET value = excluded.value, expires = excluded.expires
"""
# The row goes in the statement that reads it: of two who take at once one finds nothing.
_TAKE = "DELETE FROM one_time_values WHERE digest = $1 RETURNING value, expires"


class OneTimeTable(Subject):
    """ports.OneTime."""

    async def put_once(self, digest: str, value: str, expires: datetime) -> None:
        async def work(tx: Tx) -> None:
            await tx.run(_PUT, digest, value, to_ms(expires))

        await self.engine.write(work)

    async def take_once(self, digest: str, now: datetime) -> str | None:
        async def work(tx: Tx) -> Sequence[Row]:
            return await tx.rows(_TAKE, digest)

        for value, expires in await self.engine.write(work):
            if expires > to_ms(now):
                return str(value)
        return None
