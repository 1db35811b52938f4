"""Health, metrics, logs, statistics and the audit over HTTP, to the seeds' letter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway_stage import ALICE, BOB, NAMESPACE, OTHER, GatewayStage
from integration_hub.ports import AuditRecord, CallRecord, HealthPoint, Level

HUB = "/api/integration-hub"
V1 = "/api/v1/integrations"


def called(stage: GatewayStage, uid: str, **changes: Any) -> None:
    """One call goes through the log."""
    record = {
        "at": stage.clock.now(),
        "namespace": NAMESPACE,
        "integration": "gh",
        "integration_uid": uid,
        "provider": "github",
        "purpose": "call",
        "caller": ALICE,
        "correlation_id": "c-1",
        "method": "GET",
        "path": "/user",
        "status": 200,
        "outcome": "Connected",
        "success": True,
        "milliseconds": 200.0,
        "attempt": 1,
        "bytes_sent": 0,
        "bytes_received": 0,
        "message": "",
        "level": "info",
    }
    stage.store.record_call(CallRecord(**{**record, **changes}))


def checked(stage: GatewayStage, uid: str, successes: int, failures: int) -> None:
    for number in range(successes + failures):
        at = stage.clock.now() - timedelta(seconds=successes + failures - number - 1)
        stage.store.record_health(HealthPoint(at, uid, number >= failures, 150.0))


# --------------------------------------------------------------------------- health


@pytest.mark.req("OBS-01", "OBS-02", "OBS-04", "OBS-06", "OBS-07", "OBS-08", "HUB-21")
@pytest.mark.parametrize("path", [f"{HUB}/gh/health", f"{V1}/gh/health"])
async def test_health_is_answered_as_the_seed_has_it(path: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        found = stage.integration(status={"health": {"status": "healthy"}})
        checked(stage, found.uid, 999, 1)
        assert (await stage.ask("GET", path)).json() == {
            "health": {
                "status": "healthy",
                "lastCheck": "2026-11-21T10:30:00Z",
                "uptime": 99.9,
                "responseTime": 150,
                "errorRate": 0.1,
                "lastError": None,
            }
        }


async def test_health_is_of_the_integrations_own_window() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        found = stage.integration(healthCheck={"windowMinutes": 10})
        checked(stage, found.uid, 0, 5)
        stage.clock.pass_by(minutes=9)
        checked(stage, found.uid, 5, 0)
        assert (await stage.ask("GET", f"{HUB}/gh/health")).json()["health"]["uptime"] == 50
        stage.clock.pass_by(minutes=2)
        assert (await stage.ask("GET", f"{HUB}/gh/health")).json()["health"]["uptime"] == 100


async def test_without_a_check_in_the_store_the_last_written_figures_are_told() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        written = {
            "status": "unhealthy",
            "lastCheck": "2026-11-21T10:00:00Z",
            "uptime": 12.5,
            "responseTime": 9,
            "errorRate": 87.5,
            "lastError": "github.com refused the credentials",
        }
        stage.integration(status={"health": {**written, "consecutiveFailures": 3}})
        assert (await stage.ask("GET", f"{HUB}/gh/health")).json() == {"health": written}


@pytest.mark.req("OBS-03")
async def test_the_health_of_all_adds_up() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        for number, verdict in enumerate(["healthy", "healthy", "degraded", "unhealthy", ""]):
            status = {"health": {"status": verdict}} if verdict else None
            stage.integration(f"i{number}", instance=f"i{number}", status=status)
        stage.integration("elsewhere", namespace=OTHER)
        told = (await stage.ask("GET", f"{V1}/health")).json()
        assert told["total"] == 5
        counts = {word: told[word] for word in ("healthy", "degraded", "unhealthy", "unknown")}
        assert counts == {"healthy": 2, "degraded": 1, "unhealthy": 1, "unknown": 1}
        assert [each["name"] for each in told["integrations"]] == ["i0", "i1", "i2", "i3", "i4"]


# --------------------------------------------------------------------------- metrics


@pytest.mark.req("OBS-10", "OBS-11")
async def test_metrics_are_answered_as_the_seed_has_them() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        uid = stage.integration().uid
        for number in range(1000):
            size = 1048 if number else 1048 + 576
            called(stage, uid, success=number >= 5, bytes_sent=48, bytes_received=size - 48)
        assert (await stage.ask("GET", f"{HUB}/gh/metrics")).json() == {
            "metrics": {
                "totalRequests": 1000,
                "successfulRequests": 995,
                "failedRequests": 5,
                "averageResponseTime": 200,
                "dataTransferred": 1_048_576,
                "lastActivity": "2026-11-21T10:30:00Z",
            }
        }


async def test_metrics_of_a_window_leave_out_what_is_older() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        uid = stage.integration().uid
        called(stage, uid)
        stage.clock.pass_by(hours=3)
        called(stage, uid)
        for window, total in (("1h", 1), ("1d", 2), ("", 2)):
            query = f"?window={window}" if window else ""
            told = (await stage.ask("GET", f"{HUB}/gh/metrics{query}")).json()["metrics"]
            assert told["totalRequests"] == total, window
        assert (await stage.ask("GET", f"{HUB}/gh/metrics?window=soon")).status_code == 422


WINDOWED = (f"{HUB}/gh/metrics", f"{HUB}/projects/{NAMESPACE}/statistics", f"{V1}/stats")


@pytest.mark.parametrize("path", WINDOWED)
async def test_no_window_is_answered_with_less_than_was_asked_for(path: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration()
        assert (await stage.ask("GET", f"{path}?window=48h")).status_code == 200
        answer = await stage.ask("GET", f"{path}?window=7d")
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
        assert "at most 48h" in answer.json()["details"]


async def test_refusals_of_our_own_do_not_make_answers_look_quick() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        uid = stage.integration().uid
        called(stage, uid)
        for _ in range(9):
            called(stage, uid, success=False, milliseconds=0.0, attempt=0)
        told = (await stage.ask("GET", f"{HUB}/gh/metrics")).json()["metrics"]
        assert (told["totalRequests"], told["failedRequests"], told["averageResponseTime"]) == (10, 9, 200)
        told = (await stage.ask("GET", f"{HUB}/projects/{NAMESPACE}/statistics")).json()["statistics"]
        assert (told["totalRequests"], told["averageResponseTime"]) == (10, 200)


async def test_before_the_first_call_nothing_is_made_up() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration()
        told = (await stage.ask("GET", f"{HUB}/gh/metrics")).json()["metrics"]
        assert (told["totalRequests"], told["averageResponseTime"], told["lastActivity"]) == (0, None, None)


# --------------------------------------------------------------------------- logs


@pytest.mark.req("OBS-12", "OBS-13", "OBS-14", "OBS-15")
@pytest.mark.parametrize("path", [f"{HUB}/gh/logs", f"{V1}/gh/logs"])
async def test_logs_are_filtered_by_level_and_bounded(path: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        uid = stage.integration().uid
        levels: tuple[Level, ...] = ("debug", "info", "warn", "error", "error")
        for number, level in enumerate(levels):
            called(stage, uid, level=level, message=f"m{number}")
        told = (await stage.ask("GET", f"{path}?limit=100&level=error")).json()
        assert [(each["level"], each["message"]) for each in told["logs"]] == [
            ("error", "m4"),
            ("error", "m3"),
        ]
        assert told["logs"][0]["timestamp"] == "2026-11-21T10:30:00Z"
        told = (await stage.ask("GET", f"{path}?level=warn")).json()
        assert [each["message"] for each in told["logs"]] == ["m4", "m3", "m2"]
        for query in ("limit=0", "limit=1001", "level=loud", "limits=5"):
            assert (await stage.ask("GET", f"{path}?{query}")).status_code == 422, query


async def test_logs_are_read_page_by_page() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        uid = stage.integration().uid
        for number in range(5):
            called(stage, uid, message=str(number))
        seen, before = [], ""
        for _ in range(3):
            told = (await stage.ask("GET", f"{HUB}/gh/logs?limit=2&before={before}")).json()
            seen += [each["message"] for each in told["logs"]]
            before = told["next"] or ""
        assert (seen, before) == (["4", "3", "2", "1", "0"], "")


async def test_logs_of_a_namesake_in_another_namespace_stay_there() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration()
        other = stage.integration(namespace=OTHER)
        called(stage, other.uid, namespace=OTHER, message="theirs")
        assert (await stage.ask("GET", f"{HUB}/gh/logs")).json() == {"logs": [], "next": None}
        told = (await stage.ask("GET", f"{HUB}/gh/logs", user=BOB)).json()
        assert [each["message"] for each in told["logs"]] == ["theirs"]


# --------------------------------------------------------------------------- statistics

SPLIT = {"cad": 2, "simulation": 3, "version-control": 2, "communication": 1, "custom": 2}


def ten(stage: GatewayStage) -> None:
    """OBS-19's ten: eight connected and healthy, one disconnected, one in error; 5,000 requests of 250 ms."""
    for category in SPLIT:
        stage.provider(category, category=category)
    types = [category for category, number in SPLIT.items() for _ in range(number)]
    for number, category in enumerate(types):
        phase = {8: "PENDING_AUTH", 9: "ERROR"}.get(number, "ACTIVE")
        verdict = "healthy" if phase == "ACTIVE" else "unhealthy"
        found = stage.integration(
            f"i{number}",
            providerRef={"name": category},
            instance=f"i{number}",
            status={"phase": phase, "health": {"status": verdict}},
        )
        for _ in range(500):
            called(stage, found.uid, integration=found.key.name, milliseconds=250.0)


