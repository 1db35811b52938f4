"""The acting half of healing: gather what a decision needs, decide, patch, and enter it in the record.

What is written on the Deployment and what is entered in the record cannot be one transaction. So the id
of an action is known before it is taken (`episode.heal_id`), and before anything is patched the record
and the Deployment are read once more from the API server: a process that ended in between, or decided
on old news, finds the id or a newer record there and does not act twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from integration_hub.api.product_registration import (
    PRODUCT_REGISTRATION,
    HealRecord,
    HealStatus,
    ProductRegistrationSpec,
    ProductRegistrationStatus,
)
from integration_hub.api.reasons import Reason
from integration_hub.domain.conditions import clip
from integration_hub.domain.dependencies import Dependency, red_roots
from integration_hub.domain.healing import episode
from integration_hub.domain.healing.decide import APPROVE_ANNOTATION, decide
from integration_hub.domain.healing.episode import Followed, Note, Result
from integration_hub.domain.healing.ladder import LADDER, Rung
from integration_hub.domain.healing.world import Act, Announce, HealWorld, Outcome, Recover, Storm, Wait
from integration_hub.domain.product_health import Verdict
from integration_hub.domain.product_watch import Watch, evidence_span
from integration_hub.domain.rollout import Workload, budgets_over, read_workload
from integration_hub.ports import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    ApiError,
    Cluster,
    EventNote,
    Events,
    Json,
    Key,
    PatchType,
)
from integration_hub.reconcilers.heal_brake import MANAGER, Fleet, HealBrake
from integration_hub.reconcilers.product_links import KIND, ProductLinks
from integration_hub.reconcilers.workloads import WorkloadRead, Workloads
from integration_hub.runtime.cache import CachedObject, ObjectCache
from integration_hub.runtime.status import resource_of

_RESOURCE = resource_of(PRODUCT_REGISTRATION)
_MOVED_ON = (404, 409)
_REFUSED = (400, 403, 422)
_MOST_WORDS = 256
"""Characters of a record's reason: ten records have to fit into a status."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Case:
    """One registration as it was looked at, with what was found. `now` has whole seconds."""

    key: Key
    observed: CachedObject
    spec: ProductRegistrationSpec
    status: ProductRegistrationStatus
    metadata: Json
    known: dict[str, Dependency]
    watch: Watch
    read: WorkloadRead
    verdict: Verdict
    followed: Followed
    now: datetime


@dataclass(frozen=True, slots=True)
class Healed:
    """What healing comes to: the record as it is to be written, and what to say and do next.

    `again`: something has to be recorded first; look again at once. `workload` is the Deployment after
    the patch, if there was one.
    """

    heal: HealStatus
    outcome: Outcome
    notes: tuple[Note, ...] = ()
    workload: Workload | None = None
    again: bool = False


