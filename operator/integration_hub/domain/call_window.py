"""A sliding window of calls, exact: at any moment, at most so many within the last so many seconds.

Who has to wait gets a place in line: the moment at which the window has room for it, counted at once. So
callers leave in the order they came, none starves, and nobody wakes up in vain. Every operation is O(1),
amortised. The caller brings the time; it must not go back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from integration_hub.ports import WindowLimit


class CallWindow:
    """The calls of one account. `held_until`: nothing goes out before, since the far end asked for quiet."""

    __slots__ = ("_calls", "held_until")

    def __init__(self) -> None:
        self._calls: deque[float] = deque()
        self.held_until = 0.0

    def reserve(self, limits: Sequence[WindowLimit], now: float, *, patience: float) -> tuple[float, bool]:
        """When a call may go out, and whether that moment was taken: it is within `patience` seconds."""
        self._forget(max((limit.seconds for limit in limits), default=0), now)
        at = max(now, self.held_until, self._calls[-1] if self._calls else now)
        for limit in limits:
            if len(self._calls) >= limit.requests:
                at = max(at, self._calls[-limit.requests] + limit.seconds)
        if at - now > patience:
            return at, False
        if limits:
            self._calls.append(at)
        return at, True

    def give_back(self, at: float) -> None:
        """The call of this moment was not made. Only the last in line is taken back: others rest on it."""
        if self._calls and self._calls[-1] == at:
            self._calls.pop()

    def hold(self, until: float) -> None:
        self.held_until = max(self.held_until, until)

    def idle(self, now: float, longest: float) -> bool:
        """Whether forgetting it changes nothing."""
        return self.held_until <= now and (not self._calls or self._calls[-1] + longest <= now)

    def _forget(self, longest: float, now: float) -> None:
        calls = self._calls
        while calls and calls[0] + longest <= now:
            calls.popleft()

    def __len__(self) -> int:
        return len(self._calls)
