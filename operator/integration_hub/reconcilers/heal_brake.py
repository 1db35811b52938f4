"""The storm brake: with too much of the fleet in trouble at once, nothing is healed until a person says so.

It outlives the process in a ConfigMap of the hub's own namespace. Key `tripped` is there while the brake
is on; deleting that key (or the ConfigMap) takes it off. `countedFrom` is then the time from which
troubles count again, so that the ones a person has looked at do not put it on at once.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from integration_hub.api.meta import format_time
from integration_hub.domain.healing.storm import is_storm
from integration_hub.domain.healing.world import Storm
from integration_hub.permissions import BRAKE_CONFIG_MAP
from integration_hub.ports import CONFIG_MAPS, Clock, Cluster, Json, Key, PatchType

MANAGER = "integration-hub-heal"
TRIPPED = "tripped"
LAST_TRIPPED = "lastTripped"
COUNTED_FROM = "countedFrom"
_FRESH_SECONDS = 10.0
_SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for whatever a person wrote under `tripped` that is no time: the brake is on all the same."""
_log = logging.getLogger(__name__)


class Fleet:
    """The products in trouble, as this process sees them. Belongs to one event loop."""

    def __init__(self) -> None:
        self._troubles: dict[Key, datetime] = {}
        self._suspects: dict[Key, datetime] = {}
        self._newcomers: set[Key] = set()

    def tell(
        self, key: Key, *, trouble_since: datetime | None, suspect_at: datetime | None, worked: bool = True
    ) -> None:
        """How one product is: in trouble, or seen not to answer, or neither.

        One that never `worked` is no part of the fleet: what it was given wrongly says nothing about others.
        """
        if worked:
            self._newcomers.discard(key)
        else:
            self._newcomers.add(key)
            trouble_since = suspect_at = None
        if trouble_since is None:
            self._troubles.pop(key, None)
        else:
            self._troubles[key] = trouble_since
        if suspect_at is None:
            self._suspects.pop(key, None)
        else:
            self._suspects.setdefault(key, suspect_at)

    def forget(self, key: Key) -> None:
        self.tell(key, trouble_since=None, suspect_at=None)

    def clear(self) -> None:
        self._troubles.clear()
        self._suspects.clear()
        self._newcomers.clear()

    def weather(self, size: int, counted_from: datetime | None) -> Storm:
        """How a fleet of `size` products does: BRAKED means that the brake ought to go on."""
        size -= len(self._newcomers)
        if is_storm(self._troubles.values(), size, counted_from=counted_from):
            return Storm.BRAKED
        maybe = {**self._suspects, **self._troubles}
        return Storm.SUSPECTED if is_storm(maybe.values(), size, counted_from=counted_from) else Storm.CALM


@dataclass(frozen=True, slots=True)
class Brake:
    """State of the brake. `tripped` None: it is off."""

    tripped: datetime | None = None
    last_tripped: datetime | None = None
    counted_from: datetime | None = None


class HealBrake:
    """Reads and sets the brake; leaders only. `namespace` is the hub's own."""

    def __init__(self, cluster: Cluster, clock: Clock, namespace: str) -> None:
        self._cluster = cluster
        self._clock = clock
        self._namespace = namespace
        self._known = Brake()
        self._read_at: float | None = None
        self._unsaved = False
        self._lock = asyncio.Lock()

    @property
    def on(self) -> bool:
        """As last read, for metrics."""
        return self._known.tripped is not None

    def clear(self) -> None:
        """Forget what was read: another replica may have led meanwhile."""
        if not self._unsaved:
            self._known = Brake()
        self._read_at = None

    async def read(self, *, fresh: bool = False) -> Brake:
        """The brake as of at most ten seconds ago, or as of now. Raises ApiError."""
        async with self._lock:
            tick = self._clock.monotonic()
            if self._read_at is None or fresh or tick - self._read_at > _FRESH_SECONDS:
                await self._refresh()
                self._read_at = tick
            return self._known

    async def trip(self) -> bool:
        """Put the brake on; whether it was off before. The next read saves it."""
        async with self._lock:
            if self._known.tripped is not None:
                return False
            now = self._now()
            self._known = replace(self._known, tripped=now, last_tripped=now)
            self._unsaved, self._read_at = True, None
            _log.error("Too much of the fleet is in trouble at once: healing is suspended")
            return True

    async def _refresh(self) -> None:
        if self._unsaved:
            await self._save(self._known)
            return
        found = await self._cluster.get(CONFIG_MAPS, self._namespace, BRAKE_CONFIG_MAP)
        brake = _read(found)
        was = self._known.last_tripped
        if brake.last_tripped is None and was is not None:
            brake = replace(brake, last_tripped=was, counted_from=self._known.counted_from)
        if _taken_off(brake):
            brake = replace(brake, counted_from=self._now())
            _log.warning("The storm brake was taken off: products are healed again")
            await self._save(brake)
        self._known = brake

    async def _save(self, brake: Brake) -> None:
        told = (
            (TRIPPED, brake.tripped),
            (LAST_TRIPPED, brake.last_tripped),
            (COUNTED_FROM, brake.counted_from),
        )
        body = {
            "metadata": {
                "name": BRAKE_CONFIG_MAP,
                "labels": {"app.kubernetes.io/managed-by": "integration-hub"},
            },
            "data": {name: format_time(at) for name, at in told if at is not None},
        }
        await self._cluster.patch(
            CONFIG_MAPS, self._namespace, BRAKE_CONFIG_MAP, body, PatchType.APPLY, force=True, manager=MANAGER
        )
        self._unsaved = False

    def _now(self) -> datetime:
        return self._clock.now().replace(microsecond=0)


def _taken_off(brake: Brake) -> bool:
    """Whether a person took it off and that has not been noted yet."""
    if brake.tripped is not None or brake.last_tripped is None:
        return False
    return brake.counted_from is None or brake.counted_from < brake.last_tripped


def _read(found: Json | None) -> Brake:
    data = (found or {}).get("data") or {}
    tripped = _time(data.get(TRIPPED))
    if TRIPPED in data and tripped is None:
        tripped = _SOME_TIME
    return Brake(tripped, _time(data.get(LAST_TRIPPED)) or tripped, _time(data.get(COUNTED_FROM)))


def _time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