@pytest.mark.req("OBS-18", "OBS-19", "INT-39", "INT-18")
async def test_statistics_are_answered_as_the_seed_has_them_and_add_up() -> None:
    async with GatewayStage() as stage:
        ten(stage)
        told = (await stage.ask("GET", f"{HUB}/projects/{NAMESPACE}/statistics")).json()
        assert told == {
            "statistics": {
                "total": 10,
                "byType": SPLIT,
                "byStatus": {"connected": 8, "disconnected": 1, "error": 1},
                "healthyCount": 8,
                "unhealthyCount": 2,
                "totalRequests": 5000,
                "averageResponseTime": 250,
            }
        }


@pytest.mark.req("OBS-17", "HUB-22")
async def test_004_tells_the_same_in_its_own_words() -> None:
    async with GatewayStage() as stage:
        ten(stage)
        told = (await stage.ask("GET", f"{V1}/stats?window=24h")).json()
        assert told["byCategory"] == {
            "CAD": 2,
            "SIMULATION": 3,
            "VERSION_CONTROL": 2,
            "COMMUNICATION": 1,
            "CUSTOM": 2,
        }
        assert told["byStatus"] == {"ACTIVE": 8, "PENDING_AUTH": 1, "ERROR": 1}
        assert (told["totalIntegrations"], told["window"], told["successRate"]) == (10, "24h", 100.0)
        for split in ("byCategory", "byStatus", "byHealth"):
            assert sum(told[split].values()) == 10


