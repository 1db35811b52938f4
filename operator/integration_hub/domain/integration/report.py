"""What is said about one Integration: its whole status, an Event on a change, when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from integration_hub.api.conditions import READY
from integration_hub.api.integration import HealthStatus, Phase
from integration_hub.api.meta import format_time
from integration_hub.api.reasons import Reason
from integration_hub.domain import conditions
from integration_hub.domain.classification import Outcome, Subject, explain
from integration_hub.domain.conditions import ConditionReport, Finding, fails, holds, unknown
from integration_hub.domain.health_window import Thresholds
from integration_hub.domain.integration.checks import ACCEPTED, CONFIG_VALID, label
from integration_hub.domain.integration.credentials import (
    CREDENTIALS_READY,
    ROTATION_DUE,
    credentials_status,
    oauth_status,
    rotation_due,
    seconds_until_next,
)
from integration_hub.domain.integration.events import events_of, note
from integration_hub.domain.integration.facts import (
    CONNECTED,
    TRIAL_SECONDS,
    HealthFacts,
    Pace,
    carried,
    learn,
)
from integration_hub.domain.integration.plan import Plan, test_wanted
from integration_hub.domain.integration.world import YOUNG_SECONDS, Address, IntegrationWorld
from integration_hub.ports import EventNote, Json, Key

DEFAULT_INTERVAL = 60
CREDENTIALS_SECONDS = 60.0
"""Pause before a Secret that was not fine is read again, in case no watch tells of its change."""
UNWATCHED_SECONDS = 15.0
"""The same for what Vault holds, where a change is seen by reading alone."""
CIRCUIT_OPEN = "CircuitOpen"
PROJECTED = "Projected"
ANOMALOUS = "Anomalous"

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
        Reason.SECRET_NOT_OURS,
        Reason.VAULT_NOT_CONFIGURED,
    }
)
"""Reasons that wait for a person. A provider or Secret that is not there yet may just be applied later."""


@dataclass(frozen=True, slots=True)
class Report:
    """What to write and remember. `requeue_after` in seconds, None to wait for a change.

    `events` are to be recorded once the status is written; none where nothing changed for a person.
    """

    status: dict[str, Json]
    facts: HealthFacts
    events: tuple[EventNote, ...]
    requeue_after: float | None


def report(world: IntegrationWorld, made: Plan, outcome: Outcome | None) -> Report:
    """Put together all that is said. `outcome` is what the planned probe came to, None if none was made."""
    facts = _facts(world, made, outcome)
    connected = _connected(world, made, facts)
    findings = {**made.findings, CONNECTED: connected, **_further(world, made)}
    told = _conditions(world, made, findings)
    credentials = credentials_status(world)
    status: dict[str, Json] = {
        "observedGeneration": world.generation,
        "conditions": told.conditions,
        "phase": _phase(world, told.ready, findings),
        "health": _health(world, facts),
        "credentials": credentials,
        "oauth": oauth_status(world, credentials),
        "acceptedProvider": _accepted_provider(world, made),
        "binding": {"name": world.bound} if world.bound else None,
        "circuit": _circuit(world),
        "lastTest": _last_test(world, made, outcome),
        "tests": _tests(world),
        **_history(world, facts),
        "updatedAt": _updated_at(world.previous, world.generation, world.now),
    }
    return Report(
        {name: value for name, value in status.items() if value is not None},
        facts,
        events_of(world, told, connected),
        _next_look(world, made, facts),
    )


def refuse(
    previous: Mapping[str, Json], problem: str, *, key: Key, uid: str, generation: int, now: datetime
) -> tuple[dict[str, Json], tuple[EventNote, ...]]:
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
    return status, (note(key, uid, transition),) if transition is not None else ()


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
    place = world.spec.credentials.place if world.needs_credentials else ""
    return Subject(authority, place, world.spec.timeout_seconds)


def _facts(world: IntegrationWorld, made: Plan, outcome: Outcome | None) -> HealthFacts:
    facts = replace(world.facts, window=world.facts.window.resized(world.spec.health_check.window_minutes))
    half_open = world.circuit is not None and world.circuit.state == "halfOpen"
    interval = min(interval_of(world), TRIAL_SECONDS) if half_open else interval_of(world)
    pace = Pace(interval, world.jitter, world.tick)
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
    """The soonest of what is ahead: a probe, a trial, a renewal, a Secret that may have been mended."""
    if not world.spec.enabled:
        return None
    waits = []
    if made.silent is None and facts.next_probe is not None:
        waits.append(facts.next_probe - world.tick)
    if made.silent is None and world.circuit_wait > 0:
        # Calls opened it while probes went well: one is tried as soon as it may. Else the pace stays.
        waits = [max(world.circuit_wait, 0.0 if facts.streak.works else min(waits, default=0.0))]
    if world.young and any(finding.reason in _MAY_FOLLOW for finding in made.findings.values()):
        waits.append(YOUNG_SECONDS)
    elif world.credentials is not None and not made.findings[CREDENTIALS_READY].holds:
        waits.append(_credentials_wait(world))
    elif not world.watched and world.needs_credentials and facts.next_probe is None:
        waits.append(Pace(0.0, world.jitter, world.tick).after(interval_of(world)) - world.tick)
    ahead = seconds_until_next(replace(world, facts=facts)) if _accepted(made) else None
    if ahead is not None:
        waits.append(ahead)
    return max(min(waits), 0.001) if waits else None


def _credentials_wait(world: IntegrationWorld) -> float:
    """Until credentials that are not fine are looked at again, sooner where no watch tells of a change."""
    seconds = CREDENTIALS_SECONDS if world.watched else UNWATCHED_SECONDS
    return Pace(seconds, world.jitter, world.tick).after(seconds) - world.tick


def _accepted(made: Plan) -> bool:
    """Whether the checks that come before credentials hold."""
    return all(made.findings[name].holds for name in (ACCEPTED, CONFIG_VALID, CREDENTIALS_READY))


# --------------------------------------------------------------------------- conditions


def _connected(world: IntegrationWorld, made: Plan, facts: HealthFacts) -> Finding:
    """What probes say of the connection; a breaker that lets nothing through speaks for one that worked."""
    if made.silent is not None:
        return made.silent
    said = facts.connected or unknown(Reason.PROBE_PENDING, "The first probe is on its way.")
    if said.status != "False" and world.circuit_wait > 0:
        return fails(
            Reason.CIRCUIT_OPEN,
            f"Too many calls to {subject_of(world).host} in a row failed, so none is made for a while; then "
            "the hub tries again by itself.",
        )
    return said


def _further(world: IntegrationWorld, made: Plan) -> dict[str, Finding]:
    """Conditions that are there only where there is something to say."""
    told: dict[str, Finding] = {}
    if world.circuit is not None and world.circuit.state != "closed":
        told[CIRCUIT_OPEN] = holds(Reason.CIRCUIT_OPEN, "Calls are held back until trial calls go well.")
    projected = world.projected or (carried(world.previous, PROJECTED) if _projecting(world) else None)
    if projected is not None and (world.projected is not None or _projecting(world)):
        told[PROJECTED] = projected
    due = rotation_due(world) if _accepted(made) or world.credentials is None else None
    if due is not None:
        told[ROTATION_DUE] = due
    if world.anomaly is not None and made.silent is None:
        told[ANOMALOUS] = holds(world.anomaly.reason, world.anomaly.message)
    return told


def _projecting(world: IntegrationWorld) -> bool:
    return world.spec.credentials.project is not None


def _conditions(world: IntegrationWorld, made: Plan, findings: Mapping[str, Finding]) -> ConditionReport:
    """`Ready` stands for all checks and for the probe, unless there is nothing to probe."""
    unwatched = made.called and made.silent is not None
    paused = fails(Reason.PAUSED, "Switched off: nothing is called. Set spec.enabled to true to resume.")
    name = world.provider.examined.spec.display_name if world.provider is not None else ""
    ready_message = (
        f"Configured for {name}; {made.silent.message[:1].lower()}{made.silent.message[1:]}"
        if unwatched and made.silent is not None
        else f"Connected to {name}."
    )
    parts = [*made.findings, *(() if unwatched else (CONNECTED,))]
    parts += [PROJECTED] if PROJECTED in findings else []
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


# --------------------------------------------------------------------------- the rest of the status


def _health(world: IntegrationWorld, facts: HealthFacts) -> dict[str, Json]:
    """The verdict, and the figures that ride along. A window without answers keeps the last figures."""
    before = world.previous.get("health") or {}
    uptime, error_rate = facts.window.uptime(world.tick), facts.window.error_rate(world.tick)
    healthy = facts.streak.verdict is HealthStatus.HEALTHY
    held = world.circuit_wait > 0 and facts.streak.works
    told = {
        "status": (HealthStatus.UNHEALTHY if held else facts.streak.verdict).value,
        "lastCheck": format_time(facts.last_check) if facts.last_check else None,
        "responseTime": facts.response_ms,
        "uptime": before.get("uptime") if uptime is None else uptime,
        "errorRate": before.get("errorRate") if error_rate is None else error_rate,
        "lastError": None if healthy else facts.last_error,
        "consecutiveFailures": facts.streak.failures,
    }
    return {name: value for name, value in told.items() if value is not None}


def _history(world: IntegrationWorld, facts: HealthFacts) -> dict[str, Json]:
    return {
        "lastSuccessfulCall": format_time(facts.last_success) if facts.last_success else None,
        "lastError": facts.last_error,
        "lastErrorAt": format_time(facts.last_error_at) if facts.last_error_at else None,
        "errorCount": max(facts.error_count, world.failed_calls or 0),
    }


def _circuit(world: IntegrationWorld) -> dict[str, Json] | None:
    """The breaker's state; nothing is said of one that never opened."""
    row = world.circuit
    if row is None or row.state == "closed":
        return {"state": "closed"} if world.previous.get("circuit") else None
    # A trial that fails opens it anew: as long as none went well, that is one outage and not many.
    state = "halfOpen" if row.state == "halfOpen" and row.successes else "open"
    told = {
        "state": state,
        "openedAt": format_time(row.opened_at) if row.opened_at else None,
        "retryAt": format_time(row.retry_at) if row.retry_at and row.state == "open" else None,
    }
    return {name: value for name, value in told.items() if value is not None}


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
        reason, message = outcome.reason, explain(outcome, subject_of(world))
        failed = next((each for each in world.checked if not each.passed), None)
        if outcome.success and failed is not None:
            result, reason = HealthStatus.UNHEALTHY, Reason.UNEXPECTED_ANSWER
            message = f"Test {failed.name} of spec.tests failed. {failed.message}"
    elif made.silent is not None:
        failing = next((finding for finding in made.findings.values() if finding.status == "False"), None)
        obstacle = failing if failing is not None and world.spec.enabled else made.silent
        result = HealthStatus.UNHEALTHY if obstacle.status == "False" else HealthStatus.UNKNOWN
        reason, message = obstacle.reason, obstacle.message
    else:
        return before
    return {
        "requested": world.test_requested,
        "result": result.value,
        "reason": reason.value,
        "at": format_time(world.now),
        "message": conditions.clip(message),
    }


def _tests(world: IntegrationWorld) -> list[dict[str, Json]] | None:
    """What the tests in the spec came to; of those that were not run now, what was known."""
    ran = {
        each.name: {
            "name": each.name,
            "result": "passed" if each.passed else "failed",
            "at": format_time(world.now),
            "message": conditions.clip(each.message),
        }
        for each in world.checked
    }
    before = {each["name"]: each for each in world.previous.get("tests") or ()}
    known = (ran.get(test.name) or before.get(test.name) for test in world.spec.tests)
    return [each for each in known if each is not None] or None


def _updated_at(previous: Mapping[str, Json], generation: int, now: datetime) -> str:
    """When the spec last changed, as seen from here."""
    before: str | None = previous.get("updatedAt")
    return before if before and previous.get("observedGeneration") == generation else format_time(now)
