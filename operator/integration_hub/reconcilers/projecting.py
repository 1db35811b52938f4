"""The Secret for workloads: the credentials in use, in the shape of the Service Binding Specification.

It is made where `spec.credentials.project` asks for it, follows every change of the credentials, and
goes when nobody asks any more. A Secret of that name that is not this Integration's is left alone.
`revision` in it is the moment at which a person's or a vendor's credentials last changed: by it
workloads are told apart that still run on older ones (`consumers`). A renewed token is no revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.meta import format_time
from integration_hub.api.reasons import Reason
from integration_hub.domain.conditions import Finding, fails, holds, unknown
from integration_hub.domain.integration import has_token
from integration_hub.ports import (
    Clock,
    CredentialKeeper,
    CredentialProblem,
    Expressions,
    Link,
    OwnedSecrets,
    SecretDraft,
    SecretRead,
    SecretState,
    SecretText,
    SecretWriteState,
)
from integration_hub.providers.request import base_url

BINDING_TYPE = "servicebinding.io/integration-hub"
REVISION = "revision"


@dataclass(frozen=True, slots=True)
class Projected:
    """What came of it. `name` is the Secret's, empty if there is none of ours; `revision` as in it."""

    finding: Finding
    name: str = ""
    revision: str = ""


class Projector:
    """Writes Secrets for workloads; each write is a compare-and-swap, so a look may be repeated."""

    def __init__(
        self, secrets: OwnedSecrets, keeper: CredentialKeeper, expressions: Expressions, clock: Clock
    ) -> None:
        self._secrets = secrets
        self._keeper = keeper
        self._expressions = expressions
        self._clock = clock

    async def project(self, link: Link, name: str) -> Projected:
        """Make the Secret hold what is in use now. Raises ApiError where nobody answers."""
        values = await self._keeper.values(link)
        if isinstance(values, CredentialProblem):
            return Projected(fails(values.reason, values.message))
        found = await self._secrets.read(link.namespace, name)
        if found.state is SecretState.DENIED:
            return Projected(_denied(name))
        mine = _mine(found, link.uid)
        if found.state is SecretState.FOUND and not mine:
            return Projected(
                fails(
                    Reason.SECRET_NOT_OURS,
                    f"Secret {name} exists already and is not this Integration's: delete it, or choose "
                    "another name in spec.credentials.project.secretName.",
                )
            )
        data = self._data(link, values)
        before = {key: value for key, value in found.data.items() if key != REVISION} if mine else {}
        revision = found.data[REVISION].reveal() if mine and REVISION in found.data else ""
        if before == data and revision:
            return Projected(_holds(name), name, revision)
        if not revision or not has_token(link.mode):
            revision = self._next(revision)
        return await self._write(link, name, {**data, REVISION: SecretText(revision)}, found, revision)

    async def withdraw(self, namespace: str, name: str, uid: str) -> None:
        """Nobody asks for it any more. Raises ApiError where nobody answers."""
        found = await self._secrets.read(namespace, name)
        if _mine(found, uid):
            await self._secrets.delete(namespace, name, uid=found.uid)

    # ------------------------------------------------------------------ inside

    def _next(self, last: str) -> str:
        """Now, but later than the revision before: two changes within a second are two."""
        now = self._clock.now()
        if last:
            now = max(now, datetime.fromisoformat(last) + timedelta(seconds=1))
        return format_time(now)

    async def _write(
        self, link: Link, name: str, data: Mapping[str, SecretText], found: SecretRead, revision: str
    ) -> Projected:
        draft = SecretDraft(
            namespace=link.namespace,
            name=name,
            type=BINDING_TYPE,
            data=data,
            owner_kind=INTEGRATION.kind,
            owner_name=link.key.name,
            owner_uid=link.uid,
        )
        if found.state is SecretState.FOUND:
            done = await self._secrets.replace(draft, uid=found.uid, resource_version=found.resource_version)
        else:
            done = await self._secrets.create(draft)
        match done.state:
            case SecretWriteState.WRITTEN:
                return Projected(_holds(name), name, revision)
            case SecretWriteState.DENIED:
                return Projected(_denied(name))
        return Projected(unknown(Reason.PROGRESSING, f"Secret {name} was just changed by somebody else."))

    def _data(self, link: Link, values: Mapping[str, SecretText]) -> dict[str, SecretText]:
        """The well-known entries, then the values under their scheme's names."""
        base = base_url(
            link.provider, config=link.config, region=link.spec.region, expressions=self._expressions
        )
        address = urlsplit(base if isinstance(base, str) else "")
        known = {
            "type": link.provider_name,
            "provider": "integration-hub",
            "uri": base if isinstance(base, str) else "",
            "host": address.hostname or "",
            "port": str(address.port) if address.port else "",
        }
        told = {key: SecretText(value) for key, value in known.items() if value}
        return {**{key: value for key, value in values.items() if value and key != REVISION}, **told}


def _mine(found: SecretRead, uid: str) -> bool:
    return found.state is SecretState.FOUND and found.type == BINDING_TYPE and uid in found.owners


def _holds(name: str) -> Finding:
    return holds(Reason.PROJECTED, f"Secret {name} holds the credentials in use.")


def _denied(name: str) -> Finding:
    return fails(
        Reason.SECRET_ACCESS_DENIED, f"The hub may not write Secret {name}: its namespace does not let it."
    )
