"""Credentials in Vault's key/value engine, version 2, as ports.SecretSource.

Vault tells of no change, so what was read counts for a few seconds and is then read again, with the next
call or probe. A version that was deleted is as good as no secret; a Vault that does not answer is no news.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

from integration_hub.adapters.vault.wire import Answer, Unavailable
from integration_hub.api.integration import VaultReference
from integration_hub.api.reasons import Reason
from integration_hub.domain.vault_path import PathProblem, VaultPaths
from integration_hub.ports import (
    CredentialProblem,
    Json,
    Link,
    SecretRead,
    SecretState,
    SecretText,
    SourceVersion,
)
from integration_hub.providers.secret_values import listed, needed_by


class Session(Protocol):
    """Asks Vault with the hub's token; `session.VaultSession` is one."""

    async def ask(self, method: str, path: str, body: Json = None) -> Answer | Unavailable: ...


class _InVault:
    """What is so of every Vault: who names a secret of it, and that no watch tells of a change."""

    def named(self, link: Link) -> bool:
        """See the port."""
        return link.spec.credentials.vault_ref is not None

    def version(self, link: Link) -> SourceVersion:  # noqa: ARG002 - as the port has it
        """See the port."""
        return "unknown"


class NoVault(_InVault):
    """ports.SecretSource of a hub that is connected to no Vault: it says so."""

    unwatched_seconds = 60.0

    async def read(self, link: Link) -> SecretRead | CredentialProblem:  # noqa: ARG002 - as the port has it
        """See the port."""
        return CredentialProblem(
            Reason.VAULT_NOT_CONFIGURED,
            "spec.credentials.vaultRef needs a Vault, and this hub is connected to none: an administrator "
            "sets the chart's vault.address, or the credentials go into a Secret that secretRef names.",
        )


class VaultSource(_InVault):
    """See the module's text. `seconds`: how long what was read counts."""

    def __init__(self, session: Session, mount: str, paths: VaultPaths, *, seconds: float) -> None:
        self._session = session
        self._mount = mount
        self._paths = paths
        self._seconds = seconds

    @property
    def unwatched_seconds(self) -> float:
        """See the port."""
        return self._seconds

    async def read(self, link: Link) -> SecretRead | CredentialProblem:
        """See the port."""
        reference = link.spec.credentials.vault_ref
        if reference is None:
            raise LookupError("asked only for Integrations that name a secret of Vault")
        path = self._paths.of(link.namespace, reference.path)
        if isinstance(path, PathProblem):
            return CredentialProblem(Reason.SECRET_NOT_FOUND, f"Vault is not asked: {path.message}.")
        answer = await self._session.ask("GET", f"{quote(self._mount)}/data/{quote(path)}")
        if isinstance(answer, Unavailable):
            told = f"{answer.message} The hub tries again."
            return CredentialProblem(
                Reason.VAULT_UNAVAILABLE, told, lasting=False, retry_after=answer.retry_after
            )
        where = f"{path} at mount {self._mount}"
        if answer.status == 200:
            return _judged(answer.document, reference, where)
        if answer.status == 404:
            return CredentialProblem(Reason.SECRET_NOT_FOUND, _absent(answer.document, link, where))
        said = answer.said or f"HTTP {answer.status}"
        return CredentialProblem(
            Reason.VAULT_ACCESS_DENIED,
            f"Vault does not let the hub read {where} ({said}): its policy must allow that path.",
        )


def _judged(document: Json, reference: VaultReference, where: str) -> SecretRead | CredentialProblem:
    """KV version 2 has the values in data.data and the version in data.metadata."""
    outer = document.get("data") if isinstance(document, dict) else None
    fields = outer.get("data") if isinstance(outer, dict) else None
    about = outer.get("metadata") if isinstance(outer, dict) else None
    if not isinstance(fields, dict) or not isinstance(about, dict):
        return CredentialProblem(
            Reason.SECRET_KEY_INVALID,
            f"What Vault holds as {where} is no secret of its key/value engine version 2.",
        )
    values = {name: _text(value) for name, value in fields.items() if value is not None}
    absent = tuple(field for field in reference.keys.values() if field not in values)
    if absent:
        fields_absent = listed(absent).replace("key", "field", 1)
        return CredentialProblem(
            Reason.SECRET_KEY_MISSING,
            f"Vault's {where} lacks {fields_absent}, which vaultRef.keys names.",
        )
    renamed = {key: values[field] for key, field in reference.keys.items()}
    return SecretRead(
        SecretState.FOUND,
        {**values, **renamed},
        f"{about.get('version')}@{about.get('created_time')}"[:64],
        uid=where,
    )


def _text(value: Json) -> SecretText:
    """Numbers and documents, such as a service account file that was stored as one, as JSON."""
    return SecretText(value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))


def _absent(document: Json, link: Link, where: str) -> str:
    outer = document.get("data") if isinstance(document, dict) else None
    about = outer.get("metadata") if isinstance(outer, dict) else None
    needed = needed_by(link)
    holding = f" with {listed(needed)}" if needed else ""
    if isinstance(about, Mapping) and (about.get("deletion_time") or about.get("destroyed")):
        return f"The latest version of {where} was deleted in Vault: write it again{holding}."
    return f"Vault has no secret {where}: write it{holding}."
