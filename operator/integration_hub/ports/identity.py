"""Who asks, and whether they may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from integration_hub.ports.cluster import Key
from integration_hub.ports.problem import Problem
from integration_hub.ports.secrets import SecretText


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who proved who they are.

    `user` as RBAC knows them (`system:serviceaccount:…`, `passport:<sub>`, `static:<name>`), or a product
    (`product:<namespace>/<registration>`), which RBAC does not know: what it may do is `operations`' to say.
    `namespace` is the one their token belongs to; empty where it belongs to none. `registration` is the
    name of a product's own ProductRegistration, and empty for everybody else.
    """

    user: str
    groups: Sequence[str] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    namespace: str = ""
    kind: Literal["kubernetes", "oidc", "static", "product"] = "kubernetes"
    registration: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody wants to do, in RBAC's terms; `resource` is a plural of our group."""

    verb: str
    resource: str
    namespace: str
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A product's key as the hub knows it: its fingerprint, and whose it is. `valid_until` None: no end."""

    registration: Key
    uid: str
    fingerprint: str
    valid_until: datetime | None = None


class KnownKeys(Protocol):
    def find(self, key_id: str) -> Sequence[KnownKey]:
        """The keys of this id; as a rule one or none. Asks nobody."""
        ...


class Authenticator(Protocol):
    async def authenticate(self, token: SecretText) -> Caller | Problem:
        """Who holds this bearer token. A Problem is UNAUTHENTICATED, or NOT_READY if nobody could tell."""
        ...


class Authorizer(Protocol):
    async def refusal(self, caller: Caller, access: Access) -> Problem | None:
        """None if they may; FORBIDDEN with what they lack, or NOT_READY if nobody could tell."""
        ...
