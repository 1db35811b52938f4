"""Batches: bounded, and adding up whatever was left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.store import StoreLimits
from integration_hub.store.batch import Batch
from integration_hub.store.clipping import clip, clip_headers, clip_number, headers_of
from integration_hub.store.retention import fair_share
from store_stage import NAMESPACE, UID, Stage


def _filled(
    limits: StoreLimits, calls: int = 50, minutes: int = 0, integrations: int = 1
) -> tuple[Batch, int]:
    """A batch that was given so many calls, and how many of them it could not take whole."""
    stage, batch, refused = Stage(), Batch("batch", limits), 0
    for number in range(calls):
        stage.clock.move(minutes=minutes)
        call = stage.call(integration_uid=f"uid-{number % integrations}")
        refused += not batch.add_call(call, f"id-{number:03}")
    return batch, refused


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (StoreLimits(), 50),
        (StoreLimits(buffer_rows=7), 7),
        (StoreLimits(buffer_bytes=5_000), 11),
    ],
    ids=["room", "few rows", "few bytes"],
)
def test_entries_beyond_the_room_are_left_out_but_counted(limits: StoreLimits, kept: int) -> None:
    batch, refused = _filled(limits)
    assert (len(batch.calls), refused) == (kept, 50 - kept)
    assert batch.totals()[0][:4] == ("uid-0", NAMESPACE, 50, 50)
    assert batch.sizes["call_log", NAMESPACE].entries == kept
    assert batch.sizes["call_log", NAMESPACE].bytes == batch.bytes


def test_minutes_beyond_the_room_count_into_the_last_that_had_some() -> None:
    batch, refused = _filled(StoreLimits(buffer_figures=10), calls=30, minutes=1)
    assert refused == 0
    assert len(batch.minutes()) == 10
    assert sum(int(str(row[3])) for row in batch.minutes()) == 30
    assert batch.totals()[0][2] == 30


def test_integrations_beyond_the_room_are_left_out_and_told() -> None:
    batch, refused = _filled(StoreLimits(buffer_figures=10), integrations=50)
    assert refused == 40
    assert len(batch.totals()) == 10


def test_checks_of_one_minute_become_one_row() -> None:
    stage, batch = Stage(), Batch("batch", StoreLimits(buffer_figures=1))
    for milliseconds in (10.0, None, 30.0, None):
        assert batch.add_health(stage.check(success=milliseconds is not None, milliseconds=milliseconds))
    assert not batch.add_health(stage.check(uid="another"))
    (tally,) = batch.health.values()
    assert (tally.checks, tally.failures, tally.microseconds) == (4, 2, 30_000)
    assert next(iter(batch.health))[0] == UID


@given(st.text(), st.integers(1, 50))
def test_clipped_text_is_short_and_fits_every_database(text: str, characters: int) -> None:
    clipped = clip(text, characters)
    assert len(clipped) <= characters
    assert "\0" not in clipped
    clipped.encode()
    if len(text) <= characters and "\0" not in text:
        assert clipped == text.encode(errors="replace").decode()


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40)), st.integers(0, 200))
def test_clipped_headers_are_the_first_that_fit(headers: dict[str, str], characters: int) -> None:
    kept = headers_of(clip_headers(headers, characters))
    assert sum(len(name) + len(value) for name, value in kept.items()) <= characters
    if sum(len(name) + len(value) for name, value in headers.items()) <= characters:
        assert len(kept) == len({clip(name, characters) for name in headers})


@pytest.mark.parametrize(
    ("number", "expected"),
    [(12.9, 12), (float("nan"), 0), (float("inf"), 0), (2.0**80, 2**47), (-(2.0**80), -(2**47))],
)
def test_clipped_numbers(number: float, expected: int) -> None:
    assert clip_number(number) == expected


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20), st.integers(0, 50_000))
def test_fair_shares_fill_the_room_and_no_more(amounts: list[int], room: int) -> None:
    share = fair_share(amounts, room)
    taken = sum(min(amount, share) for amount in amounts)
    assert taken <= room or taken == sum(amounts) <= room
    if sum(amounts) > room:
        assert taken + sum(amount > share for amount in amounts) > room, "nobody could have one more"
    else:
        assert taken == sum(amounts)
