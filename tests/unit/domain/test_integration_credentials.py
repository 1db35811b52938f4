"""Decisions about credentials: when a token is renewed, a key is due, and what a person is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.api.provider import AuthMode
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome
from integration_hub.domain.health_window import Streak
from integration_hub.domain.integration import IntegrationWorld, plan, report
from integration_hub.domain.integration.credentials import (
    credentials_ready,
    credentials_status,
    refresh_moment,
    refresh_wanted,
    rotates_itself,
    rotation_due,
    rotation_step_wanted,
    seconds_until_next,
    token_valid,
)
from integration_hub.ports import BreakerRow, CredentialFacts, CredentialProblem, RotationStage
from integration_worlds import NOON, known, spec, world

HOUR = timedelta(hours=1)
OAUTH = AuthMode.model_validate({"type": "OAUTH2"})
TOKEN = CredentialFacts("9", "7", expires_at=NOON + HOUR, refresh_at=NOON + HOUR / 2)


def tokened(facts: CredentialFacts | CredentialProblem | None = TOKEN, **changes: Any) -> IntegrationWorld:
    return world(mode=OAUTH, credentials=facts, **changes)


# --------------------------------------------------------------------------- renewal


@given(st.uuids(), st.integers(1, 86_400), st.integers(0, 86_400))
def test_every_token_is_renewed_at_a_moment_of_its_own_between_may_and_must(
    uid: Any, lead: int, young: int
) -> None:
    facts = replace(TOKEN, refresh_at=NOON + timedelta(seconds=young))
    facts = replace(facts, expires_at=NOON + timedelta(seconds=young + lead))
    moment = refresh_moment(facts, str(uid))
    assert moment is not None
    assert facts.refresh_at is not None
    assert facts.expires_at is not None
    assert facts.refresh_at <= moment <= facts.refresh_at + timedelta(seconds=lead) / 2
    assert moment == refresh_moment(facts, str(uid)), "the same for every replica"


def test_moments_of_many_are_spread_evenly() -> None:
    moments = sorted(refresh_moment(TOKEN, f"uid-{number}") or NOON for number in range(1000))
    begin, end = NOON + HOUR / 2, NOON + HOUR * 3 / 4
    tenth = (end - begin) / 10
    for slot in range(10):
        within = [each for each in moments if begin + slot * tenth <= each < begin + (slot + 1) * tenth]
        assert 60 <= len(within) <= 140


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        pytest.param(TOKEN, False, id="young"),
        pytest.param(replace(TOKEN, refresh_at=NOON - HOUR * 3), True, id="due"),
        pytest.param(replace(TOKEN, expires_at=NOON - HOUR), True, id="ended"),
        pytest.param(replace(TOKEN, expires_at=NOON - HOUR, refresh_at=None), False, id="ended-for-good"),
        pytest.param(CredentialFacts(refresh_at=NOON), True, id="not-obtained-yet"),
        pytest.param(CredentialFacts(), False, id="never-ends"),
        pytest.param(replace(TOKEN, stale=True), True, id="sealed-with-an-old-key"),
        pytest.param(CredentialProblem(Reason.REAUTH_REQUIRED, "Gone."), False, id="revoked"),
        pytest.param(None, False, id="not-looked-at"),
    ],
)
def test_a_token_is_renewed_when_it_has_to_be(facts: Any, wanted: bool) -> None:
    assert refresh_wanted(tokened(facts)) is wanted
    waiting = tokened(facts)
    waiting = replace(waiting, facts=replace(waiting.facts, refresh_not_before=waiting.tick + 1))
    assert not refresh_wanted(waiting), "it was tried just now"


@pytest.mark.parametrize(
    ("facts", "status", "reason"),
    [
        pytest.param(TOKEN, "True", Reason.TOKEN_VALID, id="works"),
        pytest.param(
            replace(TOKEN, trouble="It says 503."),
            "True",
            Reason.REFRESH_FAILED,
            id="works-and-cannot-be-renewed",
        ),
        pytest.param(replace(TOKEN, expires_at=NOON), "Unknown", Reason.TOKEN_PENDING, id="ended"),
        pytest.param(
            CredentialProblem(Reason.REAUTH_REQUIRED, "Gone."), "False", Reason.REAUTH_REQUIRED, id="revoked"
        ),
        pytest.param(
            CredentialProblem(Reason.UPSTREAM_ERROR, "It says 503.", lasting=False),
            "False",
            Reason.UPSTREAM_ERROR,
            id="ended-and-cannot-be-renewed",
        ),
        pytest.param(None, "Unknown", Reason.NOT_CHECKED, id="not-looked-at"),
    ],
)
def test_what_is_said_of_a_token(facts: Any, status: str, reason: Reason) -> None:
    found = token_valid(tokened(facts))
    assert (found.status, found.reason) == (status, reason)


def test_a_grant_that_is_gone_is_one_event_although_several_conditions_say_so() -> None:
    fine = tokened()
    before = report(fine, plan(fine), Outcome(Reason.CONNECTED, 200))
    gone = replace(
        fine,
        previous=before.status,
        facts=before.facts,
        credentials=CredentialProblem(Reason.REAUTH_REQUIRED, "The grant is gone; open the page."),
    )
    said = report(gone, plan(gone), None)
    assert [note.reason for note in said.events] == ["ReauthRequired"]
    assert said.status["phase"] == "PENDING_AUTH"
    again = replace(gone, previous=said.status, facts=said.facts)
    assert report(again, plan(again), None).events == ()


def test_times_that_differ_by_a_rounding_are_the_same_time() -> None:
    first = credentials_status(tokened())
    assert first is not None
    drifted = replace(TOKEN, expires_at=NOON + HOUR + timedelta(seconds=1.4))
    assert credentials_status(tokened(drifted, previous={"credentials": first})) == first


# --------------------------------------------------------------------------- rotation

AGED = spec(credentials={"secretRef": {"name": "slack-token"}, "rotation": {"interval": "30d"}})
OLD = CredentialFacts("9", "7", rotated_at=NOON - timedelta(days=31))


def test_credentials_are_due_at_their_age_and_not_before() -> None:
    due = rotation_due(world(spec=AGED, credentials=OLD))
    assert due is not None
    assert due.reason is Reason.ROTATION_DUE
    assert "30d" in due.message
    assert rotation_due(world(spec=AGED, credentials=replace(OLD, rotated_at=NOON))) is None
    assert rotation_due(world(credentials=OLD)) is None


def test_without_a_known_age_they_count_from_the_creation_of_the_integration() -> None:
    never = replace(OLD, rotated_at=None)
    assert rotation_due(world(spec=AGED, credentials=never)) is None
    assert rotation_due(world(spec=AGED, credentials=never, created="2026-10-01T00:00:00Z")) is not None


def test_another_secret_is_a_rotation() -> None:
    seen = {"credentials": {"secretVersion": "6"}}
    told = credentials_status(
        world(spec=AGED, credentials=replace(OLD, rotated_at=None), previous=seen, secret_version="7")
    )
    assert told is not None
    assert datetime.fromisoformat(told["lastRotatedAt"]) == NOON


@pytest.mark.parametrize(
    ("changes", "able"),
    [
        pytest.param({}, True, id="can"),
        pytest.param({"credentials": OLD}, False, id="the-vendor-offers-none"),
        pytest.param({"provider": known(probe=None)}, False, id="nobody-could-tell-whether-it-works"),
        pytest.param(
            {
                "spec": spec(
                    credentials={
                        "secretRef": {"name": "slack-token"},
                        "rotation": {"interval": "30d", "strategy": "Manual"},
                    }
                )
            },
            False,
            id="not-wanted",
        ),
    ],
)
def test_the_hub_replaces_keys_only_where_it_can_and_may(changes: dict[str, Any], able: bool) -> None:
    base = {"spec": AGED, "credentials": replace(OLD, rotatable=True)}
    assert rotates_itself(world(**{**base, **changes})) is able


def test_a_replacement_begins_on_a_connection_that_works_and_goes_on_in_any_case() -> None:
    rotatable = replace(OLD, rotatable=True)
    due = world(spec=AGED, credentials=rotatable)
    assert not rotation_step_wanted(due), "nobody knows yet whether the old one works"
    proven = report(due, plan(due), Outcome(Reason.CONNECTED, 200))
    works = replace(due, previous=proven.status, facts=proven.facts)
    assert rotation_step_wanted(works)
    broken = replace(due, credentials=replace(rotatable, stage=RotationStage.TRIAL))
    assert rotation_step_wanted(broken)
    paused = replace(broken, facts=replace(broken.facts, rotate_not_before=broken.tick + 1))
    assert not rotation_step_wanted(paused)


# --------------------------------------------------------------------------- words


def test_who_may_not_read_is_told_the_command_even_if_the_problem_does_not_have_it() -> None:
    denied = world(credentials=CredentialProblem(Reason.SECRET_ACCESS_DENIED, "The hub may not read it."))
    assert "kubectl --namespace team-a create rolebinding" in credentials_ready(denied).message


def test_an_open_breaker_speaks_for_a_connection_that_worked_and_is_silent_for_one_that_did_not() -> None:
    fine = world()
    worked = report(fine, plan(fine), Outcome(Reason.CONNECTED, 200))
    broke = report(fine, plan(fine), Outcome(Reason.UPSTREAM_ERROR, 503))
    row = BreakerRow("open", opened_at=NOON, retry_at=NOON + timedelta(seconds=30))
    for before, reason in ((worked, Reason.CIRCUIT_OPEN), (broke, Reason.UPSTREAM_ERROR)):
        held = replace(fine, previous=before.status, facts=before.facts, circuit=row)
        said = report(held, plan(held), None)
        ready = next(each for each in said.status["conditions"] if each["type"] == "Ready")
        assert ready["reason"] == reason.value


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        pytest.param({}, 0.0, id="due-and-possible"),
        pytest.param({"rotate_not_before": 1010.0}, 10.0, id="tried-just-now"),
        pytest.param({"streak": Streak()}, None, id="the-connection-does-not-work"),
    ],
)
def test_a_key_that_is_due_is_looked_at_when_something_can_be_done_and_not_all_the_time(
    changes: dict[str, Any], seconds: float | None
) -> None:
    due = world(spec=AGED, credentials=replace(OLD, rotatable=True))
    proven = report(due, plan(due), Outcome(Reason.CONNECTED, 200))
    works = replace(due, previous=proven.status, facts=replace(proven.facts, **changes))
    wait = seconds_until_next(works)
    assert wait is None if seconds is None else wait == pytest.approx(max(seconds, 0.001))


def test_a_new_key_that_is_in_use_is_looked_at_again_although_the_next_rotation_is_far() -> None:
    swapped = replace(OLD, rotatable=True, rotated_at=NOON, stage=RotationStage.SWAPPED)
    waiting = world(spec=AGED, credentials=swapped)
    waiting = replace(waiting, facts=replace(waiting.facts, rotate_not_before=waiting.tick + 10))
    assert seconds_until_next(waiting) == pytest.approx(10)
    shown = {"credentials": {"rotation": "Swapped", "lastRotatedAt": "2026-11-21T12:00:00Z"}}
    assert seconds_until_next(replace(waiting, credentials=None, previous=shown)) == pytest.approx(10)
