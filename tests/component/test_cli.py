"""`kubectl hub` against the hub's own HTTP API: the real application at a real address, ports in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway_stage import ALICE, NAMESPACE, GatewayStage
from integration_hub.api.errors import ErrorCode
from integration_hub.cli import main
from integration_hub.cli.exits import Exit
from integration_hub.cli.hub_api import HubApi
from integration_hub.cli.wire import Answer, Wire
from integration_hub.ports import AuditRecord, CallRecord, HealthPoint
from memory_calls import said, silence
from served_gateway import served

Run = Callable[..., Result]


@pytest.fixture
def stage() -> GatewayStage:
    made = GatewayStage()
    made.provider()
    made.integration(status={"phase": "ACTIVE", "health": {"status": "healthy"}})
    return made


@pytest.fixture
def hub(stage: GatewayStage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Runs the command line as alice, who has no kubeconfig; the token comes from the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("INTEGRATION_HUB_TOKEN", ALICE)
    with served(stage) as url:
        monkeypatch.setenv("INTEGRATION_HUB_SERVER", url)

        def run(*arguments: str, status: int = 0, namespace: str = NAMESPACE, **more: Any) -> Result:
            given = [*arguments, "-n", namespace]
            result = CliRunner().invoke(main, given, prog_name="kubectl hub", **more)
            assert result.exit_code == status, result.output
            return result

        yield run


def record(stage: GatewayStage, **changes: Any) -> None:
    entry: dict[str, Any] = {
        "at": stage.clock.now(),
        "namespace": NAMESPACE,
        "integration": "gh",
        "integration_uid": f"uid-{NAMESPACE}-gh",
        "provider": "github",
        "purpose": "call",
        "caller": ALICE,
        "correlation_id": "c-1",
        "method": "GET",
        "path": "/user",
        "status": 200,
        "outcome": "Connected",
        "success": True,
        "milliseconds": 120.0,
        "attempt": 1,
        "bytes_sent": 10,
        "bytes_received": 2_000,
        "message": "it answered",
        "level": "info",
    }
    stage.store.record_call(CallRecord(**{**entry, **changes}))


def test_exec_prints_what_the_outside_system_answered(hub: Run, stage: GatewayStage) -> None:
    stage.calls.behave = lambda _: said(200, {"login": "octocat"})
    assert json.loads(hub("exec", "gh", "get", "/user").stdout) == {"login": "octocat"}
    (sent,) = stage.calls.requests
    assert (sent.method, sent.path, sent.caller) == ("GET", "/user", ALICE)


def test_exec_sends_a_body_from_standard_input(hub: Run, stage: GatewayStage) -> None:
    hub("exec", "gh", "POST", "/issues", "-d", "@-", input='{"title": "Late"}')
    assert json.loads(stage.calls.requests[0].body) == {"title": "Late"}


def test_exec_tells_status_and_headers_beside_the_answer(hub: Run, stage: GatewayStage) -> None:
    stage.calls.behave = lambda _: said(200, [], x_ratelimit_remaining="4999")
    result = hub("exec", "gh", "GET", "/repos", "-i")
    assert result.stdout == "[]\n"
    assert "HTTP 200 in 150 ms" in result.stderr
    assert "x-ratelimit-remaining: 4999" in result.stderr


def test_exec_rehearses_without_sending_anything(hub: Run, stage: GatewayStage) -> None:
    told = json.loads(hub("exec", "gh", "POST", "/issues", "-d", '{"a": 1}', "--dry-run").stdout)
    assert (told["method"], told["url"], told["data"]) == ("POST", "https://api.github.com/issues", {"a": 1})
    assert stage.calls.requests == []


def test_a_call_that_fails_shows_the_answer_and_ends_with_the_hubs_words(
    hub: Run, stage: GatewayStage
) -> None:
    stage.calls.behave = lambda _: said(502, {"message": "down"})
    result = hub("exec", "gh", "GET", "/user", status=1)
    assert json.loads(result.stdout) == {"message": "down"}
    assert result.stderr.splitlines()[-1] == (
        "kubectl hub: UPSTREAM_ERROR: It answered 502. (trying again may help)"
    )


def test_a_call_that_nobody_answers_says_so(hub: Run, stage: GatewayStage) -> None:
    stage.calls.behave = lambda _: silence(ErrorCode.CONNECTION_TIMEOUT, "Connection timeout after 30000ms")
    result = hub("exec", "gh", "GET", "/user", status=1)
    assert "CONNECTION_TIMEOUT: Connection timeout after 30000ms" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("metrics", "missing"), 3, "INTEGRATION_NOT_FOUND"),
        (("exec", "gh", "GET", "/user", "-d", "{"), 2, "--data is no JSON"),
        (("exec", "gh", "GET", "/user", "-H", "nonsense"), 2, "is no `Name: value`"),
        (("logs", "gh", "--since", "yesterday"), 2, "--since yesterday"),
    ],
    ids=["no such Integration", "no JSON", "no header", "no time"],
)
def test_what_goes_wrong_ends_in_one_line_and_a_status(
    arguments: tuple[str, ...], status: int, told: str, hub: Run
) -> None:
    result = hub(*arguments, status=status)
    assert told in result.stderr.splitlines()[-1]


def test_whoever_may_not_is_told_so(hub: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    result = hub("metrics", "gh", namespace="project-456", status=4)
    assert "FORBIDDEN" in result.stderr
    monkeypatch.setenv("INTEGRATION_HUB_TOKEN", "nobody")
    assert "UNAUTHENTICATED" in hub("metrics", "gh", status=4).stderr


@pytest.mark.req("SDK-30", "OBS-12", "OBS-13")
def test_monitoring_as_the_runbook_has_it(hub: Run, stage: GatewayStage) -> None:
    """Health, metrics with the success rate, the last errors of the log, the project's statistics."""
    uid = f"uid-{NAMESPACE}-gh"
    for number in range(199):
        record(stage, at=stage.clock.now() + timedelta(milliseconds=number))
    record(
        stage,
        at=stage.clock.now() + timedelta(seconds=1),
        status=500,
        outcome="UpstreamError",
        success=False,
        message="it failed",
        level="error",
    )
    stage.store.record_health(HealthPoint(stage.clock.now(), uid, success=True, milliseconds=150.0))

    assert hub("health", "gh").stdout.splitlines()[1].split()[:2] == ["gh", "healthy"]
    metrics = hub("metrics", "gh").stdout
    assert "Requests:          200" in metrics
    assert "Success rate:      99.50 %" in metrics
    (line,) = hub("logs", "gh", "--limit", "50", "--level", "error").stdout.splitlines()
    assert "error" in line
    assert "GET /user  500" in line
    assert line.endswith("it failed")
    stats = json.loads(hub("stats", "-o", "json").stdout)
    assert (stats["total"], stats["byStatus"]["connected"], stats["totalRequests"]) == (1, 1, 200)


