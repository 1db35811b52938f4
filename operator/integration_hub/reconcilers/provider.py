"""Both kinds of providers: gather → decide → report. And the one place that reads and examines them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import ValidationError

from integration_hub.api.conditions import READY
from integration_hub.api.meta import KindInfo
from integration_hub.api.provider import AuthMode, AuthType, Category, ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain import provider as providers
from integration_hub.domain.integration import KnownProvider
from integration_hub.domain.provider import Examined, ProviderProblem
from integration_hub.ports import Clock, EventNote, Events, Expressions, Json, Key
from integration_hub.reconcilers.integration_links import BY_PROVIDER
from integration_hub.runtime.cache import CachedObject, ObjectCache
from integration_hub.runtime.controller import Result
from integration_hub.runtime.status import StatusWriter, WriteOutcome

COUNT_SECONDS = 5.0
"""Shortest pause between two writes that only carry a new count: a mass rollout is a few writes."""


class ProviderReader:
    """Reads providers from the cache and examines each version once, whoever asks."""

    def __init__(self, cache: ObjectCache, expressions: Expressions) -> None:
        self._cache = cache
        self._expressions = expressions
        self._known: dict[Key, KnownProvider] = {}

    def read(self, key: Key) -> KnownProvider | None:
        """The provider as it is now; None if there is none."""
        observed = self._cache.get(key)
        if observed is None:
            self._known.pop(key, None)
            return None
        known = self._known.get(key)
        if known is None or (known.uid, known.generation) != (observed.uid, observed.generation):
            known = KnownProvider(
                key.kind,
                key.namespace,
                key.name,
                observed.uid,
                observed.generation,
                self._examine(observed),
            )
            self._known[key] = known
        return known

    def _examine(self, observed: CachedObject) -> Examined:
        try:
            spec = ProviderSpec.model_validate(observed.load().get("spec") or {})
        except ValidationError as error:
            return _unreadable(problems_of(error))
        return providers.examine(spec, self._expressions)


class ProviderReconciler:
    """Reports on one of the two kinds, `info`: whether its definition holds together, and how many use it."""

    def __init__(
        self,
        info: KindInfo,
        *,
        cache: ObjectCache,
        reader: ProviderReader,
        status: StatusWriter,
        events: Events,
        clock: Clock,
    ) -> None:
        self._info = info
        self._cache = cache
        self._reader = reader
        self._status = status
        self._events = events
        self._clock = clock
        self._counted: dict[Key, float] = {}

    async def reconcile(self, key: Key) -> Result:
        """See runtime.controller.Reconciler."""
        observed, known = self._cache.get(key), self._reader.read(key)
        if observed is None or known is None:
            self._counted.pop(key, None)
            return Result()
        if observed.deleting:
            return Result()
        previous = observed.load().get("status") or {}
        count, wait = self._count(key, previous)
        desired, told = providers.report(
            providers.finding(known.examined),
            integration_count=count,
            previous=previous,
            generation=observed.generation,
            now=self._clock.now(),
        )
        outcome = await self._status.write(self._info, observed, desired)
        if outcome is WriteOutcome.CONFLICT:
            return Result(requeue_after=0)
        if outcome is WriteOutcome.WRITTEN:
            self._counted[key] = self._clock.monotonic()
            transition = told.transition(READY)
            if transition is not None and (transition.now == "False" or transition.was == "False"):
                severity: Literal["Normal", "Warning"] = "Warning" if transition.now == "False" else "Normal"
                self._events.record(
                    EventNote(key, observed.uid, severity, transition.reason.value, transition.message)
                )
        return Result(requeue_after=wait)

    def _count(self, key: Key, previous: Mapping[str, Json]) -> tuple[int, float | None]:
        """How many Integrations to report, and when to look again if that is not the newest figure."""
        written = previous.get("integrationCount", 0)
        actual = len(self._cache.by_index("Integration", BY_PROVIDER, str(key)))
        last = self._counted.get(key)
        if actual == written or last is None:
            return actual, None
        wait = last + COUNT_SECONDS - self._clock.monotonic()
        return (written, wait) if wait > 0 else (actual, None)


def problems_of(error: ValidationError) -> str:
    """A pydantic error as one line for a person: each field with what is wrong, never its value."""
    told = [
        f"spec.{'.'.join(str(step) for step in each['loc'])}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False)
    ]
    return "; ".join(told[:3])


def _unreadable(problem: str) -> Examined:
    """What stands for a spec that is none: from before a change of the schema."""
    empty = ProviderSpec.model_construct(
        display_name="", category=Category.CUSTOM, base_url="", auth_modes=[AuthMode(type=AuthType.NONE)]
    )
    return Examined(empty, None, None, (ProviderProblem(Reason.INVALID_SPEC, problem),))
