"""Settings come from the environment or from flags; a wrong one is named, not traced."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from integration_hub.__main__ import main
from integration_hub.settings import Settings

KEY = "0123456789abcdef" * 4


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


@pytest.mark.req("ENV-01", "ENV-02", "ENV-03")
def test_variables_that_people_know_are_read_too_and_ours_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEY", KEY)
    monkeypatch.setenv("REDIS_URL", "redis://localhost:6379")
    monkeypatch.setenv("PORT", "3006")
    settings = Settings()
    assert settings.token_encryption_key is not None
    assert settings.redis_url is not None
    assert settings.token_encryption_key.get_secret_value() == KEY
    assert settings.redis_url.get_secret_value() == "redis://localhost:6379"
    assert settings.gateway_port == 3006
    monkeypatch.setenv("INTEGRATION_HUB_GATEWAY_PORT", "8000")
    assert Settings().gateway_port == 8000


def test_a_variable_without_a_value_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("INTEGRATION_HUB_STORE_URL", "")
    assert Settings().redis_url is None
    assert Settings().store_url is None


@pytest.mark.req("SEC-05", "SEC-06")
@pytest.mark.parametrize("key", [KEY[:-1], KEY + "0", "g" * 64], ids=["too short", "too long", "no digit"])
def test_a_wrong_key_is_refused_at_start_and_never_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEY", key)
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 2
    assert "setting token_encryption_key: " in result.output
    assert "64 hexadecimal digits" in result.output
    assert key not in result.output


def test_secrets_do_not_show_in_what_settings_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEY", KEY)
    monkeypatch.setenv("INTEGRATION_HUB_STORE_URL", "postgresql://hub:hunter2@db/hub")
    shown = f"{Settings()!r}{Settings()}"
    assert KEY not in shown
    assert "hunter2" not in shown


def test_a_network_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEGRATION_HUB_GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8,proxy")
    result = CliRunner().invoke(main, ["run"])
    assert "setting gateway_trusted_proxies: " in result.output
    assert "'proxy' is no network" in result.output


def test_lease_times_by_which_two_could_lead_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEGRATION_HUB_LEASE_RENEW_DEADLINE_SECONDS", "20")
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 2
    assert "integration-hub: settings: " in result.output
    assert "lease_renew_deadline_seconds" in result.output
