"""Sealing what the hub obtains: AES-256-GCM under a ring of keys (NIST SP 800-38D, RFC 5116).

A sealed value is text: `ihs1.<key id>.<base64url of nonce, ciphertext and tag>`. It is bound to its
place (namespace, kind, uid and the Secret's key), so that nobody who may copy Secrets can have one
connection use another's grant. A key's id comes of the key itself, so keys need no names.

The first key of the ring seals; all of them open. A new key is put in front, the leader re-seals what
it comes by, and the old one can go when `sealed with an old key` is told of nobody any more.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SEALED = "ihs1"
_OPEN = "open"
_KEY = re.compile(r"[0-9a-fA-F]{64}")
_NONCE_BYTES = 12
_WAY_OUT = "make one with `openssl rand -hex 32`"


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """Why a key cannot be used; never repeats it."""

    message: str


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by id, the one that seals first."""

    keys: Sequence[tuple[str, bytes]] = field(repr=False)

    @classmethod
    def parse(cls, key: str, old_keys: Sequence[str] = ()) -> KeyRing | KeyProblem:
        """From hexadecimal text, 32 bytes each: the present key, then older ones."""
        keys: dict[str, bytes] = {}
        for position, text in enumerate((key, *old_keys)):
            which = f"old key {position}" if position else "the key"
            if not _KEY.fullmatch(text.strip()):
                return KeyProblem(f"{which} is not 64 hexadecimal characters (32 bytes): {_WAY_OUT}")
            value = bytes.fromhex(text.strip())
            if len(set(value)) == 1:
                return KeyProblem(f"{which} is one byte repeated, which is no secret: {_WAY_OUT}")
            keys.setdefault(key_id(value), value)
        return cls(tuple(keys.items()))


def key_id(key: bytes) -> str:
    """Names a key without telling anything of it."""
    return hashlib.sha256(b"integration-hub key id\0" + key).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs: it opens nowhere else."""

    namespace: str
    kind: str
    uid: str
    key: str

    @property
    def associated_data(self) -> bytes:
        return f"{self.namespace}/{self.kind}/{self.uid}/{self.key}".encode()


@dataclass(frozen=True, slots=True)
class Opened:
    """What was sealed. `stale`: it should be sealed anew, with the present key."""

    value: str = field(repr=False)
    sealed: bool
    stale: bool


@dataclass(frozen=True, slots=True)
class SealProblem:
    """Why a value cannot be opened; fit for a person."""

    message: str


class Seal:
    """Seals and opens. Without a ring (encryption mode none) values are stored as they are, and say so."""

    def __init__(
        self, ring: KeyRing | None, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in ring.keys} if ring is not None else {}
        self._present = ring.keys[0][0] if ring is not None else ""
        self._random_bytes = random_bytes

    @property
    def on(self) -> bool:
        """Whether what is stored from now on is sealed."""
        return bool(self._present)

    def seal(self, value: str, place: Place) -> str:
        if not self._present:
            return f"{_OPEN}.{value}"
        nonce = self._random_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._present].encrypt(nonce, value.encode(), place.associated_data)
        return f"{_SEALED}.{self._present}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, text: str, place: Place) -> Opened | SealProblem:
        scheme, _, rest = text.partition(".")
        if scheme == _OPEN:
            return Opened(rest, sealed=False, stale=self.on)
        name, _, envelope = rest.partition(".")
        if scheme != _SEALED or not envelope:
            return SealProblem("it is not in the form that the hub writes")
        cipher = self._ciphers.get(name)
        if cipher is None:
            return SealProblem(
                f"it is sealed with key {name}, which the hub does not have: add that key to "
                "TOKEN_ENCRYPTION_OLD_KEYS, or disconnect the account and connect it again"
            )
        try:
            data = base64.b64decode(envelope, altchars=b"-_", validate=True)
            value = cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place.associated_data)
        except (InvalidTag, ValueError, binascii.Error):
            return SealProblem(
                f"key {name} does not open it: it was changed, or copied from another place; disconnect "
                "the account and connect it again"
            )
        return Opened(value.decode(), sealed=True, stale=name != self._present)
