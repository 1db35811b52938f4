"""Products that depend on each other: which one is at the bottom of a trouble.

Restarting a product because the one below it is down makes two products down. So trouble is followed
downwards to its roots, and only they are acted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integration_hub.api.integration import HealthStatus
from integration_hub.api.reasons import Reason
from integration_hub.domain.conditions import Finding, fails, holds, unknown
from integration_hub.domain.product_health import is_bad


@dataclass(frozen=True, slots=True)
class Dependency:
    """What is known of one product: its verdict, and what it depends on itself."""

    status: HealthStatus
    dependencies: tuple[str, ...] = ()

    @property
    def red(self) -> bool:
        return is_bad(self.status)


def red_roots(product_id: str, known: Mapping[str, Dependency]) -> tuple[str, ...]:
    """The lowest products in trouble below `product_id`, sorted; none when all below it work.

    `known` maps product ids to what is known of them, `product_id` itself included. Where products
    depend on each other in a circle, those in it are left to themselves and count for all others.
    """
    roots: set[str] = set()
    seen: set[str] = set()
    below = _red_below(product_id, known)
    while below:
        each = below.pop()
        if each in seen:
            continue
        seen.add(each)
        deeper = _red_below(each, known)
        if not deeper:
            roots.add(each)
        below.extend(deeper)
    if not roots and product_id not in seen:
        roots = seen
    return tuple(sorted(roots - {product_id}))


def finding(dependencies: Sequence[str], known: Mapping[str, Dependency], roots: Sequence[str]) -> Finding:
    """The condition DependenciesReady."""
    down = [each for each in dependencies if each in known and known[each].red]
    if down:
        causes = [each for each in roots if each not in down]
        because = f" The cause is {', '.join(causes)}." if causes else ""
        return fails(Reason.DEPENDENCY_DOWN, f"In trouble: {', '.join(down)}.{because}")
    missing = [each for each in dependencies if each not in known]
    if missing:
        return unknown(Reason.DEPENDENCY_UNKNOWN, f"Not registered in this namespace: {', '.join(missing)}.")
    silent = [each for each in dependencies if known[each].status is HealthStatus.UNKNOWN]
    if silent:
        return unknown(Reason.DEPENDENCY_UNKNOWN, f"Nothing is known yet of: {', '.join(silent)}.")
    return holds(Reason.DEPENDENCIES_READY, "Every product this one depends on works.")


def _red_below(product_id: str, known: Mapping[str, Dependency]) -> list[str]:
    product = known.get(product_id)
    if product is None:
        return []
    return [each for each in product.dependencies if each in known and known[each].red]
