"""Integrations, as decisions: a world in, a plan and a report out. Nothing here touches anything."""

from __future__ import annotations

from integration_hub.domain.integration.checks import accepted, config_valid
from integration_hub.domain.integration.claims import BY_IDENTITY, identity, provider_key
from integration_hub.domain.integration.credentials import (
    has_token,
    refresh_wanted,
    rotation_due,
    rotation_step_wanted,
)
from integration_hub.domain.integration.facts import HealthFacts, Inputs, Pace
from integration_hub.domain.integration.plan import Plan, Why, credentials_wanted, plan, settled
from integration_hub.domain.integration.report import Report, refuse, report
from integration_hub.domain.integration.world import (
    Address,
    AddressProblem,
    Basis,
    IntegrationWorld,
    KnownProvider,
    Sibling,
    owner_namespace,
)

__all__ = [
    "BY_IDENTITY",
    "Address",
    "AddressProblem",
    "Basis",
    "HealthFacts",
    "Inputs",
    "IntegrationWorld",
    "KnownProvider",
    "Pace",
    "Plan",
    "Report",
    "Sibling",
    "Why",
    "accepted",
    "config_valid",
    "credentials_wanted",
    "has_token",
    "identity",
    "owner_namespace",
    "plan",
    "provider_key",
    "refresh_wanted",
    "refuse",
    "report",
    "rotation_due",
    "rotation_step_wanted",
    "settled",
]
