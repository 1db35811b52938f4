"""ports.Events as core/v1 Events: in the background, added up, and never at anybody's cost.

The same event of the same object within ten minutes becomes a higher count on one Event, whether it is
still in line here or already at the API server.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from integration_hub.ports import (
    EVENTS,
    ApiError,
    Clock,
    Cluster,
    Entropy,
    EventNote,
    Json,
    NotLeaderError,
    PatchType,
    Resource,
)

_log = logging.getLogger(__name__)

_QUEUE_LIMIT = 1000
_REMEMBERED = 2048
_SAME_WITHIN_SECONDS = 600.0
_MESSAGE_BYTES = 1024
_NAME_LENGTH = 253
_CLUSTER_WIDE_NAMESPACE = "default"
"""Where Events about cluster-wide objects live, by Kubernetes' own custom."""


@dataclass(slots=True)
class _Sent:
    """An Event that the API server has: enough to raise its count."""

    name: str
    count: int
    until: float


@dataclass(slots=True)
class _Waiting:
    first: datetime
    last: datetime
    count: int = 1


@dataclass(frozen=True, slots=True)
class EventStats:
    """For metrics. `dropped`: the line was full; `failed`: refused by the API server or no leader."""

    recorded: int
    written: int
    dropped: int
    failed: int


class EventRecorder:
    """`record` from the event loop's thread; `run` as a task; `drain` before the end.

    `resources` name the apiVersion of each kind that notes may be about. `component` is the reporting
    controller, `instance` this replica.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        entropy: Entropy,
        *,
        resources: Iterable[Resource],
        component: str,
        instance: str,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._entropy = entropy
        self._api_versions = {resource.kind: resource.api_version for resource in resources}
        self._component = component
        self._instance = instance[:128]
        self._waiting: OrderedDict[EventNote, _Waiting] = OrderedDict()
        self._sent: OrderedDict[EventNote, _Sent] = OrderedDict()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._recorded = self._written = self._dropped = self._failed = 0

    def record(self, note: EventNote) -> None:
        """Take note; nothing more happens here. Dropped when the line is full."""
        self._recorded += 1
        now = self._clock.now()
        waiting = self._waiting.get(note)
        if waiting is not None:
            waiting.count += 1
            waiting.last = now
        elif len(self._waiting) >= _QUEUE_LIMIT:
            self._dropped += 1
        else:
            self._waiting[note] = _Waiting(now, now)
            self._work.set()
            self._idle.clear()

    async def run(self) -> None:
        """Write what was recorded, one after the other, until cancelled."""
        while True:
            if not self._waiting:
                self._idle.set()
                self._work.clear()
                await self._work.wait()
            note, waiting = self._waiting.popitem(last=False)
            try:
                await self._write(note, waiting)
                self._written += 1
            except NotLeaderError:
                self._failed += 1  # the new leader tells the story from here on
            except ApiError as error:
                self._failed += 1
                _log.debug(
                    "An Event could not be written", extra={"object": str(note.key), "cause": str(error)}
                )
            except Exception:  # noqa: BLE001
                # One note that cannot be written must not silence all that come after it.
                self._failed += 1
                _log.exception("An Event could not be written", extra={"object": str(note.key)})

    async def drain(self, seconds: float) -> None:
        """Wait until all is written, but no longer than `seconds`. `run` must be running."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            _log.info("Events left unwritten", extra={"events": len(self._waiting)})

    def stats(self) -> EventStats:
        return EventStats(self._recorded, self._written, self._dropped, self._failed)

    # ------------------------------------------------------------------ inside

    async def _write(self, note: EventNote, waiting: _Waiting) -> None:
        now = self._clock.monotonic()
        namespace = note.key.namespace or _CLUSTER_WIDE_NAMESPACE
        known = self._sent.get(note)
        if known is not None and known.until > now:
            known.count += waiting.count
            body = {"count": known.count, "lastTimestamp": _timestamp(waiting.last)}
            try:
                await self._cluster.patch(EVENTS, namespace, known.name, body, PatchType.MERGE)
            except ApiError as error:
                if error.status != 404:
                    raise
                del self._sent[note]  # it expired at the API server, or somebody deleted it
            else:
                return
        name = self._name(note)
        await self._cluster.create(EVENTS, namespace, self._event(note, waiting, namespace, name))
        self._sent[note] = _Sent(name, waiting.count, now + _SAME_WITHIN_SECONDS)
        self._sent.move_to_end(note)
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)

    def _name(self, note: EventNote) -> str:
        """Unique, yet recognisable: the object's name, cut to leave room."""
        suffix = hashlib.sha256(self._entropy.uuid().encode()).hexdigest()[:16]
        return f"{note.key.name[: _NAME_LENGTH - 17].rstrip('.-')}.{suffix}"

    def _event(self, note: EventNote, waiting: _Waiting, namespace: str, name: str) -> Json:
        about = {
            "apiVersion": self._api_versions.get(note.key.kind, ""),
            "kind": note.key.kind,
            "name": note.key.name,
            "uid": note.uid,
        }
        if note.key.namespace:
            about["namespace"] = note.key.namespace
        return {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": about,
            "type": note.type,
            "reason": note.reason[:128],
            "message": _clip(note.message, _MESSAGE_BYTES),
            "action": note.action[:128],
            "count": waiting.count,
            "firstTimestamp": _timestamp(waiting.first),
            "lastTimestamp": _timestamp(waiting.last),
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _clip(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, cut between characters, with an ellipsis where it was cut."""
    data = text.encode()
    if len(data) <= limit:
        return text
    return data[: limit - 3].decode("utf-8", "ignore") + "…"
