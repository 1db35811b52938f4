from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import HealStatus, ProductHealth, ProductRegistrationSpec
from integration_hub.domain.product_figures import ProductFigures, figures
from integration_hub.domain.product_health import Standing, read_answer, read_failure
from integration_hub.domain.product_watch import Attempt, Watch

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
URL = "http://dataflow:8080/health"
BODY = b'{"status": "ok", "metrics": {"cpu": 45.2, "queue_size": 50, "made_up_17": 1, "lag": 3}}'
ANSWER = Attempt(URL, read_answer(200, BODY), 0.012, answered=True)
SILENCE = Attempt(URL, read_failure("Timeout", "no answer"), 5.0, answered=False)


def told(latest: Attempt | None, **spec: Any) -> ProductFigures:
    given = {"productId": "dataflow", "productName": "Dataflow", "version": "1.0.0", "tier": "foundation"}
    registered = ProductRegistrationSpec.model_validate(
        {**given, "apiEndpoint": "http://dataflow:8080", **spec}
    )
    watch = replace(Watch(NOON, 0.0, Standing(), URL), latest=latest)
    health = ProductHealth(
        status=HealthStatus.HEALTHY, since=NOON, last_seen=NOON, started_at=NOON, consecutive_failures=2
    )
    return figures(registered, watch, health, HealStatus(count=3))


def test_an_answer_is_told_in_full() -> None:
    now = told(ANSWER)
    assert (now.product, now.version, now.tier, now.health) == ("dataflow", "1.0.0", "foundation", "healthy")
    assert (now.response_seconds, now.failures, now.heals) == (0.012, 2, 3)
    assert now.since == now.last_seen == now.started == NOON.timestamp()


def test_a_measure_that_a_product_makes_up_is_no_label() -> None:
    assert told(ANSWER).measured == {"cpu_usage": 45.2, "queue_size": 50}
    assert told(ANSWER, heal={"thresholds": {"lag": 10}}).measured == {
        "cpu_usage": 45.2,
        "queue_size": 50,
        "lag": 3,
    }


def test_a_silent_product_measures_nothing_and_has_no_uptime() -> None:
    for now in (told(SILENCE), told(None), told(ANSWER, probe="Disabled")):
        assert (now.response_seconds, now.started, dict(now.measured)) == (None, None, {})
        assert now.last_seen == NOON.timestamp()
