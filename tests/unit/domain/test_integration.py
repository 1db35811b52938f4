"""Decisions about an Integration, as tables and as properties of any world."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.api.integration import INTEGRATION, IntegrationStatus
from integration_hub.api.provider import AuthMode
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome
from integration_hub.domain.config_schema import ConfigProblem, InvalidConfig
from integration_hub.domain.integration import (
    Address,
    AddressProblem,
    IntegrationWorld,
    Sibling,
    Why,
    credentials_wanted,
    plan,
    report,
)
from integration_hub.domain.integration.checks import accepted, config_valid
from integration_hub.domain.integration.credentials import credentials_ready
from integration_hub.domain.integration.report import Report
from integration_hub.ports import CredentialProblem
from integration_hub.runtime.status import rider_tree, same_facts
from integration_worlds import GOOD, GOOD_CREDENTIALS, known, outcomes, siblings, spec, world, worlds

OK = Outcome(Reason.CONNECTED, 200, elapsed_seconds=0.1)
RIDERS = rider_tree(INTEGRATION.riders)


def told(before: IntegrationWorld, outcome: Outcome | None = None) -> Report:
    made = plan(before)
    return report(before, made, outcome if made.probe is not None else None)


def after(before: IntegrationWorld, said: Report, seconds: float = 0.0, **changes: Any) -> IntegrationWorld:
    """The world of the next look, with what was said and remembered."""
    moment = {"tick": before.tick + seconds, "previous": said.status, "facts": said.facts}
    return replace(before, **{**moment, "credentials": None, **changes})


# --------------------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, Reason.ACCEPTED, id="good"),
        pytest.param({"provider": None}, Reason.PROVIDER_NOT_FOUND, id="absent"),
        pytest.param({"provider": known(state="INACTIVE")}, Reason.PROVIDER_INACTIVE, id="inactive"),
        pytest.param({"provider": known(state="DEPRECATED")}, Reason.ACCEPTED, id="deprecated-still-works"),
        pytest.param({"provider": known(baseUrl="nonsense")}, Reason.PROVIDER_INVALID, id="invalid"),
        pytest.param(
            {"siblings": (Sibling("old", "uid-z", "2026-11-21T09:59:59Z"),)}, Reason.DUPLICATE, id="older"
        ),
        pytest.param(
            {"siblings": (Sibling("young", "uid-a", "2026-11-21T10:00:01Z"),)}, Reason.ACCEPTED, id="younger"
        ),
        pytest.param(
            {"siblings": (Sibling("twin", "uid-a", "2026-11-21T10:00:00Z"),)},
            Reason.DUPLICATE,
            id="lesser-uid",
        ),
        pytest.param(
            {"siblings": (Sibling("twin", "uid-z", "2026-11-21T10:00:00Z"),)},
            Reason.ACCEPTED,
            id="greater-uid",
        ),
    ],
)
def test_an_integration_is_accepted_or_told_why_not(changes: dict[str, Any], reason: Reason) -> None:
    assert accepted(world(**changes)).reason is reason


PINNED = {"acceptedProvider": {"uid": "provider-uid", "generation": 1, "hosts": ["slack.com"]}}


@pytest.mark.parametrize(
    ("generation", "uid", "host", "agreed", "reason"),
    [
        pytest.param(1, "provider-uid", "new.example", [], Reason.ACCEPTED, id="the-user-moved-it"),
        pytest.param(2, "provider-uid", "slack.com", [], Reason.ACCEPTED, id="edited-same-host"),
        pytest.param(2, "provider-uid", "new.example", [], Reason.PROVIDER_CHANGED, id="edited-new-host"),
        pytest.param(1, "another", "slack.com", [], Reason.ACCEPTED, id="replaced-same-host"),
        pytest.param(1, "another", "new.example", [], Reason.PROVIDER_CHANGED, id="replaced-new-host"),
        pytest.param(2, "provider-uid", "new.example", ["new.example"], Reason.ACCEPTED, id="agreed"),
        pytest.param(
            2, "provider-uid", "eu.slack.com", ["*.slack.com"], Reason.ACCEPTED, id="agreed-by-star"
        ),
        pytest.param(
            2,
            "provider-uid",
            "evilslack.com",
            ["*.slack.com"],
            Reason.PROVIDER_CHANGED,
            id="not-below-the-star",
        ),
        pytest.param(
            2,
            "provider-uid",
            "slack.com:8443",
            [],
            Reason.PROVIDER_CHANGED,
            id="another-port-is-another-host",
        ),
    ],
)
def test_credentials_follow_a_changed_provider_only_where_somebody_agreed(
    generation: int, uid: str, host: str, agreed: list[str], reason: Reason
) -> None:
    moved = world(
        previous=PINNED,
        provider=known(generation, uid),
        address=Address(host, (host,)),
        spec=spec(providerRef={"name": "slack", "acceptedHosts": agreed}),
    )
    found = accepted(moved)
    assert found.reason is reason
    if reason is Reason.PROVIDER_CHANGED:
        assert host in found.message
        assert told(moved).status["acceptedProvider"] == PINNED["acceptedProvider"]


def test_a_pin_does_not_move_while_no_address_is_known() -> None:
    """Otherwise a provider could move its host unseen while an Integration's config is wrong."""
    wrong = world(
        previous=PINNED,
        provider=known(2),
        config=InvalidConfig((ConfigProblem("a", "a is wrong"),)),
        address=None,
    )
    assert told(wrong).status["acceptedProvider"] == PINNED["acceptedProvider"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, Reason.CONFIG_VALID, id="good"),
        pytest.param({"config": None}, Reason.NOT_CHECKED, id="no-provider-to-ask"),
        pytest.param(
            {"config": InvalidConfig((ConfigProblem("a", "a is wrong"),))}, Reason.CONFIG_INVALID, id="wrong"
        ),
        pytest.param(
            {"config": InvalidConfig((ConfigProblem("a", "a is a secret", secret=True),))},
            Reason.SECRET_IN_CONFIG,
            id="secret",
        ),
        pytest.param({"address": AddressProblem("no such region")}, Reason.CONFIG_INVALID, id="no-address"),
        pytest.param({"spec": spec(sync={"schedule": "daily"})}, Reason.CONFIG_VALID, id="a-schedule"),
        pytest.param({"spec": spec(sync={"schedule": "now"})}, Reason.CONFIG_INVALID, id="no-schedule"),
        pytest.param(
            {"address": AddressProblem("odd", unreadable=True)}, Reason.INVALID_URL, id="bad-address"
        ),
    ],
)
def test_a_config_is_judged(changes: dict[str, Any], reason: Reason) -> None:
    assert config_valid(world(**changes)).reason is reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, Reason.CREDENTIALS_FOUND, id="good"),
        pytest.param({"mode": None}, Reason.AUTH_TYPE_UNSUPPORTED, id="no-such-mode"),
        pytest.param(
            {"mode": AuthMode.model_validate({"type": "NONE"})},
            Reason.CREDENTIALS_NOT_NEEDED,
            id="none-needed",
        ),
        pytest.param(
            {"credentials": CredentialProblem(Reason.SECRET_NOT_FOUND, "It is not there.")},
            Reason.SECRET_NOT_FOUND,
            id="absent",
        ),
        pytest.param({"credentials": None}, Reason.NOT_CHECKED, id="not-looked-at-and-nothing-known"),
    ],
)
def test_credentials_are_judged_without_their_values(changes: dict[str, Any], reason: Reason) -> None:
    assert credentials_ready(world(**changes)).reason is reason


