"""The keys that an issuer of tokens publishes (RFC 7517): kept, renewed, never lost for want of new ones."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol, Self

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from integration_hub.api.errors import ErrorCode
from integration_hub.domain.json_text import decoded
from integration_hub.ports import Clock, Destination, Egress, HttpFailure, HttpRequest, Json, Problem

_ADMINISTRATOR = Destination("administrator", "")
_KEYS_SECONDS = 3600.0
_KEYS_PAUSE_SECONDS = 10.0
_MAX_KEYS = 64
_MAX_BYTES = 256 * 1024
_TIMEOUT_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """An issuer, as tokens name it in `iss`, and the public keys that it signs with."""

    issuer: str
    keys: KeySet

    @classmethod
    def of(cls, issuer: str, document: Json) -> Self | None:
        """From a JWK set; keys that cannot be used are passed over. None where none is left."""
        keys = _key_set(document)
        return cls(issuer, keys) if issuer and keys is not None else None


class KeySource(Protocol):
    async def read(self) -> Published | None:
        """What the issuer publishes now. None, and a line in the log, where it cannot be had."""
        ...


class PublishedKeys:
    """What one source publishes: kept an hour; read anew for an unknown key, but not in a storm of them."""

    def __init__(self, source: KeySource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._kept: Published | None = None
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self) -> Published | Problem:
        """The keys of now; last known good ones where newer cannot be had. A Problem is NOT_READY."""
        if self._kept is None or self._clock.monotonic() - self._fetched > _KEYS_SECONDS:
            await self._fetch(self._kept)
        return self._kept or Problem(
            ErrorCode.NOT_READY, "The issuer's keys cannot be had now.", _KEYS_PAUSE_SECONDS
        )

    async def renewed(self, known: Published) -> bool:
        """Whether there are others by now than `known`: an issuer rotates its keys."""
        await self._fetch(known)
        return self._kept is not known

    async def _fetch(self, known: Published | None) -> None:
        async with self._lock:
            if self._kept is not known or self._clock.monotonic() - self._tried < _KEYS_PAUSE_SECONDS:
                return
            self._tried = self._clock.monotonic()
            found = await self._source.read()
            if found is None:
                _log.warning("The keys of an issuer of tokens cannot be read")
                return
            self._kept, self._fetched = found, self._clock.monotonic()


async def document_at(egress: Egress, url: str) -> Json:
    """The JSON at an address that the administrator named; None, and a line in the log, where it is not."""
    request = HttpRequest(
        "GET",
        url,
        _ADMINISTRATOR,
        headers={"Accept": "application/json"},
        timeout_seconds=_TIMEOUT_SECONDS,
        max_response_bytes=_MAX_BYTES,
    )
    answer = await egress.send(request)
    if isinstance(answer, HttpFailure) or answer.status != 200 or answer.truncated:
        cause = answer.message if isinstance(answer, HttpFailure) else f"HTTP {answer.status}"
        _log.warning("An issuer of tokens does not answer", extra={"cause": cause})
        return None
    return decoded(answer.body)


def _key_set(document: Json) -> KeySet | None:
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return None
    usable = [
        key
        for key in listed[:_MAX_KEYS]
        if isinstance(key, dict) and key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"
    ]
    keys = []
    for key in usable:
        try:
            keys += KeySet.import_key_set({"keys": [key]}).keys
        except (JoseError, ValueError):
            continue
    return KeySet(keys) if keys else None