def test_logs_are_read_from_the_oldest_to_the_newest(hub: Run, stage: GatewayStage) -> None:
    for number, message in enumerate(("first", "second", "third")):
        record(stage, at=stage.clock.now() + timedelta(seconds=number), message=message)
    lines = hub("logs", "gh").stdout.splitlines()
    assert [line.rsplit("  ", 1)[1] for line in lines] == ["first", "second", "third"]
    wide = hub("logs", "gh", "-o", "wide").stdout
    assert f"[call {ALICE} c-1]" in wide


def test_an_unhealthy_integration_ends_health_with_status_1(hub: Run, stage: GatewayStage) -> None:
    stage.integration("broken", status={"phase": "ERROR", "health": {"status": "unhealthy"}}, instance="b")
    told = hub("health", status=1).stdout
    assert [line.split()[:2] for line in told.splitlines()[1:]] == [
        ["broken", "unhealthy"],
        ["gh", "healthy"],
    ]


def test_the_audit_of_one_integration(hub: Run, stage: GatewayStage) -> None:
    for name in ("gh", "other"):
        stage.store.record_audit(
            AuditRecord(
                stage.clock.now(), NAMESPACE, ALICE, "integrations.call", "integrations", name, "allowed"
            )
        )
    told = json.loads(hub("audit", "gh", "-o", "json").stdout)
    assert {each["name"] for each in told} == {"gh"}
    assert "ACTOR" in hub("audit").stdout


