"""What the probes tell: the truth, in words, and nothing kills a hub for what it cannot help."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from integration_hub.runtime.health import FeedFacts, Health, LeaderFacts, LoopLag
from virtual_time import VirtualClock, run

GOOD = FeedFacts(alive=True, good_age=0.0, detail="4 watches open")
LOST = FeedFacts(alive=False, good_age=700.0, detail="integrations: the API server answered 503")


class WallClock(VirtualClock):
    def monotonic(self) -> float:
        return time.monotonic()


def health(**changes: Any) -> Health:
    facts: dict[str, Any] = {"synced": lambda: True, "lag": lambda: 0.0, "feed": lambda: GOOD, **changes}
    return Health(facts.pop("loop_lag", LoopLag(VirtualClock())), **facts)


def test_all_is_well() -> None:
    report = health(leader=lambda: LeaderFacts(leading=True, holder="me", fencing=3)).ready()
    assert report.ok
    assert report.to_json()["checks"]["leader"] == {
        "ok": True,
        "detail": "this process leads",
        "leading": True,
        "holder": "me",
        "fencing": 3,
    }


def test_it_is_not_ready_before_the_cache_was_compared_with_a_whole_list() -> None:
    report = health(synced=lambda: False).ready()
    assert not report.ok
    assert "not yet" in report.to_json()["checks"]["cache"]["detail"]


@pytest.mark.parametrize(
    ("feed", "limit", "ready"),
    [
        (GOOD, 600, True),
        (LOST, None, True),
        (LOST, 600, False),
        (LOST, 800, True),
        (FeedFacts(alive=False, good_age=None, detail="starting"), 600, False),
    ],
    ids=["alive", "lost-but-old-knowledge-will-do", "lost-too-long", "lost-not-too-long", "never-was"],
)
def test_a_lost_feed_is_told_and_judged_by_the_age_of_what_is_known(
    feed: FeedFacts, limit: float | None, ready: bool
) -> None:
    report = health(feed=lambda: feed, max_stale_seconds=limit).ready()
    assert report.ok is ready
    told = report.to_json()["checks"]["feed"]
    assert told["alive"] is feed.alive
    assert told["lastKnownGoodAgeSeconds"] == feed.good_age


def test_a_cache_far_behind_is_not_ready_where_that_is_limited() -> None:
    report = health(lag=lambda: 900.0, max_stale_seconds=600).ready()
    assert not report.ok
    assert report.to_json()["checks"]["cache"]["detail"] == "behind the API server by 900 s"


def test_a_follower_is_ready_and_names_the_leader() -> None:
    report = health(leader=lambda: LeaderFacts(leading=False, holder="other", fencing=7)).ready()
    assert report.ok
    assert report.to_json()["checks"]["leader"]["detail"] == "other leads"


def test_a_stopping_process_is_alive_but_not_ready() -> None:
    stopping = health()
    stopping.stopping = True
    assert stopping.live().ok
    assert not stopping.ready().ok


def test_a_lost_feed_never_makes_a_hub_look_dead() -> None:
    assert health(feed=lambda: LOST, synced=lambda: False, max_stale_seconds=1).live().ok


def test_a_stuck_event_loop_is_not_alive() -> None:
    class Stuck(LoopLag):
        def now(self) -> float:
            return 12.0

    report = health(loop_lag=Stuck(VirtualClock())).live()
    assert not report.ok
    assert "12.0 s" in report.to_json()["checks"]["eventLoop"]["detail"]


def test_a_blocking_call_shows_as_the_loops_lag() -> None:
    async def scenario() -> None:
        lag = LoopLag(WallClock())
        task = asyncio.create_task(lag.run())
        await asyncio.sleep(0.05)
        time.sleep(0.6)  # noqa: ASYNC251  what is being measured
        await asyncio.sleep(0.05)
        assert lag.worst() >= 0.2
        task.cancel()

    asyncio.run(scenario())


def test_the_worst_lag_is_forgotten_after_a_minute() -> None:
    async def scenario() -> None:
        class Jumpy(VirtualClock):
            offset = 0.0

            def monotonic(self) -> float:
                return super().monotonic() + self.offset

        clock = Jumpy()
        lag = LoopLag(clock)
        task = asyncio.create_task(lag.run())
        await asyncio.sleep(1.1)
        clock.offset += 5
        await asyncio.sleep(1)
        assert lag.worst() == pytest.approx(5)
        await asyncio.sleep(61)
        assert lag.worst() == pytest.approx(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())