# --------------------------------------------------------------------------- planning


def test_a_new_integration_is_tried_at_once() -> None:
    assert credentials_wanted(world(credentials=None))
    assert plan(GOOD).probe is Why.CHANGED


def test_a_settled_one_costs_nothing_until_its_probe_is_due() -> None:
    said = told(GOOD, OK)
    settled = after(GOOD, said, seconds=30)
    assert not credentials_wanted(settled)
    assert plan(settled).probe is None
    assert said.requeue_after == pytest.approx(60, rel=0.1)
    due = after(GOOD, said, seconds=67)
    assert credentials_wanted(due)
    assert plan(replace(due, credentials=GOOD_CREDENTIALS)).probe is Why.DUE


@pytest.mark.parametrize(
    "changes",
    [{"generation": 2}, {"provider": known(2)}, {"provider": known(1, "other")}, {"secret_version": "8"}],
    ids=["spec", "provider", "replaced-provider", "secret"],
)
def test_a_change_of_any_input_asks_for_a_new_verdict(changes: dict[str, Any]) -> None:
    moved = after(GOOD, told(GOOD, OK), seconds=1, **changes)
    assert credentials_wanted(moved)
    assert plan(replace(moved, credentials=GOOD_CREDENTIALS)).probe is (
        Why.CHANGED if "secret_version" not in changes else None
    )


def test_a_secret_that_was_read_and_is_the_old_one_after_all_needs_no_probe() -> None:
    moved = after(GOOD, told(GOOD, OK), seconds=1, secret_version="8")
    assert (
        plan(replace(moved, credentials=replace(GOOD_CREDENTIALS, secret_version="8"))).probe is Why.CHANGED
    )
    assert plan(replace(moved, credentials=GOOD_CREDENTIALS)).probe is None