@pytest.mark.req("PERF-03")
def test_cached_answers_are_cleared_by_command(hub: Run) -> None:
    assert hub("cache", "clear", "gh").stdout == "integration/gh has no cached answers any more\n"


def test_check_finds_a_hub_that_is_ready_and_closed_to_strangers(
    hub: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INTEGRATION_HUB_TOKEN")
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 0, result.output
    assert [line.split()[-1] for line in result.stdout.splitlines()[1:]] == ["ok", "ok"]


def test_a_token_in_clear_over_a_network_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEGRATION_HUB_TOKEN", ALICE)
    asked = ["stats", "-n", NAMESPACE, "--server", "http://hub.invalid:8000"]
    result = CliRunner().invoke(main, asked, prog_name="kubectl hub")
    assert "warning: the token goes to http://hub.invalid:8000 in clear" in result.stderr
    assert result.exit_code == 5


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"[]", b"[" * 100_000, b"null"])
def test_what_is_not_the_hub_is_told_from_it(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(Wire, "send", lambda *_, **__: Answer(200, {}, body))
    monkeypatch.setenv("INTEGRATION_HUB_TOKEN", ALICE)
    for command in (["stats"], ["logs", "gh"], ["exec", "gh", "GET", "/x"]):
        asked = [*command, "-n", NAMESPACE, "--server", "https://hub.example.com"]
        ended = CliRunner().invoke(main, asked, prog_name="kubectl hub")
        assert ended.exit_code == Exit.UNREACHABLE
        assert "what answers is not the hub" in ended.stderr


def test_the_token_is_read_from_a_file(hub: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INTEGRATION_HUB_TOKEN")
    (tmp_path / "token").write_text(f"{ALICE}\n")
    hub("stats", "--token-file", str(tmp_path / "token"))


@pytest.mark.req("DOC-05")
def test_help_is_found_in_a_guide_the_api_description_and_the_log(hub: Run, stage: GatewayStage) -> None:
    with closing(HubApi(os.environ["INTEGRATION_HUB_SERVER"], ALICE, NAMESPACE)) as api:
        described = api.get("/openapi.json")
    assert "/api/integration-hub/{integrationId}/logs" in described["paths"]
    record(stage, message="it failed", level="error")
    assert "it failed" in hub("logs", "gh").stdout
    guide = Path(__file__).resolve().parents[2] / "docs/guides/troubleshooting.md"
    for way in ("kubectl hub logs", "kubectl hub diagnose", "/openapi.json"):
        assert way in guide.read_text()


PRODUCT = {
    "type": "Ready",
    "status": "True",
    "reason": "Succeeded",
    "message": "The product works.",
    "lastTransitionTime": "2026-11-21T09:00:00Z",
}


@pytest.mark.parametrize(
    ("verdict", "exit_status"), [("healthy", 0), ("degraded", 0), ("unhealthy", 1), ("offline", 1)]
)
def test_how_a_product_is_decides_the_exit_status(
    hub: Run, stage: GatewayStage, verdict: str, exit_status: int
) -> None:
    stage.product(status={"health": {"status": verdict, "responseTime": 12}, "conditions": [PRODUCT]})
    shown = hub("product", "status", "itechsmart-dataflow", status=exit_status).stdout
    told = dict(line.split(":", 1) for line in shown.splitlines())
    assert told["Status"].strip() == verdict
    assert told["Response"].strip() == "12 ms"
    assert told["Product"].strip() == "Dataflow (itechsmart-dataflow)"


def test_a_product_as_json_is_what_the_hub_answers(hub: Run, stage: GatewayStage) -> None:
    stage.product(status={"health": {"status": "healthy"}, "conditions": [PRODUCT]})
    told = json.loads(hub("product", "status", "itechsmart-dataflow", "-o", "json").stdout)
    assert (told["product_id"], told["status"]) == ("itechsmart-dataflow", "healthy")


def test_a_product_that_nobody_registered_is_not_found(hub: Run) -> None:
    assert "No product is registered" in hub("product", "status", "nothing", status=3).output
