"""Bodies passed through both ways: never held, counted, written down once they are over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from integration_hub.api.errors import ErrorCode
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome
from integration_hub.egress.call.attempt import Attempts, Outgoing
from integration_hub.egress.call.journey import Journey, Tried
from integration_hub.ports import (
    Clock,
    Failure,
    HttpFailure,
    HttpResponse,
    HttpStream,
    Presented,
    Problem,
    StreamBrokenError,
    StreamingEgress,
)
from integration_hub.providers.composing import Draft

LONGEST_SECONDS = 3_600.0
"""A body that takes longer is cut off: a place on the way out is not for keeps."""
MAX_ERROR_BYTES = 65_536
"""So much of an answer that tells of a failure is read, to judge it and to hand it on."""


class _Counted:
    """The caller's body, counted on its way."""

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self._body = body
        self.size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._body:
            self.size += len(part)
            yield part


class LoggedStream:
    """`ports.CallStream`. Its record is written when it is left."""

    def __init__(
        self, streams: Streams, outgoing: Outgoing, stream: HttpStream, head: Tried, *, sent: int
    ) -> None:
        self._streams = streams
        self._outgoing = outgoing
        self._stream = stream
        self._head = head
        self._sent = sent
        self._received = 0
        self._broken: HttpFailure | None = None
        self._left = False

    @property
    def status(self) -> int:
        return self._stream.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._head.headers

    @property
    def outcome(self) -> Outcome:
        return self._head.outcome

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `ports.CallStream.chunks`. Credentials that the far end sends back are struck out."""
        clock, veil = self._streams.clock, self._outgoing.veil
        deadline = clock.monotonic() + LONGEST_SECONDS
        try:
            async for part in self._stream.chunks():
                self._received += len(part)
                shown = veil.piece(part)
                if shown:
                    yield shown
                self._require(clock.monotonic() < deadline)
            rest = veil.rest()
            if rest:
                yield rest
        except StreamBrokenError as error:
            self._broken = error.failure
            raise

    def _require(self, in_time: bool) -> None:
        if not in_time:
            raise StreamBrokenError(_too_long(self._outgoing.journey.host))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._left:
            return
        self._left = True
        try:
            await self._stream.close()
        finally:
            tried = self._head
            if self._broken is not None:
                judged = self._streams.attempts.judge(self._outgoing, self._broken)
                tried = replace(
                    tried,
                    outcome=replace(judged.outcome, status=self.status),
                    problem=judged.problem,
                )
            head = HttpResponse(self.status, self._stream.headers, b"", False, 0.0)
            self._streams.close(self._outgoing, tried, head, sent=self._sent, received=self._received)


@dataclass(frozen=True, slots=True)
class Streams:
    """Opens streams: one attempt each."""

    egress: StreamingEgress
    attempts: Attempts
    clock: Clock

    async def open(
        self, journey: Journey, draft: Draft, presented: Presented, body: AsyncIterable[bytes] | None
    ) -> LoggedStream | Tried:
        """An answer that may be streamed, or what came of the attempt. Raises what `body` raises."""
        counted = _Counted(body) if body is not None else None
        outgoing = self.attempts.prepare(journey, draft, presented, streamed=counted is not None)
        try:
            opened = await self.egress.open(outgoing.request, counted)
        except BaseException:
            gone = _caller_gone()
            sent = counted.size if counted is not None else 0
            self.close(outgoing, gone, None, sent=sent, received=0)
            raise
        sent = counted.size if counted is not None else len(outgoing.request.body)
        if isinstance(opened, HttpFailure):
            tried = self.attempts.judge(outgoing, opened)
            self.close(outgoing, tried, None, sent=sent, received=0)
            return tried
        head = HttpResponse(opened.status, opened.headers, b"", False, opened.elapsed_seconds)
        judged = self.attempts.judge(outgoing, head)
        if judged.outcome.success:
            return LoggedStream(self, outgoing, opened, judged, sent=sent)
        response = await _read(opened, head, draft.timeout_seconds)
        tried = self.attempts.judge(outgoing, response)
        self.close(outgoing, tried, response, sent=sent, received=len(response.body))
        return tried

    def close(
        self, outgoing: Outgoing, tried: Tried, response: HttpResponse | None, *, sent: int, received: int
    ) -> None:
        """Write it down: bodies are counted, not kept."""
        self.attempts.end(outgoing, tried)
        self.attempts.diary.attempt(
            outgoing.journey,
            outgoing.request,
            tried,
            outgoing.conceal,
            response,
            bytes_sent=sent,
            bytes_received=received,
        )


async def _read(stream: HttpStream, head: HttpResponse, seconds: float) -> HttpResponse:
    """The beginning of a body that tells of a failure; what breaks off, or drips, is as good as what came."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in stream.chunks():
                parts.append(part)
                size += len(part)
                if size > MAX_ERROR_BYTES:
                    break
    except (StreamBrokenError, TimeoutError):
        size = MAX_ERROR_BYTES + 1
    finally:
        await stream.close()
    return replace(head, body=b"".join(parts)[:MAX_ERROR_BYTES], truncated=size > MAX_ERROR_BYTES)


def _caller_gone() -> Tried:
    details = "The caller's body broke off before its end."
    outcome = Outcome(Reason.CONNECTION_FAILED, detail=details)
    return Tried(outcome, Problem(ErrorCode.INVALID_REQUEST, details), {})


def _too_long(host: str) -> HttpFailure:
    return HttpFailure(
        Failure.TIMEOUT, f"the body from {host} took longer than {LONGEST_SECONDS:.0f} s and was cut off"
    )
