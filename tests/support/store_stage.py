"""Stores for tests: one database, as many stores over it as a test wants, and a clock that it moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from integration_hub.adapters.clock import SystemEntropy
from integration_hub.ports import AuditRecord, CallRecord, Clock, Entropy, HealthPoint, Store

Opener = Callable[[Clock, Entropy], Awaitable[Store]]
NAMESPACE, UID = "team-a", "5b1c0000-0000-4000-8000-000000000001"


class MovableClock:
    """ports.Clock that stands still, on a whole millisecond of today, until it is moved."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self._now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def move(self, **by: float) -> datetime:
        """Let so much time pass (`seconds=`, `days=` …); the new time."""
        self._now += timedelta(**by)
        self._monotonic += timedelta(**by).total_seconds()
        return self._now

    def set_wall(self, now: datetime) -> None:
        """Somebody set the wall clock."""
        self._now = now


class Stage:
    """One database. `store` is the first process's; `another` opens one more, as another replica would.

    Without an opener it only makes records.
    """

    def __init__(self, opener: Opener | None = None) -> None:
        self.clock = MovableClock()
        self._opener = opener
        self._opened: list[Store] = []
        self.store: Store

    async def open(self) -> Store:
        self.store = await self.another()
        return self.store

    async def another(self) -> Store:
        assert self._opener is not None
        store = await self._opener(self.clock, SystemEntropy())
        self._opened.append(store)
        return store

    async def restart(self) -> Store:
        """Close, and open again: what only the process knew is gone."""
        await self.store.close()
        return await self.open()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for store in self._opened:
            await store.close()

    # ------------------------------------------------------------------ records

    def call(self, **other: Any) -> CallRecord:
        """A successful call by now, different where told."""
        record = CallRecord(
            at=self.clock.now(),
            namespace=NAMESPACE,
            integration="crm",
            integration_uid=UID,
            provider="hubspot",
            purpose="call",
            caller="system:serviceaccount:team-a:shop",
            correlation_id="c-1",
            method="GET",
            path="/crm/v3/objects/contacts",
            status=200,
            outcome="Succeeded",
            success=True,
            milliseconds=12.5,
            attempt=1,
            bytes_sent=100,
            bytes_received=2_000,
            message="200 in 12 ms",
            level="info",
        )
        return replace(record, **other)

    def failed_call(self, **other: Any) -> CallRecord:
        failure: dict[str, Any] = {"status": 503, "outcome": "Transient", "success": False, "level": "error"}
        return self.call(**{**failure, **other})

    def audit(self, **other: Any) -> AuditRecord:
        record = AuditRecord(
            at=self.clock.now(),
            namespace=NAMESPACE,
            actor="system:serviceaccount:team-a:shop",
            action="use",
            resource="credentials",
            name="crm",
            outcome="allowed",
            detail="GET /crm/v3/objects/contacts",
            correlation_id="c-1",
        )
        return replace(record, **other)

    def check(
        self, *, success: bool = True, milliseconds: float | None = 40.0, uid: str = UID
    ) -> HealthPoint:
        return HealthPoint(self.clock.now(), uid, success, milliseconds)
