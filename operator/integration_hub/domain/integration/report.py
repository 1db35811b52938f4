"""What is said about one Integration: its whole status, an Event on a change, when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from integration_hub.api.conditions import READY
from integration_hub.api.integration import HealthStatus, Phase
from integration_hub.api.meta import format_time
from integration_hub.api.reasons import Reason
from integration_hub.domain import conditions
from integration_hub.domain.classification import Outcome, Subject, explain
from integration_hub.domain.conditions import ConditionReport, Finding, Transition, fails, unknown
from integration_hub.domain.health_window import Thresholds
from integration_hub.domain.integration.checks import (
    ACCEPTED,
    CREDENTIALS_READY,
    label,
)
from integration_hub.domain.integration.facts import CONNECTED, HealthFacts, Pace, learn
from integration_hub.domain.integration.plan import CHECKS, Plan, test_wanted
from integration_hub.domain.integration.world import YOUNG_SECONDS, Address, IntegrationWorld
from integration_hub.ports import EventNote, Json, Key

DEFAULT_INTERVAL = 60
CREDENTIALS_SECONDS = 60.0
"""Pause before a Secret that was not fine is read again, in case no watch tells of its change."""
MAX_TEST_NAME = 64

_AUTHORISATION = frozenset({Reason.PENDING_AUTHORIZATION, Reason.REAUTH_REQUIRED})
_MAY_FOLLOW = frozenset({Reason.PROVIDER_NOT_FOUND, Reason.SECRET_NOT_FOUND})
_STALLING = frozenset(
    {
        Reason.DUPLICATE,
        Reason.PROVIDER_NOT_SHARED,
        Reason.PROVIDER_INVALID,
        Reason.PROVIDER_INACTIVE,
        Reason.PROVIDER_CHANGED,
        Reason.CONFIG_INVALID,
        Reason.SECRET_IN_CONFIG,
        Reason.INVALID_URL,
        Reason.AUTH_TYPE_UNSUPPORTED,
        Reason.SECRET_REF_MISSING,
        Reason.SECRET_KEY_INVALID,
        Reason.INVALID_CREDENTIALS,
        Reason.REAUTH_REQUIRED,
        Reason.CONFIG_REFUSED,
        Reason.ADDRESS_BLOCKED,
        Reason.INVALID_SPEC,
    }
)
"""Reasons that wait for a person. A provider or Secret that is not there yet may just be applied later."""


@dataclass(frozen=True, slots=True)
class Report:
    """What to write and remember. `requeue_after` in seconds, None to wait for a change.

    `event` is to be recorded once the status is written; None where nothing changed for a person.
    """

    status: dict[str, Json]
    facts: HealthFacts
    event: EventNote | None
    requeue_after: float | None


def report(world: IntegrationWorld, made: Plan, outcome: Outcome | None) -> Report:
    """Put together all that is said. `outcome` is what the planned probe came to, None if none was made."""
    facts = _facts(world, made, outcome)
    connected = (
        made.silent or facts.connected or unknown(Reason.PROBE_PENDING, "The first probe is on its way.")
    )
    findings = {**made.findings, CONNECTED: connected}
    told = _conditions(world, made, findings)
    status: dict[str, Json] = {
        "observedGeneration": world.generation,
        "conditions": told.conditions,
        "phase": _phase(world, told.ready, findings),
        "health": _health(world, facts),
        "credentials": _credentials(world),
        "acceptedProvider": _accepted_provider(world, made),
        "lastTest": _last_test(world, made, outcome),
        **_history(facts),
        "updatedAt": _updated_at(world.previous, world.generation, world.now),
    }
    return Report(
        {name: value for name, value in status.items() if value is not None},
        facts,
        _event(world, told, connected),
        _next_look(world, made, facts),
    )


def refuse(
    previous: Mapping[str, Json], problem: str, *, key: Key, uid: str, generation: int, now: datetime
) -> tuple[dict[str, Json], EventNote | None]:
    """The status of an object whose spec cannot be read; what was known stays."""
    ready = fails(Reason.INVALID_SPEC, f"The spec cannot be read: {problem}")
    told = conditions.build(
        previous.get("conditions", ()), {}, ready=ready, generation=generation, now=now, stalled=True
    )
    health = {**(previous.get("health") or {}), "status": HealthStatus.UNKNOWN.value}
    updated = _updated_at(previous, generation, now)
    status = {
        **previous,
        "observedGeneration": generation,
        "conditions": told.conditions,
        "phase": Phase.ERROR.value,
        "health": health,
        "updatedAt": updated,
    }
    transition = told.transition(READY)
    note = _note(key, uid, transition, ready.message) if transition is not None else None
    return status, note


# --------------------------------------------------------------------------- facts


def interval_of(world: IntegrationWorld) -> int:
    """Seconds between probes: the Integration's own wish, else its provider's."""
    if world.spec.health_check.interval_seconds is not None:
        return world.spec.health_check.interval_seconds
    declared = world.provider.examined.spec.probe if world.provider is not None else None
    return declared.interval_seconds if declared is not None else DEFAULT_INTERVAL


def subject_of(world: IntegrationWorld) -> Subject:
    """Whose connection it is, for messages."""
    authority = world.address.authority if isinstance(world.address, Address) else "the provider"
    secret = world.secret_name if world.keys else ""
    return Subject(authority, secret, world.spec.timeout_seconds)


def _facts(world: IntegrationWorld, made: Plan, outcome: Outcome | None) -> HealthFacts:
    facts = replace(world.facts, window=world.facts.window.resized(world.spec.health_check.window_minutes))
    pace = Pace(interval_of(world), world.jitter, world.tick)
    if made.silent is not None:
        return facts.untried()
    if outcome is not None:
        check = world.spec.health_check
        return learn(
            facts,
            outcome,
            conditions.clip(explain(outcome, subject_of(world))),
            inputs=world.inputs,
            thresholds=Thresholds(check.failure_threshold, check.success_threshold),
            pace=pace,
            now=world.now,
        )
    return facts if facts.next_probe is not None else replace(facts, next_probe=pace.sometime())


def _next_look(world: IntegrationWorld, made: Plan, facts: HealthFacts) -> float | None:
    if made.silent is None and facts.next_probe is not None:
        return max(facts.next_probe - world.tick, 0.001)
    if world.young and any(finding.reason in _MAY_FOLLOW for finding in made.findings.values()):
        return YOUNG_SECONDS
    if world.spec.enabled and world.secret is not None and not made.findings[CREDENTIALS_READY].holds:
        return Pace(CREDENTIALS_SECONDS, world.jitter, world.tick).after(CREDENTIALS_SECONDS) - world.tick
    return None


# --------------------------------------------------------------------------- conditions


def _conditions(world: IntegrationWorld, made: Plan, findings: Mapping[str, Finding]) -> ConditionReport:
    """`Ready` stands for all checks and for the probe, unless there is nothing to probe."""
    checked = all(finding.holds for finding in made.findings.values())
    unwatched = checked and made.silent is not None
    paused = fails(Reason.PAUSED, "Switched off: nothing is called. Set spec.enabled to true to resume.")
    name = world.provider.examined.spec.display_name if world.provider is not None else ""
    ready_message = (
        f"Configured for {name}; {made.silent.message[:1].lower()}{made.silent.message[1:]}"
        if unwatched and made.silent is not None
        else f"Connected to {name}."
    )
    parts = CHECKS if unwatched else (*CHECKS, CONNECTED)
    ready = (
        paused
        if not world.spec.enabled
        else conditions.derive_ready([findings[each] for each in parts], ready_message)
    )
    return conditions.build(
        world.previous.get("conditions", ()),
        findings,
        ready=ready,
        generation=world.generation,
        now=world.now,
        stalled=ready.reason in _STALLING,
    )


def _phase(world: IntegrationWorld, ready: Finding, findings: Mapping[str, Finding]) -> str | None:
    if not world.spec.enabled:
        return Phase.PAUSED.value
    if any(finding.reason in _AUTHORISATION for finding in findings.values()):
        return Phase.PENDING_AUTH.value
    if ready.status == "Unknown":
        before: str | None = world.previous.get("phase")
        return before
    return Phase.ACTIVE.value if ready.holds else Phase.ERROR.value


def _event(world: IntegrationWorld, told: ConditionReport, connected: Finding) -> EventNote | None:
    """One Event for a change of `Ready`; in its good case it says what `Connected` says."""
    transition = told.transition(READY)
    if transition is None or transition.now == "Unknown":
        return None
    key = Key("Integration", world.namespace, world.name)
    if transition.now == "True":
        transition = replace(transition, reason=connected.reason)
    return _note(key, world.uid, transition, transition.message)


def _note(key: Key, uid: str, transition: Transition, message: str) -> EventNote:
    calm = transition.now == "True" or transition.reason is Reason.PAUSED
    severity: Literal["Normal", "Warning"] = "Normal" if calm else "Warning"
    return EventNote(key, uid, severity, transition.reason.value, message)


# --------------------------------------------------------------------------- the rest of the status


def _health(world: IntegrationWorld, facts: HealthFacts) -> dict[str, Json]:
    """The verdict, and the figures that ride along. A window without answers keeps the last figures."""
    before = world.previous.get("health") or {}
    uptime, error_rate = facts.window.uptime(world.tick), facts.window.error_rate(world.tick)
    healthy = facts.streak.verdict is HealthStatus.HEALTHY
    told = {
        "status": facts.streak.verdict.value,
        "lastCheck": format_time(facts.last_check) if facts.last_check else None,
        "responseTime": facts.response_ms,
        "uptime": before.get("uptime") if uptime is None else uptime,
        "errorRate": before.get("errorRate") if error_rate is None else error_rate,
        "lastError": None if healthy else facts.last_error,
        "consecutiveFailures": facts.streak.failures,
    }
    return {name: value for name, value in told.items() if value is not None}


def _history(facts: HealthFacts) -> dict[str, Json]:
    return {
        "lastSuccessfulCall": format_time(facts.last_success) if facts.last_success else None,
        "lastError": facts.last_error,
        "lastErrorAt": format_time(facts.last_error_at) if facts.last_error_at else None,
        "errorCount": facts.error_count,
    }


def _credentials(world: IntegrationWorld) -> dict[str, Json] | None:
    """The mode in use, and the version of the Secret that was read last."""
    before = world.previous.get("credentials") or {}
    if world.mode is None:
        return before or None
    told = {**before, "authType": world.mode.type.value}
    if not world.keys or not world.secret_name:
        told.pop("secretVersion", None)
    elif world.secret is not None:
        told["secretVersion"] = world.secret.version
    return told


def _accepted_provider(world: IntegrationWorld, made: Plan) -> dict[str, Json] | None:
    """Pinned once accepted, with the hosts in use; otherwise what was pinned before stays."""
    provider, address = world.provider, world.address
    if provider is None or not isinstance(address, Address) or not made.findings[ACCEPTED].holds:
        before: dict[str, Json] | None = world.previous.get("acceptedProvider")
        return before
    return {
        "provider": label(world),
        "uid": provider.uid,
        "generation": provider.generation,
        "hosts": list(address.hosts),
    }


def _last_test(world: IntegrationWorld, made: Plan, outcome: Outcome | None) -> dict[str, Json] | None:
    """The answer to a test that was asked for; the previous one stays until then.

    A test that cannot be made is answered as well: with what stands in its way.
    """
    before: dict[str, Json] | None = world.previous.get("lastTest")
    if not test_wanted(world):
        return before
    if outcome is not None and outcome.counts:
        result = HealthStatus.HEALTHY if outcome.success else HealthStatus.UNHEALTHY
        message = explain(outcome, subject_of(world))
    elif made.silent is not None:
        failing = next((finding for finding in made.findings.values() if finding.status == "False"), None)
        obstacle = failing if failing is not None and world.spec.enabled else made.silent
        result = HealthStatus.UNHEALTHY if obstacle.status == "False" else HealthStatus.UNKNOWN
        message = obstacle.message
    else:
        return before
    return {
        "requested": world.test_requested,
        "result": result.value,
        "at": format_time(world.now),
        "message": conditions.clip(message),
    }


def _updated_at(previous: Mapping[str, Json], generation: int, now: datetime) -> str:
    """When the spec last changed, as seen from here."""
    before: str | None = previous.get("updatedAt")
    return before if before and previous.get("observedGeneration") == generation else format_time(now)