def test_after_a_restart_the_first_probe_falls_anywhere_within_the_interval() -> None:
    said = told(GOOD, OK)
    pauses = []
    for jitter in (0.0, 0.25, 0.75):
        fresh = after(GOOD, said, facts=type(said.facts).restored(said.status, 60), jitter=jitter)
        assert plan(fresh).probe is None
        pauses.append(told(fresh).requeue_after)
    assert pauses == pytest.approx([0.001, 15, 45])


@pytest.mark.parametrize(
    ("outcome", "works", "seconds"),
    [
        pytest.param(OK, True, 60, id="all-well"),
        pytest.param(Outcome(Reason.TIMEOUT), True, 30, id="a-suspicion-is-settled-soon"),
        pytest.param(Outcome(Reason.TIMEOUT), False, 60, id="broken"),
        pytest.param(Outcome(Reason.INVALID_CREDENTIALS, 401), False, 300, id="lasting"),
        pytest.param(
            Outcome(Reason.RATE_LIMITED, 429, retry_after=900), False, 900, id="quiet-was-asked-for"
        ),
        pytest.param(Outcome(Reason.UPSTREAM_ERROR, 503, retry_after=2), False, 60, id="a-short-quiet"),
    ],
)
def test_the_next_look_depends_on_what_was_seen(outcome: Outcome, works: bool, seconds: float) -> None:
    before = after(GOOD, told(GOOD, OK), seconds=70, credentials=GOOD_CREDENTIALS) if works else GOOD
    assert told(before, outcome).requeue_after == pytest.approx(seconds, rel=0.11)


# --------------------------------------------------------------------------- properties of any world


@given(worlds(), outcomes)
def test_a_status_is_whole_valid_and_small(any_world: IntegrationWorld, outcome: Outcome) -> None:
    status = told(any_world, outcome).status
    IntegrationStatus.model_validate(status)
    assert len(json.dumps(status)) < 10_000
    types = [each["type"] for each in status["conditions"]]
    assert types[:4] == ["Ready", "Accepted", "ConfigValid", "CredentialsReady"]
    assert "Connected" in types
    assert len(types) <= 16
    assert len(types) == len(set(types))
    assert status["observedGeneration"] == any_world.generation


@given(worlds(), outcomes, st.floats(0, 4))
def test_looking_again_says_the_same_and_tells_nobody(
    any_world: IntegrationWorld, outcome: Outcome, seconds: float
) -> None:
    first = told(any_world, outcome)
    again = after(any_world, first, seconds, credentials=any_world.credentials)
    made = plan(again)
    second = report(again, made, None)
    assert same_facts(first.status, second.status, RIDERS)
    assert second.events == ()


@given(worlds(), outcomes, outcomes)
def test_a_verdict_restored_from_status_says_the_same(
    any_world: IntegrationWorld, first: Outcome, second: Outcome
) -> None:
    said = told(any_world, first)
    warm = after(any_world, said, 1e6, credentials=any_world.credentials)
    cold = replace(warm, facts=type(said.facts).restored(said.status, 60))
    made = plan(warm)
    if made.probe is None or not second.counts or first.reason is Reason.EGRESS_OVERLOADED:
        return
    kept, restored = report(warm, made, second), report(cold, plan(cold), second)
    assert restored.status["conditions"] == kept.status["conditions"]
    assert restored.status["phase"] == kept.status["phase"]
    assert restored.status["health"]["status"] == kept.status["health"]["status"]


@given(siblings, st.randoms())
def test_the_order_of_rivals_does_not_matter(rivals: tuple[Sibling, ...], chance: Any) -> None:
    shuffled = list(rivals)
    chance.shuffle(shuffled)
    assert accepted(world(siblings=rivals)).reason is accepted(world(siblings=tuple(shuffled))).reason


@given(siblings.filter(bool))
def test_of_all_that_claim_the_same_exactly_one_is_accepted(rivals: tuple[Sibling, ...]) -> None:
    winners = [
        each
        for each in rivals
        if accepted(
            world(
                name=each.name,
                uid=each.uid,
                created=each.created,
                siblings=tuple(other for other in rivals if other.uid != each.uid),
            )
        ).holds
    ]
    assert len(winners) == 1


@given(worlds(), outcomes)
def test_what_is_switched_off_calls_nothing_and_reads_nothing(
    any_world: IntegrationWorld, outcome: Outcome
) -> None:
    off = replace(any_world, spec=any_world.spec.model_copy(update={"enabled": False}))
    assert not credentials_wanted(replace(off, credentials=None))
    made = plan(off)
    assert made.probe is None
    said = report(off, made, None)
    assert said.status["phase"] == "PAUSED"
    assert said.requeue_after is None


@given(worlds(), outcomes)
def test_nothing_is_called_before_every_check_holds(any_world: IntegrationWorld, outcome: Outcome) -> None:
    made = plan(any_world)
    if made.probe is not None:
        assert all(finding.holds for finding in made.findings.values())
