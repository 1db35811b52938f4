"""Settings come from the environment or from flags; a wrong one is named, not traced."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from integration_hub.__main__ import main
from integration_hub.settings import Settings


def test_lists_and_pairs_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEGRATION_HUB_EGRESS_ALLOW", "127.0.0.1/32:80, 10.0.0.0/8:443")
    monkeypatch.setenv("INTEGRATION_HUB_EGRESS_HOSTS", "Dataflow.demo.svc=127.0.0.1")
    settings = Settings()
    assert settings.egress_allow == ("127.0.0.1/32:80", "10.0.0.0/8:443")
    assert settings.egress_hosts == {"dataflow.demo.svc": "127.0.0.1"}


def test_two_processes_never_share_an_identity() -> None:
    assert Settings().identity != Settings().identity


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(["--workers", "0"], "workers", id="number out of range"),
        pytest.param(["--roles", "operator,janitor"], "roles", id="role that does not exist"),
        pytest.param(["--egress-hosts", "nonsense"], "egress_hosts", id="pair without an address"),
        pytest.param(["--egress-hosts", "erp=nowhere"], "egress_hosts", id="pair with no IP address"),
    ],
)
def test_a_wrong_setting_is_named_without_a_stack_trace(arguments: list[str], named: str) -> None:
    result = CliRunner().invoke(main, ["run", *arguments])
    assert result.exit_code == 2
    assert f"setting {named}" in result.output
    assert "Traceback" not in result.output


def test_lease_times_by_which_two_could_lead_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEGRATION_HUB_LEASE_RENEW_DEADLINE_SECONDS", "20")
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 2
    assert "integration-hub: settings: " in result.output
    assert "lease_renew_deadline_seconds" in result.output
