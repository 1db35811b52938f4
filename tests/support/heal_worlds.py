"""Worlds for healing decisions: one in which the hub acts, and everything that can be changed about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from deployments import deployment
from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import HealAction, HealPolicy, HealRecord, HealStatus
from integration_hub.api.reasons import Reason
from integration_hub.domain.healing.world import HealWorld
from integration_hub.domain.product_health import Verdict
from integration_hub.domain.rollout import Workload, read_workload

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LONG_AGO = NOON - timedelta(hours=3)


def ago(**span: float) -> datetime:
    return NOON - timedelta(**span)


def verdict(status: HealthStatus = HealthStatus.UNHEALTHY, reason: Reason = Reason.TIMEOUT) -> Verdict:
    return Verdict(status, "probe", reason, "No answer.", ago(minutes=10), changed=False)


def workload(**made: Any) -> Workload:
    return read_workload(deployment(**made))


def record(result: str = "failed", at: datetime = LONG_AGO, **changes: Any) -> HealRecord:
    given = {"id": f"restart-{result}-{at:%H%M%S}", "action": HealAction.RESTART, "reason": "why"}
    return HealRecord.model_validate({**given, "at": at, "result": result, **changes})


def heal(**changes: Any) -> HealStatus:
    """A record in which the product is in trouble for ten minutes and nothing was done yet."""
    return HealStatus.model_validate({"unhealthy_since": ago(minutes=10), **changes})


def world(*, recorded: HealStatus | None = None, **changes: Any) -> HealWorld:
    """An unwell product that the hub would restart now. `recorded` alone stands for `heal` too."""
    told = recorded or heal()
    acting = HealWorld(
        now=NOON,
        name="dataflow",
        uid="reg-1",
        policy=HealPolicy(),
        verdict=verdict(),
        recovering=False,
        recorded=told,
        heal=told,
        pinned_uid="dep-1",
        workload_name="dataflow",
        workload=workload(),
        asked_at_admission=True,
        served=True,
        observing_since=LONG_AGO,
        evidence_span=timedelta(minutes=2),
    )
    return replace(acting, **changes)


def policy(**changes: Any) -> HealPolicy:
    return HealPolicy.model_validate(changes)
