"""The Secret in which a product finds its key: `product-<name>-hub`, made and kept by the hub alone.

Its two entries are the names under which 001's products expect their keys, so that a Deployment takes
them by `envFrom`. They hold the same key: Ninja answers behind an alias of the hub itself (C-48), so two
keys would be two things to lose and nothing to tell apart.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from integration_hub.api.meta import GROUP
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.api.reasons import Reason
from integration_hub.domain.consent import Consent
from integration_hub.ports import (
    CredentialProblem,
    Key,
    OwnedSecrets,
    SecretDraft,
    SecretState,
    SecretText,
    SecretWriteState,
)

SECRET_TYPE = f"{GROUP}/product-key"
HUB_KEY = "PRODUCT_HUB_API_KEY"
NINJA_KEY = "PRODUCT_NINJA_API_KEY"
_LONGEST_NAME = 253


def secret_name(registration: str) -> str:
    """Name of a registration's Secret; one that would be too long is cut and told apart by a digest."""
    name = f"product-{registration}-hub"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(registration.encode()).hexdigest()[:16]
    return f"product-{registration[:200].rstrip('-.')}-{digest}-hub"


@dataclass(frozen=True, slots=True)
class ProductSecret:
    """What the Secret holds. `uid` empty: there is none. `key` empty: not one key under both names."""

    uid: str = ""
    resource_version: str = ""
    key: SecretText = field(default=SecretText(""), repr=False)

    @property
    def version(self) -> str:
        return f"{self.uid}/{self.resource_version}" if self.uid else ""


@dataclass(frozen=True, slots=True)
class Moved:
    """Somebody else wrote since it was read: read again and decide anew."""


class ProductSecrets:
    """Reads and writes them. Every write is a compare-and-swap. Raises ApiError where nobody answers."""

    def __init__(self, secrets: OwnedSecrets, consent: Consent) -> None:
        self._secrets = secrets
        self._consent = consent

    async def read(self, owner: Key, uid: str) -> ProductSecret | CredentialProblem:
        """What is there; a problem where it is not ours to read."""
        name = secret_name(owner.name)
        found = await self._secrets.read(owner.namespace, name)
        match found.state:
            case SecretState.DENIED:
                return self.denied(owner)
            case SecretState.MISSING:
                return ProductSecret()
        if found.type != SECRET_TYPE:
            return CredentialProblem(
                Reason.SECRET_NOT_OURS,
                f"Secret {name} is not the hub's, but has the name of the one that the hub keeps for this "
                "product: rename or delete it.",
            )
        if uid not in found.owners:
            return CredentialProblem(
                Reason.SECRET_NOT_OURS,
                f"Secret {name} belongs to an earlier registration of this name and is about to go.",
                lasting=False,
                retry_after=5.0,
            )
        key, same = (found.data.get(each, SecretText("")) for each in (HUB_KEY, NINJA_KEY))
        whole = key == same and set(found.data) == {HUB_KEY, NINJA_KEY}
        return ProductSecret(found.uid, found.resource_version, key if whole else SecretText(""))

    async def write(
        self, owner: Key, uid: str, key: SecretText, found: ProductSecret
    ) -> ProductSecret | Moved | CredentialProblem:
        """Put this key in place of what was found."""
        draft = SecretDraft(
            owner.namespace,
            secret_name(owner.name),
            SECRET_TYPE,
            {HUB_KEY: key, NINJA_KEY: key},
            PRODUCT_REGISTRATION.kind,
            owner.name,
            uid,
        )
        if found.uid:
            done = await self._secrets.replace(draft, uid=found.uid, resource_version=found.resource_version)
        else:
            done = await self._secrets.create(draft)
        match done.state:
            case SecretWriteState.DENIED:
                return self.denied(owner)
            case SecretWriteState.CONFLICT:
                return Moved()
        return ProductSecret(done.uid or found.uid, done.resource_version, key)

    async def remove(self, owner: Key, uid: str) -> CredentialProblem | None:
        """The product shall have no key any more."""
        found = await self.read(owner, uid)
        if isinstance(found, CredentialProblem):
            return found if found.reason is Reason.SECRET_ACCESS_DENIED else None
        if found.uid:
            await self._secrets.delete(owner.namespace, secret_name(owner.name), uid=found.uid)
        return None

    def denied(self, owner: Key) -> CredentialProblem:
        """That the namespace does not let the hub in, with the command that changes it."""
        return CredentialProblem(
            Reason.SECRET_ACCESS_DENIED,
            f"The hub may not keep Secret {secret_name(owner.name)}: namespace {owner.namespace} does not "
            f"let it. To change that: {self._consent.command(owner.namespace)}",
        )
