"""The Secret that the hub keeps for an Integration: `intg-<name>-hub`, and nobody else's.

It holds what a user gave over HTTP (`given`), the grant (`grant`) and a key's replacement under way
(`rotation`), each sealed by itself, and `about`, which says in plain words what it is. It is read only
if its type and its owner's uid are right, and written only as it was read (compare-and-swap), so two
processes cannot undo each other's work. What a user wrote into their own Secrets is never touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.meta import GROUP
from integration_hub.api.reasons import Reason
from integration_hub.credentials import grant as grants
from integration_hub.credentials.grant import Grant
from integration_hub.credentials.seal import Place, Seal, SealProblem
from integration_hub.domain.consent import Consent
from integration_hub.ports import (
    ApiError,
    CredentialProblem,
    Json,
    Key,
    Link,
    OwnedSecrets,
    RotationStage,
    SecretDraft,
    SecretRead,
    SecretState,
    SecretText,
    SecretWriteState,
)

SECRET_TYPE = f"{GROUP}/credentials"
_LONGEST_NAME = 253
_TRIES = 8
_ABOUT = (
    "Kept by Integration Hub for the Integration that owns this Secret. Do not edit: delete it to have the "
    "hub forget what it obtained."
)


def owned_name(integration: str) -> str:
    """Name of an Integration's own Secret; one that would be too long is cut and told apart by a digest."""
    name = f"intg-{integration}-hub"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(integration.encode()).hexdigest()[:16]
    return f"intg-{integration[:200].rstrip('-.')}-{digest}-hub"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A replacement of keys under way: `new` and `old` by the Secret's keys."""

    stage: RotationStage
    new: Mapping[str, SecretText] = field(repr=False)
    old: Mapping[str, SecretText] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the owned Secret holds, opened. `uid` empty: there is none yet. `stale`: seal it anew."""

    uid: str = ""
    version: str = ""
    given: Mapping[str, SecretText] = field(default_factory=dict, repr=False)
    grant: Grant | None = None
    rotation: KeyChange | None = None
    rotated_at: datetime | None = None
    sealed: bool = False
    stale: bool = False

    @property
    def empty(self) -> bool:
        return not (self.given or self.grant or self.rotation or self.rotated_at)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else wrote since it was read: read again and decide anew."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The Integration that an owned Secret belongs to."""

    key: Key
    uid: str

    @classmethod
    def of(cls, link: Link) -> Owner:
        return cls(link.key, link.uid)

    @property
    def secret_name(self) -> str:
        return owned_name(self.key.name)


