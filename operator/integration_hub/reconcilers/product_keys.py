"""A product's key: made, put into its Secret, replaced when it is time or somebody asks, ended at once.

What is to be done is `domain.key_life`'s to say; this module reads, acts and tells. The text of a key is
in this process only from the moment at which its fingerprint was entered into the status until it is in
the Secret.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from integration_hub.api.integration import ROTATION_REQUESTED
from integration_hub.api.meta import format_time
from integration_hub.api.product_key import REVOCATION_REQUESTED, ApiKeyStatus, KeyUse
from integration_hub.api.product_registration import (
    PRODUCT_REGISTRATION,
    ProductRegistrationSpec,
    ProductRegistrationStatus,
)
from integration_hub.api.reasons import Reason
from integration_hub.domain import key_life, product_key
from integration_hub.domain.conditions import Finding, fails, holds, unknown
from integration_hub.domain.key_life import Cause, KeyWorld, Requests, Step
from integration_hub.domain.product_report import API_KEY_READY, Occurrence
from integration_hub.ports import (
    ApiError,
    AuditLog,
    AuditRecord,
    Clock,
    CredentialProblem,
    Json,
    Key,
    SecretText,
)
from integration_hub.reconcilers.consumers import Consumers
from integration_hub.reconcilers.product_secret import Moved, ProductSecret, ProductSecrets, secret_name
from integration_hub.reconcilers.secret_watch import SecretWatch
from integration_hub.runtime.reflector import Service

THE_HUB = "system:integration-hub"
AUDITED = f"{PRODUCT_REGISTRATION.plural}/key"
SOON = 0.05
WATCH_SECONDS = 1.0
"""Until another look for a product without a key, where the watch of Secrets has not got so far yet."""
DENIED_SECONDS = 15.0
"""A grant announces itself nowhere."""
AGAIN_SECONDS = 5.0
PATIENCE = timedelta(minutes=15)
"""How long workloads that cannot be restarted hold up a key that is in the Secret already."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeySubject:
    """The registration whose key is looked after; `now` in whole seconds."""

    key: Key
    uid: str
    spec: ProductRegistrationSpec
    status: ProductRegistrationStatus
    annotations: Json
    now: datetime

    @property
    def known(self) -> ApiKeyStatus:
        return self.status.api_key or ApiKeyStatus()

    @property
    def requests(self) -> Requests:
        told = self.annotations or {}
        return Requests(str(told.get(ROTATION_REQUESTED) or ""), str(told.get(REVOCATION_REQUESTED) or ""))


@dataclass(frozen=True, slots=True)
class KeyLook:
    """What goes into the status, and what is said once that is written.

    `again` is seconds until the next look; `audited` are actions with their details.
    """

    status: ApiKeyStatus | None
    secret: str
    finding: Finding | None
    again: float | None = None
    occurrences: tuple[Occurrence, ...] = ()
    audited: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _InHand:
    """A key that was made and is not in the Secret yet."""

    uid: str
    id: str
    text: SecretText


