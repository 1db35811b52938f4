"""When something recurs, as people write it: a duration, a cron line, or a word (`spec.sync.schedule`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from integration_hub.domain.duration import seconds_of

FORMS = "a duration such as 1h30m, a cron line, or hourly, daily, weekly"
WORDS = frozenset({"hourly", "daily", "weekly"})
_DURATION = re.compile(r"([0-9]+(d|h|m|s))+").fullmatch
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_FIELDS = 5


def is_schedule(text: str) -> bool:
    """Whether it names moments that come. A cron line has five fields (crontab(5)); none of seconds."""
    if text in WORDS:
        return True
    if _DURATION(text):
        return seconds_of(text) > 0
    if len(text.split()) != _FIELDS:
        return False
    try:
        return next(CronSim(text, _ANY_DAY), None) is not None
    except CronSimError:
        return False
