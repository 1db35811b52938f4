"""Integrations: gather → decide → act → report.

One look gathers the object, its provider, its rivals and what is remembered of its health; the
decision is `domain.integration`. Its Secret is read only if that decision needs it, its probe goes
out through egress, and at most one status is written. Nothing outside has to be undone when an
Integration goes, so there is no finalizer: what is remembered is dropped, that is all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from pydantic import ValidationError

from integration_hub.api.conditions import READY
from integration_hub.api.integration import INTEGRATION, TEST_REQUESTED, IntegrationSpec
from integration_hub.api.provider import AuthMode
from integration_hub.api.reasons import Reason
from integration_hub.domain import conditions
from integration_hub.domain import integration as decisions
from integration_hub.domain.classification import Outcome, classify
from integration_hub.domain.concealment import concealing
from integration_hub.domain.config_schema import ValidConfig
from integration_hub.domain.consent import Consent
from integration_hub.domain.integration import (
    HealthFacts,
    Inputs,
    IntegrationWorld,
    KnownProvider,
    Plan,
    SecretFacts,
)
from integration_hub.ports import (
    Clock,
    Egress,
    Entropy,
    EventNote,
    Events,
    Expressions,
    Json,
    Key,
    SecretRead,
    Secrets,
    SecretState,
    SecretText,
)
from integration_hub.providers import auth
from integration_hub.providers.auth import Applied
from integration_hub.providers.linking import Linker
from integration_hub.providers.reading import problems_of
from integration_hub.providers.request import NoProbe, RequestProblem, probe_request
from integration_hub.reconcilers.health_book import HealthBook
from integration_hub.reconcilers.probing import Probes
from integration_hub.runtime.cache import CachedObject, ObjectCache
from integration_hub.runtime.controller import Result
from integration_hub.runtime.reflector import Service
from integration_hub.runtime.status import StatusWriter, WriteOutcome

MAX_TEST_NAME = 64


class SecretWatch(Protocol):
    """What the metadata-only watch of Secrets knows; `runtime.reflector.Reflector` is one."""

    def version(self, namespace: str, name: str) -> tuple[str, str] | None:
        """The Secret's uid and resourceVersion; None if there is none or the namespace is not followed."""
        ...

    def service(self, namespace: str) -> Service:
        """Whether the namespace is followed."""
        ...


