"""The storm brake's rule: when many products fail together, the cause is elsewhere and restarts harm.

A storm is `LEAST` products and more than `SHARE` of the fleet whose trouble began within one `WINDOW`.
Looking at when the troubles *began*, not at how many there are, lets a fleet with a few products that
were broken for weeks still be healed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta

LEAST = 3
SHARE = 0.2
WINDOW = timedelta(minutes=5)


def is_storm(began: Iterable[datetime], fleet: int, *, counted_from: datetime | None = None) -> bool:
    """Whether so many troubles began together. `began`: one time per product in trouble now.

    Troubles that began up to `counted_from` belong to a storm that a person has dealt with.
    """
    times = sorted(each for each in began if counted_from is None or each > counted_from)
    most = max((bisect_right(times, start + WINDOW) - index for index, start in enumerate(times)), default=0)
    return most >= LEAST and most > SHARE * fleet
