"""Whose a Kubernetes token is and what they may do, as the API server's reviews tell."""

from __future__ import annotations

from typing import Any

from integration_hub.adapters.kubernetes.asking import Places, nobody_can_tell
from integration_hub.adapters.tokens.claims import expiry, unverified_claims
from integration_hub.adapters.tokens.memory import AnswerMemory, Kept, TokenMemory
from integration_hub.api.errors import ErrorCode
from integration_hub.api.meta import GROUP, VERSION
from integration_hub.permissions import role_for
from integration_hub.ports import (
    Access,
    ApiError,
    Caller,
    Clock,
    ClusterWriter,
    Json,
    Problem,
    Resource,
    SecretText,
)

TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
LOCAL_SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview"
)

REMEMBERED_SECONDS = 10.0
REFUSED_SECONDS = 2.0
_SERVICE_ACCOUNT = "system:serviceaccount:"


class TokenReviewer:
    """ports.Authenticator. A token is reviewed at most once in ten seconds, however often it comes.

    `cluster` should have no budget in common with writes, or callers could hold those up.
    """

    def __init__(self, cluster: ClusterWriter, clock: Clock, *, audience: str) -> None:
        self._cluster = cluster
        self._clock = clock
        self._audience = audience
        self._memory: TokenMemory[Caller | Problem] = TokenMemory(clock, _is_problem)
        self._places = Places()

    async def authenticate(self, token: SecretText) -> Caller | Problem:
        return await self._memory.of(token, lambda: self._review(token))

    async def _review(self, token: SecretText) -> Kept[Caller | Problem]:
        ends = expiry(unverified_claims(token))
        left = ends - self._clock.now().timestamp() if ends is not None else REMEMBERED_SECONDS
        if left <= 0:
            # Kubernetes would say the same; and nobody can make it say so a thousand times a second.
            return Problem(ErrorCode.UNAUTHENTICATED, "The token has expired."), REMEMBERED_SECONDS
        body = {"metadata": {}, "spec": {"token": token.reveal(), "audiences": [self._audience]}}
        try:
            async with self._places.one():
                answer = await self._cluster.create(TOKEN_REVIEWS, "", body)
        except ApiError as error:
            return nobody_can_tell("Tokens", error), 0.0
        caller = self._caller(answer.get("status") or {})
        return caller, REMEMBERED_SECONDS if isinstance(caller, Problem) else min(REMEMBERED_SECONDS, left)

    def _caller(self, status: Json) -> Caller | Problem:
        if not status.get("authenticated"):
            return Problem(
                ErrorCode.UNAUTHENTICATED,
                f"The token is not valid here: it must be made for the audience {self._audience}.",
            )
        if self._audience not in (status.get("audiences") or ()):
            # An authenticator that knows no audiences: the token may have been meant for anybody.
            return Problem(ErrorCode.UNAUTHENTICATED, f"The token is not for audience {self._audience}.")
        user = status.get("user") or {}
        name = user.get("username") or ""
        if not name:
            return Problem(ErrorCode.UNAUTHENTICATED, "The token names nobody.")
        return Caller(
            name,
            groups=tuple(user.get("groups") or ()),
            uid=user.get("uid") or "",
            extra={key: tuple(values) for key, values in (user.get("extra") or {}).items()},
            namespace=_namespace_of(name),
        )


class AccessReviewer:
    """ports.Authorizer: RBAC, as kubectl would meet it. Allowed is remembered 10 s, refused 2 s.

    `local`: a namespaced install, which may ask about single namespaces only.
    """

    def __init__(self, cluster: ClusterWriter, clock: Clock, *, local: bool = False) -> None:
        self._cluster = cluster
        self._local = local
        self._memory: AnswerMemory[Problem | bool] = AnswerMemory(clock, _is_problem)
        self._places = Places()

    async def refusal(self, caller: Caller, access: Access) -> Problem | None:
        if self._local and not access.namespace:
            return Problem(ErrorCode.FORBIDDEN, "This hub works in single namespaces only: name one.")
        key = (caller.user, tuple(caller.groups), caller.uid, _frozen(caller), access)
        answer = await self._memory.get(key, lambda: self._review(caller, access))
        return answer if isinstance(answer, Problem) else None

    async def _review(self, caller: Caller, access: Access) -> Kept[Problem | bool]:
        resource = LOCAL_SUBJECT_ACCESS_REVIEWS if self._local else SUBJECT_ACCESS_REVIEWS
        metadata = {"namespace": access.namespace} if self._local else {}
        body = {"metadata": metadata, "spec": _subject(caller) | {"resourceAttributes": _attributes(access)}}
        try:
            async with self._places.one():
                answer = await self._cluster.create(resource, access.namespace, body)
        except ApiError as error:
            return nobody_can_tell("Rights", error), 0.0
        if (answer.get("status") or {}).get("allowed"):
            return True, REMEMBERED_SECONDS
        return Problem(ErrorCode.FORBIDDEN, lacking(caller, access)), REFUSED_SECONDS


def lacking(caller: Caller, access: Access) -> str:
    """What somebody lacks, in the words in which a Role would be written, and the role that holds it."""
    resource = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
    named = f" {access.name}" if access.name else ""
    where = f" in namespace {access.namespace}" if access.namespace else ""
    role = role_for(access.verb, resource)
    way_out = f" The role {role} allows it." if role else ""
    return f"{caller.user} may not {access.verb} {resource}.{GROUP}{named}{where}.{way_out}"


def _subject(caller: Caller) -> dict[str, Any]:
    subject: dict[str, Any] = {"user": caller.user, "groups": list(caller.groups)}
    if caller.uid:
        subject["uid"] = caller.uid
    if caller.extra:
        subject["extra"] = {key: list(values) for key, values in caller.extra.items()}
    return subject


def _attributes(access: Access) -> dict[str, str]:
    found = {
        "group": GROUP,
        "version": VERSION,
        "verb": access.verb,
        "resource": access.resource,
        "subresource": access.subresource,
        "namespace": access.namespace,
        "name": access.name,
    }
    return {key: value for key, value in found.items() if value}


def _frozen(caller: Caller) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(sorted((key, tuple(values)) for key, values in caller.extra.items()))


def _namespace_of(user: str) -> str:
    return user.removeprefix(_SERVICE_ACCOUNT).partition(":")[0] if user.startswith(_SERVICE_ACCOUNT) else ""


def _is_problem(answer: object) -> bool:
    return isinstance(answer, Problem)
