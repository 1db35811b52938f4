"""Idempotency-Key: the same POST sent again is answered with the first one's answer, not done again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from fastapi import Request, Response

from integration_hub.api.errors import ErrorCode
from integration_hub.gateway.errors import Refusal
from integration_hub.gateway.visit import visit_of
from integration_hub.ports import Clock, IdempotencyKeys, KeptAnswer, Problem, StoreError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
_KEPT_BYTES = 256 * 1024

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Idempotency:
    """Answers of POSTs by caller and key, through the store: all replicas know them, restarts keep them.

    Only what was done is kept: a refusal or a failure leaves the key free, so that the caller may mend
    the request and send it again.
    """

    def __init__(self, keys: IdempotencyKeys, clock: Clock, *, seconds: int) -> None:
        self._keys = keys
        self._clock = clock
        self._life = timedelta(seconds=seconds)

    async def run(self, request: Request, handle: Handler) -> Response:
        """Handle the request, or answer it from memory."""
        key = request.headers.get(HEADER)
        caller = visit_of(request).caller
        if key is None or caller is None:
            return await handle(request)
        if not _KEY(key):
            raise Refusal(
                Problem(ErrorCode.INVALID_REQUEST, f"{HEADER}: 1 to 255 printable characters, no blanks")
            )
        fingerprint = await _fingerprint(request)
        begun = await self._keys.begin(caller.user, key, fingerprint, self._clock.now() + self._life)
        if begun == "running":
            raise Refusal(
                Problem(ErrorCode.CONFLICT, f"A request with this {HEADER} is still under way.", 1.0)
            )
        if isinstance(begun, KeptAnswer):
            return _replay(begun, fingerprint)
        return await self._first(request, handle, caller.user, key, fingerprint)

    async def _first(
        self, request: Request, handle: Handler, user: str, key: str, fingerprint: str
    ) -> Response:
        try:
            response = await handle(request)
        except BaseException:
            with suppress(StoreError):
                await self._keys.abandon(user, key)
            raise
        with suppress(StoreError):  # it was done: who asked must hear of it, or would have it done again
            await self._end(user, key, fingerprint, response)
        return response

    async def _end(self, user: str, key: str, fingerprint: str, response: Response) -> None:
        body = getattr(response, "body", None)
        if response.status_code < 300 and isinstance(body, bytes) and len(body) <= _KEPT_BYTES:
            await self._keys.finish(user, key, KeptAnswer(fingerprint, response.status_code, body))
        else:
            await self._keys.abandon(user, key)


async def _fingerprint(request: Request) -> str:
    digest = hashlib.sha256()
    asked = (request.method, request.url.path, request.url.query, request.headers.get("x-tenant", ""))
    digest.update("\n".join(asked).encode())
    digest.update(b"\n" + await request.body())
    return digest.hexdigest()


def _replay(kept: KeptAnswer, fingerprint: str) -> Response:
    if kept.fingerprint != fingerprint:
        raise Refusal(
            Problem(ErrorCode.INVALID_REQUEST, f"{HEADER}: was used for another request; choose a new one")
        )
    return Response(
        kept.body,
        status_code=kept.status,
        media_type="application/json" if kept.body else None,
        headers={REPLAYED: "true"},
    )
