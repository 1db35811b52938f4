"""An event loop whose time passes only when nothing is left to do: minutes of waiting cost nothing.

    async def test_it() -> None: ...
    run(test_it())

`VirtualClock` is a `ports.Clock` on the running loop's time, so that code under test and the loop agree.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

_T = TypeVar("_T")
_EPOCH = datetime(2026, 11, 21, tzinfo=UTC)


class _Selector(selectors.SelectSelector):
    """Jumps over the time that the loop wants to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits for something that will never happen")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


class VirtualClock:
    """ports.Clock that reads the running loop, or the given one."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return (self._loop or asyncio.get_running_loop()).time()

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=self.monotonic())


class FixedEntropy:
    """ports.Entropy that always draws the same (the middle, unless told); uuids count up."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value
        self._uuids = 0

    def random(self) -> float:
        return self.value

    def uuid(self) -> str:
        self._uuids += 1
        return f"01970000-0000-7000-8000-{self._uuids:012x}"


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run `main` to its end on a fresh virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def run_virtual(story: Callable[[VirtualClock], Coroutine[Any, Any, _T]]) -> _T:
    """As `run`, for a story that wants the clock."""
    return run(story(VirtualClock()))


def freeze(seconds: float) -> None:
    """Let time pass while nothing runs: what a stopped (SIGSTOP) process finds when it wakes."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop._virtual.now += seconds
