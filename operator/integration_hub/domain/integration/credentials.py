"""Credentials of an Integration, as decisions: are they there, do they last, are they due for replacement.

Tokens are renewed ahead of their end, each at a moment of its own within the time that is left, so
that a thousand which end together are not asked for together. Keys grow old by the owner's wish.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zlib import crc32

from integration_hub.api.meta import format_time
from integration_hub.api.provider import AuthMode, AuthType
from integration_hub.api.reasons import Reason
from integration_hub.domain.conditions import Finding, fails, holds, unknown
from integration_hub.domain.duration import seconds_of
from integration_hub.domain.integration.checks import missing
from integration_hub.domain.integration.facts import carried
from integration_hub.domain.integration.world import IntegrationWorld
from integration_hub.ports import CredentialFacts, CredentialProblem, Json, RotationStage

CREDENTIALS_READY = "CredentialsReady"
TOKEN_VALID = "TokenValid"  # noqa: S105 - the name of a condition
ROTATION_DUE = "RotationDue"

SPREAD = 0.5
"""Share of the time between a token's refresh moment and its end over which refreshes are spread."""
ROUNDING_SECONDS = 2.0
_TOKEN_MODES = frozenset(
    {AuthType.OAUTH2, AuthType.OAUTH2_CLIENT_CREDENTIALS, AuthType.JWT_BEARER, AuthType.TWO_STEP}
)


def has_token(mode: AuthMode | None) -> bool:
    """Whether calls of this mode carry a token that is obtained first and ends."""
    return mode is not None and mode.type in _TOKEN_MODES


# --------------------------------------------------------------------------- conditions


def credentials_ready(world: IntegrationWorld) -> Finding:
    """Whether what the mode needs is there. Called once accepted and configured."""
    mode = world.mode
    if mode is None:
        return _unsupported_mode(world)
    if not world.needs_credentials:
        return holds(Reason.CREDENTIALS_NOT_NEEDED, f"Mode {mode.type.value} needs no credentials.")
    found = world.credentials
    if found is None:
        return carried(world.previous, CREDENTIALS_READY) or unknown(
            Reason.NOT_CHECKED, "Not looked at while nothing is called."
        )
    if isinstance(found, CredentialProblem):
        return _problem(world, found)
    where = world.spec.credentials.place or "The hub"
    if found.unread is not None:
        return holds(found.unread.reason, f"What {where} held last stays in use. {found.unread.message}")
    return holds(Reason.CREDENTIALS_FOUND, f"{where} holds what mode {mode.type.value} needs.")


def token_valid(world: IntegrationWorld) -> Finding:
    """Whether the token works and will be renewed in time, for modes that have one."""
    found = world.credentials
    if found is None:
        return carried(world.previous, TOKEN_VALID) or unknown(
            Reason.NOT_CHECKED, "Not looked at while nothing is called."
        )
    if isinstance(found, CredentialProblem):
        return _problem(world, found)
    if _ended(found, world.now):
        return unknown(Reason.TOKEN_PENDING, "A token is being obtained.")
    if found.trouble:
        return holds(
            Reason.REFRESH_FAILED,
            f"The token still works, but no newer one can be had: {found.trouble} The hub goes on trying.",
        )
    renewed = " and is renewed before it ends" if found.refresh_at is not None else ""
    return holds(Reason.TOKEN_VALID, f"The token works{renewed}.")


def rotation_due(world: IntegrationWorld) -> Finding | None:
    """That the credentials are old; None while they are not, or nobody wants to know."""
    due = next_rotation(world)
    if due is None or world.now < due:
        return None
    how = "The hub replaces them." if rotates_itself(world) else "Replace them and put the new ones in place."
    age = world.spec.credentials.rotation
    if age is None or rotation_asked(world) == due:
        return holds(Reason.ROTATION_DUE, f"Other credentials were asked for. {how}")
    return holds(Reason.ROTATION_DUE, f"The credentials have been in use for more than {age.interval}. {how}")


def _problem(world: IntegrationWorld, problem: CredentialProblem) -> Finding:
    message = problem.message
    if problem.reason is Reason.SECRET_ACCESS_DENIED and "kubectl" not in message:
        message = f"{message} To change that: {world.consent.command(world.namespace)}"
    if problem.reason is Reason.SECRET_NOT_FOUND:
        return missing(world, problem.reason, message)
    return fails(problem.reason, message)


