"""The feed: keeps kopf running, whatever ends it, and the cache filled with what it sees."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from integration_hub.handlers.feed.inbox import Inbox, soon
from integration_hub.handlers.feed.run import FeedEndedError, KopfRun, Verb, silence_kopf
from integration_hub.handlers.feed.streams import FeedState, StreamBook
from integration_hub.ports import ApiLogin, Clock, Entropy, Json, Key, Resource
from integration_hub.runtime.cache import ObjectCache

_log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_HEALTHY_SECONDS = 30.0
_OTHER_LISTS_SECONDS = 30.0
_STOP_SECONDS = 3.0
_RETRIES = (0.5, 1.0, 2.0, 3.0, *[5.0] * 11)
"""kopf's own pauses between attempts at one request, about a minute: shorter than its default's 21 s at the
end, since the longest of them is how much later than the API server the feed is back."""


class Feed:
    """Lists and watches `resources` into `cache`, in all namespaces or in the given ones, until cancelled.

    `on_listed` is called in the main loop after every list that kopf made anew: at each start, and after a
    410. The relist is to run then, because kopf tells nothing of what was deleted meanwhile.
    """

    def __init__(
        self,
        resources: Sequence[Resource],
        cache: ObjectCache,
        login: ApiLogin,
        clock: Clock,
        entropy: Entropy,
        *,
        on_listed: Callable[[], None],
        namespaces: Sequence[str] = (),
        user_agent: str = "integration-hub",
        watch_seconds: float = 300.0,
        silence_seconds: float = 150.0,
        unknown_kind_seconds: float = 15.0,
        backoff_seconds: float = 0.5,
        backoff_limit_seconds: float = 15.0,
        retry_seconds: Sequence[float] = _RETRIES,
    ) -> None:
        self._resources = tuple(resources)
        self._cache = cache
        self._login = login
        self._clock = clock
        self._entropy = entropy
        self._on_listed = on_listed
        self._namespaces = tuple(namespaces)
        self._user_agent = user_agent
        self._watch_seconds = watch_seconds
        self._silence = silence_seconds
        self._unknown_kind = unknown_kind_seconds
        self._backoff = backoff_seconds
        self._backoff_limit = backoff_limit_seconds
        self._retry_seconds = retry_seconds
        self._book: StreamBook | None = None
        self._run: KopfRun | None = None
        self._started_at = 0.0
        self._good_at: float | None = None
        self._event_at: float | None = None
        self._events = 0
        self._restarts = 0
        self._listed = False
        self._last_end = ""

    # ------------------------------------------------------------------ living

    async def run(self) -> None:
        """Keep the feed alive until cancelled; then kopf is stopped within a few seconds."""
        silence_kopf()
        delay = self._backoff
        while True:
            started = self._clock.monotonic()
            ending = await self._run_once()
            healthy = self._good_at is not None and self._good_at - started > _HEALTHY_SECONDS
            delay = self._backoff if healthy else delay
            pause = delay * (0.5 + self._entropy.random() / 2)
            self._last_end = describe(ending)
            self._restarts += 1
            _log.warning(
                "The feed ended, will restart", extra={"cause": self._last_end, "restart_in": round(pause, 2)}
            )
            await asyncio.sleep(pause)
            delay = min(self._backoff_limit, delay * 2)

    async def _run_once(self) -> BaseException:
        main = asyncio.get_running_loop()
        inbox, list_ended = Inbox(main, self._take_in), asyncio.Event()
        book = StreamBook(
            self._resources,
            self._namespaces,
            self._clock.monotonic,
            on_listed=lambda: soon(main, list_ended.set),
            on_trouble=_report_trouble,
        )
        run = KopfRun(
            self._resources,
            self._namespaces,
            self._login,
            book,
            inbox,
            user_agent=self._user_agent,
            watch_seconds=self._watch_seconds,
            retry_seconds=self._retry_seconds,
        )
        self._book, self._run, self._started_at = book, run, self._clock.monotonic()
        following = asyncio.create_task(self._follow_lists(run, book, inbox, list_ended), name="feed-lists")
        run.start()
        try:
            return await self._watch_over(book, run.ended)
        finally:
            self._run = None
            following.cancel()
            run.stop()
            await _patiently(run.gone)
            inbox.close()

    async def _watch_over(self, book: StreamBook, ended: asyncio.Future[BaseException]) -> BaseException:
        """Wait for the run's end, or find a reason to end it."""
        while True:
            done, _ = await asyncio.wait({ended}, timeout=_TICK_SECONDS)
            if done:
                return ended.result()
            book.sample()
            if silent := book.silent(self._silence):
                return FeedEndedError(f"nothing heard for {self._silence:g} s from {', '.join(silent)}")
            if missing := book.missing(self._unknown_kind):
                return FeedEndedError(f"the API server does not know {', '.join(missing)}")
            self._is_good(book)

    async def _follow_lists(self, run: KopfRun, book: StreamBook, inbox: Inbox, ended: asyncio.Event) -> None:
        """Have the relist run after lists of kopf, once their objects are in; once for several kinds."""
        while True:
            await ended.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(_OTHER_LISTS_SECONDS):
                    while book.busy():
                        ended.clear()
                        await ended.wait()
            ended.clear()
            await run.quiet()
            await inbox.empty()
            self._listed = self._listed or book.listed()
            self._on_listed()

    def _is_good(self, book: StreamBook | None) -> bool:
        good = book is not None and book.good()
        if good:
            self._good_at = self._clock.monotonic()
        return good

    # ------------------------------------------------------------------ events

    def _take_in(self, resource: Resource, verb: Verb, obj: Json) -> None:
        self._events += 1
        self._event_at = self._clock.monotonic()
        try:
            if verb == "DELETED":
                metadata = obj["metadata"]
                key = Key(resource.kind, metadata.get("namespace", ""), metadata["name"])
                self._cache.remove(key, metadata["uid"])
            else:
                self._cache.upsert(resource.kind, obj)
        except Exception:  # noqa: BLE001  one odd object must not end the feed of all others
            _log.exception("An event could not be taken in and was dropped", extra={"kind": resource.kind})

    # ------------------------------------------------------------------ for /readyz

    def state(self) -> FeedState:
        """How the feed is at this moment."""
        now = self._clock.monotonic()
        book = self._book
        good = self._run is not None and self._is_good(book)
        return FeedState(
            running=self._run is not None,
            listed=self._listed,
            good_age=0.0 if good else None if self._good_at is None else round(now - self._good_at, 1),
            uptime=round(now - self._started_at, 1) if self._run is not None else 0.0,
            restarts=self._restarts,
            events=self._events,
            last_event_age=None if self._event_at is None else round(now - self._event_at, 1),
            last_end=self._last_end,
            streams=book.states() if book is not None else (),
        )


async def _patiently(gone: asyncio.Future[None]) -> None:
    """Give a stopping run a moment. A thread that stays is a daemon and cut off from the inbox."""
    done, _ = await asyncio.wait({gone}, timeout=_STOP_SECONDS)
    if not done:
        _log.warning("kopf did not end in time and is left behind")


def _report_trouble(stream: str, reason: str) -> None:
    if reason:
        _log.warning("A watch was lost", extra={"watch": stream, "cause": reason})
    else:
        _log.info("A watch is back", extra={"watch": stream})


def describe(error: BaseException) -> str:
    """What happened, in one line: the API server's own words where it said something, else the root of it."""
    while error.__cause__ is not None and not isinstance(getattr(error, "message", None), str):
        error = error.__cause__
    words = getattr(error, "message", None) or str(error)
    return f"{type(error).__name__}: {words}".removesuffix(": ")
