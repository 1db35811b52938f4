"""Until credentials/ and egress/ bring theirs: Secrets read and applied as they are, one plain request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import datetime

from integration_hub.api.errors import ErrorCode
from integration_hub.api.provider import AuthMode, AuthType
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome, classify, rules
from integration_hub.domain.concealment import concealing
from integration_hub.domain.config_schema import ConfigSchema
from integration_hub.ports import (
    BreakerRow,
    CallAnswer,
    CallFigures,
    CallRequest,
    Clock,
    CredentialFacts,
    CredentialProblem,
    Egress,
    Expressions,
    HealthPoint,
    HealthWindow,
    Link,
    Presented,
    Problem,
    SecretRead,
    Secrets,
    SecretState,
    SecretText,
    Wakeup,
)
from integration_hub.providers import auth
from integration_hub.providers.auth import Applied
from integration_hub.providers.request import RequestProblem, build

ACCESS_TOKEN = "accessToken"
_TOKENS = {AuthType.OAUTH2, AuthType.OAUTH2_CLIENT_CREDENTIALS, AuthType.JWT_BEARER, AuthType.TWO_STEP}


def _as_sent(mode: AuthMode) -> AuthMode:
    if mode.type not in _TOKENS:
        return mode
    key = mode.secret_keys.get(ACCESS_TOKEN, ACCESS_TOKEN)
    return mode.model_copy(update={"type": AuthType.BEARER, "secret_keys": {"token": key}})


class PlainCredentials:
    """ports.CredentialSource of Secrets that somebody else filled."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._last: dict[str, SecretRead] = {}

    async def present(
        self, link: Link, *, caller: str = "", purpose: str = ""
    ) -> Presented | CredentialProblem:
        found = await self._find(link)
        if isinstance(found, CredentialProblem):
            return found
        applied, secrets, version = found
        return Presented(applied.headers, applied.query, version=version, secrets=secrets)

    async def renew(self, link: Link, refused: Presented) -> Presented | CredentialProblem:
        return CredentialProblem(Reason.INVALID_CREDENTIALS, "Nothing newer can be had.")

    async def facts(self, link: Link) -> CredentialFacts | CredentialProblem:
        self._last.pop(link.uid, None)
        reference = link.spec.credentials.secret_ref
        if reference is not None and auth.required_keys(_as_sent(link.mode)):
            read = await self._secrets.read(link.namespace, reference.name)
            self._last[link.uid] = read
            found = await self._find(link)
            self._last[link.uid] = read
        else:
            found = await self._find(link)
        if isinstance(found, CredentialProblem):
            return found
        return CredentialFacts(found[2], found[2])

    async def refresh(self, link: Link) -> CredentialFacts | CredentialProblem:
        return await self.facts(link)

    async def _find(self, link: Link) -> tuple[Applied, tuple[SecretText, ...], str] | CredentialProblem:
        mode = _as_sent(link.mode)
        needed = auth.required_keys(mode)
        if isinstance(needed, auth.Unsupported):
            return CredentialProblem(
                Reason.AUTH_TYPE_UNSUPPORTED, f"This version of the hub cannot send {link.mode.type.value}."
            )
        if not needed:
            return Applied(), (), ""
        schema = ConfigSchema.read(link.provider.credentials_schema)
        further = schema.schema.get("required", ()) if isinstance(schema, ConfigSchema) else ()
        needed = tuple(dict.fromkeys((*needed, *further)))
        reference = link.spec.credentials.secret_ref
        tokens = link.mode.type in _TOKENS
        if reference is None:
            reason = Reason.PENDING_AUTHORIZATION if tokens else Reason.SECRET_REF_MISSING
            return CredentialProblem(
                reason,
                f"Mode {link.mode.type.value} needs credentials: put {_keys(needed)} into a Secret of "
                f"namespace {link.namespace} and name it in spec.credentials.secretRef.",
            )
        name = f"Secret {reference.name}"
        read = await self._read(link, reference.name)
        if read.state is SecretState.DENIED:
            return CredentialProblem(
                Reason.SECRET_ACCESS_DENIED,
                f"The hub may not read {name}: namespace {link.namespace} does not let it in yet.",
            )
        if read.state is SecretState.MISSING:
            where = f"namespace {link.namespace}: create it with {_keys(needed)}."
            return CredentialProblem(Reason.SECRET_NOT_FOUND, f"There is no {name} in {where}")
        garbled = [key for key in needed if key in read.undecodable]
        absent = [key for key in needed if not read.data.get(key) and key not in garbled]
        if absent:
            reason = Reason.PENDING_AUTHORIZATION if tokens else Reason.SECRET_KEY_MISSING
            return CredentialProblem(reason, f"{name} lacks {_keys(absent)}: add it with a value.")
        if garbled:
            return CredentialProblem(
                Reason.SECRET_KEY_INVALID, f"Key {garbled[0]} of {name} cannot be used: no text in UTF-8."
            )
        applied = auth.apply(mode, read.data)
        if isinstance(applied, auth.InvalidKey):
            return CredentialProblem(
                Reason.SECRET_KEY_INVALID, f"Key {applied.key} of {name} cannot be used: {applied.problem}."
            )
        if not isinstance(applied, Applied):
            return CredentialProblem(Reason.SECRET_KEY_MISSING, f"{name} lacks a key.")
        return applied, tuple(read.data.values()), read.resource_version

    async def _read(self, link: Link, name: str) -> SecretRead:
        """What `facts` has just read serves the call that follows it, once."""
        kept = self._last.pop(link.uid, None)
        if kept is not None:
            return kept
        return await self._secrets.read(link.namespace, name)


