"""Integrations, as decisions: a world in, a plan and a report out. Nothing here touches anything."""

from __future__ import annotations

from integration_hub.domain.integration.checks import as_sent
from integration_hub.domain.integration.facts import HealthFacts, Inputs
from integration_hub.domain.integration.plan import Plan, Why, plan, secret_wanted
from integration_hub.domain.integration.report import Report, refuse, report
from integration_hub.domain.integration.world import (
    Address,
    AddressProblem,
    IntegrationWorld,
    KnownProvider,
    SecretFacts,
    Sibling,
    owner_namespace,
)

__all__ = [
    "Address",
    "AddressProblem",
    "HealthFacts",
    "Inputs",
    "IntegrationWorld",
    "KnownProvider",
    "Plan",
    "Report",
    "SecretFacts",
    "Sibling",
    "Why",
    "as_sent",
    "owner_namespace",
    "plan",
    "refuse",
    "report",
    "secret_wanted",
]