class Healer:
    """Heals the products of a fleet.

    `asked_at_admission`: the chart's admission policy asks who names a Deployment; without it only the
    Deployment's own label is consent.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: ObjectCache,
        links: ProductLinks,
        workloads: Workloads,
        events: Events,
        brake: HealBrake,
        fleet: Fleet,
        asked_at_admission: bool,
        ladder: Sequence[Rung] = LADDER,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._links = links
        self._workloads = workloads
        self._events = events
        self._brake = brake
        self._fleet = fleet
        self._asked_at_admission = asked_at_admission
        self._ladder = ladder

    async def heal(self, case: Case) -> Healed | None:
        """Do what is to be done now, if anything. None: the world moved on meanwhile, look again.

        Raises ApiError, NotLeaderError; then nothing was done, or it will be found done.
        """
        world = self._world(case, await self._storm(case))
        outcome = decide(world, self._ladder)
        if isinstance(outcome, Act):
            confirmed = await self._confirm(case, world)
            if confirmed is None:
                return None
            world, outcome = confirmed, decide(confirmed, self._ladder)
        done = await self._carry_out(case, world, outcome)
        return self._tell(world, done) if done is not None else None

    # ------------------------------------------------------------------ gather

    def _world(self, case: Case, storm: Storm) -> HealWorld:
        reference = case.spec.workload_ref
        name = reference.name if reference is not None else None
        created = case.metadata.get("creationTimestamp", "")
        return HealWorld(
            now=case.now,
            name=case.key.name,
            uid=case.observed.uid,
            policy=case.spec.heal,
            verdict=case.verdict,
            recovering=case.watch.standing.recovering,
            recorded=case.status.heal,
            heal=case.followed.heal,
            pinned_uid=case.status.workload_uid,
            workload_name=name,
            workload=case.read.workload,
            asked_at_admission=self._asked_at_admission,
            served=case.read.served,
            observing_since=case.watch.since,
            evidence_span=evidence_span(case.spec),
            approved_id=(case.metadata.get("annotations") or {}).get(APPROVE_ANNOTATION, ""),
            red_roots=red_roots(case.spec.product_id, case.known),
            rival=self._links.rival(case.key, created, name) if name and case.verdict.bad else None,
            storm=storm,
        )

    async def _storm(self, case: Case) -> Storm:
        """The weather over the fleet; puts the brake on when it is due. Only the unwell need to know."""
        if not case.verdict.bad:
            return Storm.CALM
        try:
            brake = await self._brake.read()
            if brake.tripped is not None:
                return Storm.BRAKED
            weather = self._fleet.weather(self._cache.count(KIND), brake.counted_from)
            if weather is Storm.BRAKED and await self._brake.trip():
                message = (
                    "Too many products are in trouble at once: nothing is healed until a person says so."
                )
                self._events.record(
                    EventNote(
                        case.key, case.observed.uid, "Warning", Reason.HEAL_STORM_BRAKE.value, message, "Heal"
                    )
                )
                await self._brake.read()
        except ApiError as error:
            _log.warning(
                "The storm brake cannot be read or saved: nothing is healed", extra={"cause": str(error)}
            )
            return Storm.BRAKED if self._brake.on else Storm.SUSPECTED
        return weather

    async def _confirm(self, case: Case, world: HealWorld) -> HealWorld | None:
        """The world once more, now from the API server itself; None if the registration moved on."""
        key = case.key
        live = await self._cluster.get(_RESOURCE, key.namespace, key.name)
        if live is None:
            self._cache.remove(key, case.observed.uid)
            return None
        if live["metadata"]["resourceVersion"] != str(case.observed.resource_version):
            self._cache.upsert(KIND, live)  # the watch is late
            return None
        read = await self._workloads.fetch(key.namespace, world.workload_name or "")
        workload = read.workload
        budgets = (
            budgets_over(await self._cluster.list(POD_DISRUPTION_BUDGETS, key.namespace), workload)
            if workload is not None and workload.rollout.takes_down
            else ()
        )
        brake = await self._brake.read(fresh=True)
        return replace(
            world,
            workload=workload,
            served=read.served,
            budgets=budgets,
            storm=Storm.BRAKED if brake.tripped is not None else world.storm,
        )

    # ------------------------------------------------------------------ act

    async def _carry_out(self, case: Case, world: HealWorld, outcome: Outcome) -> Healed | None:
        heal, notes = world.heal, case.followed.notes
        match outcome:
            case Act() if world.workload is not None:
                return await self._act(case, world, outcome, world.workload)
            case Recover(action, heal_id, at, why):
                record = _record(outcome, at, why, "verifying")
                message = f"{action.value} ({heal_id}) was found taken and is now on record."
                note = Note(Reason.HEAL_ACTION_TAKEN, message, action, "verifying")
                return Healed(episode.begin(heal, record, world.policy), outcome, (*notes, note))
            case Announce(result, action, heal_id, why):
                record = _record(outcome, world.now, why, result)
                reason = Reason.HEAL_PROPOSED if result == "proposed" else Reason.HEAL_DRY_RUN
                says = "is proposed" if result == "proposed" else "would be done in mode Auto"
                note = Note(reason, f"{action.value} ({heal_id}) {says}. {why}", action, result)
                return Healed(episode.begin(heal, record, world.policy), outcome, (*notes, note))
            case _:
                return Healed(heal, outcome, notes)

    async def _act(self, case: Case, world: HealWorld, act: Act, workload: Workload) -> Healed | None:
        notes, policy = case.followed.notes, world.policy
        rung = next(each for each in self._ladder if each.action is act.action)
        patch = rung.patch(workload, act.heal_id, world.now)
        try:
            patched = await self._cluster.patch(
                DEPLOYMENTS, case.key.namespace, workload.name, patch, PatchType.STRATEGIC, manager=MANAGER
            )
        except ApiError as error:
            if error.status in _MOVED_ON:
                return None
            if error.status not in _REFUSED:
                raise
            message = (
                f"The API server refuses {act.action.value} of Deployment {workload.name}: {error.message}"
            )
            heal = episode.begin(world.heal, _record(act, world.now, message, "rejected"), policy)
            note = Note(Reason.HEAL_ACTION_FAILED, message, act.action, "rejected", normal=False)
            return Healed(heal, act, (*notes, note))
        _log.warning(
            "Healed a product: its Deployment was patched",
            extra={"object": str(case.key), "deployment": workload.name, "heal_id": act.heal_id},
        )
        heal = episode.begin(world.heal, _record(act, world.now, act.why, "verifying"), policy)
        message = f"{act.action.value} ({act.heal_id}) of Deployment {workload.name}. {act.why}"
        note = Note(Reason.HEAL_ACTION_TAKEN, message, act.action, "verifying")
        return Healed(heal, act, (*notes, note), workload=read_workload(patched))

    # ------------------------------------------------------------------ report

    def _tell(self, world: HealWorld, done: Healed) -> Healed:
        """What to say of healing once the record is written, without doing anything about it."""
        workload = done.workload or world.workload
        after = replace(
            world,
            recorded=done.heal,
            heal=done.heal,
            workload=workload,
            pinned_uid=workload.uid if workload is not None else None,
        )
        ahead = decide(after, self._ladder)
        return replace(
            done, outcome=ahead, again=isinstance(ahead, Act | Announce) or _now(done.outcome, world)
        )


def _now(outcome: Outcome, world: HealWorld) -> bool:
    return isinstance(outcome, Wait) and outcome.until <= world.now


def _record(outcome: Act | Announce | Recover, at: datetime, why: str, result: Result) -> HealRecord:
    return HealRecord(
        id=outcome.heal_id, action=outcome.action, at=at, reason=clip(why, _MOST_WORDS), result=result
    )
