"""Time and chance from the operating system."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, unlike Python's monotonic clock on Linux: a Lease runs out then too."""


class SystemClock:
    """ports.Clock on the machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(_SINCE_BOOT)


class SystemEntropy:
    """ports.Entropy: ids from the operating system, jitter from a generator that it seeded."""

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(16))  # noqa: S311 - jitter is no secret, and wanted often

    def random(self) -> float:
        return self._random.random()

    def uuid(self) -> str:
        """UUID version 7 (RFC 9562): 48 bits of milliseconds, then 74 random bits."""
        milliseconds = time.time_ns() // 1_000_000
        chance = int.from_bytes(os.urandom(10), "big")
        value = (milliseconds & (2**48 - 1)) << 80 | chance
        value = value & ~(0xF << 76) | (0x7 << 76)
        value = value & ~(0x3 << 62) | (0x2 << 62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
