"""The controller: turns changes of the cache into keys, and keys into reconciles, while this process leads.

What controller-runtime is to Go. A reconciler is handed a key, never an event: it looks at the world as it
is now, so a lost, late or doubled event cannot mislead it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from integration_hub.ports import ApiError, Clock, Key, NotLeaderError, PortError
from integration_hub.runtime.cache import Change, ObjectCache
from integration_hub.runtime.due import DueTimes
from integration_hub.runtime.queue import Priority, WorkQueue

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconcile wants next: another look in so many seconds, or none until something changes.

    `requeue_after` of 0 means after the shortest backoff, or as soon as the object changes: for a conflict,
    where somebody else wrote in between and the cache will know soon.
    """

    requeue_after: float | None = None


class Reconciler(Protocol):
    """One kind's flow: gather, decide, act, report. Called for one key at a time, never twice at once."""

    async def reconcile(self, key: Key) -> Result:
        """Bring the world nearer to what the object asks for. Called also for an object that is gone."""
        ...


ChangeMap = Callable[[Change], Iterable[Key]]
"""Pure function of a change: which objects are to be looked at because of it."""

Observer = Callable[[str, str, float], None]
"""Told `(kind, outcome, seconds)` of each reconcile; outcome is success, requeue, error or timeout."""


def itself(change: Change) -> Iterable[Key]:
    """The default map: the object itself, unless all that changed is a status which this process wrote."""
    if change.spec_changed or change.metadata_changed or (change.status_changed and not change.own):
        return (change.key,)
    return ()


class Controller:
    """Owns the workers. It reconciles between `start` and `stop`: while this process is the leader.

    `on_change(kind, fn)` adds a map for changes of `kind`; a registered kind has `itself` as its first.
    """

    def __init__(
        self,
        cache: ObjectCache,
        queue: WorkQueue,
        due: DueTimes,
        clock: Clock,
        *,
        workers: int = 12,
        timeout_seconds: float = 120.0,
        observe: Observer | None = None,
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._due = due
        self._clock = clock
        self._workers = workers
        self._timeout = timeout_seconds
        self._observe = observe
        self._reconcilers: dict[str, Reconciler] = {}
        self._maps: dict[str, list[ChangeMap]] = {}
        self._troubles: dict[Key, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._accepting = False
        cache.subscribe(self._changed)

    # ------------------------------------------------------------------ setting up

    def register(self, kind: str, reconciler: Reconciler) -> None:
        """Have objects of `kind` reconciled by `reconciler`."""
        if kind in self._reconcilers:
            raise ValueError(f"{kind} has a reconciler already")
        self._reconcilers[kind] = reconciler
        self._maps.setdefault(kind, []).insert(0, itself)

    def on_change(self, kind: str, change_map: ChangeMap) -> None:
        """Also look at the objects which `change_map` names when an object of `kind` changes."""
        self._maps.setdefault(kind, []).append(change_map)

    # ------------------------------------------------------------------ living

    @property
    def running(self) -> bool:
        return bool(self._tasks)

    def start(self) -> None:
        """This process leads now: look at every object once, as a resync, and at whatever changes."""
        if self._tasks:
            return
        self._accepting = True
        for kind in self._reconcilers:
            for key in self._cache.keys(kind):
                self._queue.add(key, priority=Priority.RESYNC)
        self._tasks = [
            asyncio.create_task(self._work(), name=f"reconcile-{number}") for number in range(self._workers)
        ]
        self._tasks.append(asyncio.create_task(self._due.run(), name="due-times"))

    async def stop(self, grace_seconds: float = 0.0) -> None:
        """No new work from now on; what is in hand may go on for `grace_seconds`, then it is cancelled."""
        self._accepting = False
        self._queue.clear()
        self._due.clear()
        if grace_seconds > 0:
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._idle.wait()
            except TimeoutError:
                _log.warning("Reconciles still running at the end of the grace period are cancelled")
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._queue.clear()
        self._troubles.clear()

    def enqueue(self, keys: Iterable[Key], *, priority: Priority = Priority.CHANGE) -> None:
        """Look at these objects: something outside the cache changed (a Secret, a wakeup)."""
        if self._accepting:
            for key in keys:
                self._queue.add(key, priority=priority)

    # ------------------------------------------------------------------ inside

    def _changed(self, change: Change) -> None:
        if not self._accepting:
            return
        for change_map in self._maps.get(change.key.kind, ()):
            try:
                self.enqueue(change_map(change))
            except Exception:  # noqa: BLE001  a bug in one map must not cost the others their change
                _log.exception("The map of changes to keys failed", extra={"object": str(change.key)})

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._busy += 1
            self._idle.clear()
            try:
                await self._process(key)
            finally:
                self._queue.done(key)
                self._busy -= 1
                if not self._busy:
                    self._idle.set()

    async def _process(self, key: Key) -> None:
        reconciler = self._reconcilers.get(key.kind)
        if reconciler is None:
            _log.error("No reconciler for this kind", extra={"object": str(key)})
            return
        started = perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                result = await reconciler.reconcile(key)
        except NotLeaderError:
            # The new leader looks at everything anyway; but this process may be the leader again in a moment,
            # by a renewal that came too late and still succeeded.
            if self._accepting:
                self._queue.retry(key)
            return
        except TimeoutError as error:
            outcome = "timeout"
            self._failed(key, error, f"took longer than {self._timeout:g} s")
        except PortError as error:
            outcome = "error"
            self._failed(key, error, str(error), known=True)
        except Exception as error:  # noqa: BLE001  a bug costs one object its turn, not the process
            outcome = "error"
            self._failed(key, error, f"{type(error).__name__}: {error}")
        else:
            outcome = "requeue" if result.requeue_after is not None else "success"
            self._succeeded(key, result)
        if self._observe is not None:
            self._observe(key.kind, outcome, perf_counter() - started)

    def _succeeded(self, key: Key, result: Result) -> None:
        if self._troubles.pop(key, None) is not None:
            _log.info("Reconciles again", extra={"object": str(key)})
        if not self._accepting:
            return
        if result.requeue_after is not None and result.requeue_after <= 0:
            self._queue.retry(key)
            return
        self._queue.forget(key)
        if result.requeue_after is None:
            self._due.discard(key)
        else:
            self._due.set(key, self._clock.monotonic() + result.requeue_after)

    def _failed(self, key: Key, error: BaseException, cause: str, *, known: bool = False) -> None:
        """Try again after a backoff; say so once per object and cause, not once per attempt."""
        if not self._accepting:
            return
        asked = error.retry_after if isinstance(error, ApiError) else None
        seconds = self._queue.retry(key, at_least=asked or 0.0)
        if self._troubles.get(key) == cause:
            return
        self._troubles[key] = cause
        _log.warning(
            "Reconcile failed, will retry",
            extra={"object": str(key), "cause": cause, "retry_in": round(seconds, 2)},
            exc_info=None if known else error,
        )
