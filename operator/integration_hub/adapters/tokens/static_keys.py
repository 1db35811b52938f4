"""Static keys, for where no Kubernetes and no PassPort is: a name and the SHA-256 of its key."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Self

from integration_hub.api.errors import ErrorCode
from integration_hub.ports import Caller, Problem, SecretText

_ENTRY = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,62})=sha256:(?P<digest>[0-9a-fA-F]{64})").fullmatch


class StaticKeysError(ValueError):
    """An entry that cannot be read; the message names its position and never its text."""


class StaticKeys:
    """ports.Authenticator. A plain hash will do, since keys are random: `openssl rand -hex 32`."""

    def __init__(self, digests: Mapping[str, bytes]) -> None:
        self._digests = dict(digests)

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """Entries such as `reporting=sha256:<64 hexadecimal digits>`; blank ones and `#` lines are left out.

        Raises StaticKeysError.
        """
        digests: dict[str, bytes] = {}
        for position, entry in enumerate(entries, start=1):
            text = entry.strip()
            if not text or text.startswith("#"):
                continue
            match = _ENTRY(text)
            if match is None:
                raise StaticKeysError(f"static key {position} is not `name=sha256:<64 hexadecimal digits>`")
            if match["name"] in digests:
                raise StaticKeysError(f"static key {position} has a name that an earlier one has")
            digests[match["name"]] = bytes.fromhex(match["digest"])
        return cls(digests)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def find(self, token: SecretText) -> Caller | None:
        """Whose key it is. All keys are compared, each in constant time."""
        given = hashlib.sha256(token.reveal().encode()).digest()
        found = [name for name, digest in self._digests.items() if hmac.compare_digest(given, digest)]
        return (
            Caller(f"static:{found[0]}", groups=("system:authenticated",), kind="static") if found else None
        )

    async def authenticate(self, token: SecretText) -> Caller | Problem:
        return self.find(token) or Problem(ErrorCode.UNAUTHENTICATED, "The key is not known.")
