"""The few HTTP requests that the control plane needs about itself, on the standard library alone."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

_TIMEOUT_S = 10.0


class ApiError(RuntimeError):
    """The API server answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """JSON over HTTPS to one API server as one user; a new connection per request."""

    def __init__(self, host: str, port: int, ca_path: Path, token: str) -> None:
        self._host, self._port, self._token = host, port, token
        self._context = ssl.create_default_context(cafile=str(ca_path))

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Return the parsed answer. Raises ApiError for an error status, OSError where nobody answers."""
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=_TIMEOUT_S, context=self._context
        )
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            with connection.getresponse() as response:
                text = response.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise ApiError(response.status, _message(text))
        return json.loads(text) if text.startswith(("{", "[")) else text


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()
