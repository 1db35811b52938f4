"""The circuit breaker: when calls to a far end that fails are stopped, and how they begin again.

closed: calls go out; so many failures in a row open it. open: none goes out until its time is up; then
one may try (half open). half open: one trial at a time; so many successes close it, one failure opens it
anew. A trial is a lease (`retry_at`): one that never ends, since its process died, holds nobody up
for longer than it could have lasted.

The row is what the store keeps (`ports.BreakerRow`); everything here makes a new row of an old one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from integration_hub.api.integration import CircuitBreaker
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome
from integration_hub.ports import BreakerRow

CLOSED = BreakerRow()


class Verdict(StrEnum):
    """What an outcome says of the far end."""

    WORKS = "works"
    FAILS = "fails"
    NOTHING = "nothing"


_FAILURES = frozenset(
    {
        Reason.UPSTREAM_ERROR,
        Reason.TIMEOUT,
        Reason.CONNECTION_FAILED,
        Reason.TLS_FAILED,
        Reason.PROTOCOL_ERROR,
    }
)


def verdict(outcome: Outcome) -> Verdict:
    """Only the far end's own failures count.

    Refused credentials or a refused request come from a far end that works. A rate limit says nothing,
    nor does what never reached it: our resolver, our address table, our own overload.
    """
    if outcome.reason in _FAILURES:
        return Verdict.FAILS
    return Verdict.WORKS if outcome.status and outcome.reason is not Reason.RATE_LIMITED else Verdict.NOTHING


@dataclass(frozen=True, slots=True)
class Pass:
    """The call may go out. `lease`: it is the trial, and this is its `retry_at`."""

    lease: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """The call may not go out; trying again makes sense after so many seconds."""

    retry_after: float


def admit(
    row: BreakerRow, policy: CircuitBreaker, now: datetime, *, trial_seconds: float, forced: bool = False
) -> Pass | Stop:
    """Whether a call may go out now. A trial has to be claimed (`claim`) before it does.

    `trial_seconds`: the longest that the call may take. `forced`: a person asks, so an open breaker
    is no obstacle; another's trial under way still is.
    """
    if row.state == "closed":
        return Pass()
    left = _seconds_left(row, policy, now)
    if left > 0 and not (forced and row.state == "open"):
        return Stop(left)
    return Pass(_whole(now + timedelta(seconds=trial_seconds)))


def claim(
    row: BreakerRow, policy: CircuitBreaker, now: datetime, lease: datetime, *, forced: bool
) -> BreakerRow:
    """The row with the trial under way; the same row where it is not to be had any more."""
    seconds = (lease - now).total_seconds()
    if row.state == "closed" or isinstance(
        admit(row, policy, now, trial_seconds=seconds, forced=forced), Stop
    ):
        return row
    successes = row.successes if row.state == "halfOpen" else 0
    return replace(row, state="halfOpen", successes=successes, retry_at=lease)


def settle(
    row: BreakerRow, verdict: Verdict, policy: CircuitBreaker, now: datetime, *, lease: datetime | None = None
) -> BreakerRow:
    """The row after a call. What began before it opened tells nothing new and changes nothing."""
    if row.state == "closed":
        return _counted(row, verdict, policy, now)
    if row.state == "open" or lease is None:
        return row
    if verdict is Verdict.FAILS:
        return _opened(row, policy, now)
    mine = row.retry_at == lease
    successes = row.successes + (verdict is Verdict.WORKS)
    if successes >= policy.success_threshold:
        return BreakerRow(version=row.version)
    return replace(row, successes=successes, retry_at=_whole(now) if mine else row.retry_at)


def _counted(row: BreakerRow, verdict: Verdict, policy: CircuitBreaker, now: datetime) -> BreakerRow:
    if verdict is Verdict.NOTHING:
        return row
    if verdict is Verdict.WORKS:
        return BreakerRow(version=row.version) if row.failures else row
    failed = replace(row, failures=row.failures + 1)
    return _opened(failed, policy, now) if failed.failures >= policy.failure_threshold else failed


def _opened(row: BreakerRow, policy: CircuitBreaker, now: datetime) -> BreakerRow:
    return replace(
        row,
        state="open",
        successes=0,
        opened_at=_whole(now),
        retry_at=_whole(now + timedelta(seconds=policy.open_seconds)),
    )


def _seconds_left(row: BreakerRow, policy: CircuitBreaker, now: datetime) -> float:
    """Until the next trial. A clock that went back, or a shorter `openSeconds`, ends the wait."""
    if row.retry_at is None or (row.opened_at is not None and now < row.opened_at):
        return 0.0
    until = row.retry_at
    if row.state == "open" and row.opened_at is not None:
        until = min(until, row.opened_at + timedelta(seconds=policy.open_seconds))
    return max((until - now).total_seconds(), 0.0)


def _whole(moment: datetime) -> datetime:
    """In milliseconds, as the store keeps it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
