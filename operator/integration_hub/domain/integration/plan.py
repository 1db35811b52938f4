"""What to do about one Integration now: which checks it passes, and whether it is probed.

A settled object costs nothing: while generation, provider and Secret are the recorded ones and nothing
is due, its credentials are not looked at and nothing is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from integration_hub.api.reasons import Reason
from integration_hub.domain.conditions import Finding, unknown
from integration_hub.domain.integration.checks import (
    ACCEPTED,
    CONFIG_VALID,
    accepted,
    config_valid,
    not_checked,
)
from integration_hub.domain.integration.credentials import (
    CREDENTIALS_READY,
    TOKEN_VALID,
    credentials_ready,
    has_token,
    refresh_look,
    rotation_look,
    token_valid,
)
from integration_hub.domain.integration.facts import carried
from integration_hub.domain.integration.world import IntegrationWorld

WOKEN_SECONDS = 10.0
"""Shortest pause between two probes that only a hint asked for."""


class Why(StrEnum):
    """Why a probe is made now."""

    CHANGED = "Changed"  # these inputs were never tried
    REQUESTED = "Requested"  # somebody asked for a test
    DUE = "Due"  # its time has come
    TRIAL = "Trial"  # the breaker lets one call through, to see whether it goes well
    WOKEN = "Woken"  # something happened to the connection elsewhere


@dataclass(frozen=True, slots=True)
class Plan:
    """The checks' findings in order, and why to probe now, if so.

    `silent` is the finding for `Connected` where nothing is ever called (switched off, nothing to
    try, or a check fails); None where probes tell.
    """

    findings: Mapping[str, Finding]
    probe: Why | None
    silent: Finding | None

    @property
    def called(self) -> bool:
        """Whether every check holds, so that calls may be made."""
        return all(finding.holds for finding in self.findings.values())


def credentials_wanted(world: IntegrationWorld) -> bool:
    """Whether this look needs the credentials: something is new, was not fine, is due, or is unknown.

    Those that no watch follows are read with every probe, and at its pace where there is none.
    """
    early = _early(world)
    if not all(finding.holds for finding in early.values()) or not world.spec.enabled:
        return False
    if not world.needs_credentials:
        return False
    if not settled(world) or world.recheck or refresh_look(world) or rotation_look(world):
        return True
    if _nothing_to_try(world) is not None:
        return not world.watched
    return _why(world) is not None


def settled(world: IntegrationWorld) -> bool:
    """Whether credentials were in order when last looked at, and nothing that decides on them changed."""
    names = (CREDENTIALS_READY, TOKEN_VALID) if has_token(world.mode) else (CREDENTIALS_READY,)
    before = [carried(world.previous, name) for name in names]
    return world.recorded == world.inputs and all(each is not None and each.holds for each in before)


def plan(world: IntegrationWorld) -> Plan:
    """Decide. `world.credentials` were looked at where `credentials_wanted` says so."""
    findings = dict(_early(world))
    failing = next((name for name, finding in findings.items() if not finding.holds), None)
    findings[CREDENTIALS_READY] = _unless(failing, world, credentials_ready)
    if has_token(world.mode):
        findings[TOKEN_VALID] = _unless(failing, world, token_valid)
    silent = _silent(world, findings)
    return Plan(findings, None if silent else _why(world), silent)


def _early(world: IntegrationWorld) -> Mapping[str, Finding]:
    """The checks that need no credentials."""
    return {ACCEPTED: accepted(world), CONFIG_VALID: config_valid(world)}


def _unless(
    failing: str | None, world: IntegrationWorld, check: Callable[[IntegrationWorld], Finding]
) -> Finding:
    """A check of credentials. While switched off none are looked at, and what was seen of others is stale."""
    if failing:
        return not_checked(failing)
    if world.credentials is None and world.needs_credentials and world.recorded != world.inputs:
        return unknown(Reason.NOT_CHECKED, "Not looked at while spec.enabled is false.")
    return check(world)


def _silent(world: IntegrationWorld, findings: Mapping[str, Finding]) -> Finding | None:
    if not world.spec.enabled:
        return unknown(Reason.DISABLED, "spec.enabled is false: nothing is called.")
    for name, finding in findings.items():
        if not finding.holds:
            return not_checked(name)
    return _nothing_to_try(world)


def _nothing_to_try(world: IntegrationWorld) -> Finding | None:
    if not world.spec.health_check.enabled:
        return unknown(Reason.DISABLED, "spec.healthCheck.enabled is false: the connection is not probed.")
    declared = world.provider is not None and world.provider.examined.spec.probe is not None
    if not declared and world.spec.health_check.path is None:
        return unknown(
            Reason.NO_PROBE,
            "The provider declares no probe, so nobody knows whether it works: set spec.healthCheck.path to "
            "have one.",
        )
    return None


def _why(world: IntegrationWorld) -> Why | None:
    facts = world.facts
    if world.tick < facts.not_before:
        return None
    if test_wanted(world):
        return Why.REQUESTED
    if world.circuit_wait > 0:
        return None
    if facts.probed != world.inputs:
        return Why.CHANGED
    if facts.next_probe is not None and world.tick >= facts.next_probe:
        return Why.DUE
    if facts.streak.works and world.circuit is not None and world.circuit.state == "open":
        return Why.TRIAL
    if world.woken and (
        facts.last_check is None or (world.now - facts.last_check).total_seconds() >= WOKEN_SECONDS
    ):
        return Why.WOKEN
    return None


def test_wanted(world: IntegrationWorld) -> bool:
    """Whether a test was asked for that has no answer yet."""
    answered = (world.previous.get("lastTest") or {}).get("requested")
    return bool(world.test_requested) and world.test_requested != answered
