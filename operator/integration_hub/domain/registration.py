"""002's flat configuration of an integration, sorted into what the CRD calls config, retry, sync and so on.

It mixes settings of the hub (`enabled`, `autoSync`, `syncInterval`, `retryAttempts`, `timeout`) with those
of the provider (`apiEndpoint`). A word that the provider's own schema declares is the provider's as well.
Units: `timeout` is milliseconds, rounded up to seconds (C-05); a whole `syncInterval` is minutes (C-06).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from integration_hub.domain import schedule

ENABLED, AUTO_SYNC, INTERVAL = "enabled", "autoSync", "syncInterval"
RETRIES, TIMEOUT = "retryAttempts", "timeout"
WORDS = frozenset({ENABLED, AUTO_SYNC, INTERVAL, RETRIES, TIMEOUT})
LONGEST_SECONDS = 300


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """`message` begins with the setting's name."""

    message: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Sorted settings; None: not spoken of."""

    config: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool | None = None
    auto_sync: bool | None = None
    schedule: str | None = None
    max_retries: int | None = None
    timeout_seconds: int | None = None

    def changes(self) -> dict[str, Any]:
        """What they come to in a raw Integration spec; only what was spoken of."""
        sync = {"auto": self.auto_sync, "schedule": self.schedule}
        made = {
            "config": dict(self.config) or None,
            "enabled": self.enabled,
            "timeoutSeconds": self.timeout_seconds,
            "retry": {"maxRetries": self.max_retries} if self.max_retries is not None else None,
            "sync": {name: value for name, value in sync.items() if value is not None} or None,
        }
        return {name: value for name, value in made.items() if value is not None}

    def onto(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of a raw spec with these settings merged in; a null takes its key out of `config`."""
        changed = dict(spec)
        for name, value in self.changes().items():
            changed[name] = {**(changed.get(name) or {}), **value} if isinstance(value, dict) else value
        if "config" in changed:
            changed["config"] = {
                name: value for name, value in changed["config"].items() if value is not None
            }
        return changed


def sort_settings(flat: Mapping[str, Any], declared: Collection[str]) -> Settings | SettingsProblem:
    """`declared` are the names in the provider's configSchema."""
    config = {name: value for name, value in flat.items() if name not in WORDS or name in declared}
    for name in (ENABLED, AUTO_SYNC):
        if not isinstance(flat.get(name, True), bool):
            return SettingsProblem(f"{name}: must be true or false")
    interval = _schedule(flat[INTERVAL]) if INTERVAL in flat else None
    retries = _whole(RETRIES, flat[RETRIES], 0, 10) if RETRIES in flat else None
    timeout = _seconds(flat[TIMEOUT]) if TIMEOUT in flat else None
    for found in (interval, retries, timeout):
        if isinstance(found, SettingsProblem):
            return found
    return Settings(config, flat.get(ENABLED), flat.get(AUTO_SYNC), interval, retries, timeout)  # type: ignore[arg-type]


def one_form(body: Mapping[str, Any], wrapper: Mapping[str, Any] | None) -> dict[str, Any] | SettingsProblem:
    """Settings at the top level and under `configuration`, as one (C-53).

    One key in both with different values is refused: nobody could tell which was meant.
    """
    inner = dict(wrapper or {})
    for name, value in body.items():
        if name in inner and (
            inner[name] != value or isinstance(inner[name], bool) != isinstance(value, bool)
        ):
            return SettingsProblem(f"{name}: has one value at the top level and another under configuration")
    return {**inner, **body}


def _whole(name: str, value: Any, least: int, most: int) -> int | SettingsProblem:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        return SettingsProblem(f"{name}: must be a whole number from {least} to {most}")
    return value


def _seconds(value: Any) -> int | SettingsProblem:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value <= 1000 * LONGEST_SECONDS
    ):
        return SettingsProblem(
            f"{TIMEOUT}: must be milliseconds, more than 0 and at most {1000 * LONGEST_SECONDS}"
        )
    return math.ceil(value / 1000)


def _schedule(value: Any) -> str | SettingsProblem:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 525_600:
        return f"{value}m"
    if isinstance(value, str) and schedule.is_schedule(value):
        return value
    return SettingsProblem(f"{INTERVAL}: must be whole minutes, {schedule.FORMS}")
