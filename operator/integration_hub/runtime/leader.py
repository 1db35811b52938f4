"""Leadership by a Lease: one writer at a time, and none that merely believes to be it.

What keeps two writers apart is time that never jumps. A leader may write until `renew_deadline` after
the moment at which it *began* its last successful renewal; a candidate takes over only `duration` after
it *saw* the Lease change for the last time. The first is always the earlier by the difference of the
two, whatever the wall clocks say and however long a process was stopped. The Lease itself changes by
compare-and-swap on its resourceVersion.

`require()` is asked immediately before the bytes of each write; a process that was paused finds its
deadline past, without having had to run anything first.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from integration_hub.ports import LEASES, ApiError, Clock, Cluster, Entropy, Json, NotLeaderError

_log = logging.getLogger(__name__)

_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. `duration` > `renew_deadline` > `retry`, or two leaders could overlap."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration > self.renew_deadline > self.retry * (1 + _JITTER) > 0:
            raise ValueError(
                "lease times must be duration > renew deadline > retry (and a fifth) > 0, "
                f"not {self.duration:g}, {self.renew_deadline:g}, {self.retry:g}"
            )


@dataclass(frozen=True, slots=True)
class _Record:
    """The Lease as last seen. `duration` is what its holder asked others to wait."""

    holder: str
    transitions: int
    duration: float
    resource_version: str
    acquired: str


class Elector:
    """Holds the Lease for this process, or stands ready to. Is a ports.Leadership.

    `cluster` must be without leadership gate and without budget. Listeners are called in the event loop
    and must return at once: `gained(fencing)` at the start of a term, `lost()` at its end.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        entropy: Entropy,
        *,
        namespace: str,
        name: str,
        identity: str,
        times: LeaseTimes | None = None,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._entropy = entropy
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._times = times or LeaseTimes()
        self._record: _Record | None = None
        self._seen_at = float("-inf")
        self._deadline = float("-inf")
        self._fencing = 0
        self._told = False
        self._released = False
        self._troubles = ""
        self._attempting = asyncio.Lock()
        self._listeners: list[tuple[Callable[[int], None], Callable[[], None]]] = []

    # ------------------------------------------------------------------ ports.Leadership

    @property
    def leading(self) -> bool:
        """Whether this process may write at this very moment."""
        return self._clock.monotonic() < self._deadline

    @property
    def fencing(self) -> int:
        """The Lease's count of transitions in this process's latest term; 0 before the first."""
        return self._fencing

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last seen; empty when nobody did."""
        return self._record.holder if self._record is not None else ""

    def require(self) -> None:
        """Return if this process leads at this very moment; raise NotLeaderError otherwise."""
        if self._clock.monotonic() >= self._deadline:
            raise NotLeaderError(f"{self._identity} does not hold the Lease {self._namespace}/{self._name}")

    # ------------------------------------------------------------------ living

    def subscribe(self, gained: Callable[[int], None], lost: Callable[[], None]) -> None:
        """Be told of the beginning and the end of every term."""
        self._listeners.append((gained, lost))

    async def run(self) -> None:
        """Stand for election until cancelled or released. Never raises for what the API server does."""
        try:
            while not self._released:
                await self._attempt()
                self._tell()
                await asyncio.sleep(self._pause())
                self._tell()  # the deadline may have passed while an attempt hung or this process slept
        finally:
            self._step_down()

    async def release(self, *, within_seconds: float = 2.0) -> None:
        """Give the Lease back, so that the next leader need not wait. For SIGTERM, after the last write.

        Stops writing at once, whether or not the API server hears of it.
        """
        self._released = True
        self._step_down()
        try:
            async with asyncio.timeout(within_seconds), self._attempting:
                held = self._record
                if held is None or held.holder != self._identity:
                    return
                now = _micro_time(self._clock.now())
                body = self._lease(held, "", held.transitions, acquired=now, renewed=now, duration=1)
                await self._cluster.replace(LEASES, self._namespace, self._name, body)
        except (ApiError, TimeoutError) as error:
            _log.info("The Lease could not be released; it expires by itself", extra={"cause": str(error)})
        else:
            _log.info("Released the Lease", extra={"lease": self._lease_name})

    # ------------------------------------------------------------------ one attempt

    async def _attempt(self) -> None:
        """Renew, acquire or look, once. A hanging API server is given up before the deadline passes."""
        patience = self._times.renew_deadline / 2
        if self.leading:
            patience = min(patience, max(self._deadline - self._clock.monotonic(), 0.05))
        try:
            async with self._attempting, asyncio.timeout(patience):
                await self._renew_or_acquire()
        except (ApiError, TimeoutError) as error:
            cause = str(error) or f"no answer within {patience:g} s"
            if cause != self._troubles:
                _log.warning("The Lease cannot be reached", extra={"lease": self._lease_name, "cause": cause})
            self._troubles = cause
        else:
            self._troubles = ""

    async def _renew_or_acquire(self) -> None:
        # Most of the time nothing happened since our last renewal: one PUT, and a conflict if something did.
        if self.leading and self._record is not None and await self._claim(self._record):
            return
        lease = await self._cluster.get(LEASES, self._namespace, self._name)
        if lease is None:
            if not self._respected(self._record):
                await self._claim(None)
            return
        record = _read(lease, self._times.duration)
        if self._record is None or record.resource_version != self._record.resource_version:
            self._record, self._seen_at = record, self._clock.monotonic()
        if record.holder not in ("", self._identity):
            self._deadline = float("-inf")  # somebody else's by now, whatever our own clock allows
        if not self._respected(record):
            await self._claim(record)

    def _respected(self, record: _Record | None) -> bool:
        """Whether another holder may still be writing; also one whose Lease somebody deleted under it."""
        if record is None or record.holder in ("", self._identity):
            return False
        return self._clock.monotonic() < self._seen_at + record.duration

    async def _claim(self, record: _Record | None) -> bool:
        """Write ourselves into the Lease; False if somebody was faster."""
        began = self._clock.monotonic()
        now = _micro_time(self._clock.now())
        mine = record is not None and record.holder == self._identity
        transitions = self._next_transitions(record, mine=mine)
        acquired = (record.acquired if record is not None and mine else "") or now
        body = self._lease(
            record,
            self._identity,
            transitions,
            acquired=acquired,
            renewed=now,
            duration=self._times.duration,
        )
        try:
            if record is None:
                lease = await self._cluster.create(LEASES, self._namespace, body)
            else:
                lease = await self._cluster.replace(LEASES, self._namespace, self._name, body)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        self._record, self._seen_at = _read(lease, self._times.duration), self._clock.monotonic()
        if not self._released:
            self._fencing = transitions
            self._deadline = began + self._times.renew_deadline
        return True

    def _next_transitions(self, record: _Record | None, *, mine: bool) -> int:
        if record is not None:
            return record.transitions if mine else record.transitions + 1
        # The first Lease ever, or one that somebody deleted: never count lower than what we have seen.
        return self._record.transitions + 1 if self._record is not None else 1

    # ------------------------------------------------------------------ inside

    def _pause(self) -> float:
        """Until the next attempt: the retry time with jitter, but not past a moment that matters."""
        now = self._clock.monotonic()
        pause = self._times.retry * (1 + _JITTER * self._entropy.random())
        if self._deadline > now:
            return min(pause, self._deadline - now)
        if self._record is not None and self._record.holder:
            expires_in = self._seen_at + self._record.duration - now
            if expires_in > 0:
                # A touch of jitter, so that several candidates do not all collide at the very moment.
                return min(pause, expires_in + 0.25 * self._entropy.random())
        return pause

    def _tell(self) -> None:
        leading = self.leading
        if leading == self._told:
            return
        self._told = leading
        if leading:
            _log.info("Became the leader", extra={"lease": self._lease_name, "fencing": self._fencing})
        else:
            _log.warning("No longer the leader", extra={"lease": self._lease_name, "holder": self.holder})
        for gained, lost in self._listeners:
            if leading:
                gained(self._fencing)
            else:
                lost()

    def _step_down(self) -> None:
        self._deadline = float("-inf")
        self._tell()

    @property
    def _lease_name(self) -> str:
        return f"{self._namespace}/{self._name}"

    def _lease(
        self,
        record: _Record | None,
        holder: str,
        transitions: int,
        *,
        acquired: str,
        renewed: str,
        duration: float,
    ) -> Json:
        metadata = {"name": self._name, "namespace": self._namespace}
        if record is not None:
            metadata["resourceVersion"] = record.resource_version
        return {
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                # Rounded up: others may wait longer than we count on, never shorter.
                "leaseDurationSeconds": math.ceil(duration),
                "acquireTime": acquired,
                "renewTime": renewed,
                "leaseTransitions": transitions,
            },
        }


def _read(lease: Json, default_duration: float) -> _Record:
    spec = lease.get("spec") or {}
    return _Record(
        holder=spec.get("holderIdentity") or "",
        transitions=int(spec.get("leaseTransitions") or 0),
        duration=float(spec.get("leaseDurationSeconds") or default_duration),
        resource_version=lease["metadata"]["resourceVersion"],
        acquired=spec.get("acquireTime") or "",
    )


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
