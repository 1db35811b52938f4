"""Bytes to and from the API server, over the official client's session.

Two ways only: `request` (one answer, whole) and `stream` (lines of a watch). Both raise ports.ApiError
and nothing else of their own, except that a gated request raises NotLeaderError.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload
from kubernetes.aio.client.rest import RESTClientObject
from multidict import CIMultiDict
from yarl import URL

from integration_hub.adapters.kubernetes.login import Login
from integration_hub.adapters.kubernetes.refusals import refused, unreachable
from integration_hub.ports import ApiError, Clock, Leadership, NotLeaderError

JSON = "application/json"
TIMEOUT_SECONDS = 15.0
_SILENCE_SECONDS = 100.0
"""A watch brings a bookmark about every minute; one that is silent for longer is dead, not quiet."""
_LINE_LIMIT = 8 * 1024 * 1024
_KEEPALIVE_SECONDS = 75.0
"""Below the API server's own 90 s for idle connections, so that it is never the one who closes under us."""

Observer = Callable[[str, int, float], None]
"""Told `(method, status, seconds)` of each answer, for metrics; status 0 is no answer."""


class _GatedPayload(BytesPayload):
    """A request body that asks for leadership in the very step that hands the bytes to the socket.

    Headers wait in the writer's buffer for the first byte of the body, so a refusal here sends nothing
    at all. Asking any earlier would leave a gap: connecting and TLS take milliseconds in which this
    process may be stopped for a minute and lose its Lease.
    """

    def __init__(self, value: bytes, leadership: Leadership) -> None:
        super().__init__(value)
        self._leadership = leadership
        self.refusal: NotLeaderError | None = None

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        try:
            self._leadership.require()
        except NotLeaderError as error:
            self.refusal = error
            raise
        await super().write_with_length(writer, content_length)


class _Rest(RESTClientObject):
    """The official client's REST object: its TLS set-up and session, with our connector."""

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            limit=self.maxsize, ssl=self.ssl_context, keepalive_timeout=_KEEPALIVE_SECONDS
        )

    def open(self) -> aiohttp.ClientSession:
        self.pool_manager = self._create_pool_manager()
        return self.pool_manager


class Connection:
    """One login, one session, one pool of connections. Close it when done."""

    def __init__(
        self,
        login: Login,
        rest: _Rest,
        *,
        user_agent: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
        observe: Observer | None = None,
    ) -> None:
        self._login = login
        self._rest = rest
        self._session: aiohttp.ClientSession = rest.open()
        self._user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._watch_timeout = aiohttp.ClientTimeout(
            total=None, connect=timeout_seconds, sock_read=_SILENCE_SECONDS
        )
        self._observe = observe
        configuration = login.configuration
        self.host: str = configuration.host.rstrip("/")
        self._options: dict[str, Any] = {"allow_redirects": False}
        if configuration.tls_server_name:
            self._options["server_hostname"] = configuration.tls_server_name
        if configuration.proxy:
            self._options["proxy"] = configuration.proxy
        self._headers: dict[tuple[str, str, str], CIMultiDict[str]] = {}

    @classmethod
    async def open(
        cls,
        clock: Clock,
        *,
        user_agent: str,
        kubeconfig: Path | None = None,
        context: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        observe: Observer | None = None,
    ) -> Connection:
        """Log in (see Login.open) and make the session; nothing is sent yet. Raises LoginError."""
        login = await Login.open(kubeconfig=kubeconfig, context=context, clock=clock)
        login.configuration.client_session_kwargs = {
            # Looking for proxies and .netrc on every request costs half the CPU of a PATCH.
            "trust_env": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
        }
        return cls(
            login,
            _Rest(login.configuration),
            user_agent=user_agent,
            timeout_seconds=timeout_seconds,
            observe=observe,
        )

    async def close(self) -> None:
        await self._rest.close()

    # ------------------------------------------------------------------ one answer

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "",
        accept: str = JSON,
        leadership: Leadership | None = None,
    ) -> bytes:
        """Send one request and return the body of its success.

        `path` is absolute, encoded, with its query. With `leadership`, the request goes out only if this
        process leads at that moment (needs a body). Raises ApiError, NotLeaderError.
        """
        if self._login.stale:
            await self._login.refresh()
        authorization = self._login.authorization
        for last in (False, True):
            status, headers, answer = await self._exchange(
                method, path, body, self._headers_for(content_type, accept, authorization), leadership
            )
            if 200 <= status < 300:
                return answer
            if status != 401 or last:
                break
            # A rotated or expired token: read the credentials anew and try once more.
            await self._login.refresh(unless_changed_from=authorization)
            if self._login.authorization == authorization:
                break
            authorization = self._login.authorization
        raise refused(status, headers, answer)

    async def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: CIMultiDict[str],
        leadership: Leadership | None,
    ) -> tuple[int, Any, bytes]:
        payload = _GatedPayload(body, leadership) if body is not None and leadership is not None else None
        started = time.perf_counter()
        status = 0
        try:
            async with self._session.request(
                method,
                URL(self.host + path, encoded=True),
                data=body if payload is None else payload,
                headers=headers,
                timeout=self._timeout,
                **self._options,
            ) as response:
                answer = await response.read()
                status = response.status
                return status, response.headers, answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if payload is not None and payload.refusal is not None:
                raise payload.refusal from None
            raise unreachable(error, self.host) from error
        finally:
            if self._observe is not None:
                self._observe(method, status, time.perf_counter() - started)

    # ------------------------------------------------------------------ a watch

    async def stream(self, path: str, *, accept: str = JSON) -> AsyncIterator[bytes]:
        """Lines of a watch, without their line ends. Ends when the server ends it; raises ApiError."""
        if self._login.stale:
            await self._login.refresh()
        authorization = self._login.authorization
        try:
            async with self._session.get(
                URL(self.host + path, encoded=True),
                headers=self._headers_for("", accept, authorization),
                timeout=self._watch_timeout,
                **self._options,
            ) as response:
                if response.status == 401:
                    await self._login.refresh(unless_changed_from=authorization)
                if response.status != 200:
                    raise refused(response.status, response.headers, await response.read())
                async for line in _lines(response.content, self.host):
                    yield line
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(error, self.host) from error

    # ------------------------------------------------------------------ inside

    def _headers_for(self, content_type: str, accept: str, authorization: str) -> CIMultiDict[str]:
        key = (content_type, accept, authorization)
        headers = self._headers.get(key)
        if headers is None:
            if len(self._headers) > 64:  # tokens rotate: forget the headers of earlier ones
                self._headers.clear()
            headers = CIMultiDict({"Accept": accept, "User-Agent": self._user_agent})
            # Compressing costs both ends more CPU than a cluster's network costs time.
            headers["Accept-Encoding"] = "identity"
            if content_type:
                headers["Content-Type"] = content_type
            if authorization:
                headers["Authorization"] = authorization
            self._headers[key] = headers
        return headers


async def _lines(content: aiohttp.StreamReader, host: str) -> AsyncIterator[bytes]:
    buffer = b""
    async for chunk in content.iter_any():
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(buffer) > _LINE_LIMIT:
            raise ApiError(
                0, "InvalidResponse", f"{host} sent a watch event of more than {_LINE_LIMIT} bytes"
            )
    # What is left in the buffer is an event cut in the middle: the server, or something between, broke off.
