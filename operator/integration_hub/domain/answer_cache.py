"""Answers that may be served again: of which calls, under which key, and how they are written down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from integration_hub.ports import CallRequest, Link

MAX_BODY = 1_048_576
"""Larger answers are not kept: one of them would push out hundreds of others."""
LONGEST = 86_400


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A successful answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def cacheable(request: CallRequest) -> bool:
    return request.cache_seconds > 0 and request.method == "GET" and not request.body


def seconds_to_keep(request: CallRequest, answer: StoredAnswer) -> int:
    """How long the answer may be served again; 0: not at all.

    The one who asks decides for how long; the far end only whether: `no-store` (RFC 9111, 5.2.2.5).
    """
    directives = {part.strip().lower() for part in answer.headers.get("cache-control", "").split(",")}
    if "no-store" in directives or answer.status != 200 or len(answer.body) > MAX_BODY:
        return 0
    return min(request.cache_seconds, LONGEST)


def key(link: Link, request: CallRequest, credentials_version: str) -> str:
    """Names a question as this connection puts it now: another spec, provider or credential is another one.

    Every field is framed by its length in JSON, so none can run into the next.
    """
    question = json.dumps(
        [
            link.uid,
            link.generation,
            link.provider_uid,
            link.provider_generation,
            credentials_version,
            request.path,
            list(request.query),
            sorted((name.lower(), value) for name, value in request.headers.items()),
            request.max_response_bytes,
        ],
        separators=(",", ":"),
    )
    return hashlib.sha256(question.encode()).hexdigest()


def written(answer: StoredAnswer) -> bytes:
    """One line of JSON with status and headers, then the body."""
    head = json.dumps([answer.status, dict(answer.headers)], separators=(",", ":"))
    return head.encode() + b"\n" + answer.body


def read(data: bytes) -> StoredAnswer | None:
    """The answer that was written; None if it cannot be read."""
    head, newline, body = data.partition(b"\n")
    try:
        status, headers = json.loads(head)
        return (
            StoredAnswer(int(status), {str(k): str(v) for k, v in headers.items()}, body) if newline else None
        )
    except (ValueError, TypeError, AttributeError):
        return None