def _unsupported_mode(world: IntegrationWorld) -> Finding:
    provider = world.provider
    offered = ", ".join(mode.type.value for mode in provider.examined.spec.auth_modes) if provider else "none"
    wanted = world.spec.auth_type.value if world.spec.auth_type is not None else "the default"
    return fails(
        Reason.AUTH_TYPE_UNSUPPORTED,
        f"The provider has no mode {wanted}: set spec.authType to one of {offered}.",
    )


# --------------------------------------------------------------------------- when


def refresh_moment(found: CredentialFacts, uid: str) -> datetime | None:
    """When this Integration's token is renewed: after it may be, well before it ends, each at its own time.

    The same for every replica and after every restart.
    """
    if found.refresh_at is None or found.expires_at is None or found.expires_at <= found.refresh_at:
        return found.refresh_at
    share = crc32(uid.encode()) / 2**32
    return found.refresh_at + (found.expires_at - found.refresh_at) * SPREAD * share


def refresh_wanted(world: IntegrationWorld) -> bool:
    """Whether a newer token is to be obtained now."""
    found = world.credentials
    if not isinstance(found, CredentialFacts) or world.tick < world.facts.refresh_not_before:
        return False
    if _ended(found, world.now):
        return found.refresh_at is not None
    moment = refresh_moment(found, world.uid)
    return found.stale or (moment is not None and moment <= world.now)


def refresh_look(world: IntegrationWorld) -> bool:
    """Whether it is time to look at the token, by what the status says of it."""
    moment = _written(world, "nextRefreshAt")
    return moment is not None and moment <= world.now and world.tick >= world.facts.refresh_not_before


def rotation_look(world: IntegrationWorld) -> bool:
    """Whether it is time to look at what is kept of a replacement, by what the status says of it."""
    if world.tick < world.facts.rotate_not_before:
        return False
    if (world.previous.get("credentials") or {}).get("rotation"):
        return True
    rotation, due = world.spec.credentials.rotation, next_rotation(world)
    wanted = rotation_asked(world) is not None or (rotation is not None and rotation.strategy == "Auto")
    return wanted and due is not None and due <= world.now


def next_rotation(world: IntegrationWorld) -> datetime | None:
    """When the credentials are due for replacement; None where no rotation is asked for."""
    rotation = world.spec.credentials.rotation
    if not world.needs_credentials:
        return None
    begun = last_rotated(world) or (datetime.fromisoformat(world.created) if world.created else world.now)
    aged = begun + timedelta(seconds=seconds_of(rotation.interval)) if rotation is not None else None
    asked = rotation_asked(world)
    return min((each for each in (aged, asked) if each is not None), default=None)


def rotation_asked(world: IntegrationWorld) -> datetime | None:
    """Since when somebody wants other credentials than those in use; None where nobody does."""
    try:
        asked = datetime.fromisoformat(world.rotation_requested)
    except ValueError:
        return None
    since = last_rotated(world)
    unmet = asked.tzinfo is not None and (since is None or since < asked.replace(microsecond=0))
    return asked if unmet and world.needs_credentials else None


def last_rotated(world: IntegrationWorld) -> datetime | None:
    """Since when the credentials in use are in use: as they say, or since another Secret was seen."""
    found = world.credentials
    if isinstance(found, CredentialFacts) and found.rotated_at is not None:
        return found.rotated_at
    before = world.recorded.secret_version
    if before and isinstance(found, CredentialFacts) and world.inputs.secret_version != before:
        return world.now
    return _written(world, "lastRotatedAt")


def rotates_itself(world: IntegrationWorld) -> bool:
    """Whether the hub can and may replace the key, and can tell whether a new one works."""
    rotation, found = world.spec.credentials.rotation, world.credentials
    declared = world.provider.examined.spec.probe if world.provider is not None else None
    return (
        (rotation_asked(world) is not None or (rotation is not None and rotation.strategy == "Auto"))
        and (declared is not None or world.spec.health_check.path is not None)
        and isinstance(found, CredentialFacts)
        and found.rotatable
    )


