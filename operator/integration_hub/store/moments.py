"""Times as the tables keep them: whole milliseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MINUTE = 60_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(at: datetime) -> int:
    """The last whole millisecond before or at `at`."""
    return (at - _EPOCH) // _MILLISECOND


def to_ms_up(at: datetime) -> int:
    """The first whole millisecond at or after `at`: for what must not end too early."""
    return -((_EPOCH - at) // _MILLISECOND)


def from_ms(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def minute_of(milliseconds: int) -> int:
    """The beginning of the minute."""
    return milliseconds - milliseconds % MINUTE
