"""How the hub proves itself to Vault: its ServiceAccount token, an AppRole, or a token in a file.

What proves it is read from its file anew at every login: projected tokens last minutes, and whoever rotates
a secret_id or a token replaces the file.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from integration_hub.adapters.vault.wire import Unavailable, VaultWire
from integration_hub.ports import Json, SecretText

REFUSED_SECONDS = 10.0
"""Pause after a login that was refused."""
LOOKUP = "auth/token/lookup-self"
_LONGEST = 16_384


@dataclass(frozen=True, slots=True)
class Granted:
    """A token and what Vault says of it. `seconds` 0: it does not end."""

    token: SecretText
    seconds: float
    renewable: bool


class Login(Protocol):
    """One way to a token. `owned`: the token was made for the hub alone, which ends it when it goes."""

    @property
    def owned(self) -> bool: ...

    async def obtain(self, wire: VaultWire) -> Granted | Unavailable: ...


@dataclass(frozen=True, slots=True)
class KubernetesLogin:
    """Auth method `kubernetes`, or `jwt` at whose mount a role takes the cluster's tokens."""

    role: str
    file: Path
    mount: str = "kubernetes"
    owned = True

    async def obtain(self, wire: VaultWire) -> Granted | Unavailable:
        """See the port."""
        given = {"role": self.role}
        return await _log_in(wire, self.mount, given, proof="jwt", file=self.file, who=f"role {self.role}")


@dataclass(frozen=True, slots=True)
class AppRoleLogin:
    """Auth method `approle`: `role` is the role_id, the file holds the secret_id."""

    role: str
    file: Path
    mount: str = "approle"
    owned = True

    async def obtain(self, wire: VaultWire) -> Granted | Unavailable:
        """See the port."""
        given = {"role_id": self.role}
        return await _log_in(wire, self.mount, given, proof="secret_id", file=self.file, who="this AppRole")


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A token that somebody else obtains and replaces, such as Vault Agent's sink."""

    file: Path
    owned = False

    async def obtain(self, wire: VaultWire) -> Granted | Unavailable:
        """See the port."""
        token = await _read(self.file)
        if isinstance(token, Unavailable):
            return token
        found = await wire.ask("GET", LOOKUP, token=token)
        if isinstance(found, Unavailable):
            return found
        about = found.document.get("data") if isinstance(found.document, dict) else None
        if found.status != 200 or not isinstance(about, dict):
            return Unavailable(
                f"Vault does not take the token in {self.file} ({found.said or found.status}).",
                REFUSED_SECONDS,
            )
        return Granted(token, _seconds(about.get("ttl")), about.get("renewable") is True)


def grant_of(document: Json) -> Granted | None:
    """What a login or a renewal hands out; None where there is nothing in it."""
    auth = document.get("auth") if isinstance(document, dict) else None
    if not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
        return None
    token, renewable = SecretText(auth["client_token"]), auth.get("renewable") is True
    return Granted(token, _seconds(auth.get("lease_duration")), renewable) if token else None


async def _log_in(
    wire: VaultWire, mount: str, given: dict[str, str], *, proof: str, file: Path, who: str
) -> Granted | Unavailable:
    """At an auth method's mount, with what `file` holds as the field `proof`; `who` for a person."""
    held = await _read(file)
    if isinstance(held, Unavailable):
        return held
    answer = await wire.ask("POST", f"auth/{mount}/login", body={**given, proof: held.reveal()})
    if isinstance(answer, Unavailable):
        return answer
    granted = grant_of(answer.document)
    if granted is not None:
        return granted
    return Unavailable(
        f"Vault does not let the hub log in with {who} ({answer.said or f'HTTP {answer.status}'}).",
        REFUSED_SECONDS,
    )


def _seconds(value: Json) -> float:
    return max(float(value), 0.0) if isinstance(value, int) and not isinstance(value, bool) else 0.0


async def _read(file: Path) -> SecretText | Unavailable:
    """What a file holds, without the line break at its end."""
    try:
        text = (await asyncio.to_thread(file.read_text, encoding="utf-8")).strip()
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else "it is not text"
        return Unavailable(
            f"The hub cannot log in to Vault: {file} cannot be read ({cause}).", REFUSED_SECONDS
        )
    if not text or len(text) > _LONGEST or not text.isprintable():
        return Unavailable(f"The hub cannot log in to Vault: {file} holds nothing usable.", REFUSED_SECONDS)
    return SecretText(text)
