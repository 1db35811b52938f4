"""Whether a call is repeated, and after how long."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from integration_hub.api.integration import Retry
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome
from integration_hub.domain.retry import NEVER, RetryPolicy, delay, may_repeat, passing

POLICY = RetryPolicy.of(Retry())


@pytest.mark.parametrize(
    ("repetition", "chance", "seconds"),
    [
        (1, 0.0, 1.0),
        (1, 1.0, 2.0),
        (2, 0.0, 1.0),
        (2, 0.5, 2.5),
        (2, 1.0, 4.0),
        (3, 0.5, 4.5),
        (3, 1.0, 8.0),
        (4, 0.5, None),
    ],
    ids=str,
)
def test_delays_are_drawn_between_the_base_and_a_doubling_bound(
    repetition: int, chance: float, seconds: float | None
) -> None:
    assert delay(POLICY, Outcome(Reason.UPSTREAM_ERROR, 503), repetition, chance) == seconds


def test_no_delay_is_longer_than_the_longest() -> None:
    policy = RetryPolicy(retries=10)
    delays = [delay(policy, Outcome(Reason.TIMEOUT), repetition, 1.0) for repetition in range(1, 11)]
    assert max(each for each in delays if each is not None) == 30.0
    assert delays[-1] == 30.0


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(None, 1.0), (0.5, 1.0), (12.0, 12.0), (30.0, 30.0), (31.0, None), (86_400.0, None)],
    ids=str,
)
def test_a_far_end_that_names_a_time_is_obeyed_or_left_alone(
    asked: float | None, seconds: float | None
) -> None:
    assert delay(POLICY, Outcome(Reason.RATE_LIMITED, 429, retry_after=asked), 1, 0.0) == seconds


@pytest.mark.parametrize(
    ("reason", "status", "expected"),
    [
        *((Reason.UPSTREAM_ERROR, status, True) for status in (408, 500, 502, 503, 504)),
        (Reason.RATE_LIMITED, 429, True),
        (Reason.RATE_LIMITED, 403, True),
        (Reason.UPSTREAM_ERROR, 200, True),
        (Reason.UPSTREAM_ERROR, 501, False),
        (Reason.UPSTREAM_ERROR, 505, False),
        (Reason.TIMEOUT, 0, True),
        (Reason.CONNECTION_FAILED, 0, True),
        (Reason.NAME_NOT_RESOLVED, 0, True),
        (Reason.PROTOCOL_ERROR, 0, True),
        (Reason.TLS_FAILED, 0, False),
        (Reason.ADDRESS_BLOCKED, 0, False),
        (Reason.EGRESS_OVERLOADED, 0, False),
        (Reason.INVALID_CREDENTIALS, 401, False),
        (Reason.CONFIG_REFUSED, 404, False),
        # As providers' rules call some of the statuses that are repeated otherwise
        (Reason.CONFIG_REFUSED, 500, False),
        (Reason.INVALID_CREDENTIALS, 503, False),
        (Reason.REAUTH_REQUIRED, 429, False),
        (Reason.UNEXPECTED_ANSWER, 302, False),
        (Reason.CONNECTED, 200, False),
    ],
    ids=str,
)
def test_what_passes_is_repeated(reason: Reason, status: int, expected: bool) -> None:
    assert passing(Outcome(reason, status)) is expected


@pytest.mark.parametrize(
    ("method", "key", "headers", "expected"),
    [
        ("GET", "", {}, True),
        ("HEAD", "", {}, True),
        ("OPTIONS", "", {}, True),
        ("PUT", "", {}, True),
        ("DELETE", "", {}, True),
        ("POST", "", {}, False),
        ("PATCH", "", {}, False),
        ("POST", "k-1", {}, True),
        ("PATCH", "", {"Idempotency-Key": "k-1"}, True),
        ("POST", "", {"Idempotency-Key": ""}, False),
    ],
    ids=str,
)
def test_what_may_be_done_twice(method: str, key: str, headers: Mapping[str, str], expected: bool) -> None:
    assert may_repeat(method, key, headers) is expected


def test_the_spec_decides() -> None:
    own = Retry(max_retries=5, base_delay_milliseconds=200, max_delay_milliseconds=900, backoff_multiplier=3)
    assert RetryPolicy.of(own) == RetryPolicy(5, 0.2, 0.9, 3)
    assert RetryPolicy.of(Retry(enabled=False)) == NEVER
    assert delay(NEVER, Outcome(Reason.TIMEOUT), 1, 0.5) is None
