"""What to do about one Integration now: which checks it passes, and whether it is probed.

A settled object costs nothing: while generation, provider and Secret are the recorded ones and no
probe is due, its Secret is not read and nothing is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from integration_hub.api.reasons import Reason
from integration_hub.domain.conditions import Finding, unknown
from integration_hub.domain.integration.checks import (
    ACCEPTED,
    CONFIG_VALID,
    CREDENTIALS_READY,
    accepted,
    config_valid,
    credentials_ready,
    not_checked,
)
from integration_hub.domain.integration.facts import carried
from integration_hub.domain.integration.world import IntegrationWorld

CHECKS = (ACCEPTED, CONFIG_VALID, CREDENTIALS_READY)


class Why(StrEnum):
    """Why a probe is made now."""

    CHANGED = "Changed"  # these inputs were never tried
    REQUESTED = "Requested"  # somebody asked for a test
    DUE = "Due"  # its time has come


@dataclass(frozen=True, slots=True)
class Plan:
    """The checks' findings in order, and why to probe now, if so.

    `silent` is the finding for `Connected` where nothing is ever called (switched off, nothing to
    try, or a check fails); None where probes tell.
    """

    findings: Mapping[str, Finding]
    probe: Why | None
    silent: Finding | None


def secret_wanted(world: IntegrationWorld) -> bool:
    """Whether this look needs the Secret: inputs are new, it was not fine last time, or a probe is due."""
    early = _early(world)
    if not all(finding.holds for finding in early.values()) or not world.spec.enabled:
        return False
    if not world.keys or not world.secret_name:
        return False
    before = carried(world.previous, CREDENTIALS_READY)
    settled = world.recorded == world.inputs and before is not None and before.holds
    return not settled or (_nothing_to_try(world) is None and _why(world) is not None)


def plan(world: IntegrationWorld) -> Plan:
    """Decide. `world.secret` has been read where `secret_wanted` says so."""
    findings = dict(_early(world))
    failing = next((name for name, finding in findings.items() if not finding.holds), None)
    findings[CREDENTIALS_READY] = not_checked(failing) if failing else _credentials(world)
    silent = _silent(world, findings)
    return Plan(findings, None if silent else _why(world), silent)


def _early(world: IntegrationWorld) -> Mapping[str, Finding]:
    """The checks that need no Secret."""
    return {ACCEPTED: accepted(world), CONFIG_VALID: config_valid(world)}


def _credentials(world: IntegrationWorld) -> Finding:
    """While switched off no Secret is read, and what was read for other inputs no longer counts."""
    found = credentials_ready(world)
    stale = world.secret is None and bool(world.keys and world.secret_name)
    if stale and world.recorded != world.inputs:
        return unknown(Reason.NOT_CHECKED, "Not looked at while spec.enabled is false.")
    return found


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
    if facts.probed != world.inputs:
        return Why.CHANGED
    if test_wanted(world):
        return Why.REQUESTED
    if facts.next_probe is not None and world.tick >= facts.next_probe:
        return Why.DUE
    return None


def test_wanted(world: IntegrationWorld) -> bool:
    """Whether a test was asked for that has no answer yet."""
    answered = (world.previous.get("lastTest") or {}).get("requested")
    return bool(world.test_requested) and world.test_requested != answered


def watched(world: IntegrationWorld, made: Plan) -> bool:
    """Whether this connection is probed from time to time."""
    return made.silent is None and world.spec.enabled
