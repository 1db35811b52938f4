"""One run of kopf: in a thread and an event loop of its own, from start to whatever end.

The only module that imports kopf. kopf watches, nothing more: `on.event` for each kind, no finalizers,
no annotations, no events, no timers. Its own thread, because it takes the signal handlers of the main
thread and, when it ends, cancels every task of its loop that it did not know at its start. It ends for
good on a watch ERROR event, on 503 beyond its retries, on a lost verb: whoever started the run starts
the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

import aiohttp
import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from integration_hub.handlers.feed.streams import StreamBook
from integration_hub.ports import ApiAccess, ApiLogin, Json, PortError, Resource, SecretText

Verb = Literal["SEEN", "DELETED"]


class Receiver(Protocol):
    """Takes events over in kopf's thread. Its length: how many wait to be taken in on the other side."""

    def put(self, resource: Resource, verb: Verb, obj: Json) -> None: ...

    def __len__(self) -> int: ...


_log = logging.getLogger(__name__)

_CHUNK = 500
_HIGH_WATER = 1000
_HOLD_SECONDS = 0.01
_LOGIN_SECONDS = 30.0
_WIND_UP_SECONDS = 2.0
_CLOSING_SECONDS = 0.1
_LOOK_SECONDS = 0.1
_QUIET_LOOKS = 3
_QUIET_LIMIT_LOOKS = 30
_UNUSED_FINALIZER = "integrationhub.io/feed"


class FeedEndedError(Exception):
    """A run of kopf ended although nobody asked it to."""


class _NoMemories(ResourceMemories):
    """kopf keeps a memory per object, of use to handlers that we do not have: keep none."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        return await super().recall(raw_body, **{**options, "ephemeral": True})


class _NoDiffBase(kopf.DiffBaseStorage):
    """kopf copies and compares every object on every event for handlers that we do not have: do not."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None: ...


class _NoProgress(kopf.ProgressStorage):
    """As above, for the progress of such handlers."""

    def fetch(self, **_: Any) -> None: ...

    def store(self, **_: Any) -> None: ...

    def purge(self, **_: Any) -> None: ...

    def touch(self, **_: Any) -> None: ...

    def clear(self, *, essence: Any) -> Any:
        return essence