def rotation_step_wanted(world: IntegrationWorld) -> bool:
    """Whether the replacement of a key is under way, or due and possible."""
    found = world.credentials
    if not isinstance(found, CredentialFacts) or world.tick < world.facts.rotate_not_before:
        return False
    if found.stage is not RotationStage.NONE:
        return True
    due = next_rotation(world)
    works = world.facts.streak.works and world.facts.probed == world.inputs
    return rotates_itself(world) and works and due is not None and due <= world.now


def _replacing(world: IntegrationWorld) -> bool:
    """Whether a replacement is under way."""
    found = world.credentials
    if isinstance(found, CredentialFacts):
        return found.stage is not RotationStage.NONE
    return bool((world.previous.get("credentials") or {}).get("rotation"))


def seconds_until_next(world: IntegrationWorld) -> float | None:
    """Until a token or a key wants to be looked at; None where nothing of that kind is ahead."""
    moments: list[float] = []
    found = world.credentials
    refresh = refresh_moment(found, world.uid) if isinstance(found, CredentialFacts) else None
    if found is None:
        refresh = _written(world, "nextRefreshAt")
    if refresh is not None:
        waits = (refresh - world.now).total_seconds(), world.facts.refresh_not_before - world.tick
        moments.append(max(waits))
    rotation = next_rotation(world)
    if rotation is not None and rotation > world.now:
        moments.append((rotation - world.now).total_seconds())
    pause = world.facts.rotate_not_before - world.tick
    if rotation_step_wanted(world):
        moments.append(0.0)
    elif pause > 0 and (_replacing(world) or rotates_itself(world)):
        moments.append(pause)
    return max(min(moments), 0.001) if moments else None


def _ended(found: CredentialFacts, now: datetime) -> bool:
    """Whether there is no token that works now: it has ended, or there never was one."""
    if found.expires_at is not None:
        return found.expires_at <= now
    return found.refresh_at is not None and found.refresh_at <= now


# --------------------------------------------------------------------------- the status


def credentials_status(world: IntegrationWorld) -> dict[str, Json] | None:
    """The mode in use, the Secret that was looked at last, and the times that matter."""
    before: Mapping[str, Json] = world.previous.get("credentials") or {}
    if world.mode is None:
        return dict(before) or None
    told: dict[str, Json] = {**before, "authType": world.mode.type.value}
    if not world.needs_credentials or not world.spec.credentials.place:
        told.pop("secretVersion", None)
    elif world.credentials is not None:
        told["secretVersion"] = world.inputs.secret_version
    found = world.credentials
    if isinstance(found, CredentialFacts):
        told["expiresAt"] = _shown(found.expires_at, before.get("expiresAt"))
        told["nextRefreshAt"] = _shown(refresh_moment(found, world.uid), before.get("nextRefreshAt"))
        told["rotation"] = found.stage.value if found.stage is not RotationStage.NONE else None
        told["sealed"] = found.sealed if found.sealed or has_token(world.mode) else None
    elif isinstance(found, CredentialProblem):
        told["nextRefreshAt"] = None
    due = next_rotation(world)
    told["lastRotatedAt"] = _shown(last_rotated(world))
    told["nextRotationAt"] = _shown(due)
    told["rotationDue"] = True if due is not None and due <= world.now else None
    return {name: value for name, value in told.items() if value is not None}


def oauth_status(world: IntegrationWorld, credentials: Mapping[str, Json] | None) -> dict[str, Json] | None:
    """The same times for who looks for OAuth, and where a person connects; None for other modes."""
    if world.mode is None or world.mode.type is not AuthType.OAUTH2:
        return None
    known = credentials or {}
    told = {
        "expiresAt": known.get("expiresAt"),
        "nextRefreshAt": known.get("nextRefreshAt"),
        "connectUrl": world.connect_url or None,
    }
    return {name: value for name, value in told.items() if value is not None} or None


def _written(world: IntegrationWorld, field: str) -> datetime | None:
    """A time that the present status tells of the credentials."""
    text: str | None = (world.previous.get("credentials") or {}).get(field)
    return datetime.fromisoformat(text) if text else None


def _shown(moment: datetime | None, before: str | None = None) -> str | None:
    """A time as it is written; what was written stays where it means the same but for a rounding."""
    if moment is None:
        return None
    if before and abs((datetime.fromisoformat(before) - moment).total_seconds()) < ROUNDING_SECONDS:
        return before
    return format_time(moment)
