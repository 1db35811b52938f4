"""Replacing a key: rotate → verify → swap → restart who asked for it → verify → end the old one; or back.

Where it stands lies in the hub's own Secret (`RotationStage`), so every step may be repeated after a
crash: each look takes the step that the stage calls for. The new key is stored before it is tried, and
the old one is ended only once the connection and the workloads have proved the new one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome
from integration_hub.ports import (
    Clock,
    CredentialFacts,
    CredentialKeeper,
    CredentialProblem,
    Link,
    Purpose,
    RotationStage,
)
from integration_hub.reconcilers.consumers import Consumers

TRIES = 6
"""A new key may take a while to be known everywhere at the vendor's: refusals until it is given up."""
AGAIN_SECONDS = 10.0
GIVEN_UP_SECONDS = 3600.0
"""Pause after a replacement that failed, or could not be begun."""
ROLLOUT_PATIENCE = timedelta(minutes=15)
"""How long restarted workloads may take."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One step taken: what there is after it (None: as before), and when to take the next.

    `reason` with `message` is what a person is told, if anything; `tries` how often the new key was refused.
    """

    uid: str
    found: CredentialFacts | CredentialProblem | None
    again_after: float = 0.0
    reason: Reason | None = None
    message: str = ""
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """The Secret for workloads, with the revision it holds; empty where there is none."""

    secret: str = ""
    revision: str = ""


class Rotation:
    """Takes one step at a time. `try_out` makes the provider's probe with the credentials of a purpose."""

    def __init__(
        self,
        keeper: CredentialKeeper,
        try_out: Callable[[Link, Purpose], Awaitable[Outcome]],
        consumers: Consumers,
        clock: Clock,
    ) -> None:
        self._keeper = keeper
        self._try_out = try_out
        self._consumers = consumers
        self._clock = clock

    async def step(self, link: Link, facts: CredentialFacts, bound: Bound, *, tries: int) -> Turn:
        """The step that the stage calls for. Raises ApiError where the API server does not answer."""
        match facts.stage:
            case RotationStage.NONE:
                return await self._begin(link)
            case RotationStage.TRIAL:
                return await self._try(link, tries)
        return await self._verify(link, facts, bound, tries)

    # ------------------------------------------------------------------ steps

    async def _begin(self, link: Link) -> Turn:
        found = await self._keeper.make_key(link)
        if isinstance(found, CredentialProblem):
            return _given_up(link, None, f"No new key could be made: {found.message}")
        return Turn(link.uid, found)

    async def _try(self, link: Link, tries: int) -> Turn:
        outcome = await self._try_out(link, Purpose.ROTATION)
        if outcome.success:
            return _after(link, await self._keeper.swap_key(link))
        if not outcome.counts or tries + 1 < TRIES:
            return _wait(link, tries + outcome.counts)
        return await self._back(link, f"The new key was refused ({outcome.reason.value}).")

    async def _verify(self, link: Link, facts: CredentialFacts, bound: Bound, tries: int) -> Turn:
        outcome = await self._try_out(link, Purpose.TEST)
        if not outcome.success:
            if not outcome.counts or tries + 1 < TRIES:
                return _wait(link, tries + outcome.counts)
            return await self._back(link, f"The connection fails with the new key ({outcome.reason.value}).")
        if bound.secret:
            workloads = await self._consumers.bring_to(link.namespace, bound.secret, bound.revision)
            late = facts.rotated_at is not None and self._clock.now() - facts.rotated_at > ROLLOUT_PATIENCE
            if workloads.failed or (workloads.rolling and late):
                names = ", ".join((*workloads.failed, *workloads.rolling))
                return await self._back(link, f"These Deployments do not come up with the new key: {names}.")
            if not workloads.settled:
                return _wait(link, 0)
        found = await self._keeper.end_old_key(link)
        told = "A new key is in use; the old one was ended."
        return _after(link, found, Reason.CREDENTIALS_ROTATED, told)

    async def _back(self, link: Link, why: str) -> Turn:
        found = await self._keeper.roll_back_key(link)
        if isinstance(found, CredentialProblem):
            return _after(link, found)
        return _given_up(link, found, f"{why} The old key is in use again.")


def _wait(link: Link, tries: int) -> Turn:
    return Turn(link.uid, None, AGAIN_SECONDS, tries=tries)


def _after(
    link: Link,
    found: CredentialFacts | CredentialProblem,
    reason: Reason | None = None,
    message: str = "",
) -> Turn:
    """A step that is over; one that came to nothing is taken again."""
    if isinstance(found, CredentialProblem):
        return Turn(link.uid, None, found.retry_after or AGAIN_SECONDS)
    return Turn(link.uid, found, reason=reason, message=message)


def _given_up(link: Link, found: CredentialFacts | None, message: str) -> Turn:
    return Turn(link.uid, found, GIVEN_UP_SECONDS, Reason.ROTATION_FAILED, message)
