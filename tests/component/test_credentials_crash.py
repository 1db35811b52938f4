"""kill -9 at every line that has an effect: no grant is lost that could be kept.

The process dies before or after each request to the API server, the store and the far end. It never runs
another line: no `finally`, no unlock. Another process starts when the lock has run out.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from credential_stage import FarEnd, Stage, link, play, sent
from integration_hub.api.reasons import Reason
from integration_hub.ports import CredentialProblem, Failure, HttpFailure, Presented
from memory import Answer

LONG = 3600.0


class Doom:
    """Ends a process at its n-th effect, before or after it happens. What it did is in `line`."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left = at
        self.after = after
        self.struck = False
        self.line: list[str] = []

    def __call__(self, port: Any) -> Any:
        return _Doomed(port, self)

    async def pass_(self, name: str, effect: Callable[[], Any]) -> Any:
        if self.struck:  # the test is over and its loop ends what is left: the dead do nothing any more
            raise asyncio.CancelledError
        self.left -= 1
        if self.left == 0 and not self.after:
            await self._die()
        result = await effect()
        self.line.append(name)
        if self.left == 0:
            await self._die()
        return result

    async def _die(self) -> None:
        self.struck = True
        await asyncio.get_running_loop().create_future()


class _Doomed:
    def __init__(self, port: Any, doom: Doom) -> None:
        self._port = port
        self._doom = doom

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def doomed(*positional: Any, **named: Any) -> Any:
            return await self._doom.pass_(name, lambda: found(*positional, **named))

        return doomed


@pytest.mark.parametrize(
    "rotates", [True, False], ids=["rotating refresh tokens", "refresh tokens that stay"]
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 14))
def test_a_process_that_dies_at_any_effect_of_a_refresh_leaves_a_grant_that_works(
    at: int, after: bool, rotates: bool
) -> None:
    async def story(stage: Stage) -> None:
        stage.far_end.rotates = rotates
        expiry = stage.clock.now().isoformat()
        stage.secret("tokens", accessToken="a", refreshToken=stage.far_end.family(), tokenExpiry=expiry)
        chat, doom = link(secret="tokens"), Doom(at, after=after)
        dying = asyncio.create_task(stage.process(through=doom).source.present(chat))
        await asyncio.wait([dying], timeout=60)
        heir = stage.process()
        await asyncio.sleep(100)  # the dead one's lock runs out
        outcome = await heir.source.present(chat)
        if _lost_at_the_far_end(stage.far_end, doom):
            assert isinstance(outcome, CredentialProblem)
            assert outcome.reason is Reason.REAUTH_REQUIRED
        else:
            assert isinstance(outcome, Presented), outcome
            assert sent(outcome) in stage.far_end.tokens
            used = [each["refresh_token"] for each in stage.far_end.asked]
            assert not rotates or len(used) == len(set(used)), "a spent refresh token was sent"

    play(story)


def _lost_at_the_far_end(far_end: FarEnd, doom: Doom) -> bool:
    """The one window that nobody can close: the far end has rotated, and its answer was not stored yet."""
    stored = any(name in ("create", "replace") for name in doom.line)
    return doom.struck and far_end.rotates and "send" in doom.line and not stored


def test_the_effects_of_a_refresh_are_fewer_than_were_tried() -> None:
    async def story(stage: Stage) -> None:
        expiry = stage.clock.now().isoformat()
        stage.secret("tokens", accessToken="a", refreshToken=stage.far_end.family(), tokenExpiry=expiry)
        doom = Doom(1000, after=False)
        assert isinstance(await stage.process(through=doom).source.present(link(secret="tokens")), Presented)
        assert "send" in doom.line
        assert len(doom.line) < 13

    play(story)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_process_that_dies_while_it_records_the_end_of_a_grant_makes_at_most_one_more_request(
    at: int, after: bool
) -> None:
    async def story(stage: Stage) -> None:
        expiry = stage.clock.now().isoformat()
        stage.secret("tokens", accessToken="a", refreshToken="unknown", tokenExpiry=expiry)
        chat = link(secret="tokens")
        dying = asyncio.create_task(stage.process(through=Doom(at, after=after)).source.present(chat))
        await asyncio.wait([dying], timeout=60)
        await asyncio.sleep(100)
        for _ in range(3):
            outcome = await stage.process().source.present(chat)
            assert isinstance(outcome, CredentialProblem)
            assert outcome.reason is Reason.REAUTH_REQUIRED
        assert len(stage.far_end.asked) <= 2

    play(story)


@pytest.mark.parametrize("seconds", [0.0, 3.0, 200.0])
def test_a_request_whose_answer_was_lost_is_made_again_with_the_same_token(seconds: float) -> None:
    """A vendor with a grace period gives the successor once more; one without ends the family."""

    async def story(stage: Stage) -> None:
        stage.far_end.rotates = False
        expiry = stage.clock.now().isoformat()
        stage.secret("tokens", accessToken="a", refreshToken=stage.far_end.family(), tokenExpiry=expiry)
        process, chat = stage.process(), link(secret="tokens")
        answers, lost = stage.far_end, _silence()
        stage.egress.far_end = lost
        assert isinstance(await process.source.present(chat), CredentialProblem)
        stage.egress.far_end = answers
        await asyncio.sleep(seconds)
        await asyncio.sleep(10)
        assert isinstance(await process.source.present(chat), Presented)

    play(story)


def _silence() -> Callable[[Any], Answer]:
    return lambda _: HttpFailure(Failure.TIMEOUT, "auth.example.com gave no complete answer within 20 s")