class IntegrationMetrics(Protocol):
    """The figures that this reconciler keeps."""

    def observe_probe(self, kind: str, provider: str, outcome: str, seconds: float) -> None: ...

    def set_ready(self, namespace: str, name: str, status: str) -> None: ...

    def set_troubles(self, namespace: str, name: str, reasons: Iterable[str]) -> None: ...

    def drop_ready(self, namespace: str, name: str) -> None: ...

    def clear_ready(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """A probe that was made: of which object, on which inputs, and what it came to."""

    uid: str
    inputs: Inputs
    secret: SecretFacts | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Read:
    """What reading a Secret gave, if one was read: what may be known of it, and what goes on the wire."""

    facts: SecretFacts | None
    applied: Applied = field(default_factory=Applied)
    values: tuple[SecretText, ...] = ()


class IntegrationReconciler:
    """The flow of one Integration; see the module's text and runtime.controller.Reconciler."""

    def __init__(
        self,
        *,
        cache: ObjectCache,
        linker: Linker,
        status: StatusWriter,
        secrets: Secrets,
        watch: SecretWatch,
        egress: Egress,
        expressions: Expressions,
        events: Events,
        probes: Probes[Inputs, Attempt],
        clock: Clock,
        entropy: Entropy,
        metrics: IntegrationMetrics,
        consent: Consent,
    ) -> None:
        self._cache = cache
        self._linker = linker
        self._status = status
        self._secrets = secrets
        self._watch = watch
        self._egress = egress
        self._expressions = expressions
        self._events = events
        self._probes = probes
        self._clock = clock
        self._entropy = entropy
        self._metrics = metrics
        self._consent = consent
        self._book: HealthBook[HealthFacts] = HealthBook()

    async def reconcile(self, key: Key) -> Result:
        observed = self._cache.get(key)
        if observed is None or observed.deleting:
            self._forget(key)
            return Result()
        obj = observed.load()
        try:
            spec = IntegrationSpec.model_validate(obj.get("spec") or {})
        except ValidationError as error:
            return await self._refuse(observed, obj.get("status") or {}, problems_of(error))
        world, made, outcome = await self._look(observed, self._gather(observed, obj, spec))
        report = decisions.report(world, made, outcome)
        self._book.put(key, observed.uid, report.facts)
        # The end of a probe under way is a reason to look of its own; until then its due time is past.
        again = None if self._probes.running(key) is not None else report.requeue_after
        return await self._write(observed, report.status, report.event, again)

    async def stop(self) -> None:
        """This process no longer leads: end the probes and forget what another leader will know better."""
        await self._probes.stop()
        self._book.clear()
        self._metrics.clear_ready()

    # ------------------------------------------------------------------ gather

    def _gather(self, observed: CachedObject, obj: Json, spec: IntegrationSpec) -> IntegrationWorld:
        basis = self._linker.basis(observed, obj, spec)
        secret_ref = spec.credentials.secret_ref
        facts = self._book.get(observed.key, observed.uid)
        if facts is None:
            facts = HealthFacts.restored(basis.previous, spec.health_check.window_minutes)
        annotations = obj["metadata"].get("annotations") or {}
        return IntegrationWorld.on(
            basis,
            test_requested=annotations.get(TEST_REQUESTED, "")[:MAX_TEST_NAME],
            keys=_keys(basis.mode, basis.provider),
            secret=None,
            secret_version=self._secret_version(basis.namespace, secret_ref.name) if secret_ref else "",
            facts=facts,
            consent=self._consent,
            tick=self._clock.monotonic(),
            jitter=self._entropy.random(),
        )

    def _secret_version(self, namespace: str, name: str) -> str | None:
        """The Secret's resourceVersion; empty if there is none, None if nobody can tell without a read."""
        if self._watch.service(namespace) is not Service.SERVED:
            return None
        seen = self._watch.version(namespace, name)
        return seen[1] if seen is not None else ""

    # ------------------------------------------------------------------ act

    async def _look(
        self, observed: CachedObject, world: IntegrationWorld
    ) -> tuple[IntegrationWorld, Plan, Outcome | None]:
        """Take an answer that came late; else plan, and read the Secret and probe as the plan asks for it."""
        late = self._probes.take(observed.key)
        if late is not None and late.uid == observed.uid and _still_read(late.secret, world):
            seen = replace(world, secret=late.secret)
            made = decisions.plan(seen)
            if late.inputs == seen.inputs and made.silent is None:
                return seen, made, late.outcome
        read = _Read(None)
        if decisions.secret_wanted(world):
            read = _judge(await self._secrets.read(world.namespace, world.secret_name), world)
            world = replace(world, secret=read.facts)
        made = decisions.plan(world)
        if made.silent is not None:
            self._probes.forget(observed.key)  # one that still waits for its turn must not go out any more
        if made.probe is None or self._probes.running(observed.key) == world.inputs:
            return world, made, None
        if self._probes.full(observed.key):
            return world, made, Outcome(Reason.EGRESS_OVERLOADED)
        attempt = await self._probes.attempt(observed.key, world.inputs, self._probe(world, read))
        return world, made, attempt.outcome if attempt is not None else None

    async def _probe(self, world: IntegrationWorld, read: _Read) -> Attempt:
        """Send the provider's probe and sort the answer. Never raises for what the far end does."""
        provider, config = world.provider, world.config
        if provider is None or not isinstance(config, ValidConfig):
            raise LookupError("a probe is planned only for an accepted, configured Integration")
        declared = provider.examined.spec
        request = probe_request(
            declared,
            config=config.values,
            auth=read.applied,
            namespace=world.namespace,
            expressions=self._expressions,
            region=world.spec.region,
            path=world.spec.health_check.path,
            timeout_seconds=world.spec.timeout_seconds,
        )
        if isinstance(request, RequestProblem | NoProbe):
            problem = (
                request.message if isinstance(request, RequestProblem) else "there is nothing to ask for"
            )
            outcome = Outcome(Reason.CONFIG_INVALID, detail=problem)
        else:
            answer = await self._egress.send(request)
            sent = (*read.values, *read.applied.headers.values(), *read.applied.query.values())
            outcome = classify(
                answer, declared.classes, self._expressions, self._clock.now(), concealing(sent)
            )
        self._metrics.observe_probe(
            INTEGRATION.kind, _metric_name(provider), outcome.reason.value, outcome.elapsed_seconds
        )
        return Attempt(world.uid, world.inputs, world.secret, outcome)

    # ------------------------------------------------------------------ report

    async def _refuse(self, observed: CachedObject, previous: Mapping[str, Json], problem: str) -> Result:
        self._book.forget(observed.key)
        self._probes.forget(observed.key)
        status, event = decisions.refuse(
            previous,
            problem,
            key=observed.key,
            uid=observed.uid,
            generation=observed.generation,
            now=self._clock.now(),
        )
        return await self._write(observed, status, event, None)

    async def _write(
        self,
        observed: CachedObject,
        status: dict[str, Json],
        event: EventNote | None,
        requeue_after: float | None,
    ) -> Result:
        """One write if a fact changed, its Event once it is written."""
        outcome = await self._status.write(INTEGRATION, observed, status)
        if outcome is WriteOutcome.CONFLICT:
            return Result(requeue_after=0)
        if outcome is WriteOutcome.WRITTEN and event is not None:
            self._events.record(event)
        ready = conditions.find(status["conditions"], READY)
        self._metrics.set_ready(
            observed.key.namespace, observed.key.name, ready["status"] if ready is not None else "Unknown"
        )
        self._metrics.set_troubles(
            observed.key.namespace, observed.key.name, conditions.troubles(status["conditions"])
        )
        return Result(requeue_after=requeue_after)

    def _forget(self, key: Key) -> None:
        self._book.forget(key)
        self._probes.forget(key)
        self._metrics.drop_ready(key.namespace, key.name)


def _still_read(secret: SecretFacts | None, world: IntegrationWorld) -> bool:
    """Whether the Secret that a late answer was got with is the present one, as far as the watch knows."""
    return secret is None or world.secret_version in (None, secret.version)


def _keys(mode: AuthMode | None, provider: KnownProvider | None) -> tuple[str, ...] | None:
    """Keys of the Secret that the mode and the provider ask for; None for a mode that cannot be sent."""
    if mode is None or provider is None:
        return ()
    needed = auth.required_keys(decisions.as_sent(mode))
    if isinstance(needed, auth.Unsupported):
        return None
    schema = provider.examined.credentials_schema
    further = schema.schema.get("required", ()) if schema is not None and needed else ()
    return tuple(dict.fromkeys((*needed, *further)))


def _judge(found: SecretRead, world: IntegrationWorld) -> _Read:
    """What a Secret holds of what is needed, and what it comes to on the wire."""
    if found.state is not SecretState.FOUND or world.mode is None or world.keys is None:
        return _Read(SecretFacts(found.state))
    needed = world.keys
    garbled = {key: "it is not text in UTF-8" for key in needed if key in found.undecodable}
    absent = tuple(key for key in needed if not found.data.get(key) and key not in garbled)
    facts = SecretFacts(found.state, found.resource_version, absent, garbled)
    if absent or garbled:
        return _Read(facts)
    applied = auth.apply(decisions.as_sent(world.mode), found.data)
    if isinstance(applied, Applied):
        return _Read(facts, applied, tuple(found.data.values()))
    if isinstance(applied, auth.InvalidKey):
        return _Read(replace(facts, invalid={applied.key: applied.problem}))
    missing = applied.keys if isinstance(applied, auth.MissingKeys) else needed
    return _Read(replace(facts, missing=missing))


def _metric_name(provider: KnownProvider) -> str:
    """A label with bounded values: tenants name their own providers as they like."""
    return provider.name if not provider.namespace else "custom"
