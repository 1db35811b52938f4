from __future__ import annotations

import pytest

from integration_hub.api.integration import HealthStatus
from integration_hub.domain.dependencies import Dependency, finding, red_roots

RED, GREEN, UNKNOWN = HealthStatus.UNHEALTHY, HealthStatus.HEALTHY, HealthStatus.UNKNOWN


def known(**products: tuple[HealthStatus, str]) -> dict[str, Dependency]:
    return {name: Dependency(status, tuple(needs.split())) for name, (status, needs) in products.items()}


@pytest.mark.parametrize(
    ("products", "roots"),
    [
        pytest.param(
            known(web=(RED, "api"), api=(GREEN, "db"), db=(RED, "")), (), id="what stands between works"
        ),
        pytest.param(
            known(web=(RED, "api"), api=(RED, "db"), db=(RED, "")), ("db",), id="down to the lowest"
        ),
        pytest.param(known(web=(RED, "a b"), a=(RED, ""), b=(RED, "")), ("a", "b"), id="two causes"),
        pytest.param(known(web=(RED, "api")), (), id="a dependency nobody knows"),
        pytest.param(known(web=(RED, "api"), api=(UNKNOWN, "")), (), id="a dependency nothing is known of"),
        pytest.param(known(web=(RED, "api"), api=(RED, "web")), (), id="a circle is left to itself"),
        pytest.param(known(web=(RED, "web")), (), id="itself"),
        pytest.param(
            known(web=(RED, "a"), a=(RED, "b"), b=(RED, "a")),
            ("a", "b"),
            id="a circle counts for those outside",
        ),
        pytest.param(
            known(web=(RED, "a"), a=(RED, "web db"), db=(RED, "")),
            ("db",),
            id="below a circle there is a cause",
        ),
    ],
)
def test_trouble_is_followed_to_its_roots(products: dict[str, Dependency], roots: tuple[str, ...]) -> None:
    assert red_roots("web", products) == roots


@pytest.mark.parametrize(
    ("products", "status", "reason"),
    [
        pytest.param(known(api=(GREEN, "")), "True", "DependenciesReady", id="works"),
        pytest.param(
            known(api=(HealthStatus.DEGRADED, "")), "True", "DependenciesReady", id="degraded works"
        ),
        pytest.param(known(api=(RED, "")), "False", "DependencyDown", id="down"),
        pytest.param(known(api=(HealthStatus.OFFLINE, "")), "False", "DependencyDown", id="offline"),
        pytest.param(known(), "Unknown", "DependencyUnknown", id="not registered"),
        pytest.param(known(api=(UNKNOWN, "")), "Unknown", "DependencyUnknown", id="not known yet"),
    ],
)
def test_the_condition_tells_of_the_dependencies(
    products: dict[str, Dependency], status: str, reason: str
) -> None:
    found = finding(["api"], products, red_roots("web", products))
    assert (found.status, found.reason.value) == (status, reason)
    assert "api" in found.message or found.status == "True"
