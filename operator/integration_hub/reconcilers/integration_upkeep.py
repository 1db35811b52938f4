"""What an Integration brings along beside its own health: the Secret for workloads, and new keys."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, Literal

from integration_hub.api.reasons import Reason
from integration_hub.domain.integration import IntegrationWorld
from integration_hub.ports import CredentialFacts, EventNote, Events, Key, Link
from integration_hub.reconcilers.consumers import Consumers
from integration_hub.reconcilers.projecting import Projected, Projector
from integration_hub.reconcilers.rotating import Bound, Rotation, Turn


@dataclass(frozen=True, slots=True)
class _Done:
    """What was projected, and from which versions: while these stand, nothing is read again."""

    versions: tuple[object, ...]
    projected: Projected


class Upkeep:
    """Keeps the Secret for workloads in step and takes the steps of a replacement."""

    def __init__(
        self, projector: Projector, consumers: Consumers, rotation: Rotation, events: Events
    ) -> None:
        self._projector = projector
        self._consumers = consumers
        self._rotation = rotation
        self._events = events
        self._done: dict[Key, _Done] = {}

    async def bind(self, world: IntegrationWorld, link: Link, version: str | None) -> IntegrationWorld:
        """Project what is in use, where that is asked for; `version` is the Secret's, by the watch.

        Raises ApiError where the API server does not answer.
        """
        project = world.spec.credentials.project
        if project is None or not isinstance(world.credentials, CredentialFacts):
            return world
        versions = (world.uid, world.generation, link.provider_generation, world.credentials.version, version)
        done = self._done.get(world.key)
        if done is None or done.versions != versions or version is None:
            projected = await self._projector.project(link, project.secret_name)
            if projected.revision:
                await self._consumers.bring_to(world.namespace, projected.name, projected.revision)
            done = self._done[world.key] = _Done(versions, projected)
        return replace(world, projected=done.projected.finding, bound=done.projected.name or world.bound)

    async def unbind(self, world: IntegrationWorld) -> IntegrationWorld:
        """Remove the Secret that an earlier spec asked for. Raises ApiError likewise."""
        project = world.spec.credentials.project
        if not world.bound or (project is not None and project.secret_name == world.bound):
            return world
        await self._projector.withdraw(world.namespace, world.bound, world.uid)
        self._done.pop(world.key, None)
        return replace(world, bound="")

    def turn(self, world: IntegrationWorld, link: Link) -> Coroutine[Any, Any, Turn]:
        """The next step of a replacement; planned only where the credentials are known."""
        facts = world.credentials
        known = facts if isinstance(facts, CredentialFacts) else CredentialFacts()
        done = self._done.get(world.key)
        bound = Bound(done.projected.name, done.projected.revision) if done is not None else Bound()
        return self._rotation.step(link, known, bound, tries=world.facts.rotate_tries)

    def turned(self, world: IntegrationWorld, turn: Turn) -> IntegrationWorld:
        """The world after a step, and what a person is told of it."""
        if turn.reason is not None:
            severity: Literal["Normal", "Warning"] = (
                "Normal" if turn.reason is Reason.CREDENTIALS_ROTATED else "Warning"
            )
            note = EventNote(world.key, world.uid, severity, turn.reason.value, turn.message, "Rotate")
            self._events.record(note)
        moment = world.tick + turn.again_after
        facts = replace(world.facts, rotate_not_before=moment, rotate_tries=turn.tries)
        return replace(world, facts=facts, credentials=turn.found or world.credentials)

    def forget(self, key: Key) -> None:
        self._done.pop(key, None)

    def clear(self) -> None:
        self._done.clear()