class KopfRun:
    """One run, made in the main loop. `start` it once; `stop` asks it to end."""

    def __init__(
        self,
        resources: Sequence[Resource],
        namespaces: Sequence[str],
        login: ApiLogin,
        book: StreamBook,
        receiver: Receiver,
        *,
        user_agent: str,
        watch_seconds: float,
        retry_seconds: Sequence[float],
    ) -> None:
        self._resources = resources
        self._namespaces = namespaces
        self._login = login
        self._book = book
        self._receiver = receiver
        self._user_agent = user_agent
        self._watch_seconds = watch_seconds
        self._retry_seconds = tuple(retry_seconds)
        self._delivered = 0
        self._logins = 0
        self._main = asyncio.get_running_loop()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stopping = False
        self._ending = False
        self._reason: FeedEndedError | None = None
        self._session: aiohttp.ClientSession | None = None
        self.ended: asyncio.Future[BaseException] = self._main.create_future()
        """Done as soon as the run is over, with what ended it."""
        self.gone: asyncio.Future[None] = self._main.create_future()
        """Done when its thread has nothing left to do."""

    # ------------------------------------------------------------------ the main thread's side

    def start(self) -> None:
        """Start the thread. A daemon: one that hangs must not keep the process from ending."""
        threading.Thread(target=self._run, name="kopf", daemon=True).start()

    def stop(self) -> None:
        """Ask the run to end; it takes a moment. Harmless when it has ended."""
        self._stopping = True
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._stop.set)

    # ------------------------------------------------------------------ kopf's thread

    def _run(self) -> None:
        try:
            asyncio.run(self._operate())
        except BaseException as error:  # noqa: BLE001  whatever it was, the supervisor is to hear of it
            self._tell(self.ended, error)
        self._tell(self.ended, FeedEndedError("kopf ended without a word"))
        self._tell(self.gone, None)

    def _tell(self, future: asyncio.Future[Any], what: BaseException | None) -> None:
        def set_once() -> None:
            if not future.done():
                future.set_result(what)

        with contextlib.suppress(RuntimeError):  # the main loop is closed: nobody wants to know any more
            self._main.call_soon_threadsafe(set_once)

    async def _operate(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(self._stray)
        if self._stopping:
            return
        tasks = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=self._settings(),
            memories=_NoMemories(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=self._stop,
        )
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self._ending = True
        errors = [error for task in done if not task.cancelled() and (error := task.exception()) is not None]
        self._tell(self.ended, self._reason or next(iter(errors), FeedEndedError("kopf was stopped")))
        await self._wind_up(tasks)

    async def _wind_up(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """End what is left, the watchers first. kopf's own `run_tasks` is patient with them for five seconds
        and then cancels everything at once; a watcher whose helpers are cancelled with it hangs for ever.
        """
        watchers = [task for task in asyncio.all_tasks() if task.get_name().startswith("watcher for ")]
        for task in watchers:
            task.cancel()
        if watchers:
            await asyncio.wait(watchers, timeout=_WIND_UP_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(_CLOSING_SECONDS)  # transports close in the loop's next rounds

    def _stray(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error of a task that nobody waits for; at the end, a sibling of what ended the run."""
        level = logging.DEBUG if self._ending else logging.ERROR
        _log.log(level, context["message"], exc_info=context.get("exception"))

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(id="hub", retries=1, registry=registry)(self._log_in)
        for resource in self._resources:
            kopf.on.event(
                resource.group,
                resource.version,
                resource.plural,
                id="feed",
                registry=registry,
            )(self._handler(resource))
        return registry

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.process.ultimate_exiting_timeout = None  # it would kill the whole process
        settings.watching.chunk_size = _CHUNK
        settings.watching.server_timeout = int(self._watch_seconds)  # the API server takes no fractions
        settings.watching.client_timeout = self._watch_seconds + 30
        settings.watching.connect_timeout = 10
        settings.networking.connect_timeout = 10
        settings.networking.request_timeout = 60
        settings.networking.error_backoffs = self._retry_seconds
        settings.queueing.idle_timeout = 0.02
        settings.queueing.exit_timeout = 1
        settings.persistence.diffbase_storage = _NoDiffBase()
        settings.persistence.progress_storage = _NoProgress()
        # kopf removes its finalizer from what carries it: a name that no other kopf operator uses.
        settings.persistence.finalizer = _UNUSED_FINALIZER
        return settings

    def _handler(self, resource: Resource) -> Callable[..., Awaitable[None]]:
        async def seen(event: Any, **_: Any) -> None:
            verb: Verb = "DELETED" if event["type"] == "DELETED" else "SEEN"
            self._delivered += 1
            self._receiver.put(resource, verb, event["object"])
            while len(self._receiver) > _HIGH_WATER:  # noqa: ASYNC110  an event of the other loop
                await asyncio.sleep(_HOLD_SECONDS)

        return seen

    # ------------------------------------------------------------------ its HTTP traffic

    async def _log_in(self, **_: Any) -> kopf.AiohttpSession:
        """The login for kopf: a session whose middleware keeps the token fresh and fills in the book.

        It asks again when the API server refused even fresh credentials; then the run is over.
        """
        self._logins += 1
        if self._logins > 1:
            raise self._give_up("the API server refuses our credentials")
        try:
            access = await self._access(None)
        except (PortError, TimeoutError) as error:
            raise self._give_up(f"no credentials: {error}") from error
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=access.tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent},
            proxy=access.proxy or None,
            trust_env=False,
            middlewares=(self._exchange,),
        )
        return kopf.AiohttpSession(aiohttp_session=self._session, server=access.server)

    def _give_up(self, reason: str) -> kopf.PermanentError:
        """End the run: kopf itself would wait for credentials for ever after a login that failed."""
        self._reason = FeedEndedError(reason)
        if self._stop is not None:
            self._stop.set()
        return kopf.PermanentError(reason)

    async def _access(self, refused: SecretText | None) -> ApiAccess:
        """The login belongs to the main loop: ask it there, wait for it here."""
        asking = self._login.access(refused=refused)
        answer = asyncio.run_coroutine_threadsafe(asking, self._main)
        async with asyncio.timeout(_LOGIN_SECONDS):
            return await asyncio.wrap_future(answer)

    async def _exchange(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        path, watching = request.url.path, request.url.query.get("watch") == "true"
        access = await self._access(None)
        _authorise(request, access)
        try:
            response = await handler(request)
            if response.status == 401:
                renewed = await self._access(access.authorization)
                if renewed.authorization != access.authorization:
                    response.close()
                    _authorise(request, renewed)
                    response = await handler(request)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._book.failed(path, str(error) or type(error).__name__)
            raise
        self._book.answered(path, watching=watching, status=response.status, body=response.content)
        return response

    # ------------------------------------------------------------------ the end of a list

    async def quiet(self) -> None:
        """Return when the events of a list that just ended are delivered, as far as can be told.

        kopf hands the objects of a list to tasks of its own and does not say when they are through. In a
        cluster where it never gets quiet, three seconds have to do.
        """
        unchanged, last = 0, -1
        for _ in range(_QUIET_LIMIT_LOOKS):
            unchanged, last = (unchanged + 1 if self._delivered == last else 0), self._delivered
            if unchanged == _QUIET_LOOKS or self._stopping:
                return
            await asyncio.sleep(_LOOK_SECONDS)


def _authorise(request: aiohttp.ClientRequest, access: ApiAccess) -> None:
    if access.authorization:
        request.headers["Authorization"] = access.authorization.reveal()
    if access.tls_server_name:
        request.server_hostname = access.tls_server_name


def silence_kopf() -> None:
    """Keep of kopf's log what only kopf can tell: the supervisor reports the fate of each watch and run."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # two lines for each event
    logging.getLogger("kopf.activities").setLevel(logging.CRITICAL)
    logging.getLogger("kopf._core.engines").setLevel(logging.WARNING)
    for name in (
        "_cogs.clients",
        *(f"_core.reactor.{part}" for part in ("observation", "orchestration", "running")),
    ):
        logging.getLogger(f"kopf.{name}").setLevel(logging.CRITICAL)  # a line per attempt, a stack per watch
