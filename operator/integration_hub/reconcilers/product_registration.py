"""One product: ask it how it is, look at its Deployment, judge, heal if need be, report.

A healthy product costs no API call: its Deployment is read when the watch says that it changed, and a
status is written when a fact changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pydantic import ValidationError

from integration_hub.api.integration import HealthStatus
from integration_hub.api.product_registration import (
    PRODUCT_REGISTRATION,
    ProductRegistrationSpec,
    ProductRegistrationStatus,
)
from integration_hub.domain import dependencies, product_health, product_report, product_watch
from integration_hub.domain.conditions import Finding
from integration_hub.domain.consent import Consent
from integration_hub.domain.healing import episode
from integration_hub.domain.healing.checks import LOOK_AGAIN
from integration_hub.domain.healing.world import Escalate, Wait
from integration_hub.domain.product_figures import ProductFigures, figures
from integration_hub.domain.product_health import Verdict
from integration_hub.domain.product_watch import Attempt, Watch
from integration_hub.domain.rollout import RolloutState
from integration_hub.ports import (
    Clock,
    Destination,
    Egress,
    Entropy,
    EventNote,
    Events,
    HttpRequest,
    HttpResponse,
    Json,
    Key,
)
from integration_hub.providers.reading import problems_of
from integration_hub.reconcilers.heal_brake import Fleet, HealBrake
from integration_hub.reconcilers.health_book import HealthBook
from integration_hub.reconcilers.probing import Probes
from integration_hub.reconcilers.product_healing import Case, Healed, Healer
from integration_hub.reconcilers.product_keys import KeyLook, KeySubject, ProductKeys
from integration_hub.reconcilers.product_links import ProductLinks
from integration_hub.reconcilers.workloads import NOT_SERVED, WorkloadRead, Workloads
from integration_hub.runtime.cache import CachedObject, ObjectCache
from integration_hub.runtime.controller import Result
from integration_hub.runtime.status import StatusWriter, WriteOutcome

SOON = 0.05
"""Seconds until another look at what has just moved."""
WHEN_FULL = 1.0
"""Seconds until another try where too many probes are under way."""
MOST_BYTES = 65_536
"""Bytes read of a health answer."""
_HEADERS = {"accept": "application/json", "user-agent": "integration-hub"}


class ProductMetrics(Protocol):
    """Where figures about products go; `metrics.Metrics` is one."""

    def count_heal(self, action: str, result: str) -> None: ...

    def set_product(self, namespace: str, name: str, figures: ProductFigures) -> None: ...

    def drop_product(self, namespace: str, name: str) -> None: ...

    def clear_products(self) -> None: ...

    def set_heal_brake(self, *, on: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """One registration as the cache has it."""

    key: Key
    observed: CachedObject
    spec: ProductRegistrationSpec
    status: ProductRegistrationStatus
    metadata: Json

    @property
    def workload_name(self) -> str | None:
        return self.spec.workload_ref.name if self.spec.workload_ref is not None else None


class ProductReconciler:
    """Reconciles ProductRegistrations."""

    def __init__(
        self,
        *,
        cache: ObjectCache,
        status: StatusWriter,
        events: Events,
        egress: Egress,
        workloads: Workloads,
        links: ProductLinks,
        healer: Healer,
        brake: HealBrake,
        fleet: Fleet,
        consent: Consent,
        clock: Clock,
        entropy: Entropy,
        metrics: ProductMetrics,
        probes: Probes[str, Attempt],
        keys: ProductKeys,
    ) -> None:
        self._cache = cache
        self._status = status
        self._events = events
        self._egress = egress
        self._workloads = workloads
        self._links = links
        self._healer = healer
        self._brake = brake
        self._fleet = fleet
        self._consent = consent
        self._clock = clock
        self._entropy = entropy
        self._metrics = metrics
        self._book: HealthBook[Watch] = HealthBook()
        self._probes = probes
        self._keys = keys

    # ------------------------------------------------------------------ life

    async def stop(self) -> None:
        """This process no longer leads, or ends: forget all, since another one watches from here on."""
        await self._probes.stop()
        self._keys.clear()
        self._book.clear()
        self._fleet.clear()
        self._brake.clear()
        self._metrics.clear_products()

    async def reconcile(self, key: Key) -> Result:
        """See runtime.controller.Reconciler."""
        observed = self._cache.get(key)
        if observed is None or observed.deleting:
            self._forget(key)
            return Result()
        product = _gather(observed)
        if isinstance(product, ValidationError):
            return await self._refuse(observed, product)
        now = self._clock.now().replace(microsecond=0)
        watch = self._book.get(key, product.observed.uid) or self._begin(product, now)
        read = await self._read_workload(product, watch)
        watch = await self._observe(product, watch, read, now)
        case = self._case(product, watch, read, now)
        self._book.put(key, product.observed.uid, watch)
        healed = await self._healer.heal(case)
        if healed is None:
            return Result(SOON)
        if healed.workload is not None:
            self._book.put(key, product.observed.uid, replace(watch, workload=healed.workload))
        looked = await self._keys.look(_key_subject(case))
        outcome = await self._report(case, healed, looked)
        if outcome is WriteOutcome.GONE:
            return Result()
        soon = healed.again or outcome is WriteOutcome.CONFLICT
        return Result(SOON if soon else self._next_look(case, healed, looked))

    # ------------------------------------------------------------------ gather

    def _begin(self, product: Gathered, now: datetime) -> Watch:
        self._probes.forget(product.key)  # of an earlier object of this name
        known = product.status.health.status is not HealthStatus.UNKNOWN
        return product_watch.begin(
            product.spec,
            product.status,
            settled=known and product.status.observed_generation == product.observed.generation,
            now=now,
            tick=self._clock.monotonic(),
            jitter=self._entropy.random(),
        )

    async def _read_workload(self, product: Gathered, watch: Watch) -> WorkloadRead:
        if product.workload_name is None:
            return NOT_SERVED
        return await self._workloads.read(product.key.namespace, product.workload_name, watch.workload)

    async def _observe(self, product: Gathered, watch: Watch, read: WorkloadRead, now: datetime) -> Watch:
        """Ask the product, if it is time; an answer that came since the last look counts first."""
        key, spec = product.key, product.spec
        moved = read.workload is not None and watch.workload is not None and read.workload != watch.workload
        watch = replace(watch, workload=read.workload)
        if moved and product.status.heal.unhealthy_since is not None:
            watch = replace(watch, next_probe=self._clock.monotonic())  # it may be well again: do not wait
        if spec.probe == "Disabled":
            self._probes.forget(key)  # one that still waits for its turn must not go out any more
            return watch
        attempt = self._probes.take(key)
        if attempt is not None and attempt.url != product_watch.health_url(spec):
            attempt = None  # it asked where the product is no longer expected
        if attempt is None and self._due(product, watch):
            url = product_watch.health_url(spec)
            attempt = await self._probes.attempt(key, url, self._ask(product, url))
        if attempt is None:
            return watch
        return product_watch.probed(
            watch,
            spec,
            attempt,
            now=now,
            tick=self._clock.monotonic(),
            jitter=self._entropy.random(),
        )

    def _due(self, product: Gathered, watch: Watch) -> bool:
        url = product_watch.health_url(product.spec)
        if self._probes.full(product.key) or self._probes.running(product.key) == url:
            return False
        return product_watch.due(watch, product.spec, self._clock.monotonic())

    async def _ask(self, product: Gathered, url: str) -> Attempt:
        answer = await self._egress.send(
            HttpRequest(
                "GET",
                url,
                Destination("product", product.key.namespace),
                headers=_HEADERS,
                timeout_seconds=float(product.spec.health_timeout_seconds),
                max_response_bytes=MOST_BYTES,
            )
        )
        if isinstance(answer, HttpResponse):
            seen = product_health.read_answer(answer.status, answer.body)
        else:
            seen = product_health.read_failure(answer.failure.value, answer.message)
        return Attempt(url, seen, answer.elapsed_seconds, isinstance(answer, HttpResponse))

    # ------------------------------------------------------------------ decide

    def _case(self, product: Gathered, watch: Watch, read: WorkloadRead, now: datetime) -> Case:
        verdict = self._judge(product, watch, read, now)
        pinned, workload = product.status.workload_uid, read.workload
        followed = episode.follow(
            product.status.heal,
            verdict,
            product.status.health.status,
            workload,
            policy=product.spec.heal,
            now=now,
            replaced=workload is not None and pinned is not None and workload.uid != pinned,
        )
        meant = workload is not None and workload.rollout.state is RolloutState.SCALED_TO_ZERO
        self._fleet.tell(
            product.key,
            trouble_since=None if meant else followed.heal.unhealthy_since,
            suspect_at=now if watch.standing.suspect and not meant else None,
            worked=product_watch.last_working(verdict.status, product.status.health, now) is not None,
        )
        spec = product.spec
        known = self._links.known_below(product.key.namespace, spec.product_id, spec.dependencies)
        return Case(
            product.key,
            product.observed,
            spec,
            product.status,
            product.metadata,
            known,
            watch,
            read,
            verdict,
            followed,
            now,
        )

    def _judge(self, product: Gathered, watch: Watch, read: WorkloadRead, now: datetime) -> Verdict:
        signals = []
        if product.workload_name is not None and read.served:
            rollout = product_health.rollout_signal(read.workload, product.workload_name)
            signals += [rollout] if rollout is not None else []
        if product.spec.probe == "Auto":
            signals.append(product_health.probe_signal(watch.standing))
        return product_health.judge(signals, product.status.health, now)

    # ------------------------------------------------------------------ report

    async def _report(self, case: Case, healed: Healed, looked: KeyLook) -> WriteOutcome:
        workload = healed.workload or case.read.workload
        health = product_watch.health(case.watch, case.verdict, case.status.health, case.now)
        made = product_report.report(
            case.spec,
            case.status,
            self._findings(case, healed, looked),
            health,
            healed.heal,
            notes=healed.notes,
            workload_uid=workload.uid if workload is not None else case.status.workload_uid,
            api_key=looked.status,
            api_key_secret=looked.secret,
            generation=case.observed.generation,
            now=case.now,
        )
        told = figures(case.spec, case.watch, health, healed.heal)
        self._metrics.set_product(case.key.namespace, case.key.name, told)
        self._metrics.set_heal_brake(on=self._brake.on)
        outcome = await self._status.write(PRODUCT_REGISTRATION, case.observed, made.status)
        if outcome is WriteOutcome.WRITTEN:
            self._keys.written(case.key, looked)
            for each in (*made.occurrences, *looked.occurrences):
                note = EventNote(case.key, case.observed.uid, each.type, each.reason.value, each.message)
                self._events.record(note)
            for action in healed.notes:
                self._metrics.count_heal(action.action.value, action.result)
        return outcome

    def _findings(self, case: Case, healed: Healed, looked: KeyLook) -> dict[str, Finding]:
        found = {product_report.HEALTHY: product_report.health_finding(case.verdict)}
        if case.spec.workload_ref is not None:
            denied = "" if case.read.served else self._consent.command(case.key.namespace)
            found[product_report.WORKLOAD_AVAILABLE] = product_report.workload_finding(
                healed.workload or case.read.workload, case.spec.workload_ref.name, denied
            )
        if case.spec.dependencies:
            roots = dependencies.red_roots(case.spec.product_id, case.known)
            found[product_report.DEPENDENCIES_READY] = dependencies.finding(
                case.spec.dependencies, case.known, roots
            )
        if looked.finding is not None:
            found[product_report.API_KEY_READY] = looked.finding
        return found | product_report.heal_findings(healed.outcome, healed.heal)

    def _next_look(self, case: Case, healed: Healed, looked: KeyLook) -> float | None:
        """Seconds until there is something to look at again."""
        times: list[float] = [looked.again] if looked.again is not None else []
        if case.spec.probe == "Auto" and self._probes.running(case.key) is None:
            least = WHEN_FULL if self._probes.full(case.key) else SOON
            times.append(max(case.watch.next_probe - self._clock.monotonic(), least))
        until = healed.outcome.until if isinstance(healed.outcome, Wait | Escalate) else None
        awaited = episode.being_verified(healed.heal)
        if awaited is not None and until is None:
            until = episode.verified_by(awaited, case.spec.heal)
        if until is not None:
            times.append((until - self._clock.now()).total_seconds())
        if case.verdict.bad:
            times.append(LOOK_AGAIN.total_seconds())
        return max(min(times), SOON) if times else None

    async def _refuse(self, observed: CachedObject, error: ValidationError) -> Result:
        """The spec is none: an object from before a change of the schema."""
        status = product_report.refuse(
            _status(observed.load().get("status")),
            problems_of(error),
            generation=observed.generation,
            now=self._clock.now().replace(microsecond=0),
        )
        self._forget(observed.key)
        outcome = await self._status.write(PRODUCT_REGISTRATION, observed, status)
        return Result(SOON if outcome is WriteOutcome.CONFLICT else None)

    def _forget(self, key: Key) -> None:
        self._book.forget(key)
        self._probes.forget(key)
        self._fleet.forget(key)
        self._keys.forget(key)
        self._metrics.drop_product(key.namespace, key.name)


def _gather(observed: CachedObject) -> Gathered | ValidationError:
    obj = observed.load()
    try:
        spec = ProductRegistrationSpec.model_validate(obj.get("spec") or {})
    except ValidationError as error:
        return error
    return Gathered(observed.key, observed, spec, _status(obj.get("status")), obj["metadata"])


def _key_subject(case: Case) -> KeySubject:
    annotations = case.metadata.get("annotations")
    return KeySubject(case.key, case.observed.uid, case.spec, case.status, annotations, case.now)


def _status(told: Json) -> ProductRegistrationStatus:
    """The present status; one that this version cannot read is as good as none."""
    try:
        return ProductRegistrationStatus.model_validate(told or {})
    except ValidationError:
        return ProductRegistrationStatus()
