"""The wire underneath egress: aiohttp, told to do exactly one thing.

The request goes to a checked *address*, not to a name: the URL that aiohttp sees holds the address,
while the Host header, SNI and the certificate's name stay the ones of the host. So no resolver of
aiohttp's is ever asked, and its pool of kept-alive connections is keyed by address, port and
certificate name: a connection is reused only by requests whose own check allowed that address.

No redirects, no proxy, no cookies, no environment. The answer's head is bounded by aiohttp's parser,
its body by us, unpacked or not; what comes after the bound is not read, the connection dropped.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from integration_hub import __version__
from integration_hub.adapters.http_body import AiohttpStream, Upload, headers_of, read_gzip, read_plain
from integration_hub.ports import Failure, HttpFailure, HttpResponse, HttpStream, PinnedRequest

MAX_HEADER_LINE = 8_190
MAX_HEADERS = 128
MAX_ADDRESSES_TRIED = 4
_GZIP = ("gzip", "x-gzip")


class AiohttpTransport:
    """`ports.Transport`. Belongs to the event loop in which it is first used; `close()` when done.

    `connections`: most connections at once, over all hosts. `ca_file`: PEM file of authorities
    trusted besides the system's. `keep_alive_seconds`: how long an idle connection is kept.
    """

    def __init__(
        self, *, connections: int = 100, ca_file: Path | None = None, keep_alive_seconds: float = 30.0
    ) -> None:
        self._connections = connections
        self._keep_alive_seconds = keep_alive_seconds
        self._tls = tls_context(ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, request: PinnedRequest) -> HttpResponse | HttpFailure:
        """See `ports.Transport.exchange`. Tries the next address only while no connection came about."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + request.timeout_seconds
        addresses = request.addresses[:MAX_ADDRESSES_TRIED]
        outcome: HttpResponse | HttpFailure = HttpFailure(Failure.CONNECT, f"{request.host} has no address")
        for tried, address in enumerate(addresses, start=1):
            left = deadline - loop.time()
            connect_seconds = left if tried == len(addresses) else min(left / 2, 5.0)
            try:
                outcome = await self._attempt(request, address, left, connect_seconds)
                break
            except _NotConnectedError as error:
                outcome = error.failure
        if isinstance(outcome, HttpResponse):
            return HttpResponse(
                outcome.status, outcome.headers, outcome.body, outcome.truncated, loop.time() - started
            )
        return HttpFailure(outcome.failure, outcome.message, loop.time() - started)

    async def open(
        self, request: PinnedRequest, body: AsyncIterable[bytes] | None = None
    ) -> HttpStream | HttpFailure:
        """See `ports.Transport.open`. Another address is tried as in `exchange`: nothing was sent then."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        addresses = request.addresses[:MAX_ADDRESSES_TRIED]
        outcome: HttpStream | HttpFailure = HttpFailure(Failure.CONNECT, f"{request.host} has no address")
        for tried, address in enumerate(addresses, start=1):
            connect_seconds = request.timeout_seconds
            if tried < len(addresses):
                connect_seconds = min(connect_seconds / 2, 5.0)
            try:
                outcome = await self._begin(request, address, connect_seconds, body, started)
                break
            except _NotConnectedError as error:
                outcome = error.failure
        if isinstance(outcome, HttpFailure):
            return HttpFailure(outcome.failure, outcome.message, loop.time() - started)
        return outcome

    def open_connections(self) -> tuple[int, int]:
        """How many connections carry a request now, and how many are kept for the next."""
        connector = self._session.connector if self._session is not None else None
        return connector.counts() if isinstance(connector, _Connector) else (0, 0)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _attempt(
        self, request: PinnedRequest, address: str, seconds: float, connect_seconds: float
    ) -> HttpResponse | HttpFailure:
        """One try at one address. Every error of the far end becomes a value."""
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=connect_seconds)
        try:
            async with self._ask(request, address, timeout, request.body or None) as answer:
                headers = headers_of(answer)
                if request.gzip and headers.get("content-encoding", "").lower() in _GZIP:
                    body, truncated = await read_gzip(answer, request.max_response_bytes, headers)
                else:
                    body, truncated = await read_plain(answer, request.max_response_bytes)
                if truncated:
                    answer.close()
                return HttpResponse(answer.status, headers, body, truncated, 0.0)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _refused_or_failed(request, error)

    async def _begin(
        self,
        request: PinnedRequest,
        address: str,
        connect_seconds: float,
        body: AsyncIterable[bytes] | None,
        started: float,
    ) -> HttpStream | HttpFailure:
        """One try at one address, until the head of the answer has come. Each piece sent buys more time."""
        loop = asyncio.get_running_loop()
        seconds = request.timeout_seconds
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        deadline = asyncio.timeout(seconds)
        upload = None
        if body is not None:
            upload = Upload(body, request.body_length, lambda: deadline.reschedule(loop.time() + seconds))
        try:
            async with deadline:
                data = upload.pieces() if upload is not None else (request.body or None)
                answer = await self._ask(request, address, timeout, data)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if upload is not None and upload.error is not None:
                raise upload.error from None
            return _refused_or_failed(request, error)
        return AiohttpStream(answer, loop.time() - started, seconds, lambda error: _broken(request, error))

    def _ask(
        self, request: PinnedRequest, address: str, timeout: aiohttp.ClientTimeout, data: Any
    ) -> aiohttp.client._RequestContextManager:
        path, _, query = request.path.partition("?")
        headers = {
            "Accept-Encoding": "gzip" if request.gzip else "identity",
            **request.headers,
            "Host": request.authority,
        }
        if request.body_length is not None:
            headers["Content-Length"] = str(request.body_length)
        return self._open().request(
            request.method,
            URL.build(
                scheme=request.scheme,
                host=address,
                port=request.port,
                path=path,
                query_string=query,
                encoded=True,
            ),
            headers=headers,
            data=data,
            allow_redirects=False,
            server_hostname=request.host if request.scheme == "https" else None,
            timeout=timeout,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(
                    ssl=self._tls,
                    limit=self._connections,
                    keepalive_timeout=self._keep_alive_seconds,
                    use_dns_cache=False,
                    resolver=_NoResolver(),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"integration-hub/{__version__}"},
                skip_auto_headers=("Content-Type",),
                trust_env=False,
                auto_decompress=False,
                max_line_size=MAX_HEADER_LINE,
                max_field_size=MAX_HEADER_LINE,
                max_headers=MAX_HEADERS,
            )
        return self._session


class _NotConnectedError(Exception):
    """No connection came about, so nothing was sent and another address may be tried."""

    def __init__(self, failure: HttpFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool, which tells how full it is."""

    def counts(self) -> tuple[int, int]:
        """Connections in use, and kept."""
        return len(self._acquired), sum(len(kept) for kept in self._conns.values())