class ProductKeys:
    """Takes one step at a time. `random_bytes` is for tests that want to know the key."""

    def __init__(
        self,
        *,
        secrets_kept: ProductSecrets,
        watch: SecretWatch,
        consumers: Consumers,
        audit: AuditLog,
        clock: Clock,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._secrets = secrets_kept
        self._watch = watch
        self._consumers = consumers
        self._audit = audit
        self._clock = clock
        self._random_bytes = random_bytes
        self._in_hand: dict[Key, _InHand] = {}
        self._seen: dict[Key, str] = {}

    async def look(self, subject: KeySubject) -> KeyLook:
        """See to the key of one registration; trouble is a finding and never an exception."""
        try:
            if not subject.spec.api_key.enabled:
                return await self._without(subject)
            match self._watch.service(subject.key.namespace):
                case Service.PENDING:
                    return _carried(subject, DENIED_SECONDS if subject.known.keys else WATCH_SECONDS)
                case Service.DENIED:
                    return _hindered(subject, self._secrets.denied(subject.key))
            return await self._step(subject)
        except ApiError as error:
            _log.info("A key cannot be seen to", extra={"object": str(subject.key), "cause": str(error)})
            return _carried(subject, error.retry_after or AGAIN_SECONDS)

    def written(self, key: Key, look: KeyLook) -> None:
        """The status is written: enter what was done into the audit."""
        for action, detail in look.audited:
            self._audit.record_audit(
                AuditRecord(
                    at=self._clock.now(),
                    namespace=key.namespace,
                    actor=THE_HUB,
                    action=action,
                    resource=AUDITED,
                    name=key.name,
                    outcome="allowed",
                    detail=detail,
                )
            )

    def forget(self, key: Key) -> None:
        self._in_hand.pop(key, None)
        self._seen.pop(key, None)

    def clear(self) -> None:
        self._in_hand.clear()
        self._seen.clear()

    # ------------------------------------------------------------------ gather

    async def _step(self, subject: KeySubject) -> KeyLook:
        current = key_life.the(subject.known, KeyUse.CURRENT)
        if current is not None and self._undisturbed(subject):
            world = self._world(subject, current.id)
            if key_life.decide(world)[0] is Step.REST:
                return self._rest(subject, world, self._version(subject.key))
        found = await self._secrets.read(subject.key, subject.uid)
        if isinstance(found, CredentialProblem):
            return _hindered(subject, found)
        held = key_life.held_id(subject.known, subject.uid, found.key.reveal())
        return await self._act(subject, self._world(subject, held), found)

    def _undisturbed(self, subject: KeySubject) -> bool:
        """Whether the Secret is as it was when the current key was last seen in it."""
        recorded = self._seen.get(subject.key) or subject.known.secret_version
        return bool(recorded) and self._version(subject.key) == recorded

    def _version(self, key: Key) -> str:
        """The Secret's uid and resourceVersion by the watch; empty where it sees none."""
        seen = self._watch.version(key.namespace, secret_name(key.name))
        return "/".join(seen) if seen is not None else ""

    def _world(self, subject: KeySubject, held: str) -> KeyWorld:
        mine = self._in_hand.get(subject.key)
        in_hand = mine.id if mine is not None and mine.uid == subject.uid else ""
        return KeyWorld(subject.spec.api_key, subject.known, held, in_hand, subject.requests, subject.now)

    # ------------------------------------------------------------------ act

    async def _act(self, subject: KeySubject, world: KeyWorld, found: ProductSecret) -> KeyLook:
        step, cause = key_life.decide(world)
        if step is Step.ISSUE and cause is not None:
            return self._issue(subject, world, cause)
        if step is Step.STORE:
            return await self._store(subject, world, found)
        if step is Step.COMMIT:
            return await self._commit(subject, world, found)
        self._seen[subject.key] = found.version
        return self._rest(subject, world, found.version)

    def _issue(self, subject: KeySubject, world: KeyWorld, cause: Cause) -> KeyLook:
        """Make a key and enter its fingerprint. It goes into the Secret once that is written."""
        text = product_key.compose(self._random_bytes(product_key.CHANCE_BYTES))
        made = product_key.read(text)
        assert isinstance(made, product_key.KeyId)  # noqa: S101 - by construction
        self._in_hand[subject.key] = _InHand(subject.uid, made.id, SecretText(text))
        self._seen.pop(subject.key, None)
        status = key_life.issued(world, cause, made.id, product_key.fingerprint(subject.uid, text))
        look = KeyLook(status, secret_name(subject.key.name), _standing(subject, status), SOON)
        why = _ENDED.get(cause)
        if why is None or not subject.known.keys:
            return look
        told = Occurrence("Warning", Reason.KEY_REVOKED, f"{why}: every earlier key has ended.")
        return replace(look, occurrences=(told,), audited=(("revoke", why),))

    async def _store(self, subject: KeySubject, world: KeyWorld, found: ProductSecret) -> KeyLook:
        mine = self._in_hand[subject.key]
        done = await self._secrets.write(subject.key, subject.uid, mine.text, found)
        if isinstance(done, CredentialProblem):
            return _hindered(subject, done)
        if isinstance(done, Moved):
            return _carried(subject, SOON)
        return await self._commit(subject, replace(world, held=mine.id), done)

    async def _commit(self, subject: KeySubject, world: KeyWorld, found: ProductSecret) -> KeyLook:
        """The key is in the Secret: have workloads take it up, and call it the current one."""
        first = subject.known.last_rotated_at is None
        if not first and not await self._taken_up(subject):
            return _carried(subject, AGAIN_SECONDS)
        self._in_hand.pop(subject.key, None)
        self._seen[subject.key] = found.version
        name = secret_name(subject.key.name)
        status = key_life.committed(world, found.version)
        current = key_life.the(status, KeyUse.CURRENT)
        detail = f"key {current.id}" if current is not None else ""
        if first:
            told = Occurrence("Normal", Reason.KEY_ISSUED, f"Secret {name} holds a key for the product.")
            audited = ("issue", detail)
        else:
            message = f"Secret {name} holds a new key. {_until(status)}"
            told = Occurrence("Normal", Reason.KEY_ROTATED, message)
            audited = ("rotate", detail)
        again = key_life.seconds_until_next(status, subject.now)
        return KeyLook(status, name, _kept(name), again, (told,), (audited,))

    async def _taken_up(self, subject: KeySubject) -> bool:
        """Restart the workloads that asked for it; False where that is to be tried again first."""
        entered = key_life.the(subject.known, KeyUse.NEXT)
        assert entered is not None  # noqa: S101 - it is what is committed
        try:
            await self._consumers.bring_to(
                subject.key.namespace, secret_name(subject.key.name), format_time(entered.issued_at)
            )
        except ApiError as error:
            _log.warning(
                "Workloads cannot be restarted on a new key",
                extra={"object": str(subject.key), "cause": str(error)},
            )
            return subject.now - entered.issued_at > PATIENCE
        return True

    async def _without(self, subject: KeySubject) -> KeyLook:
        """The owner wants no key: forget the fingerprints first, then remove the Secret."""
        self.forget(subject.key)
        if subject.known.keys:
            reference = subject.status.api_key_secret_ref
            told = Occurrence("Normal", Reason.KEY_REVOKED, "The product has no key any more, by its spec.")
            name = reference.name if reference is not None else ""
            return KeyLook(None, name, None, SOON, (told,), (("revoke", "spec.apiKey.enabled"),))
        if subject.status.api_key_secret_ref is not None:
            await self._secrets.remove(subject.key, subject.uid)
        return KeyLook(None, "", None)

    # ------------------------------------------------------------------ tell

    def _rest(self, subject: KeySubject, world: KeyWorld, version: str) -> KeyLook:
        self._in_hand.pop(subject.key, None)
        name = secret_name(subject.key.name)
        status = key_life.settled(world, version)
        return KeyLook(status, name, _kept(name), key_life.seconds_until_next(status, subject.now))


_REASONS = {each.value: each for each in Reason}
_ENDED = {
    Cause.REVOKED: "Somebody asked for it",
    Cause.LOST: "The Secret does not hold the key any more",
}


def _kept(name: str) -> Finding:
    return holds(Reason.KEY_ISSUED, f"Secret {name} holds the key.")


def _pending() -> Finding:
    return unknown(Reason.KEY_PENDING, "A key is being made.")


def _standing(subject: KeySubject, status: ApiKeyStatus) -> Finding:
    """While a key is replaced, the one in the Secret is as good as before."""
    if key_life.the(status, KeyUse.CURRENT) is not None:
        return _kept(secret_name(subject.key.name))
    return _pending()


def _carried(subject: KeySubject, again: float) -> KeyLook:
    """Nothing is known that was not known before."""
    before = next((each for each in subject.status.conditions if each.type == API_KEY_READY), None)
    reason = _REASONS.get(before.reason) if before is not None else None
    finding = _pending()
    if before is not None and reason is not None:
        finding = Finding(before.status, reason, before.message)
    return KeyLook(subject.status.api_key, _referred(subject), finding, again)


def _hindered(subject: KeySubject, problem: CredentialProblem) -> KeyLook:
    """The Secret is not the hub's to see to. What works goes on working, unless all of it is to end."""
    denied = problem.reason is Reason.SECRET_ACCESS_DENIED
    finding = (fails if problem.lasting else unknown)(problem.reason, problem.message)
    again = DENIED_SECONDS if denied else problem.retry_after or DENIED_SECONDS
    look = KeyLook(subject.status.api_key, _referred(subject), finding, again)
    asked = key_life.revocation_asked(subject.known, subject.requests)
    lost = problem.reason is Reason.SECRET_NOT_OURS and bool(subject.known.keys)
    if not asked and not lost:
        return look
    why = _ENDED[Cause.REVOKED if asked else Cause.LOST]
    told = Occurrence("Warning", Reason.KEY_REVOKED, f"{why}: every earlier key has ended.")
    status = key_life.ended(subject.known, subject.requests)
    return replace(look, status=status, occurrences=(told,), audited=(("revoke", why),))


def _referred(subject: KeySubject) -> str:
    reference = subject.status.api_key_secret_ref
    return reference.name if reference is not None else ""


def _until(status: ApiKeyStatus) -> str:
    if status.previous_valid_until is None:
        return "No earlier key works any more."
    return f"The one before works until {format_time(status.previous_valid_until)}."
