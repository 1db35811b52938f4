"""ServiceAccounts' tokens where TokenReview may not be asked, which takes a right in the whole cluster.

The signature proves who the token was made for, and two reads within the caller's own namespace that they
are still there: its ServiceAccount and, for a token that is bound to one, its pod. That is what the API
server itself looks at, so nobody is let in whom a TokenReview would refuse. What may not be looked at (a
namespace without that right, a token bound to a Node or a Secret) is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integration_hub.adapters.kubernetes.asking import Places, nobody_can_tell
from integration_hub.adapters.tokens.claims import expiry
from integration_hub.adapters.tokens.memory import Kept, TokenMemory
from integration_hub.adapters.tokens.signed import Claims, SignedTokens
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import (
    PODS,
    SERVICE_ACCOUNTS,
    ApiError,
    Caller,
    Clock,
    ClusterReader,
    Json,
    Problem,
    Resource,
    SecretText,
)

_REMEMBERED_SECONDS = 10.0
_GONE_AFTER = timedelta(seconds=60)
"""An object that is being deleted counts for so long past its time, as for the API server."""
_BINDINGS = ("pod", "secret", "node")
"""What a token may be bound to. With a pod, the node is told, too."""
_EXTRA = "authentication.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class _Bearer:
    """For whom a token was made; `pod` is the name and uid of the one it is bound to."""

    namespace: str
    name: str
    uid: str
    pod: tuple[str, str] | None = None
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def caller(self) -> Caller:
        all_of_namespace = f"system:serviceaccounts:{self.namespace}"
        groups = ("system:serviceaccounts", all_of_namespace, "system:authenticated")
        return Caller(self.user, groups=groups, uid=self.uid, extra=self.extra, namespace=self.namespace)


class ServiceAccountTokens:
    """ports.Authenticator: the callers that a TokenReview would name, in the same words.

    `tokens` belong to the cluster's issuer; `cluster` may `get` ServiceAccounts and pods where callers are.
    """

    def __init__(self, tokens: SignedTokens, cluster: ClusterReader, clock: Clock) -> None:
        self._tokens = tokens
        self._cluster = cluster
        self._clock = clock
        self._memory: TokenMemory[Caller | Problem] = TokenMemory(clock, lambda a: isinstance(a, Problem))
        self._places = Places()

    async def authenticate(self, token: SecretText) -> Caller | Problem:
        return await self._memory.of(token, lambda: self._judge(token))

    async def _judge(self, token: SecretText) -> Kept[Caller | Problem]:
        claims = await self._tokens.claims(token)
        if isinstance(claims, Problem):
            return _refused(claims)
        bearer = _bearer(claims)
        if isinstance(bearer, Problem):
            return _refused(bearer)
        absence = await self._absence(bearer)
        if absence is not None:
            return _refused(absence)
        left = (expiry(claims) or 0.0) - self._clock.now().timestamp()
        return bearer.caller(), min(_REMEMBERED_SECONDS, left)

    async def _absence(self, bearer: _Bearer) -> Problem | None:
        """Why somebody is not, or not any more, whom the token was made for."""
        needed = [(SERVICE_ACCOUNTS, bearer.name, bearer.uid)]
        if bearer.pod is not None:
            needed.append((PODS, *bearer.pod))
        for resource, name, uid in needed:
            try:
                async with self._places.one():
                    found = await self._cluster.get(resource, bearer.namespace, name)
            except ApiError as error:
                return _unseen(resource, bearer) if error.status == 403 else nobody_can_tell("Tokens", error)
            if found is None or not self._is(found, uid):
                return Problem(
                    ErrorCode.UNAUTHENTICATED, f"The token's {resource.kind} {name} is not there any more."
                )
        return None

    def _is(self, found: Json, uid: str) -> bool:
        metadata = found["metadata"]
        ends = metadata.get("deletionTimestamp")
        gone = ends is not None and datetime.fromisoformat(ends) + _GONE_AFTER < self._clock.now()
        return metadata.get("uid") == uid and not gone


def _bearer(claims: Claims) -> _Bearer | Problem:
    """The claim `kubernetes.io` is what counts for the API server; `sub` has to say the same."""
    told = claims.get("kubernetes.io")
    told = told if isinstance(told, dict) else {}
    namespace, account, pod = told.get("namespace"), _named(told, "serviceaccount"), _named(told, "pod")
    if not isinstance(namespace, str) or not namespace or account is None:
        return Problem(ErrorCode.UNAUTHENTICATED, "The token is no ServiceAccount's.")
    bearer = _Bearer(namespace, *account, pod, _extra(claims, told, pod))
    if claims["sub"] != bearer.user:
        return Problem(ErrorCode.UNAUTHENTICATED, "The token names two ServiceAccounts.")
    unseen = [kind for kind in _BINDINGS if told.get(kind) and pod is None]
    if unseen:
        return Problem(
            ErrorCode.UNAUTHENTICATED,
            f"The token is bound to a {unseen[0]} that this hub cannot see: bind it to a pod, or to nothing.",
        )
    return bearer


def _extra(
    claims: Claims, told: Mapping[str, Any], pod: tuple[str, str] | None
) -> dict[str, tuple[str, ...]]:
    """What the API server adds to a user whom such a token names."""
    extra: dict[str, tuple[str, ...]] = {}
    if isinstance(claims.get("jti"), str) and claims["jti"]:
        extra[f"{_EXTRA}credential-id"] = (f"JTI={claims['jti']}",)
    for kind, named in (("node", _named(told, "node") if pod else None), ("pod", pod)):
        if named is not None:
            extra[f"{_EXTRA}{kind}-name"], extra[f"{_EXTRA}{kind}-uid"] = (named[0],), (named[1],)
    return extra


def _named(told: Mapping[str, Any], kind: str) -> tuple[str, str] | None:
    """Name and uid of an object in the claim; None where it names none."""
    entry = told.get(kind)
    name, uid = (entry.get("name"), entry.get("uid")) if isinstance(entry, dict) else (None, None)
    return (name, uid) if isinstance(name, str) and isinstance(uid, str) and name and uid else None


def _refused(problem: Problem) -> Kept[Caller | Problem]:
    """Not remembered where nobody could tell."""
    return problem, 0.0 if problem.code is ErrorCode.NOT_READY else _REMEMBERED_SECONDS


def _unseen(resource: Resource, bearer: _Bearer) -> Problem:
    return Problem(
        ErrorCode.UNAUTHENTICATED,
        f"This hub may not see {resource.plural} in namespace {bearer.namespace}, so it takes no tokens from "
        "there: callers come from the namespaces that it works for.",
    )
