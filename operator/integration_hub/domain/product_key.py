"""A product's key as text: `ihp_<id>_<secret><checksum>`.

The prefix lets scanners of secrets find one that leaked, the id leads to the registration without any
search, the secret holds 256 random bits, and the checksum (CRC-32 of all before it) tells a mistyped key
from a wrong one without a look at what is known. Made after GitHub's tokens
(https://github.blog/engineering/behind-githubs-new-authentication-token-formats/). Of a key only a
fingerprint is kept: of 256 random bits a plain SHA-256 gives nothing away, and the registration's uid
within it makes it worthless on any other object.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

PREFIX = "ihp_"
CHANCE_BYTES = 40
"""Random bytes that a key is made of: 8 for its id, 32 for its secret."""
_ID_BYTES = 8
_ID_LETTERS = 11
_SECRET_LETTERS = 43
_SUM_LETTERS = 6
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_ID_LETTERS}}})_[0-9A-Za-z]{{{_SECRET_LETTERS + _SUM_LETTERS}}}")


@dataclass(frozen=True, slots=True)
class KeyId:
    """The id of a key that is well formed; nothing is said of whether it works."""

    id: str


Malformed = Literal["form", "checksum"]


def compose(chance: bytes) -> str:
    """The key made of CHANCE_BYTES random bytes. Raises ValueError for another number of them."""
    if len(chance) != CHANCE_BYTES:
        raise ValueError(f"a key is made of {CHANCE_BYTES} bytes, not {len(chance)}")
    key_id = _spelled(int.from_bytes(chance[:_ID_BYTES], "big"), _ID_LETTERS)
    secret = _spelled(int.from_bytes(chance[_ID_BYTES:], "big"), _SECRET_LETTERS)
    body = f"{PREFIX}{key_id}_{secret}"
    return body + _checksum(body)


def read(text: str) -> KeyId | Malformed:
    """Its id, or what is wrong with it: it has not the form of a key, or letters of it are wrong."""
    found = _FORM.fullmatch(text)
    if found is None:
        return "form"
    body, checksum = text[:-_SUM_LETTERS], text[-_SUM_LETTERS:]
    return KeyId(found[1]) if checksum == _checksum(body) else "checksum"


def claims_to_be(text: str) -> bool:
    """Whether somebody means this as a product's key, well formed or not."""
    return text.startswith(PREFIX)


def fingerprint(uid: str, key: str) -> str:
    """What is kept of a key: it works for the registration of this uid alone."""
    return hashlib.sha256(f"{uid}:{key}".encode()).hexdigest()


def matches(kept: str, uid: str, key: str) -> bool:
    """Whether this is the key that was kept so; compared in constant time."""
    return hmac.compare_digest(kept.encode(), fingerprint(uid, key).encode())


def _checksum(body: str) -> str:
    return _spelled(crc32(body.encode()), _SUM_LETTERS)


def _spelled(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[digit])
    return "".join(reversed(letters))
