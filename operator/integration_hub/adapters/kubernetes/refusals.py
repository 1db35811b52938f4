"""Every way in which a request to the API server fails, as one ports.ApiError with a stable reason."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http import HTTPStatus

import aiohttp

from integration_hub.domain.json_text import decoded
from integration_hub.ports import ApiError, Json

_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_MESSAGE_LIMIT = 1024


def refused(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error for an answer outside 2xx: Kubernetes' Status where there is one, else what came instead."""
    document = decoded(body)
    if isinstance(document, dict) and document.get("kind") == "Status":
        return from_status(document, status=status, retry_after=headers.get("Retry-After"))
    # Not the API server's own words: a proxy or a load balancer in front of it.
    text = body[:_MESSAGE_LIMIT].decode("utf-8", "replace").strip()
    return ApiError(
        status, _reason(status), text or _phrase(status), retry_after=_seconds(headers.get("Retry-After"))
    )


def from_status(document: Json, *, status: int = 0, retry_after: str | None = None) -> ApiError:
    """The error for a Status object, from an answer or from an ERROR event of a watch."""
    code = status or int(document.get("code") or 500)
    seconds = _seconds(retry_after)
    if seconds is None:
        seconds = _seconds((document.get("details") or {}).get("retryAfterSeconds"))
    return ApiError(
        code,
        document.get("reason") or _reason(code),
        str(document.get("message") or _phrase(code))[:_MESSAGE_LIMIT],
        retry_after=seconds,
    )


def unreachable(error: Exception, host: str) -> ApiError:
    """The error for no answer at all, status 0. The message names the server and the cause."""
    if isinstance(error, TimeoutError):
        return ApiError(0, "Timeout", f"{host} did not answer in time")
    if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
        return ApiError(0, "TLSFailed", f"no trusted connection to {host}: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ApiError(0, "ConnectionFailed", f"cannot connect to {host}: {error.os_error}")
    return ApiError(0, "ConnectionLost", f"the connection to {host} broke: {error or type(error).__name__}")


def unreadable(host: str) -> ApiError:
    """The error for a success whose body is no JSON. The body is not quoted: it may hold a Secret."""
    return ApiError(0, "InvalidResponse", f"{host} answered with something that is not JSON")


def _reason(status: int) -> str:
    return _REASONS.get(status, "Unexpected")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP status {status}"


def _seconds(value: str | float | None) -> float | None:
    """Kubernetes names whole seconds; a date or nonsense counts as nothing said."""
    try:
        seconds = float(value) if value is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < float("inf") else None
