"""Grants: when newer tokens are due, what is kept of them, what the user's Secret brings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.credentials.grant import (
    Grant,
    Origin,
    Pace,
    from_json,
    imported,
    refresh_at,
    succeed,
    to_json,
)
from integration_hub.ports import SecretText
from integration_hub.providers.token_answer import Token

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def pace(before: float = 300, chance: float = 0.0) -> Pace:
    return Pace(timedelta(seconds=before), chance)


def grant(**changes: object) -> Grant:
    fields = {
        "lineage": "l",
        "serial": 1,
        "origin": Origin.CONNECTED,
        "access_token": SecretText("a"),
        "obtained_at": NOW,
        **changes,
    }
    return Grant(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("life", "before", "after"),
    [
        pytest.param(3600, 300, 3300, id="an hour: five minutes before its end"),
        pytest.param(600, 300, 400, id="ten minutes: two thirds of it"),
        pytest.param(60, 300, 40, id="a minute: two thirds of it"),
        pytest.param(86_400, 3600, 82_800, id="a day, an hour before"),
        pytest.param(3600, 0, 3600, id="at its end, if the user says so"),
    ],
)
def test_a_newer_token_is_due_late_but_in_time(life: int, before: int, after: int) -> None:
    due = refresh_at(NOW, NOW + timedelta(seconds=life), pace(before))
    assert due == NOW + timedelta(seconds=after)


@given(st.integers(1, 10**8), st.integers(0, 86_400), st.floats(0, 1, exclude_max=True))
def test_it_is_due_within_its_life_whatever_the_chance(life: int, before: int, chance: float) -> None:
    due = refresh_at(NOW, NOW + timedelta(seconds=life), pace(before, chance))
    assert due is not None
    assert NOW + timedelta(seconds=life / 2) <= due <= NOW + timedelta(seconds=life)


def test_a_token_without_an_end_is_never_due() -> None:
    assert refresh_at(NOW, None, pace()) is None
    assert not grant().due(NOW + timedelta(days=10_000))


def test_a_refresh_token_that_is_not_renewed_stays() -> None:
    newer = succeed(grant(refresh_token=SecretText("r1")), Token(SecretText("b"), None, 60), NOW, pace())
    assert newer.refresh_token == SecretText("r1")
    assert newer.version == "l.2"


def test_a_token_that_nothing_renews_is_never_due() -> None:
    assert succeed(grant(), Token(SecretText("b"), None, 60), NOW, pace()).refresh_at is None


def test_a_token_is_not_sent_in_its_last_seconds() -> None:
    ends = grant(expires_at=NOW + timedelta(seconds=60))
    assert ends.works(NOW + timedelta(seconds=54))
    assert not ends.works(NOW + timedelta(seconds=56))


def test_what_is_kept_is_read_again_whole() -> None:
    full = grant(
        refresh_token=SecretText("r"),
        expires_at=NOW + timedelta(hours=1),
        refresh_at=NOW + timedelta(minutes=55),
        source="s",
        provider="p",
        account="T1",
        scope="read",
        ended="why",
        ended_at=NOW,
    )
    assert from_json(to_json(full)) == full
    assert from_json(to_json(grant())) == grant()


def test_a_field_that_a_later_version_adds_does_no_harm() -> None:
    assert from_json({**to_json(grant()), "later": [1]}) == grant()


@pytest.mark.parametrize(
    ("written", "expires"),
    [
        pytest.param("2024-12-31T23:59:59Z", datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC), id="RFC 3339"),
        pytest.param(
            "2024-12-31T23:59:59", datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC), id="without zone"
        ),
        pytest.param("1735689599", datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC), id="seconds"),
        pytest.param("1735689599000", datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC), id="milliseconds"),
        pytest.param("tomorrow", None, id="nonsense counts as not said"),
        pytest.param("", None, id="empty"),
        pytest.param("0001-01-01T00:00:00Z", None, id="Go's zero time counts as not said"),
        pytest.param("0", None, id="Unix's zero as well"),
        pytest.param("0001-01-01T00:00:00+10:00", None, id="before all time"),
        pytest.param("9999-12-31T23:59:59-10:00", None, id="after all time"),
    ],
)
def test_the_expiry_of_an_imported_token_is_read_as_people_write_it(
    written: str, expires: datetime | None
) -> None:
    values = {
        "accessToken": SecretText("a"),
        "refreshToken": SecretText("r"),
        "tokenExpiry": SecretText(written),
    }
    found = imported(values, provider="p", now=NOW, pace=pace())
    assert found is not None
    assert found.expires_at == expires


def test_a_refresh_token_alone_is_an_import_that_is_due_at_once() -> None:
    found = imported({"refreshToken": SecretText("r")}, provider="p", now=NOW, pace=pace())
    assert found is not None
    assert found.due(NOW)
    assert not found.works(NOW)


def test_a_secret_without_tokens_brings_no_grant() -> None:
    assert imported({"clientId": SecretText("c")}, provider="p", now=NOW, pace=pace()) is None


def test_tokens_do_not_show() -> None:
    assert "hunter2" not in repr(
        grant(access_token=SecretText("hunter2"), refresh_token=SecretText("hunter2"))
    )