class _NoResolver(aiohttp.abc.AbstractResolver):
    """A name reaching aiohttp would be a name nobody checked: a bug, so it fails."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[aiohttp.abc.ResolveResult]:  # noqa: ARG002
        raise OSError(f"an unchecked name reached the wire: {host}")

    async def close(self) -> None:
        return


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Certificates verified against the system's store, and the authorities of `ca_file` besides."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def _refused_or_failed(request: PinnedRequest, error: Exception) -> HttpFailure:
    """The failure; raises _NotConnectedError where no connection came about."""
    failure = _failure(request, error)
    if failure.failure is Failure.CONNECT and isinstance(
        error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
    ):
        raise _NotConnectedError(failure) from error
    return failure


def _broken(request: PinnedRequest, error: Exception) -> HttpFailure:
    """Why a body that had begun did not go on."""
    if isinstance(error, TimeoutError):
        seconds = f"{request.timeout_seconds:.3g} s"
        return HttpFailure(Failure.TIMEOUT, f"nothing more came from {request.host} for {seconds}")
    return _failure(request, error)


def _failure(request: PinnedRequest, error: Exception) -> HttpFailure:
    """The error in words for a user: host and cause."""
    at = f"{request.host}:{request.port}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "it is not valid"
        return HttpFailure(Failure.TLS, f"the certificate of {at} was refused: {reason}")
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return HttpFailure(Failure.TLS, f"no TLS connection to {at}: does it speak https on this port?")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return HttpFailure(Failure.CONNECT, f"{at} did not accept a connection in time")
    if isinstance(error, TimeoutError):
        return HttpFailure(
            Failure.TIMEOUT, f"{request.host} gave no complete answer within {request.timeout_seconds:.3g} s"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return HttpFailure(Failure.CONNECT, f"no connection to {at}: {_cause(error.os_error)}")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return HttpFailure(Failure.CONNECT, f"{at} closed the connection without an answer")
    if isinstance(error, aiohttp.ClientOSError):
        return HttpFailure(Failure.CONNECT, f"the connection to {at} broke: {_cause(error)}")
    return HttpFailure(Failure.PROTOCOL, f"{at} did not answer in valid HTTP ({type(error).__name__})")


def _cause(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return error.strerror or type(error).__name__
