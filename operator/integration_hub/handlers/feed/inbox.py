"""The crossing from kopf's thread to the main loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from integration_hub.handlers.feed.run import Verb
from integration_hub.ports import Json, Resource

_SLICE = 200
"""Events taken in at once: about 10 ms, after which the event loop serves others first."""


class Inbox:
    """Events of one run on their way to the main loop: in order, batched, bounded by a sender who looks.

    One crossing wakes the main loop for any number of events; waking it for each would cost more than
    taking them in.
    """

    def __init__(
        self, main: asyncio.AbstractEventLoop, take_in: Callable[[Resource, Verb, Json], None]
    ) -> None:
        self._main = main
        self._take_in = take_in
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Resource, Verb, Json]] = deque()
        self._emptied = asyncio.Event()
        self._scheduled = False
        self._closed = False

    def put(self, resource: Resource, verb: Verb, obj: Json) -> None:
        """Hand over one event. In the sender's thread."""
        if self._closed:
            return
        with self._lock:
            self._waiting.append((resource, verb, obj))
            schedule, self._scheduled = not self._scheduled, True
        if schedule:
            soon(self._main, self._drain)

    def __len__(self) -> int:
        """How many events wait; a sender far ahead does well to pause. In any thread."""
        return 0 if self._closed else len(self._waiting)

    def close(self) -> None:
        """Take nothing more: a run left behind may linger, and the next one tells everything anew."""
        self._closed = True

    async def empty(self) -> None:
        """Return when everything handed over so far is taken in."""
        while self._waiting:
            self._emptied.clear()
            await self._emptied.wait()

    def _drain(self) -> None:
        for _ in range(_SLICE):
            if not self._waiting:
                break
            self._take_in(*self._waiting.popleft())
        with self._lock:
            self._scheduled = bool(self._waiting)
        if self._scheduled:
            self._main.call_soon(self._drain)
        else:
            self._emptied.set()


def soon(main: asyncio.AbstractEventLoop, what: Callable[..., None], *arguments: object) -> None:
    """Have `what` called in the main loop, unless that is closed because the process is ending."""
    try:
        main.call_soon_threadsafe(what, *arguments)
    except RuntimeError:
        return
