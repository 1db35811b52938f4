"""The collector is told what stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from integration_hub.runtime import garbage


@pytest.fixture
def restored() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("restored")
def test_what_was_built_is_not_looked_through_again_and_rubbish_still_goes() -> None:
    garbage.settle()
    assert gc.get_freeze_count() > 1000
    assert gc.isenabled()
    ring: list[object] = []
    ring.append(ring)
    del ring
    assert gc.collect() > 0
