"""Records on their way to the database: single entries, and the sums that they add up to.

Sums are kept apart from entries: where there is no room for an entry, it still counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from integration_hub.ports import AuditRecord, CallRecord, HealthPoint
from integration_hub.store.clipping import clip, clip_headers, clip_number
from integration_hub.store.engine import Value
from integration_hub.store.limits import StoreLimits
from integration_hub.store.moments import minute_of, to_ms

Log = Literal["call_log", "audit_log"]
ENTRY_BYTES = 400
"""What an entry takes besides its longer texts: short ones, numbers, indexes. An estimate."""
_NAME = 253
_SMALL = 2**31 - 1


@dataclass(slots=True)
class Tally:
    """Calls of one Integration within one minute."""

    namespace: str
    total: int = 0
    successful: int = 0
    microseconds: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    last_activity: int = 0
    untimed: int = 0

    def add(self, other: Tally) -> None:
        self.total += other.total
        self.successful += other.successful
        self.microseconds += other.microseconds
        self.bytes_sent += other.bytes_sent
        self.bytes_received += other.bytes_received
        self.last_activity = max(self.last_activity, other.last_activity)
        self.untimed += other.untimed

    def values(self) -> tuple[Value, ...]:
        """In the order of the columns after `namespace`."""
        return (
            self.total,
            self.successful,
            self.microseconds,
            self.bytes_sent,
            self.bytes_received,
            self.last_activity,
            self.untimed,
        )


@dataclass(slots=True)
class HealthTally:
    """Checks of one Integration within one minute."""

    checks: int = 0
    failures: int = 0
    microseconds: int | None = None
    last_check: int = 0


@dataclass(slots=True)
class Size:
    entries: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Batch:
    """What one transaction writes. `id` tells it from others should nobody hear of its commit."""

    id: str
    limits: StoreLimits
    calls: list[tuple[Value, ...]] = field(default_factory=list)
    audits: list[tuple[Value, ...]] = field(default_factory=list)
    figures: dict[tuple[str, int], Tally] = field(default_factory=dict)
    health: dict[tuple[str, int], HealthTally] = field(default_factory=dict)
    sizes: defaultdict[tuple[Log, str], Size] = field(default_factory=lambda: defaultdict(Size))
    bytes: int = 0
    _minutes: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.calls or self.audits or self.figures or self.health)

    @property
    def entries(self) -> int:
        return len(self.calls) + len(self.audits)

    def add_call(self, record: CallRecord, entry_id: str) -> bool:
        """Count the call and keep its entry; False where something of it had to be left out."""
        counted = self._count(record)
        limits = self.limits
        namespace = clip(record.namespace, _NAME)
        texts = (
            clip(record.path, limits.text_characters),
            clip(record.message, limits.text_characters),
            clip_headers(record.request_headers, limits.header_characters),
            clip_headers(record.response_headers, limits.header_characters),
            clip(record.request_body, limits.body_characters),
            clip(record.response_body, limits.body_characters),
        )
        path, message, *rest = texts
        size = ENTRY_BYTES + sum(map(len, texts))
        if not self._admit("call_log", namespace, size):
            return False
        self.calls.append(
            (
                entry_id,
                to_ms(record.at),
                namespace,
                clip(record.integration, _NAME),
                clip(record.integration_uid, _NAME),
                clip(record.provider, _NAME),
                clip(record.purpose, _NAME),
                clip(record.caller, limits.text_characters),
                clip(record.correlation_id, _NAME),
                clip(record.method, _NAME),
                path,
                min(max(record.status, 0), _SMALL),
                clip(record.outcome, _NAME),
                record.success,
                clip_number(record.milliseconds * 1000),
                min(max(record.attempt, 0), _SMALL),
                clip_number(record.bytes_sent),
                clip_number(record.bytes_received),
                message,
                clip(record.level, _NAME),
                *rest,
                size,
            )
        )
        return counted

    def add_audit(self, record: AuditRecord, entry_id: str) -> bool:
        namespace = clip(record.namespace, _NAME)
        detail = clip(record.detail, self.limits.text_characters)
        size = ENTRY_BYTES + len(detail)
        if not self._admit("audit_log", namespace, size):
            return False
        self.audits.append(
            (
                entry_id,
                to_ms(record.at),
                namespace,
                clip(record.actor, self.limits.text_characters),
                clip(record.action, _NAME),
                clip(record.resource, _NAME),
                clip(record.name, _NAME),
                clip(record.outcome, _NAME),
                detail,
                clip(record.correlation_id, _NAME),
                size,
            )
        )
        return True

    def add_health(self, point: HealthPoint) -> bool:
        at, uid = to_ms(point.at), clip(point.uid, _NAME)
        key = uid, minute_of(at)
        if key not in self.health and len(self.health) >= self.limits.buffer_figures:
            return False
        tally = self.health.setdefault(key, HealthTally())
        tally.checks += 1
        tally.failures += not point.success
        if point.milliseconds is not None and at >= tally.last_check:
            tally.microseconds = clip_number(point.milliseconds * 1000)
        tally.last_check = max(tally.last_check, at)
        return True

    def totals(self) -> Sequence[tuple[Value, ...]]:
        """Sums by Integration, in an order that is the same for every process: none waits for another's."""
        totals: dict[str, Tally] = {}
        for (uid, _), tally in self.figures.items():
            totals.setdefault(uid, Tally(tally.namespace)).add(tally)
        return [(uid, tally.namespace, *tally.values()) for uid, tally in sorted(totals.items())]

    def minutes(self) -> Sequence[tuple[Value, ...]]:
        return [
            (uid, minute, tally.namespace, *tally.values())
            for (uid, minute), tally in sorted(self.figures.items())
        ]

    # ------------------------------------------------------------------ inside

    def _count(self, record: CallRecord) -> bool:
        at, uid = to_ms(record.at), clip(record.integration_uid, _NAME)
        key = uid, minute_of(at)
        if key not in self.figures and len(self.figures) >= self.limits.buffer_figures:
            # The database has been away for long. The sums stay true; only the minute is not.
            if uid not in self._minutes:
                return False
            key = uid, self._minutes[uid]
        self._minutes[uid] = key[1]
        tally = self.figures.setdefault(key, Tally(clip(record.namespace, _NAME)))
        tally.add(
            Tally(
                "",
                1,
                int(record.success),
                clip_number(record.milliseconds * 1000),
                clip_number(record.bytes_sent),
                clip_number(record.bytes_received),
                at,
                int(record.milliseconds <= 0),
            )
        )
        return True

    def _admit(self, log: Log, namespace: str, size: int) -> bool:
        if self.entries >= self.limits.buffer_rows or self.bytes + size > self.limits.buffer_bytes:
            return False
        self.bytes += size
        sizes = self.sizes[log, namespace]
        sizes.entries += 1
        sizes.bytes += size
        return True
