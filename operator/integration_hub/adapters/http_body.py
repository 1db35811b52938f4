"""Bodies of answers on aiohttp: read up to a bound, unpacked up to a bound, or passed on as they come."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping

import aiohttp

from integration_hub.ports import HttpFailure, StreamBrokenError

_CHUNK = 65_536
_GZIP = 16 + zlib.MAX_WBITS
_EXPANDED = ("content-encoding", "content-length")
"""Headers that are not true any more of a body that was unpacked."""

Explain = Callable[[Exception], HttpFailure]
"""An error of the wire in words for a user."""


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def headers_of(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """Lower-case names; values of a repeated header joined by a comma, all of them text that can be sent."""
    joined: dict[str, str] = {}
    for name, value in answer.headers.items():
        key, text = name.lower(), value if value.isprintable() else _sendable(value)
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return joined


def _sendable(value: str) -> str:
    """RFC 9110 section 5.5: what is no UTF-8 was ISO 8859-1 once; a control character counts as a blank."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            value = value.encode(errors="surrogateescape").decode("iso-8859-1")
    return _CONTROL.sub(" ", value)


async def read_plain(answer: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes of the body, and whether there was more."""
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit:
            return b"".join(parts)[:limit], True
    return parts[0] if len(parts) == 1 else b"".join(parts), False


async def read_gzip(
    answer: aiohttp.ClientResponse, limit: int, headers: dict[str, str]
) -> tuple[bytes, bool]:
    """As `read_plain`, unpacked as it comes: never more than `limit` bytes of what it unpacks to are made.

    Nor are many more taken in, since what unpacks to nothing could go on for ever. Strikes the headers of
    the packed body out of `headers`. Raises ClientPayloadError if it is no gzip.
    """
    for name in _EXPANDED:
        headers.pop(name, None)
    unpack = zlib.decompressobj(_GZIP)
    parts: list[bytes] = []
    room, packed = limit, 0
    began = False
    try:
        async for part in answer.content.iter_any():
            if packed > limit:
                return b"".join(parts), True
            packed += len(part)
            data = part
            while data:
                if unpack.eof:  # RFC 1952: members may follow each other
                    unpack = zlib.decompressobj(_GZIP)
                began = True
                piece = unpack.decompress(data, room + 1)
                parts.append(piece)
                room -= len(piece)
                if room < 0:
                    return b"".join(parts)[:limit], True
                data = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
    except zlib.error as error:
        raise aiohttp.ClientPayloadError("the answer is not the gzip that it says it is") from error
    if began and not unpack.eof:
        raise aiohttp.ClientPayloadError("the packed answer ends before its end")
    return b"".join(parts), False


class AiohttpStream:
    """`ports.HttpStream` of an answer whose head has come. `seconds`: how long nothing may move."""

    def __init__(
        self, answer: aiohttp.ClientResponse, elapsed_seconds: float, seconds: float, explain: Explain
    ) -> None:
        self._answer = answer
        self._headers = headers_of(answer)
        self._elapsed_seconds = elapsed_seconds
        self._seconds = seconds
        self._explain = explain

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    @property
    def elapsed_seconds(self) -> float:
        return self._elapsed_seconds

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `ports.HttpStream.chunks`. What was not taken yet waits in aiohttp's bounded buffer."""
        content = self._answer.content
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    part = await content.read(_CHUNK)
            except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
                raise StreamBrokenError(self._explain(error)) from error
            if not part:
                return
            yield part

    async def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        if self._answer.content.at_eof() and self._answer.content.exception() is None:
            self._answer.release()
        else:
            self._answer.close()


class Upload:
    """The caller's body as it is sent. `moved` is called for each piece; `error` is what ended it early.

    One that is longer or shorter than announced would run into the next request on the connection, so
    it ends with UploadLengthError instead.
    """

    def __init__(self, body: AsyncIterable[bytes], length: int | None, moved: Callable[[], None]) -> None:
        self._body = body
        self._left = length
        self._moved = moved
        self.error: Exception | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._body:
                self._count(len(part))
                if part:
                    yield part
                    self._moved()
            self._ended()
        except Exception as error:
            self.error = error
            raise

    def _count(self, size: int) -> None:
        if self._left is None:
            return
        self._left -= size
        if self._left < 0:
            raise UploadLengthError("the body is longer than its announced length")

    def _ended(self) -> None:
        if self._left:
            raise UploadLengthError("the body is shorter than its announced length")


class UploadLengthError(ValueError):
    """The caller's body is not as long as it was said to be: nothing of the far end's doing."""
