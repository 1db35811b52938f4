"""Credentials that somebody wants replaced now: the annotation, and when it is met."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from integration_hub.cli.commands.integration import BY_HAND
from integration_hub.domain.integration.credentials import (
    next_rotation,
    rotates_itself,
    rotation_asked,
    rotation_due,
)
from integration_hub.domain.integration.plan import credentials_wanted
from integration_worlds import GOOD_CREDENTIALS, NOON, known, spec, world

ROTATABLE = replace(GOOD_CREDENTIALS, rotatable=True)
BEFORE = (NOON - timedelta(minutes=5)).isoformat()
PROBED = known(probe={"path": "/me"})


@pytest.mark.parametrize(
    ("requested", "rotated_minutes_ago", "open_"),
    [
        pytest.param("", None, False, id="nobody asked"),
        pytest.param(BEFORE, None, True, id="asked for, and never replaced"),
        pytest.param(BEFORE, 60, True, id="replaced before it was asked for"),
        pytest.param(BEFORE, 1, False, id="replaced since"),
        pytest.param(BEFORE, 5, False, id="replaced in that very second"),
        pytest.param("soon", None, False, id="no time at all"),
        pytest.param("2026-11-21T11:55:00", None, False, id="a time of nowhere"),
    ],
)
def test_a_request_is_open_until_credentials_are_newer_than_it(
    requested: str, rotated_minutes_ago: int | None, open_: bool
) -> None:
    rotated = None if rotated_minutes_ago is None else NOON - timedelta(minutes=rotated_minutes_ago)
    seen = world(rotation_requested=requested, credentials=replace(ROTATABLE, rotated_at=rotated))
    assert (rotation_asked(seen) is not None) is open_
    assert (rotation_due(seen) is not None) is open_


def test_the_hub_replaces_what_it_can_even_without_a_schedule() -> None:
    seen = world(rotation_requested=BEFORE, credentials=ROTATABLE, provider=PROBED)
    assert rotates_itself(seen)
    due = rotation_due(seen)
    assert due is not None
    assert BY_HAND not in due.message


def test_what_it_cannot_replace_it_leaves_to_a_person_and_says_so() -> None:
    """`kubectl hub rotate` looks for these words to know that it need not wait."""
    due = rotation_due(world(rotation_requested=BEFORE, provider=PROBED))
    assert due is not None
    assert BY_HAND in due.message


def test_a_request_comes_before_the_schedule_and_does_not_change_it() -> None:
    scheduled = spec(credentials={"secretRef": {"name": "chat-token"}, "rotation": {"interval": "90d"}})
    rotated = NOON - timedelta(days=1)
    seen = world(spec=scheduled, credentials=replace(ROTATABLE, rotated_at=rotated))
    assert next_rotation(seen) == rotated + timedelta(days=90)
    asked = replace(seen, rotation_requested=BEFORE)
    assert next_rotation(asked) == NOON - timedelta(minutes=5)


def test_a_request_has_the_credentials_looked_at() -> None:
    assert credentials_wanted(world(rotation_requested=BEFORE, credentials=None))
