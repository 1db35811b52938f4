"""An Integration over time: failures, edits, switching off, twins, deletion, tests on request."""

from __future__ import annotations

import time

import pytest

from eventually import eventually
from far_end import Reply
from hub_process import HubProcess
from tenant import Tenant

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("hub")]

# --------------------------------------------------------------------------- probe classes, thresholds


def test_a_200_can_be_a_failure_when_the_provider_says_so(tenant: Tenant) -> None:
    tenant.corner.always(200, {"ok": False, "error": "account_inactive"})
    tenant.provider(
        classes=[
            {
                "when": "status == 200 && body.ok == false",
                "result": "revoked",
                "message": "It says {{ body.error }}.",
            }
        ]
    )
    tenant.secret(token="right")
    tenant.integration()
    tenant.becomes("False", "ReauthRequired")
    assert tenant.message().startswith("It says account_inactive.")
    assert tenant.status()["phase"] == "PENDING_AUTH"


@pytest.mark.req("INT-35", "OBS-05", "OBS-08")
def test_one_failure_degrades_and_the_threshold_breaks_the_connection(tenant: Tenant) -> None:
    tenant.connected(healthCheck={"intervalSeconds": 5, "failureThreshold": 3})
    tenant.corner.always(503)

    def degraded() -> bool:
        health = tenant.status()["health"]
        return bool(health["status"] == "degraded" and health["consecutiveFailures"] == 1)

    eventually(degraded, "degraded at the first failure")
    assert tenant.condition(condition="Connected") == ("True", "Connected")
    tenant.becomes("False", "UpstreamError", seconds=40)
    health = tenant.status()["health"]
    assert (health["status"], health["consecutiveFailures"]) == ("unhealthy", 3)
    assert health["errorRate"] > 0
    assert "HTTP 503" in tenant.status()["lastError"]
    tenant.corner.always(200)
    tenant.becomes("True", "Succeeded", seconds=30)
    assert tenant.status()["health"]["status"] == "healthy"


@pytest.mark.req("INT-11")
def test_a_far_end_that_is_too_slow_is_called_that(tenant: Tenant) -> None:
    tenant.corner.behave = lambda _: Reply(seconds=3)
    tenant.provider()
    tenant.secret(token="right")
    tenant.integration(timeoutSeconds=1)
    tenant.becomes("False", "Timeout")
    assert "spec.timeoutSeconds" in tenant.message()


@pytest.mark.req("SEC-11")
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        pytest.param("http://169.254.169.254/latest", "AddressBlocked", id="metadata-service"),
        pytest.param("https://10.0.0.1/", "AddressBlocked", id="private"),
        pytest.param("https://127.0.0.1:1/", "AddressBlocked", id="loopback"),
        pytest.param("https://no-such-name.invalid/", "NameNotResolved", id="no-such-name"),
    ],
)
def test_a_probe_goes_only_where_it_may(tenant: Tenant, address: str, reason: str) -> None:
    tenant.provider(baseUrl=address)
    tenant.secret(token="right")
    tenant.integration()
    tenant.becomes("False", reason, seconds=40)
    assert tenant.corner.asked == []


# --------------------------------------------------------------------------- managing


@pytest.mark.req("INT-09", "INT-34", "INT-37", "INT-07")
def test_a_disabled_integration_makes_no_calls(tenant: Tenant) -> None:
    tenant.connected(enabled=True)
    tenant.integration(enabled=False)
    tenant.becomes("False", "Paused")
    assert tenant.status()["phase"] == "PAUSED"
    calls = len(tenant.corner.asked)
    time.sleep(12)  # two intervals in which it would have been probed
    assert len(tenant.corner.asked) == calls
    tenant.integration(enabled=True)
    tenant.becomes("True", "Succeeded")
    assert tenant.status()["phase"] == "ACTIVE"
    assert len(tenant.corner.asked) > calls


@pytest.mark.req("INT-15")
def test_the_older_of_two_alike_wins_until_it_is_gone(tenant: Tenant) -> None:
    tenant.connected()
    time.sleep(1.1)  # creationTimestamp counts whole seconds
    tenant.integration("chat-2")
    tenant.becomes("False", "Duplicate", name="chat-2")
    assert tenant.condition("chat-2", "Accepted") == ("False", "Duplicate")
    assert "Integration chat already connects" in tenant.message("chat-2")
    assert tenant.condition() == ("True", "Succeeded")
    tenant.integration("chat-3", instance="third")
    tenant.becomes("True", "Succeeded", name="chat-3")
    tenant.plane.kubectl("delete", "intg", "chat", "-n", tenant.namespace)
    tenant.becomes("True", "Succeeded", name="chat-2")


@pytest.mark.req("INT-34")
def test_deletion_is_immediate_and_leaves_nothing_behind(tenant: Tenant, hub: HubProcess) -> None:
    tenant.connected()
    assert "finalizers" not in tenant.get()["metadata"]
    tenant.plane.kubectl("delete", "intg", "chat", "-n", tenant.namespace, "--timeout=5s")
    labels = {"namespace": tenant.namespace, "name": "chat"}
    eventually(
        lambda: hub.metric("integration_hub_integration_ready_status", **labels) is None, "its sample is gone"
    )
    calls = len(tenant.corner.asked)
    time.sleep(8)
    assert len(tenant.corner.asked) == calls


@pytest.mark.req("INT-34", "INT-10", "INT-11")
def test_settings_can_be_changed_and_defaults_are_visible(tenant: Tenant) -> None:
    tenant.connected()
    spec = tenant.get()["spec"]
    assert (spec["enabled"], spec["timeoutSeconds"], spec["environment"]) == (True, 30, "PRODUCTION")
    assert (spec["retry"]["enabled"], spec["retry"]["maxRetries"]) == (True, 3)
    before = tenant.status()["updatedAt"]
    time.sleep(1.1)
    tenant.integration(healthCheck={"path": "/elsewhere"})
    eventually(lambda: tenant.corner.asked[-1].path == "/elsewhere", "the new path is asked for")
    eventually(lambda: tenant.status()["observedGeneration"] == 2, "the new generation is acted on")
    assert tenant.status()["updatedAt"] > before


@pytest.mark.req("INT-34")
def test_a_test_on_request_is_made_now_and_answered_in_the_status(tenant: Tenant) -> None:
    tenant.provider(probe={"path": "/me", "intervalSeconds": 86_400})
    tenant.secret(token="right")
    tenant.integration()
    tenant.becomes("True", "Succeeded")
    calls = len(tenant.corner.asked)
    tenant.plane.kubectl(
        "annotate", "intg", "chat", "-n", tenant.namespace, "integrationhub.io/test-requested=one"
    )
    eventually(lambda: tenant.status().get("lastTest", {}).get("requested") == "one", "the test's answer")
    assert tenant.status()["lastTest"]["result"] == "healthy"
    assert len(tenant.corner.asked) == calls + 1
