"""Retries, limits and breakers as whoever calls through the hub meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from caller import ApiCaller
from eventually import eventually
from far_end import Asked, Reply
from hub_process import HubProcess
from tenant import SOON, Tenant

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]

EXECUTE = "/api/integration-hub/chat/execute"


@pytest.fixture
def editor(tenant: Tenant, hub: HubProcess) -> ApiCaller:
    return ApiCaller(tenant.plane, hub.api, tenant.namespace, "editor").given("edit")


def probed_well(then: Callable[[], Reply]) -> Callable[[Asked], Reply]:
    """The probe is answered well; `then` answers calls."""
    return lambda asked: then() if asked.path.startswith("/call") else Reply(200, {"ok": True})


def one_after_the_other(replies: Iterable[Reply], last: Reply) -> Callable[[], Reply]:
    line: Iterator[Reply] = iter(replies)
    return lambda: next(line, last)


def calls(tenant: Tenant) -> int:
    return sum(asked.path.startswith("/call") for asked in tenant.corner.asked)


@pytest.mark.req("RES-04", "RES-05", "EXE-07")
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(tenant: Tenant, editor: ApiCaller, status: int) -> None:
    headers = {"Retry-After": "0"} if status == 429 else {}
    tenant.corner.behave = probed_well(
        one_after_the_other([Reply(status, {}, headers)] * 2, Reply(200, {"third": True}))
    )
    tenant.connected(retry={"baseDelayMilliseconds": 10, "maxDelayMilliseconds": 50})
    answer = editor.ask("POST", EXECUTE, {"endpoint": "/call"})
    assert (answer.status, calls(tenant)) == (200, 3), answer.body
    assert answer.json["result"]["attempts"] == 3


@pytest.mark.req("RES-05", "RES-06")
def test_what_will_not_pass_is_tried_once_and_so_is_what_must_not_happen_twice(
    tenant: Tenant, editor: ApiCaller
) -> None:
    tenant.corner.behave = probed_well(lambda: Reply(404, {}))
    tenant.connected(retry={"baseDelayMilliseconds": 10})
    assert editor.ask("POST", EXECUTE, {"endpoint": "/call"}).json["retryable"] is False
    assert calls(tenant) == 1
    tenant.corner.behave = probed_well(lambda: Reply(503, {}))
    posted = editor.ask("POST", EXECUTE, {"method": "POST", "endpoint": "/call", "data": {"a": 1}})
    assert (posted.status, posted.json["retryable"], calls(tenant)) == (502, True, 2)
    tenant.integration(retry={"enabled": False})
    eventually(lambda: tenant.status()["observedGeneration"] == 2, "the change is seen", seconds=SOON)
    editor.ask("POST", EXECUTE, {"endpoint": "/call"})
    assert calls(tenant) == 3


@pytest.mark.req("RES-07", "RES-09", "PRV-08", "ERR-04")
@pytest.mark.req("HUB-14", part="rate limits and breakers")
@pytest.mark.req("HUB-16", part="rate limiter")
@pytest.mark.req("TST-18", part="breaker, rate limit")
def test_the_providers_limit_is_kept_and_the_caller_told_when_to_come_again(
    tenant: Tenant, editor: ApiCaller
) -> None:
    """The probe's own calls count as well: it is one account."""
    tenant.corner.behave = probed_well(lambda: Reply(200, {}))
    tenant.provider(rateLimit={"requests": 4, "windowSeconds": 3600})
    tenant.secret(token="right")
    tenant.integration(healthCheck={"intervalSeconds": 86_400})
    tenant.becomes("True", "Succeeded")
    answers = [editor.ask("POST", EXECUTE, {"endpoint": "/call"}) for _ in range(6)]
    served = sum(answer.status == 200 for answer in answers)
    assert 1 <= served <= 3
    last = answers[-1]
    assert (last.status, last.json["code"], last.json["retryable"]) == (429, "RATE_LIMIT_EXCEEDED", True)
    assert 0 < int(last.headers["retry-after"]) <= 3600
    assert calls(tenant) == served


@pytest.mark.req("RES-08")
def test_without_a_limit_nothing_is_held_back(tenant: Tenant, editor: ApiCaller) -> None:
    tenant.corner.behave = probed_well(lambda: Reply(200, {}))
    tenant.connected()
    sent = [{"endpoint": "/call"}] * 40
    answer = editor.ask("POST", "/api/integration-hub/chat/batch-execute", {"calls": sent}).json
    assert (answer["successful"], answer["failed"], calls(tenant)) == (40, 0, 40)


@pytest.mark.req("RES-01", "RES-02", "RES-03", "RES-10")
@pytest.mark.req("HUB-14", part="rate limits and breakers")
@pytest.mark.req("TST-18", part="breaker, rate limit")
def test_the_breaker_opens_for_all_uses_and_closes_after_enough_successes(
    tenant: Tenant, editor: ApiCaller
) -> None:
    tenant.corner.behave = probed_well(lambda: Reply(503, {}))
    tenant.provider()
    tenant.secret(token="right")
    tenant.integration(
        retry={"enabled": False},
        circuitBreaker={"failureThreshold": 2, "successThreshold": 2, "openSeconds": 3},
        healthCheck={"intervalSeconds": 86_400},
    )
    tenant.becomes("True", "Succeeded")
    for _ in range(2):
        assert editor.ask("POST", EXECUTE, {"endpoint": "/call"}).json["code"] == "UPSTREAM_ERROR"
    stopped = editor.ask("POST", EXECUTE, {"endpoint": "/call"})
    assert (stopped.status, stopped.json["code"], calls(tenant)) == (503, "CIRCUIT_OPEN", 2)
    eventually(lambda: tenant.status().get("circuit", {}).get("state") == "open", "shown", seconds=SOON)
    tenant.corner.behave = probed_well(lambda: Reply(200, {}))

    def served() -> bool:
        return editor.ask("POST", EXECUTE, {"endpoint": "/call"}).status == 200

    eventually(served, "trial calls go out again", seconds=30)
    eventually(served, "and the next", seconds=30)
    eventually(
        lambda: tenant.status().get("circuit", {}).get("state", "closed") == "closed",
        "closed after two successes",
        seconds=30,
    )


@pytest.mark.req("PERF-05", "PERF-07", "PERF-09")
def test_connections_are_kept_and_counted(tenant: Tenant, editor: ApiCaller, hub: HubProcess) -> None:
    tenant.corner.behave = probed_well(lambda: Reply(200, {}))
    tenant.connected()
    for _ in range(20):
        assert editor.ask("POST", EXECUTE, {"endpoint": "/call"}).status == 200
    ports = [asked.peer for asked in tenant.corner.asked if asked.path.startswith("/call")]
    assert len(set(ports)) < len(ports), "each call had a connection of its own"
    assert (hub.metric("integration_hub_http_pool_connections", state="idle") or 0) >= 1
    timed = hub.metric(
        "integration_hub_requests_total", provider=tenant.provider_name, purpose="call", outcome="Connected"
    )
    assert (timed or 0) >= 20
