"""Ids: UUIDv7 that grow, whatever the clock does."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from integration_hub.store.ids import GrowingIds, floor_of
from store_stage import MovableClock


class Chance:
    """ports.Entropy with the uuids of the standard library."""

    def random(self) -> float:
        return 0.5

    def uuid(self) -> str:
        return str(uuid.uuid4())


@given(st.lists(st.integers(-5_000, 5_000), max_size=50))
def test_ids_grow_also_where_the_clock_goes_back(steps: list[int]) -> None:
    clock = MovableClock()
    ids = GrowingIds(clock, Chance())
    given_out = [ids.next()]
    for step in steps:
        clock.set_wall(clock.now() + timedelta(milliseconds=step))
        given_out.append(ids.next())
    assert all(before < after for before, after in pairwise(given_out))


def test_an_id_is_a_uuid_of_version_7_with_its_time() -> None:
    clock = MovableClock()
    made = uuid.UUID(GrowingIds(clock, Chance()).next())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == round(clock.now().timestamp() * 1000)


def test_ten_thousand_of_one_millisecond_differ_between_processes_too() -> None:
    clock = MovableClock()
    first, second = GrowingIds(clock, Chance()), GrowingIds(clock, Chance())
    assert len({ids.next() for ids in (first, second) for _ in range(10_000)}) == 20_000


def test_the_floor_of_a_time_lies_below_its_ids_and_above_all_before() -> None:
    clock = MovableClock()
    ids = GrowingIds(clock, Chance())
    before = ids.next()
    at = clock.move(milliseconds=1)
    assert before < floor_of(at) <= ids.next()
    assert uuid.UUID(floor_of(at)).version == 7
    assert floor_of(datetime(1960, 1, 1, tzinfo=UTC)) == "00000000-0000-7000-8000-000000000000"