async def test_what_nothing_is_known_of_is_counted_too() -> None:
    async with GatewayStage() as stage:
        stage.integration("lost", providerRef={"name": "no-such-provider"})
        stage.provider()
        stage.integration("off", enabled=False, status={"phase": "ACTIVE", "health": {"status": "healthy"}})
        told = (await stage.ask("GET", f"{HUB}/projects/{NAMESPACE}/statistics")).json()["statistics"]
        assert told["byType"] == {"unknown": 1, "version-control": 1}
        assert told["byStatus"] == {"connected": 0, "disconnected": 2, "error": 0}
        assert (told["healthyCount"], told["unhealthyCount"]) == (1, 1)


async def test_statistics_of_an_empty_project_are_zero() -> None:
    async with GatewayStage() as stage:
        told = (await stage.ask("GET", f"{HUB}/projects/{NAMESPACE}/statistics")).json()["statistics"]
        assert (told["total"], told["totalRequests"], told["averageResponseTime"]) == (0, 0, None)


# --------------------------------------------------------------------------- audit


@pytest.mark.req("SEC-08", "SEC-20")
async def test_the_audit_tells_who_did_what_and_every_use_of_a_credential() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration()
        stage.store.record_audit(
            AuditRecord(stage.clock.now(), NAMESPACE, ALICE, "use", "credentials", "gh", "allowed", "call")
        )
        await stage.ask("GET", f"{HUB}/gh/health")
        await stage.ask("GET", f"{HUB}/gh/health", user=BOB, x_tenant=NAMESPACE)
        told = (await stage.ask("GET", "/api/v1/audit?name=gh")).json()["entries"]
        assert [(each["actor"], each["action"], each["resource"], each["outcome"]) for each in told] == [
            (BOB, "get", "integrations", "denied"),
            (ALICE, "get", "integrations", "allowed"),
            (ALICE, "use", "credentials", "allowed"),
        ]
        only = (await stage.ask("GET", f"/api/v1/audit?actor={BOB}")).json()["entries"]
        assert {each["actor"] for each in only} == {BOB}
        page = (await stage.ask("GET", "/api/v1/audit?limit=1")).json()
        assert (len(page["entries"]), page["next"] is None) == (1, False)


