from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration_hub.api.product_key import MOST_KEYS, ApiKeyEntry, ApiKeyPolicy, ApiKeyStatus, KeyUse
from integration_hub.domain import key_life
from integration_hub.domain.key_life import Cause, KeyWorld, Requests, Step

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SHA = "0" * 64


def entry(name: str, use: KeyUse, *, age: float = 60, lasts: float | None = None) -> ApiKeyEntry:
    """A key made `age` seconds ago that ends in `lasts` seconds."""
    return ApiKeyEntry(
        id=name,
        sha256=SHA,
        use=use,
        issued_at=NOW - timedelta(seconds=age),
        valid_until=NOW + timedelta(seconds=lasts) if lasts is not None else None,
    )


NEXT = entry("next", KeyUse.NEXT, age=1)
CURRENT = entry("current", KeyUse.CURRENT)
PREVIOUS = entry("previous", KeyUse.PREVIOUS, age=120, lasts=100)


def world(*keys: ApiKeyEntry, held: str = "", in_hand: str = "", **changes: Any) -> KeyWorld:
    rotated = {"last_rotated_at": CURRENT.issued_at} if CURRENT in keys else {}
    known = ApiKeyStatus(keys=list(keys), **rotated, **changes.pop("known", {}))
    policy = ApiKeyPolicy.model_validate(changes.pop("policy", {}))
    requests = Requests(changes.pop("rotate", ""), changes.pop("revoke", ""))
    return replace(KeyWorld(policy, known, held, in_hand, requests, NOW), **changes)


@pytest.mark.parametrize(
    ("given", "step", "cause"),
    [
        pytest.param(world(), Step.ISSUE, Cause.FIRST, id="no key yet"),
        pytest.param(world(NEXT, in_hand="next"), Step.STORE, None, id="entered, in hand"),
        pytest.param(world(NEXT), Step.ISSUE, Cause.RESUMED, id="entered, its text lost"),
        pytest.param(world(NEXT, in_hand="else"), Step.ISSUE, Cause.RESUMED, id="another in hand"),
        pytest.param(world(NEXT, held="next"), Step.COMMIT, None, id="entered and stored"),
        pytest.param(world(CURRENT, held="current"), Step.REST, None, id="all is well"),
        pytest.param(world(CURRENT), Step.ISSUE, Cause.LOST, id="Secret gone"),
        pytest.param(
            world(NEXT, CURRENT, in_hand="next"), Step.ISSUE, Cause.LOST, id="Secret gone meanwhile"
        ),
        pytest.param(
            world(NEXT, CURRENT, held="current", in_hand="next"),
            Step.STORE,
            None,
            id="replacing: to store",
        ),
        pytest.param(world(NEXT, CURRENT, held="next"), Step.COMMIT, None, id="replacing: stored"),
        pytest.param(
            world(CURRENT, PREVIOUS, held="previous"), Step.ISSUE, Cause.REPLACED, id="the Secret went back"
        ),
        pytest.param(world(CURRENT, held="current", rotate="a"), Step.ISSUE, Cause.REPLACED, id="asked for"),
        pytest.param(
            world(CURRENT, held="current", rotate="a", known={"rotation_requested": "a"}),
            Step.REST,
            None,
            id="asked for and done",
        ),
        pytest.param(
            world(CURRENT, held="current", rotate="x" * 99, known={"rotation_requested": "x" * 64}),
            Step.REST,
            None,
            id="a long request and done",
        ),
        pytest.param(world(CURRENT, held="current", revoke="a"), Step.ISSUE, Cause.REVOKED, id="revoked"),
        pytest.param(
            world(NEXT, held="next", revoke="a"), Step.ISSUE, Cause.REVOKED, id="revoked while replacing"
        ),
        pytest.param(
            world(CURRENT, held="current", policy={"rotation": {"interval": "61s"}}),
            Step.REST,
            None,
            id="not old enough",
        ),
        pytest.param(
            world(CURRENT, held="current", policy={"rotation": {"interval": "60s"}}),
            Step.ISSUE,
            Cause.REPLACED,
            id="old enough",
        ),
        pytest.param(
            world(entry("c", KeyUse.CURRENT, age=59), held="c", policy={"rotation": {"interval": "1s"}}),
            Step.REST,
            None,
            id="never younger than a minute",
        ),
        pytest.param(
            world(known={"last_rotated_at": NOW}), Step.ISSUE, Cause.LOST, id="ended while nobody let us in"
        ),
    ],
)
def test_the_next_step_follows_from_status_and_secret(
    given: KeyWorld, step: Step, cause: Cause | None
) -> None:
    assert key_life.decide(given) == (step, cause)


