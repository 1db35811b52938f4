"""ports.Calls in memory: the far end is a function; what was asked is remembered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from typing import Any, Self

from integration_hub.api.errors import ErrorCode
from integration_hub.api.reasons import Reason
from integration_hub.ports import CallAnswer, CallRequest, CallStream, Link, Problem

Behaviour = Callable[[CallRequest], CallAnswer]


def said(status: int = 200, body: Any = None, *, raw: bytes | None = None, **headers: str) -> CallAnswer:
    """An answer, judged by its status; header names are written with underscores."""
    data = raw if raw is not None else json.dumps(body).encode()
    named = {"content-type": "application/json"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    failed = Problem(ErrorCode.UPSTREAM_ERROR, f"It answered {status}.") if status >= 400 else None
    reason = Reason.UPSTREAM_ERROR if failed is not None else Reason.CONNECTED
    return CallAnswer(reason, status, named, data, elapsed_seconds=0.15, attempts=1, problem=failed)


def silence(code: ErrorCode, details: str, retry_after: float | None = None) -> CallAnswer:
    """No answer at all."""
    return CallAnswer(Reason.TIMEOUT, problem=Problem(code, details, retry_after))


class MemoryCalls:
    """Keeps GETs' answers as the real one does, by connection, until `forget_answers` or for ever."""

    def __init__(self) -> None:
        self.behave: Behaviour = lambda _: said(200, {"ok": True})
        self.requests: list[CallRequest] = []
        self.links: list[Link] = []
        self.bodies: list[bytes] = []
        self.opened: list[MemoryStream] = []
        self.chunks: tuple[bytes | Exception, ...] = (b"one", b"two")
        self.stream_whole = False
        """Whether even a streamed call is answered whole, as failures are."""
        self.under_way = self.most_under_way = 0
        self._kept: dict[tuple[str, int, str, str], CallAnswer] = {}

    async def call(self, link: Link, request: CallRequest) -> CallAnswer:
        key = (link.uid, link.generation, request.path, str(request.query))
        if request.cache_seconds and key in self._kept:
            kept = self._kept[key]
            return CallAnswer(kept.reason, kept.status, kept.headers, kept.body, cached=True)
        self.requests.append(request)
        self.links.append(link)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            answer = self.behave(request)
        finally:
            self.under_way -= 1
        if request.cache_seconds and answer.success:
            self._kept[key] = answer
        return answer

    async def stream(
        self, link: Link, request: CallRequest, body: AsyncIterable[bytes] | None = None
    ) -> CallStream | CallAnswer:
        self.requests.append(request)
        self.links.append(link)
        taken = [chunk async for chunk in body] if body is not None else []
        self.bodies.append(b"".join(taken))
        answer = self.behave(request)
        if answer.status == 0 or self.stream_whole:
            return answer
        stream = MemoryStream(answer.status, answer.headers, self.chunks)
        self.opened.append(stream)
        return stream

    def forget_answers(self, link_uid: str) -> None:
        self._kept = {key: answer for key, answer in self._kept.items() if key[0] != link_uid}


class MemoryStream:
    """ports.CallStream. An exception among the chunks is raised when its turn comes."""

    def __init__(
        self, status: int, headers: Mapping[str, str], chunks: tuple[bytes | Exception, ...]
    ) -> None:
        self.status = status
        self.headers = headers
        self.closed = False
        self._chunks = chunks

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        self.closed = True
