"""Waiting for what another program brings about."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(done: Callable[[], bool], what: str, *, seconds: float = 30) -> None:
    """Poll until `done()`. Raises AssertionError naming `what` when it takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)
