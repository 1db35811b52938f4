from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import ProductHealth
from integration_hub.domain.product_watch import last_working

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EARLIER = NOON - timedelta(minutes=5)
LONG_AGO = NOON - timedelta(days=5)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        pytest.param("healthy", ProductHealth(), NOON, id="it works for the first time"),
        pytest.param("degraded", ProductHealth(), NOON, id="badly is working, too"),
        pytest.param("unhealthy", ProductHealth(), None, id="it never did"),
        pytest.param("unknown", ProductHealth(), None, id="nobody knows yet"),
        pytest.param("offline", ProductHealth(last_working=EARLIER), EARLIER, id="it did"),
        pytest.param(
            "unhealthy",
            ProductHealth(status=HealthStatus.HEALTHY, last_seen=EARLIER),
            EARLIER,
            id="it did, by a status from before this was written",
        ),
        pytest.param(
            "unhealthy",
            ProductHealth(status=HealthStatus.DEGRADED),
            NOON,
            id="by its Deployment's word alone",
        ),
        pytest.param("healthy", ProductHealth(last_working=LONG_AGO), NOON, id="again"),
    ],
)
def test_a_product_has_worked_once_it_was_well_or_nearly_so(
    now: str, before: ProductHealth, expected: datetime | None
) -> None:
    assert last_working(HealthStatus(now), before, NOON) == expected
