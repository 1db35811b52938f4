"""The life of a product's keys, as decisions.

A new key is entered into the status first, by its fingerprint (`Next`): so every gateway takes it before
anybody can hold it. Then it is put into the Secret, workloads that asked for it are restarted, and it is
`Current`; what it replaces is `Previous` and ends after the overlap. Each look takes the step that the
status and the Secret call for, so the hub may be killed between any two of them: a key that was entered
and whose text is lost was never in anybody's hands, and another one takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from integration_hub.api.product_key import MOST_KEYS, ApiKeyEntry, ApiKeyPolicy, ApiKeyStatus, KeyUse
from integration_hub.domain.duration import seconds_of
from integration_hub.domain.product_key import matches

SHORTEST_INTERVAL = 60
_LONGEST_REQUEST = 64


class Step(Enum):
    """What is to be done now."""

    REST = "nothing"
    ISSUE = "enter a new key into the status"
    STORE = "put the key that was entered into the Secret"
    COMMIT = "call the key in the Secret the current one"


class Cause(Enum):
    """Why a key is issued."""

    FIRST = "there is none yet"
    LOST = "the Secret does not hold the key any more"
    REVOKED = "somebody ended all keys"
    REPLACED = "the key is old, or somebody asked for another one"
    RESUMED = "the text of the key that was entered is lost"


ENDING = frozenset({Cause.FIRST, Cause.LOST, Cause.REVOKED})
"""Causes with which every earlier key ends at once."""


@dataclass(frozen=True, slots=True)
class Requests:
    """The values of the two annotations; empty where there is none."""

    rotation: str = ""
    revocation: str = ""


@dataclass(frozen=True, slots=True)
class KeyWorld:
    """All that a decision about keys is made of.

    `held` is the id of the key in the Secret, empty if that is none the status knows; `in_hand` the id of
    the key whose text this process still has. `now` is in whole seconds.
    """

    policy: ApiKeyPolicy
    known: ApiKeyStatus
    held: str
    in_hand: str
    requests: Requests
    now: datetime


def decide(world: KeyWorld) -> tuple[Step, Cause | None]:
    """The next step; with `ISSUE`, why."""
    current, entered = the(world.known, KeyUse.CURRENT), the(world.known, KeyUse.NEXT)
    if revocation_asked(world.known, world.requests):
        return Step.ISSUE, Cause.REVOKED
    if current is not None and not world.held:
        return Step.ISSUE, Cause.LOST
    if entered is not None:
        if world.held == entered.id:
            return Step.COMMIT, None
        return (Step.STORE, None) if world.in_hand == entered.id else (Step.ISSUE, Cause.RESUMED)
    if current is None:
        return Step.ISSUE, Cause.FIRST if world.known.last_rotated_at is None else Cause.LOST
    if world.held != current.id or _replacement_due(world, current):
        return Step.ISSUE, Cause.REPLACED
    return Step.REST, None


def the(known: ApiKeyStatus, use: KeyUse) -> ApiKeyEntry | None:
    """The key of this use; of `Previous` ones there may be several, of the others there is one at most."""
    return next((each for each in known.keys if each.use is use), None)


def held_id(known: ApiKeyStatus, uid: str, key: str) -> str:
    """The id of the known key that this text is; empty if it is none of them."""
    return next((each.id for each in known.keys if matches(each.sha256, uid, key)), "")


def revocation_asked(known: ApiKeyStatus, requests: Requests) -> bool:
    """Whether somebody wants every key ended who has not been heard yet."""
    return _unheard(requests.revocation, known.revocation_requested)


# --------------------------------------------------------------------------- the status after a step


def issued(world: KeyWorld, cause: Cause, key_id: str, sha256: str) -> ApiKeyStatus:
    """With a new key entered. No two keys are of one second: by that second workloads tell them apart."""
    last = max((each.issued_at for each in world.known.keys), default=world.known.last_rotated_at)
    moment = world.now if last is None else max(world.now, last + timedelta(seconds=1))
    entered = ApiKeyEntry(id=key_id, sha256=sha256, use=KeyUse.NEXT, issued_at=moment)
    kept = [] if cause in ENDING else _with_next_replaced(world)
    heard = {"rotation_requested": _heard(world.requests.rotation, world.known.rotation_requested)}
    if cause in ENDING:
        heard["revocation_requested"] = _heard(world.requests.revocation, world.known.revocation_requested)
    return _timed(world, [entered, *_fitting(kept)], secret_version=None, **heard)


def committed(world: KeyWorld, secret_version: str) -> ApiKeyStatus:
    """With the key that was entered as the current one, and the one before on its way out."""
    keys: list[ApiKeyEntry] = []
    for each in _alive(world):
        if each.use is KeyUse.NEXT:
            keys.insert(0, each.model_copy(update={"use": KeyUse.CURRENT}))
        else:
            keys += _replaced(world, each) if each.use is KeyUse.CURRENT else [each]
    return _timed(world, keys, secret_version=secret_version)


def settled(world: KeyWorld, secret_version: str) -> ApiKeyStatus:
    """As it is, without the keys that have ended."""
    return _timed(world, list(_alive(world)), secret_version=secret_version)


def ended(known: ApiKeyStatus, requests: Requests) -> ApiKeyStatus:
    """Without any key: all were revoked, and no other can be put into the Secret now."""
    return known.model_copy(
        update={
            "keys": [],
            "previous_valid_until": None,
            "next_rotation_at": None,
            "secret_version": None,
            "revocation_requested": _heard(requests.revocation, known.revocation_requested),
        }
    )


def seconds_until_next(known: ApiKeyStatus, now: datetime) -> float | None:
    """Until a key ends or is replaced by age; None where neither is ahead."""
    ends = [each.valid_until for each in known.keys if each.valid_until is not None]
    ahead = [moment for moment in (*ends, known.next_rotation_at) if moment is not None]
    return max((min(ahead) - now).total_seconds(), 0.0) if ahead else None


# --------------------------------------------------------------------------- inside


def _replacement_due(world: KeyWorld, current: ApiKeyEntry) -> bool:
    due = _due(world.policy, current)
    aged = due is not None and due <= world.now
    return aged or _unheard(world.requests.rotation, world.known.rotation_requested)


def _due(policy: ApiKeyPolicy, current: ApiKeyEntry) -> datetime | None:
    if policy.rotation is None:
        return None
    interval = max(seconds_of(policy.rotation.interval), SHORTEST_INTERVAL)
    return current.issued_at + timedelta(seconds=interval)


def _unheard(request: str, heard: str | None) -> bool:
    return bool(request) and request[:_LONGEST_REQUEST] != heard


def _heard(request: str, before: str | None) -> str | None:
    return request[:_LONGEST_REQUEST] or before


def _alive(world: KeyWorld) -> list[ApiKeyEntry]:
    return [each for each in world.known.keys if each.valid_until is None or each.valid_until > world.now]


def _replaced(world: KeyWorld, key: ApiKeyEntry) -> list[ApiKeyEntry]:
    """The key on its way out; nothing where there is no overlap."""
    overlap = timedelta(seconds=seconds_of(world.policy.overlap))
    leaving = key.model_copy(update={"use": KeyUse.PREVIOUS, "valid_until": world.now + overlap})
    return [leaving] if overlap else []


def _with_next_replaced(world: KeyWorld) -> list[ApiKeyEntry]:
    """What works beside a new key. One that was entered before may have come into the Secret after all."""
    kept: list[ApiKeyEntry] = []
    for each in _alive(world):
        kept += _replaced(world, each) if each.use is KeyUse.NEXT else [each]
    return kept


def _fitting(kept: list[ApiKeyEntry]) -> list[ApiKeyEntry]:
    """So many that another one has room: of those that were replaced, the ones that last longest."""
    lasting = sorted(kept, key=lambda each: (each.valid_until is None, each.valid_until or each.issued_at))
    chosen = lasting[-(MOST_KEYS - 1) :]
    return [each for each in kept if each in chosen]


def _timed(world: KeyWorld, keys: list[ApiKeyEntry], **changes: str | None) -> ApiKeyStatus:
    """With these keys, and the times that follow from them."""
    made = world.known.model_copy(update={"keys": keys, **changes})
    current = the(made, KeyUse.CURRENT)
    ends = [each.valid_until for each in keys if each.valid_until is not None]
    return made.model_copy(
        update={
            "last_rotated_at": current.issued_at if current is not None else made.last_rotated_at,
            "next_rotation_at": _due(world.policy, current) if current is not None else None,
            "previous_valid_until": max(ends, default=None),
        }
    )
