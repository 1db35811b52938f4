"""The hub's own HTTP API, as the command line reaches it: by URL, or by a port-forward that ends with it."""

from __future__ import annotations

import json
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.wire import Peer, Wire

Json = Any
AUDIENCE = "integration-hub"
_FORWARD_SECONDS = 15.0
_FORWARDED = re.compile(rb"^Forwarding from 127\.0\.0\.1:(\d+) ")
_LOCAL = {"localhost", "127.0.0.1", "::1"}


class HubApi:
    """Requests to the hub for one namespace. Raises CliError with what the hub itself says."""

    def __init__(self, url: str, token: str, namespace: str, *, seconds: float = 60.0) -> None:
        headers = {"X-Tenant": namespace} if namespace else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._wire = Wire(Peer(url, "the hub", headers), seconds=seconds)

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Json:
        given = {name: value for name, value in (query or {}).items() if value not in {None, ""}}
        return self._asked("GET", path + (f"?{urlencode(given)}" if given else ""))

    def post(self, path: str, body: Json, headers: Mapping[str, str] | None = None) -> Json:
        return self._asked("POST", path, body, headers)

    def delete(self, path: str) -> Json:
        return self._asked("DELETE", path)

    def close(self) -> None:
        self._wire.close()

    def _asked(
        self, method: str, path: str, body: Json = None, headers: Mapping[str, str] | None = None
    ) -> Json:
        content = None if body is None else json.dumps(body).encode()
        typed = {"Content-Type": "application/json"} if content is not None else {}
        answer = self._wire.send(method, path, body=content, headers={**typed, **(headers or {})})
        if answer.status < 300:
            return answer.document("the hub")
        told = answer.json()
        raise HubError(answer.status, told if isinstance(told, dict) else {})


class HubError(CliError):
    """The hub refused: its words, its code, and what the far end said, if it did (`upstream`)."""

    def __init__(self, status: int, told: Mapping[str, Json]) -> None:
        self.code = str(told.get("code") or "")
        self.upstream: Json = told.get("upstream")
        details = str(told.get("details") or told.get("error") or f"HTTP {status}")
        again = " (trying again may help)" if told.get("retryable") else ""
        message = f"{self.code}: {details}{again}" if self.code else f"the hub answered {details}"
        super().__init__(message, _EXITS.get(status, Exit.FAILED))


_EXITS = {401: Exit.DENIED, 403: Exit.DENIED, 404: Exit.NOT_FOUND}


def is_exposed(url: str) -> bool:
    """Whether a token would go over a network in clear."""
    parts = urlsplit(url)
    return parts.scheme == "http" and (parts.hostname or "") not in _LOCAL


class PortForward:
    """`kubectl port-forward` to the hub's Service, on a free port of this machine, until `close`."""

    def __init__(self, kubectl: Sequence[str], namespace: str, service: str, port: int) -> None:
        arguments = ["--namespace", namespace, "port-forward", f"service/{service}", f":{port}"]
        try:
            self._process = subprocess.Popen(
                [*kubectl, *arguments, "--address", "127.0.0.1"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError:
            raise CliError(
                "kubectl is not installed: install it, or name the hub with --server", Exit.UNREACHABLE
            ) from None
        try:
            self.url = f"http://127.0.0.1:{self._port(f'{namespace}/{service}')}"
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _port(self, where: str) -> int:
        out = self._process.stdout
        assert out is not None  # noqa: S101 - it was asked for
        ends = time.monotonic() + _FORWARD_SECONDS
        while (left := ends - time.monotonic()) > 0:
            ready, _, _ = select.select([out], [], [], left)
            line = out.readline() if ready else b""
            if found := _FORWARDED.match(line):
                return int(found[1])
            if ready and not line:
                break
        raise CliError(
            f"no way to Service {where}: {self._said()}; name the hub with --server", Exit.UNREACHABLE
        )

    def _said(self) -> str:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            _, said = self._process.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            return "kubectl does not answer"
        lines = said.decode(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("error: ").removeprefix("Error ") if lines else "kubectl said nothing"