def _keys(keys: Sequence[str]) -> str:
    return ("key " if len(keys) == 1 else "keys ") + " and ".join(keys)


class PlainCalls:
    """ports.Calls of one request and nothing around it."""

    def __init__(
        self, egress: Egress, credentials: PlainCredentials, expressions: Expressions, clock: Clock
    ) -> None:
        self._egress = egress
        self._credentials = credentials
        self._expressions = expressions
        self._clock = clock

    async def call(self, link: Link, request: CallRequest) -> CallAnswer:
        presented = await self._credentials.present(link)
        if isinstance(presented, CredentialProblem):
            return _answer(Outcome(presented.reason, detail=presented.message), attempts=0)
        made = build(
            link.provider,
            method=request.method,
            path=request.path,
            literal_path=True,
            headers=request.headers,
            body=request.body,
            config=link.config,
            auth=Applied(presented.headers, presented.query),
            namespace=link.namespace,
            expressions=self._expressions,
            region=link.spec.region,
            timeout_seconds=request.timeout_seconds or link.spec.timeout_seconds,
        )
        if isinstance(made, RequestProblem):
            return _answer(Outcome(Reason.CONFIG_INVALID, detail=made.message), attempts=0)
        answer = await self._egress.send(made)
        sent = (*presented.secrets, *presented.headers.values(), *presented.query.values())
        outcome = classify(
            answer,
            rules(link.provider, probing=request.probing),
            self._expressions,
            self._clock.now(),
            concealing(sent),
        )
        return _answer(outcome, attempts=1)

    async def stream(
        self, link: Link, request: CallRequest, body: AsyncIterable[bytes] | None = None
    ) -> CallAnswer:
        raise NotImplementedError

    def forget_answers(self, link_uid: str) -> None:
        return None


def _answer(outcome: Outcome, *, attempts: int) -> CallAnswer:
    problem = None if outcome.success else Problem(ErrorCode.UPSTREAM_ERROR, outcome.detail)
    return CallAnswer(
        reason=outcome.reason,
        status=outcome.status,
        detail=outcome.detail,
        retry_after=outcome.retry_after,
        elapsed_seconds=outcome.elapsed_seconds,
        attempts=attempts,
        problem=problem,
    )


class NoStore:
    """ports.HealthLog, ports.Breakers, figures and wakeups that keep nothing."""

    async def call_figures(
        self, namespace: str, uids: Sequence[str], *, since: datetime | None = None
    ) -> Mapping[str, CallFigures]:
        return {}

    async def drain(self, limit: int = 1000) -> Sequence[Wakeup]:
        return ()

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def record_health(self, point: HealthPoint) -> None:
        return None

    async def health_windows(self, uids: Sequence[str], *, since: datetime) -> Mapping[str, HealthWindow]:
        return {}

    async def load_breakers(self) -> Mapping[str, BreakerRow]:
        return {}

    async def save_breaker(self, uid: str, row: BreakerRow) -> BreakerRow:
        return row
