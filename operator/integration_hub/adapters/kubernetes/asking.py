"""Questions to the API server about callers: bounded, and honest where nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from integration_hub.api.errors import ErrorCode
from integration_hub.ports import ApiError, Problem

_AT_ONCE = 32
_WAITING = 256
_RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Places:
    """So many questions at once, and so many that wait: what comes on top is told to come again."""

    def __init__(self) -> None:
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        if self._waiting >= _WAITING:
            raise ApiError(0, "Overloaded", "too many questions wait already", retry_after=_RETRY_SECONDS)
        self._waiting += 1
        try:
            async with self._at_once:
                yield
        finally:
            self._waiting -= 1


def nobody_can_tell(what: str, error: ApiError) -> Problem:
    """NOT_READY about `what` (`Tokens`, `Rights`): a caller may ask again soon."""
    _log.warning("The API server cannot be asked about callers", extra={"about": what, "cause": str(error)})
    seconds = error.retry_after if error.retry_after is not None else _RETRY_SECONDS
    return Problem(ErrorCode.NOT_READY, f"{what} cannot be checked now.", seconds)
