"""The response cache that replicas share: Redis, Valkey, or what else speaks its protocol (extra `redis`).

What lies there is sealed, and so are its names: AES-256-GCM under a key that only the hub has, bound to
the place where it lies. Others who read that Redis learn how much there is; others who write to it can
take entries away, and can neither make one up nor serve one tenant's answer to another.

A Redis that is slow or away makes no call fail and none slow: every command has a short deadline, and after
a failure it is left alone for a while.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis.asyncio
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from integration_hub.ports import CacheLook

KEY_BYTES = 32
_PREFIX = "integration-hub:answers:"
_NONCE = 12
_EPOCH_SECONDS = 2 * 86_400
"""Longer than anything is kept, so that no entry outlives the epoch that made it stale."""
_NONE = CacheLook(None, "")
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class RedisCache:
    """`ports.ResponseCache` at `url` (`redis://…`, `rediss://…`). Belongs to one event loop; `close()` it.

    `key`: 32 secret bytes, the same in all replicas. `timeout_seconds`: for one command, connecting
    included. `rest_seconds`: how long nothing is asked after a failure.
    """

    def __init__(
        self,
        url: str,
        key: bytes,
        *,
        timeout_seconds: float = 0.25,
        rest_seconds: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key of the cache must be {KEY_BYTES} bytes")
        self._client = redis.asyncio.Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )
        self._names = hashlib.blake2b(key, digest_size=32, person=b"answers/names").digest()
        self._seal = AESGCM(hashlib.blake2b(key, digest_size=32, person=b"answers/values").digest())
        self._timeout = timeout_seconds
        self._rest = rest_seconds
        self._monotonic = monotonic
        self._asleep_until = 0.0
        self._unforgotten: set[str] = set()

    async def look(self, scope: str, key: str) -> CacheLook:
        if scope in self._unforgotten:
            await self.forget(scope)
            return _NONE
        place = self._place(scope, key)
        found = await self._ask(self._client.mget(self._epoch_place(scope), place))
        if found is None:
            return _NONE
        epoch, sealed = (each if isinstance(each, bytes) else b"" for each in found)
        return CacheLook(self._opened(place, epoch, sealed), epoch.decode("ascii", "replace"))

    async def keep(self, scope: str, key: str, value: bytes, *, seconds: int, epoch: str) -> None:
        """The epoch is sealed with the value, so one that has passed in the meantime makes it worthless."""
        place = self._place(scope, key)
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._seal.encrypt(nonce, value, _bound(place, epoch.encode()))
        await self._ask(self._client.set(place, sealed, ex=seconds))

    async def forget(self, scope: str) -> None:
        """A new epoch. What lies there from the old one runs out by itself.

        As long as Redis does not take it, nothing of this scope is served from there.
        """
        self._unforgotten.add(scope)
        epoch = os.urandom(12).hex()
        if await self._ask(self._client.set(self._epoch_place(scope), epoch, ex=_EPOCH_SECONDS)):
            self._unforgotten.discard(scope)

    async def close(self) -> None:
        await self._client.aclose()

    # ------------------------------------------------------------------ inside

    async def _ask(self, command: Awaitable[_T]) -> _T | None:
        """The answer, or None: nothing is known."""
        if self._monotonic() < self._asleep_until:
            _unasked(command)
            return None
        try:
            async with asyncio.timeout(2 * self._timeout):
                return await command
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._asleep_until = self._monotonic() + self._rest
            _log.warning("The shared response cache does not answer", extra={"error": type(error).__name__})
            return None

    def _opened(self, place: str, epoch: bytes, sealed: bytes) -> bytes | None:
        if len(sealed) <= _NONCE:
            return None
        try:
            return self._seal.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(place, epoch))
        except InvalidTag:
            return None  # of another epoch, of another key, or not ours at all

    def _place(self, scope: str, key: str) -> str:
        return self._hidden(f"answer\n{scope}\n{key}")

    def _epoch_place(self, scope: str) -> str:
        return self._hidden(f"epoch\n{scope}")

    def _hidden(self, name: str) -> str:
        return _PREFIX + hmac.digest(self._names, name.encode(), "sha256").hex()


def _bound(place: str, epoch: bytes) -> bytes:
    return place.encode() + b"\n" + epoch


def _unasked(command: Awaitable[object]) -> None:
    """Nobody will wait for it; say so, or Python complains."""
    close = getattr(command, "close", None)
    if close is not None:
        close()
