from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest

from integration_hub.metrics import Metrics, ReadyGauge
from integration_hub.product_metrics import ProductGauges
from product_stage import FIGURES


def page(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_each_integration_has_one_sample_and_none_once_it_is_gone() -> None:
    metrics = Metrics(CollectorRegistry())
    for name, status in (("a", "True"), ("b", "False"), ("c", "Unknown"), ("a", "False")):
        metrics.set_ready("team", name, status)
    metrics.drop_ready("team", "b")
    metrics.drop_ready("team", "never-there")
    lines = [
        line for line in page(metrics).splitlines() if line.startswith("integration_hub_integration_ready")
    ]
    assert lines == [
        'integration_hub_integration_ready_status{name="a",namespace="team"} 0.0',
        'integration_hub_integration_ready_status{name="c",namespace="team"} -1.0',
        "integration_hub_integration_ready_status_dropped 0.0",
    ]


def test_the_number_of_samples_is_bounded_and_the_rest_is_counted() -> None:
    gauge = ReadyGauge("ready", "Ready.", limit=2)
    for name in ("a", "b", "c", "c", "d"):
        gauge.set("team", name, "True")
    samples, dropped = (list(family.samples) for family in gauge.collect())
    assert [sample.labels["name"] for sample in samples] == ["a", "b"]
    assert dropped[0].value == 2
    gauge.drop("team", "a")
    gauge.set("team", "d", "False")
    samples, dropped = (list(family.samples) for family in gauge.collect())
    assert [(sample.labels["name"], sample.value) for sample in samples] == [("b", 1.0), ("d", 0.0)]
    assert dropped[0].value == 1


def test_an_integration_has_a_sample_for_each_of_its_troubles_while_it_has_them() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.set_troubles("team", "a", {"CircuitOpen", "RotationDue"})
    metrics.set_troubles("team", "b", {"ReauthRequired"})
    metrics.set_troubles("team", "c", {"ReauthRequired"})
    metrics.set_troubles("team", "a", {"RotationDue"})
    metrics.set_troubles("team", "b", ())
    metrics.drop_ready("team", "c")
    assert [
        line for line in page(metrics).splitlines() if line.startswith("integration_hub_integration_tr")
    ] == ['integration_hub_integration_trouble{name="a",namespace="team",reason="RotationDue"} 1.0']
    metrics.clear_ready()
    assert "integration_trouble{" not in page(metrics)


def test_the_gateway_is_counted_by_route_and_its_refusals_by_why() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.observe_request("kubernetes", "/api/v1/integrations", "GET", 200, 0.01)
    metrics.count_refusal("authentication")
    told = page(metrics)
    assert (
        'gateway_requests_total{caller="kubernetes",code="200",method="GET",route="/api/v1/integrations"} 1.0'
        in told
    )
    assert 'gateway_refusals_total{why="authentication"} 1.0' in told


def test_a_probe_is_counted_by_outcome_and_timed_only_if_it_took_time() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.observe_probe("Integration", "slack", "Connected", 0.2)
    metrics.observe_probe("Integration", "slack", "ConfigInvalid", 0.0)
    told = page(metrics)
    assert 'probe_total{kind="Integration",outcome="Connected",provider="slack"} 1.0' in told
    assert 'probe_total{kind="Integration",outcome="ConfigInvalid",provider="slack"} 1.0' in told
    assert 'request_duration_seconds_count{kind="Integration",provider="slack"} 1.0' in told


def test_a_call_is_counted_once_for_each_attempt_and_its_bytes_both_ways() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.observe_call("slack", "call", "Connected", 0.2, sent=10, received=300)
    metrics.observe_call("slack", "call", "CircuitOpen", 0.0, sent=0, received=0)
    metrics.observe_call("custom", "probe", "Connected", 0.2, sent=0, received=7)
    metrics.observe_rate_wait("slack", 0.7)
    told = page(metrics)
    assert 'requests_total{outcome="Connected",provider="slack",purpose="call"} 1.0' in told
    assert 'requests_total{outcome="CircuitOpen",provider="slack",purpose="call"} 1.0' in told
    assert 'requests_total{outcome="Connected",provider="custom",purpose="probe"} 1.0' in told
    assert 'bytes_total{direction="sent"} 10.0' in told
    assert 'bytes_total{direction="received"} 307.0' in told
    assert 'rate_limit_wait_seconds_count{provider="slack"} 1.0' in told
    assert 'request_duration_seconds_count{kind="Integration",provider="slack"} 1.0' in told
    assert 'request_duration_seconds_count{kind="Integration",provider="custom"}' not in told


def test_a_breaker_has_a_sample_until_its_integration_is_gone() -> None:
    metrics = Metrics(CollectorRegistry())
    for name, state in (("a", "open"), ("b", "halfOpen"), ("c", "open"), ("c", "closed"), ("d", "open")):
        metrics.set_circuit("team", name, state)
    metrics.drop_circuit("team", "d")
    lines = [line for line in page(metrics).splitlines() if line.startswith("integration_hub_circuit_state{")]
    assert lines == [
        'integration_hub_circuit_state{name="a",namespace="team"} 2.0',
        'integration_hub_circuit_state{name="b",namespace="team"} 1.0',
        'integration_hub_circuit_state{name="c",namespace="team"} 0.0',
    ]


def test_the_pool_is_counted_when_it_is_asked_for() -> None:
    metrics = Metrics(CollectorRegistry())
    counts = [(0, 0)]
    metrics.watch_pool(lambda: counts[0])
    counts[0] = (3, 4)
    told = page(metrics)
    assert 'http_pool_connections{state="active"} 3.0' in told
    assert 'http_pool_connections{state="idle"} 4.0' in told


def test_a_product_is_told_in_figures_until_it_is_gone() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.set_product("team", "flow", replace(FIGURES, health="degraded"))
    of_it, more = '{name="flow",namespace="team"}', 'product="dataflow",tier="custom",version="1.0.0"'
    assert products_of(metrics) == {
        f"integration_hub_product_health{of_it} 0.5",
        f"integration_hub_product_health_since_timestamp_seconds{of_it} 1.7e+09",
        f"integration_hub_product_response_seconds{of_it} 0.012",
        f"integration_hub_product_consecutive_failures{of_it} 0.0",
        f"integration_hub_product_last_seen_timestamp_seconds{of_it} 1.70000006e+09",
        f"integration_hub_product_start_timestamp_seconds{of_it} 1.699999e+09",
        f"integration_hub_product_heals_total{of_it} 2.0",
        'integration_hub_product_metric{key="cpu_usage",name="flow",namespace="team"} 45.2',
        f"integration_hub_product_info{of_it[:-1]},{more}}} 1.0",
    }
    metrics.drop_product("team", "flow")
    assert products_of(metrics) == set()
    metrics.set_product("team", "flow", FIGURES)
    metrics.clear_products()
    assert products_of(metrics) == set()


def test_what_is_not_known_of_a_product_has_no_sample() -> None:
    metrics = Metrics(CollectorRegistry())
    silent = replace(FIGURES, health="offline", response_seconds=None, last_seen=None, started=None)
    metrics.set_product("team", "flow", replace(silent, since=None, measured={}, failures=4))
    assert {line.partition("{")[0] for line in products_of(metrics)} == {
        "integration_hub_product_health",
        "integration_hub_product_consecutive_failures",
        "integration_hub_product_heals_total",
        "integration_hub_product_info",
    }


def test_products_beyond_the_bound_are_counted() -> None:
    gauges = ProductGauges(limit=1)
    for name in ("a", "b", "a", "c"):
        gauges.set("team", name, FIGURES)
    samples = {family.name: list(family.samples) for family in gauges.collect()}
    assert [sample.labels["name"] for sample in samples["integration_hub_product_health"]] == ["a"]
    assert samples["integration_hub_product_health_dropped"][0].value == 2


def products_of(metrics: Metrics) -> set[str]:
    return {
        line
        for line in page(metrics).splitlines()
        if line.startswith("integration_hub_product_") and "{" in line
    }
