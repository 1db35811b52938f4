"""Who asks, and whether they may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from integration_hub.ports.problem import Problem
from integration_hub.ports.secrets import SecretText


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who proved who they are.

    `user` as RBAC knows them (`system:serviceaccount:…`, `passport:<sub>`, `static:<name>`).
    `namespace` is the one their token belongs to; empty where it belongs to none.
    """

    user: str
    groups: Sequence[str] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    namespace: str = ""
    kind: Literal["kubernetes", "oidc", "static"] = "kubernetes"


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody wants to do, in RBAC's terms; `resource` is a plural of our group."""

    verb: str
    resource: str
    namespace: str
    name: str = ""
    subresource: str = ""


class Authenticator(Protocol):
    async def authenticate(self, token: SecretText) -> Caller | Problem:
        """Who holds this bearer token. A Problem is UNAUTHENTICATED, or NOT_READY if nobody could tell."""
        ...


class Authorizer(Protocol):
    async def refusal(self, caller: Caller, access: Access) -> Problem | None:
        """None if they may; FORBIDDEN with what they lack, or NOT_READY if nobody could tell."""
        ...
