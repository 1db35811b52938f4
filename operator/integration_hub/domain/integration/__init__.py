"""Integrations, as decisions: a world in, a plan and a report out. Nothing here touches anything."""

from __future__ import annotations

from integration_hub.domain.integration.checks import accepted, as_sent, config_valid
from integration_hub.domain.integration.claims import BY_IDENTITY, identity, provider_key
from integration_hub.domain.integration.facts import HealthFacts, Inputs
from integration_hub.domain.integration.plan import Plan, Why, plan, secret_wanted
from integration_hub.domain.integration.report import Report, refuse, report
from integration_hub.domain.integration.world import (
    Address,
    AddressProblem,
    Basis,
    IntegrationWorld,
    KnownProvider,
    SecretFacts,
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
    "Plan",
    "Report",
    "SecretFacts",
    "Sibling",
    "Why",
    "accepted",
    "as_sent",
    "config_valid",
    "identity",
    "owner_namespace",
    "plan",
    "provider_key",
    "refuse",
    "report",
    "secret_wanted",
]