def uses(status: ApiKeyStatus) -> dict[str, str]:
    return {each.id: each.use.value for each in status.keys}


def test_a_replacement_is_entered_beside_what_works() -> None:
    made = key_life.issued(world(CURRENT, PREVIOUS, held="current", rotate="a"), Cause.REPLACED, "new", SHA)
    assert uses(made) == {"new": "Next", "current": "Current", "previous": "Previous"}
    assert made.rotation_requested == "a"
    assert made.last_rotated_at == CURRENT.issued_at


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.REVOKED, Cause.FIRST])
def test_what_ends_all_keys_leaves_the_new_one_alone(cause: Cause) -> None:
    made = key_life.issued(world(CURRENT, PREVIOUS, revoke="r", rotate="a"), cause, "new", SHA)
    assert uses(made) == {"new": "Next"}
    assert (made.revocation_requested, made.rotation_requested) == ("r", "a")
    assert made.previous_valid_until is None


def test_a_key_whose_text_was_lost_works_on_for_the_overlap_in_case_it_got_into_the_secret() -> None:
    made = key_life.issued(world(NEXT, CURRENT, held="current"), Cause.RESUMED, "new", SHA)
    assert uses(made) == {"new": "Next", "next": "Previous", "current": "Current"}
    without = world(NEXT, CURRENT, held="current", policy={"overlap": "0s"})
    assert uses(key_life.issued(without, Cause.RESUMED, "new", SHA)) == {"new": "Next", "current": "Current"}


def test_no_two_keys_are_of_one_second() -> None:
    young = world(entry("c", KeyUse.CURRENT, age=0), held="c")
    assert key_life.issued(young, Cause.REPLACED, "new", SHA).keys[0].issued_at == NOW + timedelta(seconds=1)
    assert key_life.issued(world(CURRENT), Cause.LOST, "new", SHA).keys[0].issued_at == NOW


def test_committed_the_new_key_is_current_and_the_old_one_ends_after_the_overlap() -> None:
    given = world(NEXT, CURRENT, PREVIOUS, held="next", policy={"overlap": "1h", "rotation": {}})
    made = key_life.committed(given, "uid/1")
    assert uses(made) == {"next": "Current", "current": "Previous", "previous": "Previous"}
    assert made.last_rotated_at == NEXT.issued_at
    assert made.next_rotation_at == NEXT.issued_at + timedelta(days=90)
    assert made.previous_valid_until == NOW + timedelta(hours=1)
    assert made.secret_version == "uid/1"


def test_without_an_overlap_the_old_key_ends_with_the_replacement() -> None:
    given = world(NEXT, CURRENT, held="next", policy={"overlap": "0s"})
    made = key_life.committed(given, "uid/1")
    assert uses(made) == {"next": "Current"}
    assert made.previous_valid_until is None


def test_keys_that_have_ended_go() -> None:
    over = entry("over", KeyUse.PREVIOUS, lasts=0)
    assert uses(key_life.settled(world(CURRENT, over, PREVIOUS), "v")) == {
        "current": "Current",
        "previous": "Previous",
    }


def test_more_replacements_than_there_is_room_for_end_the_one_that_would_end_first() -> None:
    earlier = [entry(f"p{n}", KeyUse.PREVIOUS, lasts=n) for n in range(1, MOST_KEYS)]
    made = key_life.issued(world(CURRENT, *earlier, held="current"), Cause.REPLACED, "new", SHA)
    assert len(made.keys) == MOST_KEYS
    assert uses(made).keys() == {"new", "current", "p2", "p3", "p4", "p5"}


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        pytest.param(ApiKeyStatus(), None, id="nothing"),
        pytest.param(ApiKeyStatus(keys=[CURRENT, PREVIOUS]), 100, id="a key ends"),
        pytest.param(
            ApiKeyStatus(keys=[CURRENT], next_rotation_at=NOW + timedelta(seconds=9)),
            9,
            id="one is due",
        ),
        pytest.param(ApiKeyStatus(next_rotation_at=NOW - timedelta(seconds=9)), 0, id="one is overdue"),
    ],
)
def test_when_there_is_something_to_do_again(known: ApiKeyStatus, seconds: float | None) -> None:
    assert key_life.seconds_until_next(known, NOW) == seconds
