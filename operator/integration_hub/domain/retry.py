"""Repeating a call: whether it may be, whether it helps, and after how long.

The wait before repetition n is drawn evenly between the base delay and base × multiplierⁿ, at most the
longest delay: full jitter, so that callers who failed together do not come back together, and never
sooner than the base delay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integration_hub.api.integration import Retry
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome

REPEATABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
REPEATABLE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110, 9.2.2: doing it twice is doing it once."""
IDEMPOTENCY_KEY = "idempotency-key"

_UNANSWERED = frozenset(
    {Reason.TIMEOUT, Reason.CONNECTION_FAILED, Reason.PROTOCOL_ERROR, Reason.NAME_NOT_RESOLVED}
)
_OF_RULES = frozenset({Reason.UPSTREAM_ERROR, Reason.RATE_LIMITED})
"""What a provider's rule calls transient or rate limited may come with any status, even 200."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries` repetitions after the first attempt, in seconds."""

    retries: int = 3
    base_seconds: float = 1.0
    max_seconds: float = 30.0
    multiplier: float = 2.0

    @classmethod
    def of(cls, spec: Retry) -> RetryPolicy:
        return cls(
            spec.max_retries if spec.enabled else 0,
            spec.base_delay_milliseconds / 1000,
            spec.max_delay_milliseconds / 1000,
            spec.backoff_multiplier,
        )


NEVER = RetryPolicy(retries=0)


def may_repeat(method: str, idempotency_key: str, headers: Mapping[str, str]) -> bool:
    """Whether sending it twice does no harm: by its method, or because the far end can tell."""
    if method in REPEATABLE_METHODS or idempotency_key:
        return True
    return any(name.lower() == IDEMPOTENCY_KEY and value for name, value in headers.items())


def passing(outcome: Outcome) -> bool:
    """Whether it may be over by the next attempt. What a provider's rule calls lasting is, at any status."""
    if not outcome.status:
        return outcome.reason in _UNANSWERED
    if outcome.success or outcome.lasting:
        return False
    return outcome.status in REPEATABLE_STATUSES or (
        outcome.reason in _OF_RULES and not 500 <= outcome.status < 600
    )


def delay(policy: RetryPolicy, outcome: Outcome, repetition: int, chance: float) -> float | None:
    """Seconds until repetition number `repetition` (from 1), or None if there is to be none.

    `chance` is uniform in [0, 1). A far end that asks for a longer wait than the policy's longest is
    taken at its word: nobody waits that long inside of a call.
    """
    if repetition > policy.retries or not passing(outcome):
        return None
    asked = outcome.retry_after or 0.0
    if asked > policy.max_seconds:
        return None
    ceiling = min(policy.base_seconds * policy.multiplier**repetition, policy.max_seconds)
    floor = min(policy.base_seconds, policy.max_seconds)
    return max(floor + chance * (max(ceiling, floor) - floor), asked)
