"""Integrations: gather → decide → act → report.

One look gathers the object, its provider, its rivals and what is remembered of its health; the
decision is `domain.integration`. Credentials are looked at only if that decision needs them, a probe
goes the way of every call, a token is renewed ahead of its end, and at most one status is written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from pydantic import ValidationError

from integration_hub.api.conditions import READY
from integration_hub.api.integration import INTEGRATION, ROTATION_REQUESTED, TEST_REQUESTED, IntegrationSpec
from integration_hub.api.reasons import Reason
from integration_hub.credentials.owned_secret import owned_name
from integration_hub.domain import conditions
from integration_hub.domain import integration as decisions
from integration_hub.domain.classification import Outcome
from integration_hub.domain.consent import Consent
from integration_hub.domain.integration import Basis, HealthFacts, Inputs, IntegrationWorld, Pace, Plan, Why
from integration_hub.ports import (
    Clock,
    CredentialFacts,
    CredentialProblem,
    CredentialSource,
    Entropy,
    EventNote,
    Events,
    Json,
    Key,
    Link,
)
from integration_hub.providers.linking import Linker, usable
from integration_hub.providers.reading import problems_of
from integration_hub.reconcilers.circuits import Circuits
from integration_hub.reconcilers.departing import RETRY_SECONDS, Departures, Revoked, holds_back
from integration_hub.reconcilers.health_book import HealthBook
from integration_hub.reconcilers.integration_errands import Errand, Errands, Probed, Renewed, Tag
from integration_hub.reconcilers.integration_upkeep import Upkeep
from integration_hub.reconcilers.probing import Probes
from integration_hub.reconcilers.rotating import Turn
from integration_hub.reconcilers.secret_watch import SecretWatch
from integration_hub.reconcilers.vitals import Vitals
from integration_hub.runtime.cache import CachedObject, ObjectCache
from integration_hub.runtime.controller import Result
from integration_hub.runtime.reflector import Service
from integration_hub.runtime.status import StatusWriter, WriteOutcome

MAX_TEST_NAME = 64
PROBE, REFRESH, TURN, REVOKE = "probe", "refresh", "turn", "revoke"


class IntegrationMetrics(Protocol):
    """The figures that this reconciler keeps."""

    def set_ready(self, namespace: str, name: str, status: str) -> None: ...

    def set_troubles(self, namespace: str, name: str, reasons: Iterable[str]) -> None: ...

    def drop_ready(self, namespace: str, name: str) -> None: ...

    def clear_ready(self) -> None: ...


@dataclass(frozen=True, slots=True)
class IntegrationParts:
    """What the flow reads and acts through.

    `connect_url` makes the page where a person connects, of namespace and name; `forget` is told the uid
    of an Integration that is gone.
    """

    cache: ObjectCache
    linker: Linker
    status: StatusWriter
    watch: SecretWatch
    credentials: CredentialSource
    errands: Errands
    probes: Probes[Tag, Errand]
    upkeep: Upkeep
    departures: Departures
    circuits: Circuits
    vitals: Vitals
    events: Events
    clock: Clock
    entropy: Entropy
    metrics: IntegrationMetrics
    consent: Consent
    connect_url: Callable[[str, str], str]
    forget: Callable[[str], Awaitable[None]]


class IntegrationReconciler:
    """The flow of one Integration; see the module's text and runtime.controller.Reconciler."""

    def __init__(self, parts: IntegrationParts) -> None:
        self._parts = parts
        self._cache = parts.cache
        self._probes = parts.probes
        self._clock = parts.clock
        self._metrics = parts.metrics
        self._book: HealthBook[HealthFacts] = HealthBook()
        self._woken: set[Key] = set()

    async def reconcile(self, key: Key) -> Result:
        observed = self._cache.get(key)
        if observed is None:
            await self._forget(key)
            return Result()
        obj = observed.load()
        if observed.deleting:
            return await self._see_off(observed, obj)
        try:
            spec = IntegrationSpec.model_validate(obj.get("spec") or {})
        except ValidationError as error:
            return await self._refuse(observed, obj.get("status") or {}, problems_of(error))
        await self._parts.circuits.known()
        world = self._gather(self._parts.linker.basis(observed, obj, spec), obj)
        world, made, outcome = await self._look(world)
        self._woken.discard(key)
        report = decisions.report(world, made, outcome)
        self._book.put(key, observed.uid, report.facts)
        # The end of an errand under way is a reason to look of its own; until then its due time is past.
        again = None if self._probes.running(key) is not None else report.requeue_after
        result = await self._write(observed, report.status, report.events, again)
        found = world.credentials
        if isinstance(found, CredentialFacts) and found.revocable != holds_back(obj):
            now = self._cache.get(key)
            if now is not None and now.uid == observed.uid:
                await self._parts.departures.mark(now, now.load(), wanted=found.revocable)
        return result

    async def heard(self, keys: Iterable[Key]) -> None:
        """Something happened to these connections that no version tells: look at all of it anew."""
        await self._parts.circuits.refresh()
        self.suspect(keys)

    def suspect(self, keys: Iterable[Key]) -> None:
        """Look at these anew, and try them unless that was done just now."""
        self._woken.update(keys)

    async def stop(self) -> None:
        """This process no longer leads: end the errands and forget what another leader will know better."""
        await self._probes.stop()
        self._book.clear()
        self._parts.upkeep.clear()
        self._woken.clear()
        self._parts.circuits.forget()
        self._parts.vitals.forget()
        self._metrics.clear_ready()

    # ------------------------------------------------------------------ gather

    def _gather(self, basis: Basis, obj: Json) -> IntegrationWorld:
        parts, key = self._parts, basis.key
        facts = self._remembered(basis)
        before, kept = facts.kept_version, self._kept_version(basis)
        woken = key in self._woken
        annotations = obj["metadata"].get("annotations") or {}
        return IntegrationWorld.on(
            basis,
            test_requested=annotations.get(TEST_REQUESTED, "")[:MAX_TEST_NAME],
            credentials=None,
            secret_version=self._secret_version(basis.namespace, basis.secret_name)
            if basis.watched
            else None,
            facts=replace(facts, kept_version=kept or before),
            consent=parts.consent,
            tick=self._clock.monotonic(),
            jitter=parts.entropy.random(),
            recheck=woken or (before is not None and kept is not None and kept != before),
            woken=woken,
            circuit=parts.circuits.row(basis.uid),
            anomaly=parts.vitals.anomaly(basis.uid),
            failed_calls=parts.vitals.failed(basis.uid),
            bound=(basis.previous.get("binding") or {}).get("name", ""),
            connect_url=parts.connect_url(basis.namespace, basis.name),
            rotation_requested=annotations.get(ROTATION_REQUESTED, ""),
        )

    def _kept_version(self, basis: Basis) -> str | None:
        """Of the Secrets that the hub itself writes for it; None while nobody can tell."""
        own = self._secret_version(basis.namespace, owned_name(basis.name))
        return f"{own}/{self._projected_version(basis.spec, basis.namespace)}" if own is not None else None

    def _projected_version(self, spec: IntegrationSpec, namespace: str) -> str | None:
        project = spec.credentials.project
        return self._secret_version(namespace, project.secret_name) if project is not None else ""

    def _remembered(self, basis: Basis) -> HealthFacts:
        """From memory; else what the status tells, with the window that the store kept."""
        facts = self._book.get(basis.key, basis.uid)
        if facts is None:
            facts = HealthFacts.restored(basis.previous, basis.spec.health_check.window_minutes)
        past = self._parts.vitals.take_window(basis.uid)
        if past is None:
            return facts
        window = facts.window.with_past(
            checks=past.checks, failures=past.failures, at=self._clock.monotonic()
        )
        return replace(facts, window=window)

    def _secret_version(self, namespace: str, name: str) -> str | None:
        """The Secret's resourceVersion; empty if there is none, None if nobody can tell without a read."""
        if not name:
            return ""
        if self._parts.watch.service(namespace) is not Service.SERVED:
            return None
        seen = self._parts.watch.version(namespace, name)
        return seen[1] if seen is not None else ""

    # ------------------------------------------------------------------ act

    async def _look(self, world: IntegrationWorld) -> tuple[IntegrationWorld, Plan, Outcome | None]:
        """Take an answer that came late; else look at the credentials, renew and probe as is called for."""
        world = await self._parts.upkeep.unbind(world)
        link = usable(world)
        if not isinstance(link, Link) or not world.spec.enabled:
            self._probes.forget(world.key)  # one that still waits for its turn must not go out any more
            return world, decisions.plan(world), None
        late = self._probes.take(world.key)
        if isinstance(late, Probed) and late.uid == world.uid:
            seen = world if decisions.settled(world) else await self._looked(world, link)
            made = decisions.plan(seen)
            if late.inputs == seen.inputs and made.silent is None:
                seen = replace(seen, checked=late.checked)
                return await self._with_circuit(seen), made, late.outcome
        ended = isinstance(late, Renewed | Turn) and late.uid == world.uid
        if ended:
            world = self._ended(world, late)
        if world.credentials is None and (ended or decisions.credentials_wanted(world)):
            world = await self._looked(world, link)
        if self._probes.full(world.key):
            pace = Pace(0.0, world.jitter, world.tick)
            world = replace(world, facts=world.facts.held_off(pace))
        if decisions.refresh_wanted(world) and self._free(world.key):
            tag = Tag(REFRESH, world.inputs)
            done = await self._probes.attempt(world.key, tag, self._parts.errands.refresh(link))
            if done is None:
                return world, decisions.plan(world), None
            world = self._ended(world, done)
        version = self._projected_version(world.spec, world.namespace)
        world = await self._parts.upkeep.bind(world, link, version)
        if decisions.rotation_step_wanted(world) and self._free(world.key):
            tag = Tag(TURN, world.inputs)
            done = await self._probes.attempt(world.key, tag, self._parts.upkeep.turn(world, link))
            if done is None:
                return world, decisions.plan(world), None
            world = self._ended(world, done)
        return await self._probe(world, link)

    def _ended(self, world: IntegrationWorld, errand: Errand | None) -> IntegrationWorld:
        """The world after a try for a newer token or a step of a replacement."""
        if isinstance(errand, Renewed):
            return _renewed(world, errand.found)
        if isinstance(errand, Turn):
            return self._parts.upkeep.turned(world, errand)
        return world

    async def _looked(self, world: IntegrationWorld, link: Link) -> IntegrationWorld:
        if not world.needs_credentials:
            return world
        return replace(world, credentials=await self._parts.credentials.facts(link))

    async def _probe(
        self, world: IntegrationWorld, link: Link
    ) -> tuple[IntegrationWorld, Plan, Outcome | None]:
        made, key = decisions.plan(world), world.key
        running = self._probes.running(key)
        if made.silent is not None and running is not None and running.what == PROBE:
            self._probes.forget(key)
        tag = Tag(PROBE, world.inputs)
        if made.probe is None or running == tag or (running is not None and running.what != PROBE):
            return world, made, None
        if self._probes.full(key):
            return world, made, Outcome(Reason.EGRESS_OVERLOADED)
        asked = made.probe is Why.REQUESTED
        errand = self._parts.errands.probe(link, world.inputs, asked=asked)
        done = await self._probes.attempt(key, tag, errand)
        if not isinstance(done, Probed):
            return world, made, None
        world = replace(world, checked=done.checked)
        return await self._with_circuit(world), made, done.outcome

    def _free(self, key: Key) -> bool:
        return self._probes.running(key) is None

    async def _with_circuit(self, world: IntegrationWorld) -> IntegrationWorld:
        """A call through a breaker that is not closed may have moved it."""
        if world.circuit is None:
            return world
        await self._parts.circuits.refresh()
        return replace(world, circuit=self._parts.circuits.row(world.uid))

    # ------------------------------------------------------------------ report

    async def _refuse(self, observed: CachedObject, previous: Mapping[str, Json], problem: str) -> Result:
        self._book.forget(observed.key)
        self._probes.forget(observed.key)
        status, events = decisions.refuse(
            previous,
            problem,
            key=observed.key,
            uid=observed.uid,
            generation=observed.generation,
            now=self._clock.now(),
        )
        return await self._write(observed, status, events, None)

    async def _write(
        self,
        observed: CachedObject,
        status: dict[str, Json],
        events: tuple[EventNote, ...],
        requeue_after: float | None,
    ) -> Result:
        """One write if a fact changed, its Events once it is written."""
        outcome = await self._parts.status.write(INTEGRATION, observed, status)
        if outcome is WriteOutcome.CONFLICT:
            return Result(requeue_after=0)
        if outcome is WriteOutcome.WRITTEN:
            for event in events:
                self._parts.events.record(event)
        namespace, name = observed.key.namespace, observed.key.name
        ready = conditions.find(status["conditions"], READY)
        self._metrics.set_ready(namespace, name, ready["status"] if ready is not None else "Unknown")
        self._metrics.set_troubles(namespace, name, conditions.troubles(status["conditions"]))
        return Result(requeue_after=requeue_after)

    async def _see_off(self, observed: CachedObject, obj: Json) -> Result:
        """It is going: end what is held at the outside system, then let it go."""
        key, departures = observed.key, self._parts.departures
        if not holds_back(obj):
            await self._forget(key)
            return Result()
        link = self._parts.linker.parting(observed, obj)
        late = self._probes.take(key)
        last = late if isinstance(late, Revoked) and late.uid == observed.uid else None
        left = departures.left_behind(obj, link, last)
        running = self._probes.running(key)
        under_way = running is not None and running.what == REVOKE
        if left is None and isinstance(link, Link) and last is None and not under_way:
            done = await self._probes.attempt(key, Tag(REVOKE, Inputs()), departures.revoke(link))
            if isinstance(done, Revoked):
                left = departures.left_behind(obj, link, done)
        if left is None:
            return Result(requeue_after=RETRY_SECONDS)
        await departures.release(observed, obj, left)
        return Result()

    async def _forget(self, key: Key) -> None:
        uid = self._book.uid(key)
        if uid:
            await self._parts.forget(uid)
        self._parts.upkeep.forget(key)
        self._book.forget(key)
        self._probes.forget(key)
        self._woken.discard(key)
        self._metrics.drop_ready(key.namespace, key.name)


def _renewed(world: IntegrationWorld, found: CredentialFacts | CredentialProblem) -> IntegrationWorld:
    """After a try for a newer token."""
    problem = found if isinstance(found, CredentialProblem) else None
    facts = world.facts.refreshed(problem, Pace(0.0, world.jitter, world.tick))
    return replace(world, facts=facts, credentials=found)