class OwnedBook:
    """Reads and writes owned Secrets."""

    def __init__(self, secrets: OwnedSecrets, seal: Seal, consent: Consent) -> None:
        self._secrets = secrets
        self._seal = seal
        self._consent = consent

    async def load(self, owner: Owner, *, anew: bool = False) -> Kept | CredentialProblem:
        """What is kept, empty where there is nothing yet. Raises ApiError where nobody answers.

        `anew`: what cannot be opened is left out, for who is about to put something else in its place.
        """
        name = owner.secret_name
        found = await self._secrets.read(owner.key.namespace, name)
        if found.state is SecretState.DENIED:
            return self._denied(owner)
        if found.state is SecretState.MISSING:
            return Kept()
        if found.type != SECRET_TYPE:
            return CredentialProblem(
                Reason.SECRET_NOT_OURS,
                f"Secret {name} is not the hub's, but has the name of the one that the hub keeps for this "
                "Integration: rename or delete it.",
            )
        if owner.uid not in found.owners:
            return CredentialProblem(
                Reason.SECRET_NOT_OURS,
                f"Secret {name} belongs to an earlier Integration of this name and is about to go.",
                lasting=False,
                retry_after=5.0,
            )
        return self._opened(owner, found, anew=anew)

    async def save(self, owner: Owner, kept: Kept) -> Kept | Conflict | CredentialProblem:
        """Write it whole, as it was read. Raises ApiError where nobody answers."""
        name = owner.secret_name
        if kept.empty:
            return await self._remove(owner, name, kept)
        draft = SecretDraft(
            owner.key.namespace,
            name,
            SECRET_TYPE,
            self._sealed(owner, kept),
            INTEGRATION.kind,
            owner.key.name,
            owner.uid,
        )
        if kept.uid:
            done = await self._secrets.replace(draft, uid=kept.uid, resource_version=kept.version)
        else:
            done = await self._secrets.create(draft)
        match done.state:
            case SecretWriteState.DENIED:
                return self._denied(owner)
            case SecretWriteState.CONFLICT:
                return Conflict()
        return replace(
            kept,
            uid=done.uid or kept.uid,
            version=done.resource_version,
            sealed=self._seal.on,
            stale=False,
        )

    async def change(
        self, owner: Owner, alter: Callable[[Kept], Kept], *, anew: bool = False
    ) -> Kept | CredentialProblem:
        """Read, alter, write; again from what is there by then, if somebody else came first."""
        try:
            for _ in range(_TRIES):
                kept = await self.load(owner, anew=anew)
                if isinstance(kept, CredentialProblem):
                    return kept
                done = await self.save(owner, alter(kept))
                if not isinstance(done, Conflict):
                    return done
        except ApiError as error:
            return CredentialProblem(
                Reason.SECRET_UNREADABLE,
                f"The API server does not take Secret {owner.secret_name} now "
                f"({error.reason or error.status}).",
                lasting=False,
                retry_after=error.retry_after or 5.0,
            )
        return CredentialProblem(
            Reason.SECRET_UNREADABLE, f"Secret {owner.secret_name} changes all the time.", lasting=False
        )

    async def _remove(self, owner: Owner, name: str, kept: Kept) -> Kept | CredentialProblem:
        if kept.uid:
            done = await self._secrets.delete(owner.key.namespace, name, uid=kept.uid)
            if done is SecretWriteState.DENIED:
                return self._denied(owner)
        return Kept()

    # ------------------------------------------------------------------ inside

    def _sealed(self, owner: Owner, kept: Kept) -> dict[str, SecretText]:
        parts: dict[str, Json] = {}
        if kept.given:
            parts["given"] = _plain(kept.given)
        if kept.grant is not None:
            parts["grant"] = grants.to_json(kept.grant)
        if kept.rotation is not None or kept.rotated_at is not None:
            parts["rotation"] = _rotation_json(kept)
        texts = {name: json.dumps(part, separators=(",", ":")) for name, part in parts.items()}
        sealed = {name: self._seal.seal(text, _place(owner, name)) for name, text in texts.items()}
        return {name: SecretText(text) for name, text in {"about": _ABOUT, **sealed}.items()}

    def _opened(self, owner: Owner, found: SecretRead, *, anew: bool) -> Kept | CredentialProblem:
        kept = Kept(found.uid, found.resource_version, sealed=self._seal.on)
        for name in ("given", "grant", "rotation"):
            text = found.data.get(name)
            if text is None:
                continue
            opened = self._seal.open(text.reveal(), _place(owner, name))
            if isinstance(opened, SealProblem):
                if anew:
                    continue
                return _unopened(owner, name, opened.message)
            try:
                kept = _with(kept, name, json.loads(opened.value))
            except (KeyError, TypeError, ValueError, AttributeError):
                return _unopened(owner, name, "what is in it cannot be read")
            sealed, stale = kept.sealed and opened.sealed, kept.stale or opened.stale
            kept = replace(kept, sealed=sealed, stale=stale)
        return kept

    def _denied(self, owner: Owner) -> CredentialProblem:
        return CredentialProblem(
            Reason.SECRET_ACCESS_DENIED,
            f"The hub may not keep Secret {owner.secret_name}: namespace {owner.key.namespace} does not "
            f"let it. To change that: {self._consent.command(owner.key.namespace)}",
        )


def _place(owner: Owner, name: str) -> Place:
    return Place(owner.key.namespace, INTEGRATION.kind, owner.uid, name)


def _unopened(owner: Owner, name: str, why: str) -> CredentialProblem:
    return CredentialProblem(
        Reason.ENCRYPTION_ERROR, f"Key {name} of Secret {owner.secret_name} cannot be opened: {why}."
    )


def _with(kept: Kept, name: str, document: Json) -> Kept:
    match name:
        case "given":
            return replace(kept, given=_secret(document))
        case "grant":
            return replace(kept, grant=grants.from_json(document))
        case _:
            return _with_rotation(kept, document)


def _rotation_json(kept: Kept) -> Json:
    change = kept.rotation or KeyChange(RotationStage.NONE, {}, {})
    return {
        "rotatedAt": kept.rotated_at.isoformat() if kept.rotated_at is not None else "",
        "stage": change.stage.value,
        "new": _plain(change.new),
        "old": _plain(change.old),
    }


def _with_rotation(kept: Kept, document: Json) -> Kept:
    change = KeyChange(RotationStage(document["stage"]), _secret(document["new"]), _secret(document["old"]))
    return replace(
        kept,
        rotation=change if change.stage is not RotationStage.NONE else None,
        rotated_at=datetime.fromisoformat(document["rotatedAt"]) if document["rotatedAt"] else None,
    )


def _plain(values: Mapping[str, SecretText]) -> dict[str, str]:
    return {name: value.reveal() for name, value in values.items()}


def _secret(values: Mapping[str, str]) -> dict[str, SecretText]:
    return {str(name): SecretText(str(value)) for name, value in values.items()}
