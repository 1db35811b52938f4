"""A sliding window of calls that never lets more through than it should, in bounded space.

Calls are kept one by one, to the millisecond, while there are few of them. When there are many, older ones
are joined into steps of a 512th of the window in which they still count. A step counts as long as its
*last* call does, so joining can only make a call count a little longer, never shorter. A year's quota takes
a few kilobytes.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from integration_hub.ports import WindowLimit

STEPS = 512
_MOST_LENGTHS = 8
_SKEW = 60_000
"""Milliseconds by which clocks of replicas may differ."""
_HEAD = struct.Struct("<BBH")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class CallWindow:
    """Calls by the time of the last one in each step, oldest first. Times in milliseconds.

    `lengths` are all windows' lengths (seconds) that were asked for: those who share a key may have different
    limits, and none may throw away what another one counts.
    """

    times: Sequence[int] = ()
    counts: Sequence[int] = ()
    lengths: Sequence[int] = ()

    @classmethod
    def decode(cls, data: bytes) -> CallWindow:
        """What `encode` made. Raises ValueError for anything else."""
        try:
            form, lengths, steps = _HEAD.unpack_from(data)
            if form != _FORMAT:
                raise ValueError(f"a window of format {form}")
            fields = struct.unpack_from(f"<{lengths}I{steps}q{steps}I", data, _HEAD.size)
        except struct.error as error:
            raise ValueError("a window that was cut off") from error
        return cls(fields[lengths : lengths + steps], fields[lengths + steps :], fields[:lengths])

    def encode(self) -> bytes:
        lengths, steps = len(self.lengths), len(self.times)
        layout = f"<{lengths}I{steps}q{steps}I"
        return _HEAD.pack(_FORMAT, lengths, steps) + struct.pack(
            layout, *self.lengths, *self.times, *self.counts
        )

    @property
    def forgotten_at(self) -> int:
        """When nothing of it counts any more."""
        return self.times[-1] + 1000 * max(self.lengths) if self.times and self.lengths else 0

    def used(self, seconds: int, now: int) -> int:
        """Calls within the last `seconds`."""
        seen = _seen_at(self, now)
        return sum(seen.counts[bisect_right(seen.times, _present(seen, now) - 1000 * seconds) :])

    def wait(self, limits: Iterable[WindowLimit], now: int) -> int:
        """Milliseconds until every limit lets one more call through; 0: now."""
        seen = _seen_at(self, now)
        return max((_wait_for(seen, limit, now) for limit in limits), default=0)

    def add(self, limits: Iterable[WindowLimit], now: int) -> CallWindow:
        """The window with one more call."""
        seen = _seen_at(self, now)
        present = _present(seen, now)
        lengths = _known(seen.lengths, {limit.seconds for limit in limits})
        first = bisect_right(seen.times, present - 1000 * lengths[-1])
        times, counts = [*seen.times[first:]], [*seen.counts[first:]]
        if times and times[-1] == present:
            counts[-1] += 1
        else:
            times.append(present)
            counts.append(1)
        grown = CallWindow(times, counts, lengths)
        return _joined(grown, present) if len(times) > 2 * STEPS * len(lengths) else grown


def _present(window: CallWindow, now: int) -> int:
    """For a replica whose clock is behind, the time at which another one made the last call."""
    return max(now, window.times[-1]) if window.times else now


def _seen_at(window: CallWindow, now: int) -> CallWindow:
    """What lies far in the future was written before the clock was set back: it happened by now."""
    if not window.times or window.times[-1] <= now + _SKEW:
        return window
    return CallWindow([min(at, now) for at in window.times], window.counts, window.lengths)


def _wait_for(window: CallWindow, limit: WindowLimit, now: int) -> int:
    length = 1000 * limit.seconds
    if limit.requests <= 0:
        return length
    first = bisect_right(window.times, _present(window, now) - length)
    over = sum(window.counts[first:]) - limit.requests + 1
    if over <= 0:
        return 0
    for at, count in zip(window.times[first:], window.counts[first:], strict=True):
        over -= count
        if over <= 0:
            return max(at + length - now, 1)
    raise AssertionError("more calls are over the limit than there are")


def _joined(window: CallWindow, now: int) -> CallWindow:
    """Neighbours of one step become one."""
    times: list[int] = []
    counts: list[int] = []
    last = (0, 0)
    for at, count in zip(window.times, window.counts, strict=True):
        age = now - at
        length = next((each for each in window.lengths if 1000 * each >= age), window.lengths[-1])
        size = max(1000 * length // STEPS, 1)
        step = (size, at // size)
        if step == last:
            times[-1], counts[-1] = at, counts[-1] + count
        else:
            times.append(at)
            counts.append(count)
        last = step
    return CallWindow(times, counts, window.lengths)


def _known(before: Iterable[int], asked: set[int]) -> list[int]:
    """Lengths to keep in mind, ascending: those asked for now, and the longest of the others."""
    others = sorted(set(before) - asked, reverse=True)[: max(_MOST_LENGTHS - len(asked), 1)]
    return sorted(asked | set(others)) or [1]
