"""HTTP of the command line: one request at a time, by the standard library, which starts in no time.

Used for the API server and for the hub; redirects are not followed and the environment's proxies not asked,
as kubectl's own (`proxy-url`) is.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from integration_hub import __version__
from integration_hub.cli.exits import CliError, Exit

Json = Any
MAX_ANSWER = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body of one answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Json:
        """The body decoded; None where it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def document(self, name: str) -> Json:
        """What `name` answered: an object, or None for an empty body. Raises CliError for anything else."""
        told = self.json()
        if isinstance(told, dict) or not self.body:
            return told
        raise CliError(
            f"what answers is not {name}: HTTP {self.status}, and no JSON object; does a login page or "
            "another service stand at this address?",
            Exit.UNREACHABLE,
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is spoken to. `name` is for messages; `authority` is PEM, empty for the system's."""

    url: str
    name: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authority: bytes = b""
    server_name: str = ""
    insecure: bool = False
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    proxy: str = ""


def basic(username: str, password: str) -> str:
    """RFC 7617's header."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class Wire:
    """Requests to one peer, over one connection that is kept open. Raises CliError where nobody answers."""

    def __init__(self, peer: Peer, *, seconds: float = 30.0) -> None:
        parts = urlsplit(peer.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CliError(f"{peer.url} is no address of {peer.name}: give http:// or https://", Exit.USAGE)
        self._peer = peer
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._prefix = parts.path.rstrip("/")
        self._seconds = seconds
        self._tls = _context(peer) if parts.scheme == "https" else None
        self._kept: http.client.HTTPConnection | None = None

    def send(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request with its whole answer; a GET that a kept connection lost is sent once more."""
        for last in (self._kept is None or method != "GET", True):
            try:
                answer = self._ask(method, path, body, headers or {})
                content = answer.read(MAX_ANSWER)
                return Answer(answer.status, _lower(answer), content)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if last:
                    raise self._unreachable(error) from None
        raise AssertionError("unreachable")  # pragma: no cover

    @contextlib.contextmanager
    def lines(self, path: str, *, seconds: float) -> Iterator[Iterator[bytes]]:
        """The lines of an answer as they come, at most `seconds` apart; for watches. Ends quietly."""
        connection = self._connect(seconds)
        try:
            connection.request("GET", self._prefix + path, headers=self._headers({}))
            answer = connection.getresponse()
            if answer.status != 200:
                yield iter(())
            else:
                yield _lines(answer)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    # ------------------------------------------------------------------ inside

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if self._kept is None:
            self._kept = self._connect(self._seconds)
        self._kept.request(method, self._prefix + path, body=body, headers=self._headers(headers))
        return self._kept.getresponse()

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        proxy = urlsplit(self._peer.proxy) if self._peer.proxy else None
        if proxy is None:
            return _Tls(self._host, self._port, self._tls, self._peer.server_name, seconds)
        if proxy.scheme != "http" or not proxy.hostname:
            raise CliError("kubeconfig: proxy-url has to begin with http://", Exit.USAGE)
        tunnel = _Tls(proxy.hostname, proxy.port or 80, self._tls, self._peer.server_name, seconds)
        tunnel.set_tunnel(self._host, self._port)
        return tunnel

    def _headers(self, further: Mapping[str, str]) -> dict[str, str]:
        agent = {"User-Agent": f"kubectl-hub/{__version__}", "Accept": "application/json"}
        return {**agent, **self._peer.headers, **further}

    def _unreachable(self, error: Exception) -> CliError:
        name, where = self._peer.name, f"{self._host}:{self._port}"
        if isinstance(error, ssl.SSLCertVerificationError):
            told = error.verify_message
            return CliError(f"{name} at {where}: its certificate is not trusted: {told}", Exit.DENIED)
        if isinstance(error, TimeoutError):
            return CliError(f"{name} at {where} did not answer within {self._seconds:g} s", Exit.UNREACHABLE)
        if isinstance(error, socket.gaierror):
            return CliError(f"{name}: the name {self._host} cannot be resolved", Exit.UNREACHABLE)
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return CliError(f"{name} at {where} cannot be reached: {told}", Exit.UNREACHABLE)


class _Tls(http.client.HTTPSConnection):
    """HTTPS whose certificate is for `server_name`, where the peer goes by another name than its address."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext, server_name: str, seconds: float
    ) -> None:
        super().__init__(host, port, timeout=seconds, context=context)
        self._tls_context = context
        self._server_name = server_name

    def connect(self) -> None:
        if not self._server_name:
            super().connect()
            return
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls_context.wrap_socket(self.sock, server_hostname=self._server_name)


def _context(peer: Peer) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=peer.authority.decode() if peer.authority else None)
        if peer.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if peer.certificate:
            _present(context, peer)
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        raise CliError(f"{peer.name}: a certificate or key cannot be used: {error}", Exit.USAGE) from None
    return context


def _present(context: ssl.SSLContext, peer: Peer) -> None:
    """The ssl module takes certificates from files only: one that nobody else can read, for a moment."""
    handle, name = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(peer.certificate + b"\n" + peer.key)
        context.load_cert_chain(name)
    finally:
        os.unlink(name)  # noqa: PTH108 - pathlib is not otherwise needed here


def _lower(answer: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            line = answer.readline()
        except (TimeoutError, http.client.HTTPException, ConnectionError):
            return
        if not line:
            return
        yield line
