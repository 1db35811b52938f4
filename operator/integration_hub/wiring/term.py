"""A term of office: what runs only while this process leads, and only on a whole cache."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from integration_hub.metrics import Metrics
from integration_hub.runtime.controller import Controller

_LOOK_SECONDS = 0.1
_log = logging.getLogger(__name__)

Duty = Callable[[], Coroutine[Any, Any, None]]
"""Runs during a term, beside the reconcilers; ended with it. One that returns is done for this term."""


class Term:
    """Reconciles while this process leads, from the moment on that its cache is whole.

    A decision on half of the world (a provider that is not there yet) would be a wrong one, so nothing
    begins before. `stop_kinds` ends what reconcilers have under way.
    """

    def __init__(
        self,
        controller: Controller,
        metrics: Metrics,
        *,
        whole: Callable[[], bool],
        objects: Callable[[], int],
        duties: tuple[Duty, ...],
        stop_kinds: Callable[[], Awaitable[None]],
    ) -> None:
        self._controller = controller
        self._metrics = metrics
        self._whole = whole
        self._objects = objects
        self._duties = duties
        self._stop_kinds = stop_kinds
        self._leads = False
        self._look = asyncio.Event()
        self.synced = False
        """Whether the cache has been whole."""

    def gained(self, fencing: int) -> None:
        """The Elector's word that this process leads."""
        _log.info("This process leads", extra={"fencing": fencing})
        self._leads = True
        self._metrics.leader.set(1)
        self._look.set()

    def lost(self) -> None:
        """The Elector's word that it no longer does."""
        _log.info("This process no longer leads")
        self._leads = False
        self._metrics.leader.set(0)
        self._look.set()

    async def run(self) -> None:
        """Until cancelled."""
        while not self._whole():  # noqa: ASYNC110 - two rooms know; neither has an event of being whole
            await asyncio.sleep(_LOOK_SECONDS)
        self.synced = True
        _log.info("The cache is whole", extra={"objects": self._objects()})
        on_duty: list[asyncio.Task[None]] = []
        try:
            while True:
                if self._leads and not self._controller.running:
                    self._controller.start()
                    on_duty = [asyncio.create_task(duty(), name=_name(duty)) for duty in self._duties]
                elif not self._leads and self._controller.running:
                    await _end(on_duty)
                    await self._controller.stop()
                    await self._stop_kinds()
                await self._look.wait()
                self._look.clear()
        finally:
            for task in on_duty:
                task.cancel()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _name(duty: Duty) -> str:
    return getattr(duty, "__qualname__", repr(duty))
