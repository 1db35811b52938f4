"""How often a provider account may be asked: sliding windows, quotas, and the quiet a far end asks for.

Everything that uses one account shares its windows (`Link.account`). With one replica, windows up to an
hour are kept in memory, exact; quotas that are longer, and all of them where several replicas share a store,
are counted in the store. A quiet of some length is kept there too, so that a restart does not break it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from integration_hub.domain.call_window import CallWindow
from integration_hub.ports import Clock, Link, StoreError, WindowLimit, Windows

LONGEST_IN_MEMORY = 3_600
LONGEST_HOLD = 3_600.0
"""After this we ask again, whatever we were told: one call an hour offends nobody."""
LASTING_HOLD = 30.0
_SWEEP = 1_024
_log = logging.getLogger(__name__)


class Budgets:
    """Windows of all accounts. Belongs to one event loop. `shared`: other replicas count too."""

    def __init__(self, store: Windows, clock: Clock, *, shared: bool) -> None:
        self._store = store
        self._clock = clock
        self._shared = shared
        self._windows: dict[str, CallWindow] = {}
        self._sweep_at = _SWEEP

    async def take(self, link: Link, patience: float) -> float:
        """Count a call: 0.0, once it may go out. Else the seconds after which it is worth another try.

        Waits for `patience` seconds at most, in line with the others, and only if that is enough.
        """
        near, far = self._limits(link)
        window = self._windows.get(link.account)
        if window is None:
            window = await self._begin(link.account)
        if not near and not far and not self._shared and window.held_until <= 0.0:
            return 0.0
        deadline = self._clock.monotonic() + patience
        while True:
            now = self._clock.monotonic()
            at, taken = window.reserve(near, now, patience=max(deadline - now, 0.0))
            if not taken:
                return at - now
            if at > now:
                await self._wait(window, at)
                if window.held_until > self._clock.monotonic():
                    window.give_back(at)
                    continue
            wait = await self._take_stored(link, far)
            if not wait:
                return 0.0
            window.give_back(at)
            left = deadline - self._clock.monotonic()
            if wait > left:
                return wait
            await asyncio.sleep(wait)

    async def hold(self, link: Link, seconds: float) -> None:
        """The far end asked for quiet: nothing of this account goes out for so long."""
        seconds = min(seconds, LONGEST_HOLD)
        if seconds <= 0:
            return
        window = self._windows.setdefault(link.account, CallWindow())
        window.hold(self._clock.monotonic() + seconds)
        if self._shared or seconds >= LASTING_HOLD:
            try:
                await self._store.hold(link.account, self._clock.now() + timedelta(seconds=seconds))
            except StoreError as error:
                _log.warning("A quiet time cannot be written", extra=_about(link, error))

    # ------------------------------------------------------------------ inside

    def _limits(self, link: Link) -> tuple[Sequence[WindowLimit], Sequence[WindowLimit]]:
        """Those counted here, and those counted in the store."""
        provider = link.provider
        if provider.rate_limit is None and provider.quota is None:
            return (), ()
        limits = [
            WindowLimit(each.requests, each.window_seconds)
            for each in (provider.rate_limit, provider.quota)
            if each is not None
        ]
        if self._shared:
            return (), limits
        return (
            [limit for limit in limits if limit.seconds <= LONGEST_IN_MEMORY],
            [limit for limit in limits if limit.seconds > LONGEST_IN_MEMORY],
        )

    async def _begin(self, account: str) -> CallWindow:
        """An account seen for the first time: a quiet from before a restart still holds."""
        self._sweep()
        left = 0.0
        if not self._shared:
            try:
                left = await self._store.take(account, (), self._clock.now())
            except StoreError as error:
                _log.warning("A quiet time cannot be read", extra={"error": str(error)})
        window = self._windows.setdefault(account, CallWindow())
        if left > 0:
            window.hold(self._clock.monotonic() + min(left, LONGEST_HOLD))
        return window

    async def _wait(self, window: CallWindow, at: float) -> None:
        try:
            await asyncio.sleep(at - self._clock.monotonic())
        except asyncio.CancelledError:
            window.give_back(at)
            raise

    async def _take_stored(self, link: Link, limits: Sequence[WindowLimit]) -> float:
        """Fails open: a store that does not work must not stop calls that a far end would take."""
        if not limits and not self._shared:
            return 0.0
        try:
            return await self._store.take(link.account, limits, self._clock.now())
        except StoreError as error:
            _log.warning("A quota cannot be counted", extra=_about(link, error))
            return 0.0

    def _sweep(self) -> None:
        """Forget accounts that nobody used for longer than their windows, once in a while."""
        if len(self._windows) < self._sweep_at:
            return
        now = self._clock.monotonic()
        for account in [name for name, each in self._windows.items() if each.idle(now, LONGEST_IN_MEMORY)]:
            del self._windows[account]
        self._sweep_at = max(_SWEEP, 2 * len(self._windows))


def _about(link: Link, error: StoreError) -> dict[str, str]:
    return {"object": str(link.key), "error": str(error)}
