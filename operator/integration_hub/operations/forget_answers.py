"""Drop what is kept of a connection's answers, by command (PERF-03)."""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.operations.execute import CALL
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Caller, Calls, Problem


@dataclass(frozen=True, slots=True)
class ForgetInput:
    """`integration` is a name or uid."""

    namespace: str
    integration: str
    trail: Trail = NO_TRAIL


class ForgetAnswers:
    """Needs: create integrations/call. Whoever may call may have calls made anew.

    Several replicas without a shared cache keep theirs until the answers' time is up.
    """

    def __init__(self, integrations: Integrations, calls: Calls) -> None:
        self._integrations = integrations
        self._calls = calls

    async def __call__(self, caller: Caller, asked: ForgetInput) -> Problem | None:
        """None: the next call of each asks the outside system."""
        found = await self._integrations.open(
            caller, asked.namespace, asked.integration, verb="create", subresource=CALL, trail=asked.trail
        )
        if isinstance(found, Problem):
            return found
        self._calls.forget_answers(found.uid)
        return None
