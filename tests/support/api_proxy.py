"""A reverse proxy between a program under test and the API server, which can be told to misbehave.

It runs in a thread with an event loop of its own, so that a test may block (kubectl) while the program goes
on. It speaks plain HTTP on loopback and passes credentials through, so RBAC still decides who may do what.

    with ApiProxy(plane) as proxy:
        kubeconfig = proxy.kubeconfig(plane.service_account_kubeconfig(...), tmp_path)
        with proxy.refusing(503):
            ...
        proxy.send_watch_error(500, path="integrations")
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web

from controlplane import ControlPlane

Matches = Callable[["Seen"], bool]
_HOP = {"transfer-encoding", "content-length", "connection", "keep-alive", "content-encoding", "host"}


@dataclass(slots=True)
class Seen:
    """One request that came through, or was answered in the API server's stead."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    status: int = 0

    @property
    def watching(self) -> bool:
        return self.query.get("watch") == "true"


@dataclass(eq=False, slots=True)
class _Watch:
    seen: Seen
    answer: web.StreamResponse
    swallow: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def everything(_: Seen) -> bool:
    return True


def lists_and_watches(plural: str) -> Matches:
    return lambda seen: seen.method == "GET" and seen.path.endswith(f"/{plural}")


class ApiProxy:
    """See the module's text. Use it as a context manager."""

    def __init__(self, plane: ControlPlane) -> None:
        self._upstream = plane.url
        self._tls = ssl.create_default_context(cafile=str(plane.ca_path))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-proxy", daemon=True)
        self._refusals: list[tuple[Matches, int, dict[str, str]]] = []
        self._holds: list[tuple[Matches, asyncio.Event]] = []
        self._watches: set[_Watch] = set()
        self.requests: list[Seen] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # ------------------------------------------------------------------ what a test says

    def kubeconfig(self, original: Path, folder: Path) -> Path:
        """A copy of a kubeconfig that leads through this proxy."""
        config = yaml.safe_load(original.read_text())
        for cluster in config["clusters"]:
            cluster["cluster"] = {"server": self.url}
        path = folder / f"proxied-{time.monotonic_ns()}.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    @contextlib.contextmanager
    def refusing(self, status: int, matches: Matches = everything, **headers: str) -> Iterator[None]:
        """Answer matching requests with `status` and end matching watches, within the block."""
        rule = (matches, status, {name.replace("_", "-"): value for name, value in headers.items()})
        self._refusals.append(rule)
        self.end_watches(matches)
        try:
            yield
        finally:
            self._refusals.remove(rule)

    @contextlib.contextmanager
    def silent(self, matches: Matches = everything) -> Iterator[None]:
        """Connections stay open and bring nothing: matching watches and new requests, within the block.

        What was held back is lost, as with a half-open socket: the watches are ended at the end.
        """
        gate = self._do(self._hold(matches))
        try:
            yield
        finally:
            self._do(self._release(matches, gate))

    def end_watches(self, matches: Matches = everything) -> int:
        """Break off matching watches, in the middle of whatever. Returns how many."""
        return int(self._do(self._end(matches, b"")))

    def send_watch_error(
        self, code: int, matches: Matches = everything, reason: str = "InternalError"
    ) -> int:
        """Send an ERROR event down matching watches, then end them. Returns how many."""
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
        line = json.dumps({"type": "ERROR", "object": {**status, "message": "injected"}}).encode() + b"\n"
        return int(self._do(self._end(matches, line)))

    def cut_mid_line(self, matches: Matches = everything) -> int:
        """End matching watches in the middle of an event."""
        return int(self._do(self._end(matches, b'{"type":"MODIFIED","object":{"metadata":{"na')))

    def open_watches(self, plural: str = "") -> int:
        return sum(watch.seen.path.endswith(f"/{plural}") or not plural for watch in tuple(self._watches))

    def seen(self, method: str, ending: str = "") -> list[Seen]:
        """Requests so far by method and the end of their path."""
        return [seen for seen in tuple(self.requests) if seen.method == method and seen.path.endswith(ending)]

    # ------------------------------------------------------------------ inside, in the proxy's loop

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(15)

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        for _, gate in self._holds:
            gate.set()
        await self._end(everything, b"")
        await self._session.close()
        await self._runner.cleanup()

    async def _hold(self, matches: Matches) -> asyncio.Event:
        gate = asyncio.Event()
        self._holds.append((matches, gate))
        for watch in self._watches:
            watch.swallow = watch.swallow or matches(watch.seen)
        return gate

    async def _release(self, matches: Matches, gate: asyncio.Event) -> None:
        self._holds.remove((matches, gate))
        gate.set()
        await self._end(matches, b"")

    async def _end(self, matches: Matches, last: bytes) -> int:
        ended = [watch for watch in self._watches if matches(watch.seen)]
        for watch in ended:
            with contextlib.suppress(ConnectionError, RuntimeError):
                if last:
                    await watch.answer.write(last)
            watch.ended.set()
        return len(ended)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(time.monotonic(), request.method, request.path, dict(request.query))
        self.requests.append(seen)
        for matches, gate in list(self._holds):
            if matches(seen):
                await gate.wait()
        for matches, status, headers in list(self._refusals):
            if matches(seen):
                seen.status = status
                body = {"kind": "Status", "apiVersion": "v1", "code": status, "message": "injected"}
                return web.json_response({**body, "reason": "Injected"}, status=status, headers=headers)
        headers_out = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        try:
            async with self._session.request(
                request.method,
                self._upstream + request.raw_path,
                headers=headers_out,
                data=await request.read() or None,
                skip_auto_headers=("Content-Type", "User-Agent", "Accept-Encoding"),
                allow_redirects=False,
            ) as upstream:
                seen.status = upstream.status
                if seen.watching and upstream.status == 200:
                    return await self._pass_watch(request, seen, upstream)
                kept = {name: value for name, value in upstream.headers.items() if name.lower() not in _HOP}
                if "Content-Encoding" in upstream.headers:
                    kept["Content-Encoding"] = upstream.headers["Content-Encoding"]
                return web.Response(status=upstream.status, headers=kept, body=await upstream.read())
        except (aiohttp.ClientError, ConnectionError):
            # The API server is away, or the caller is: either way this connection is over.
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

    async def _pass_watch(
        self, request: web.Request, seen: Seen, upstream: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": upstream.headers["Content-Type"]})
        await answer.prepare(request)
        watch = _Watch(seen, answer)
        self._watches.add(watch)
        ending = asyncio.create_task(watch.ended.wait())
        try:
            while True:
                reading = asyncio.create_task(upstream.content.readany())
                await asyncio.wait({ending, reading}, return_when=asyncio.FIRST_COMPLETED)
                if ending.done():
                    reading.cancel()
                    await asyncio.sleep(0.02)  # the last bytes first
                    if request.transport is not None:
                        request.transport.close()
                    return answer
                chunk = reading.result()
                if not chunk:
                    return answer
                if not watch.swallow:
                    await answer.write(chunk)
        finally:
            ending.cancel()
            self._watches.discard(watch)
