"""The machine's time and chance."""

from __future__ import annotations

import time
import uuid
from datetime import UTC

import pytest

from integration_hub.adapters.clock import SystemClock, SystemEntropy


def test_now_is_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


@pytest.mark.parametrize("name", ["CLOCK_BOOTTIME" if hasattr(time, "CLOCK_BOOTTIME") else "CLOCK_MONOTONIC"])
def test_deadlines_are_counted_on_a_clock_that_goes_on_while_the_machine_sleeps(name: str) -> None:
    before = time.clock_gettime(getattr(time, name))
    told = SystemClock().monotonic()
    assert before <= told <= time.clock_gettime(getattr(time, name))


def test_ids_are_version_7_and_in_order_of_their_making() -> None:
    entropy = SystemEntropy()
    made = []
    for _ in range(3):
        made.append(uuid.UUID(entropy.uuid()))
        time.sleep(0.002)
    assert [each.version for each in made] == [7, 7, 7]
    assert {each.variant for each in made} == {uuid.RFC_4122}
    assert made == sorted(made)


def test_jitter_is_a_fraction_and_differs_between_processes() -> None:
    one, other = SystemEntropy(), SystemEntropy()
    drawn = [one.random() for _ in range(20)]
    assert all(0 <= each < 1 for each in drawn)
    assert drawn != [other.random() for _ in range(20)]
