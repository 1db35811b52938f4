"""002's flat settings, sorted."""

from __future__ import annotations

from typing import Any

import pytest

from integration_hub.domain.registration import Settings, SettingsProblem, one_form, sort_settings


def sorted_(flat: dict[str, Any], *declared: str) -> Settings:
    found = sort_settings(flat, declared)
    assert isinstance(found, Settings), found
    return found


def test_the_worked_example_comes_to_a_spec() -> None:
    flat = {
        "enabled": True,
        "autoSync": True,
        "syncInterval": 30,
        "apiEndpoint": "https://api.github.com",
        "retryAttempts": 3,
        "timeout": 30000,
    }
    assert sorted_(flat, "apiEndpoint").changes() == {
        "config": {"apiEndpoint": "https://api.github.com"},
        "enabled": True,
        "timeoutSeconds": 30,
        "retry": {"maxRetries": 3},
        "sync": {"auto": True, "schedule": "30m"},
    }


@pytest.mark.parametrize(
    ("milliseconds", "seconds"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (1500.5, 2), (300_000, 300)]
)
def test_milliseconds_are_rounded_up_to_seconds(milliseconds: float, seconds: int) -> None:
    assert sorted_({"timeout": milliseconds}).timeout_seconds == seconds


@pytest.mark.parametrize(
    ("written", "schedule"),
    [(30, "30m"), ("1h30m", "1h30m"), ("daily", "daily"), ("*/5 * * * *", "*/5 * * * *")],
)
def test_a_whole_interval_is_minutes_and_text_is_taken_as_it_is(written: Any, schedule: str) -> None:
    assert sorted_({"syncInterval": written}).schedule == schedule


def test_a_word_that_the_provider_declares_is_the_providers_as_well() -> None:
    settings = sorted_({"timeout": 1500}, "timeout")
    assert (settings.config, settings.timeout_seconds) == ({"timeout": 1500}, 2)


@pytest.mark.parametrize(
    "flat",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": 300_001},
        {"timeout": True},
        {"timeout": "30000"},
        {"timeout": float("nan")},
        {"syncInterval": 0},
        {"syncInterval": 1.5},
        {"syncInterval": "sometimes"},
        {"retryAttempts": -1},
        {"retryAttempts": 11},
        {"retryAttempts": 1.5},
        {"enabled": "yes"},
        {"autoSync": 1},
    ],
    ids=str,
)
def test_what_means_nothing_is_refused_by_name(flat: dict[str, Any]) -> None:
    found = sort_settings(flat, ())
    assert isinstance(found, SettingsProblem)
    assert found.message.startswith(f"{next(iter(flat))}: ")


def test_settings_are_merged_into_a_spec_and_a_null_takes_its_key_out() -> None:
    spec = {
        "displayName": "kept",
        "config": {"a": 1, "b": 2},
        "retry": {"enabled": False, "maxRetries": 3},
        "sync": {"auto": True, "schedule": "30m"},
    }
    settings = sorted_({"a": None, "c": 3, "retryAttempts": 1, "autoSync": False}, "a", "b", "c")
    assert settings.onto(spec) == {
        "displayName": "kept",
        "config": {"b": 2, "c": 3},
        "retry": {"enabled": False, "maxRetries": 1},
        "sync": {"auto": False, "schedule": "30m"},
    }
    assert spec["config"] == {"a": 1, "b": 2}


def test_one_key_in_both_forms_must_say_the_same() -> None:
    assert one_form({"a": 1}, {"b": 2, "a": 1}) == {"a": 1, "b": 2}
    for other in (2, True):
        assert isinstance(one_form({"a": 1}, {"a": other}), SettingsProblem)