async def test_reading_the_audit_is_a_right_of_its_own_and_is_audited() -> None:
    async with GatewayStage() as stage:
        stage.authenticator.introduce("reader", NAMESPACE)
        stage.authorizer.grant("reader", "*", "integrations", NAMESPACE)
        assert (await stage.ask("GET", "/api/v1/audit", user="reader")).status_code == 403
        told = (await stage.ask("GET", "/api/v1/audit")).json()["entries"]
        assert ("reader", "integrations/audit", "denied") in [
            (each["actor"], each["resource"], each["outcome"]) for each in told
        ]


# --------------------------------------------------------------------------- who may

PATHS = [
    f"{HUB}/gh/health",
    f"{HUB}/gh/metrics",
    f"{HUB}/gh/logs",
    f"{HUB}/projects/{NAMESPACE}/statistics",
    f"{V1}/health",
    f"{V1}/stats",
    f"{V1}/gh/health",
    f"{V1}/gh/logs",
    "/api/v1/audit",
]


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_told_to_strangers_or_to_another_tenant(path: str) -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration()
        stranger = await stage.client.get(path)
        assert (stranger.status_code, stranger.json()["code"]) == (401, "UNAUTHENTICATED")
        neighbour = await stage.ask("GET", path, user=BOB, x_tenant=NAMESPACE)
        assert (neighbour.status_code, neighbour.json()["code"]) == (403, "FORBIDDEN")
        assert "gh" not in (await stage.ask("GET", path, user=BOB)).text.replace("no Integration 'gh'", "")


@pytest.mark.parametrize("path", [f"{HUB}/nobody/{part}" for part in ("health", "metrics", "logs")])
async def test_of_what_is_not_there_nothing_is_told(path: str) -> None:
    async with GatewayStage() as stage:
        answer = await stage.ask("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "INTEGRATION_NOT_FOUND")


async def test_a_database_that_cannot_be_used_is_no_bug() -> None:
    async with GatewayStage() as stage:
        stage.provider()
        stage.integration()
        stage.store.broken = "disk full"
        answer = await stage.ask("GET", f"{HUB}/gh/metrics")
        assert (answer.status_code, answer.json()["code"]) == (503, "NOT_READY")
        assert "disk full" not in answer.text
