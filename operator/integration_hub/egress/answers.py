"""The response cache as the pipeline uses it: one question at a time, and nothing from before a change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from integration_hub.api.reasons import Reason
from integration_hub.domain import answer_cache
from integration_hub.domain.answer_cache import StoredAnswer
from integration_hub.ports import CacheLook, CallAnswer, CallRequest, Link, ResponseCache

Fetch = Callable[[], Awaitable[CallAnswer]]


@dataclass(slots=True)
class _Flight:
    """A question under way, and how many wait for its answer."""

    task: asyncio.Task[CallAnswer]
    waiting: int = 0


class Answers:
    """Belongs to one event loop."""

    def __init__(self, cache: ResponseCache) -> None:
        self._cache = cache
        self._flights: dict[str, _Flight] = {}
        self._forgetting: dict[str, asyncio.Task[None]] = {}

    async def answer(
        self, link: Link, request: CallRequest, credentials_version: str, fetch: Fetch
    ) -> CallAnswer:
        """From the cache, or fetched: by one for all who ask the same at the same time."""
        forgetting = self._forgetting.get(link.uid)
        if forgetting is not None:
            await asyncio.shield(forgetting)
        key = answer_cache.key(link, request, credentials_version)
        look = await self._cache.look(link.uid, key)
        stored = answer_cache.read(look.value) if look.value is not None else None
        if stored is not None:
            return CallAnswer(
                Reason.CONNECTED, stored.status, stored.headers, stored.body, cached=True, attempts=0
            )
        shared = f"{look.epoch}:{key}"
        flight = self._flights.get(shared)
        if flight is None:
            task = asyncio.create_task(self._fly(link, request, key, look, fetch), name="fetch an answer")
            flight = self._flights[shared] = _Flight(task)
            task.add_done_callback(lambda _: self._over(shared, task))
        return await self._share(shared, flight)

    def forget(self, scope: str) -> None:
        """Drop what is kept of a connection. Who asks from now on waits until it is gone."""
        before = self._forgetting.get(scope)
        task = asyncio.create_task(self._forget(scope, before), name="forget answers")
        self._forgetting[scope] = task
        task.add_done_callback(lambda done: self._forgotten(scope, done))

    async def _fly(
        self, link: Link, request: CallRequest, key: str, look: CacheLook, fetch: Fetch
    ) -> CallAnswer:
        answer = await fetch()
        if answer.success and not answer.truncated:
            stored = StoredAnswer(answer.status, answer.headers, answer.body)
            seconds = answer_cache.seconds_to_keep(request, stored)
            if seconds:
                value = answer_cache.written(stored)
                await self._cache.keep(link.uid, key, value, seconds=seconds, epoch=look.epoch)
        return answer

    async def _share(self, shared: str, flight: _Flight) -> CallAnswer:
        """Wait with the others; the last one who gives up ends it, and nobody joins what is ending."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            if flight.waiting == 1:
                self._over(shared, flight.task)
                flight.task.cancel()
            raise
        finally:
            flight.waiting -= 1

    def _over(self, shared: str, task: asyncio.Task[CallAnswer]) -> None:
        flight = self._flights.get(shared)
        if flight is not None and flight.task is task:
            del self._flights[shared]

    async def _forget(self, scope: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        await self._cache.forget(scope)

    def _forgotten(self, scope: str, task: asyncio.Task[None]) -> None:
        if self._forgetting.get(scope) is task:
            del self._forgetting[scope]
