"""Idempotency keys: a request that is sent twice is done once."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from integration_hub.ports import KeptAnswer
from integration_hub.store.engine import Tx
from integration_hub.store.moments import to_ms
from integration_hub.store.subject import Subject

_LOAD = """
    SELECT fingerprint, running_until, status, body FROM idempotency_keys
    WHERE caller = $1 AND key = $2 AND expires > $3
"""
_BEGIN = """
    INSERT INTO idempotency_keys (caller, key, fingerprint, expires, running_until)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (caller, key) DO UPDATE SET
      fingerprint = excluded.fingerprint, expires = excluded.expires, running_until = excluded.running_until,
      status = NULL, body = NULL
"""
_FINISH = """
    UPDATE idempotency_keys SET fingerprint = $3, status = $4, body = $5 WHERE caller = $1 AND key = $2
"""
_ABANDON = "DELETE FROM idempotency_keys WHERE caller = $1 AND key = $2 AND status IS NULL"


class IdempotencyTable(Subject):
    """ports.IdempotencyKeys."""

    async def begin(
        self, caller: str, key: str, fingerprint: str, expires: datetime
    ) -> Literal["new", "running"] | KeptAnswer:
        now = to_ms(self.clock.now())

        async def work(tx: Tx) -> Literal["new", "running"] | KeptAnswer:
            for known, running_until, status, body in await tx.rows(_LOAD, caller, key, now):
                if status is not None:
                    return KeptAnswer(known, status, bytes(body))
                if running_until > now:
                    return "running"
            running_until = now + round(self.limits.running_seconds * 1000)
            await tx.run(_BEGIN, caller, key, fingerprint, to_ms(expires), running_until)
            return "new"

        return await self.engine.write(work, alone=f"key {caller} {key}")

    async def finish(self, caller: str, key: str, answer: KeptAnswer) -> None:
        async def work(tx: Tx) -> None:
            await tx.run(_FINISH, caller, key, answer.fingerprint, answer.status, answer.body)

        await self.engine.write(work)

    async def abandon(self, caller: str, key: str) -> None:
        async def work(tx: Tx) -> None:
            await tx.run(_ABANDON, caller, key)

        await self.engine.write(work)
