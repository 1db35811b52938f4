"""Five checks from what the hub says of an Integration (DOC-01)."""

from __future__ import annotations

from typing import Any

import pytest

from integration_hub.api.reasons import Reason
from integration_hub.cli.diagnosis import (
    CREDENTIALS,
    ENDPOINT,
    FIREWALL,
    NETWORK,
    RATES,
    TITLES,
    WAYS_OUT,
    Verdict,
    diagnose,
)


def integration(
    reason: str = "", message: str = "it says so", *, credentials: str = "True"
) -> dict[str, Any]:
    ready = {
        "type": "Ready",
        "status": "False" if reason else "True",
        "reason": reason or "Succeeded",
        "message": message,
    }
    found = {
        "type": "CredentialsReady",
        "status": credentials,
        "reason": "CredentialsFound",
        "message": "all keys are there",
    }
    return {
        "metadata": {"name": "slack", "namespace": "team-a"},
        "spec": {"providerRef": {"name": "slack"}, "credentials": {"secretRef": {"name": "slack-token"}}},
        "status": {"conditions": [ready, found]},
    }


def verdicts(found: dict[str, Any], calls: list[dict[str, Any]] | None = None) -> list[str]:
    return [check.verdict.value for check in diagnose(found, calls)]


OK, FAILED, UNKNOWN, WARN = (
    each.value for each in (Verdict.OK, Verdict.FAILED, Verdict.UNKNOWN, Verdict.WARN)
)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        pytest.param("", [OK, OK, OK, OK, OK], id="all is well"),
        pytest.param("InvalidCredentials", [FAILED, OK, OK, OK, OK], id="who was reached refused the token"),
        pytest.param("ReauthRequired", [FAILED, OK, OK, OK, OK], id="the grant was revoked"),
        pytest.param("SecretNotFound", [FAILED, *[UNKNOWN] * 4], id="nothing to send"),
        pytest.param("NameNotResolved", [OK, FAILED, UNKNOWN, OK, UNKNOWN], id="nobody was found"),
        pytest.param("Timeout", [OK, FAILED, UNKNOWN, OK, UNKNOWN], id="nobody answered"),
        pytest.param("UpstreamError", [OK, OK, FAILED, OK, OK], id="the far end fails"),
        pytest.param("AddressBlocked", [OK, UNKNOWN, UNKNOWN, FAILED, UNKNOWN], id="the hub may not call it"),
        pytest.param("RateLimited", [OK, OK, OK, OK, FAILED], id="too many calls"),
        pytest.param("CircuitOpen", [OK, UNKNOWN, UNKNOWN, OK, FAILED], id="no call is made for now"),
        pytest.param("ConfigInvalid", [OK, UNKNOWN, FAILED, UNKNOWN, UNKNOWN], id="there is no address yet"),
    ],
)
def test_what_is_wrong_and_what_may_be_said_of_the_rest(reason: str, expected: list[str]) -> None:
    assert verdicts(integration(reason)) == expected


def test_the_checks_come_in_the_order_of_the_runbook() -> None:
    assert [check.title for check in diagnose(integration())] == list(TITLES)
    assert TITLES == (CREDENTIALS, NETWORK, ENDPOINT, FIREWALL, RATES)


def test_the_way_out_is_a_command_with_the_names_in_it() -> None:
    (failed,) = [each for each in diagnose(integration("ReauthRequired")) if each.verdict is Verdict.FAILED]
    assert failed.told == "it says so"
    assert failed.way_out == "kubectl hub connect slack -n team-a"


@pytest.mark.parametrize(
    ("reason", "named", "way_out"),
    [
        (
            "SecretNotFound",
            {"secretRef": {"name": "token"}},
            "make it: kubectl create secret generic token -n team-a --from-literal=KEY=VALUE",
        ),
        (
            "SecretNotFound",
            {"vaultRef": {"path": "slack"}},
            "make it: vault kv put, at the path that the message names",
        ),
        (
            "InvalidCredentials",
            {"vaultRef": {"path": "slack"}},
            (
                "put a valid key into the Vault secret slack, or connect anew: "
                "kubectl hub connect slack -n team-a"
            ),
        ),
    ],
    ids=["no Secret", "nothing in Vault", "refused"],
)
def test_the_way_out_leads_to_the_place_that_the_spec_names(
    reason: str, named: dict[str, Any], way_out: str
) -> None:
    found = integration(reason)
    found["spec"]["credentials"] = named
    (failed,) = [each for each in diagnose(found) if each.verdict is Verdict.FAILED]
    assert failed.way_out == way_out


def test_credentials_that_were_not_looked_at_are_not_called_good() -> None:
    assert verdicts(integration("ConfigInvalid", credentials="Unknown"))[0] == UNKNOWN


def test_a_test_of_this_moment_says_more_than_ready() -> None:
    """One failure does not make a connected Integration unready."""
    found = integration()
    found["status"]["lastTest"] = {"result": "unhealthy", "reason": "RateLimited", "message": "slow down"}
    assert verdicts(found) == [OK] * 5
    (failed,) = [each for each in diagnose(found, tested=True) if each.verdict is Verdict.FAILED]
    assert (failed.title, failed.told) == (RATES, "slow down")


def test_an_integration_that_the_hub_never_looked_at_is_not_known() -> None:
    assert verdicts({**integration(), "status": {}}) == [UNKNOWN] * 5


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        (None, OK),
        ([{"status": 200}], OK),
        ([{"status": 200}, {"status": 429}], WARN),
        ([{"status": 0, "outcome": "RateLimited"}], WARN),
    ],
    ids=["no log", "none refused", "one refused by the vendor", "one held back by the hub"],
)
def test_calls_that_were_refused_as_too_many_are_told_of(
    calls: list[dict[str, Any]] | None, expected: str
) -> None:
    assert verdicts(integration(), calls) == [OK, OK, OK, OK, expected]


def test_every_reason_with_a_way_out_is_one_of_the_hubs() -> None:
    assert set(WAYS_OUT) <= {reason.value for reason in Reason}


@pytest.mark.parametrize("reason", WAYS_OUT)
def test_every_way_out_can_be_read(reason: str) -> None:
    (failed,) = [each for each in diagnose(integration(reason)) if each.verdict is Verdict.FAILED]
    assert failed.way_out
    assert "{" not in failed.way_out
