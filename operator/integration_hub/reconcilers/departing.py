"""When an Integration goes: what the hub holds at the outside system is ended first, if there is any.

The finalizer is there only while there is such a thing: a grant with an address to revoke it at. Five
minutes at most, then the object goes anyway and an Event says what was left; an annotation skips it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integration_hub.api.integration import INTEGRATION, SKIP_CLEANUP
from integration_hub.api.meta import GROUP
from integration_hub.api.reasons import Reason
from integration_hub.domain.conditions import clip
from integration_hub.ports import (
    ApiError,
    Clock,
    Cluster,
    CredentialKeeper,
    CredentialProblem,
    EventNote,
    Events,
    Json,
    Link,
    NoLink,
    PatchType,
)
from integration_hub.runtime.cache import CachedObject, ObjectCache
from integration_hub.runtime.status import resource_of

FINALIZER = f"{GROUP}/cleanup"
PATIENCE = timedelta(minutes=5)
RETRY_SECONDS = 10.0
_RESOURCE = resource_of(INTEGRATION)


@dataclass(frozen=True, slots=True)
class Revoked:
    """A try to end the grant; `problem` is why it came to nothing."""

    uid: str
    problem: CredentialProblem | None


def holds_back(obj: Json) -> bool:
    """Whether our finalizer is on the object."""
    return FINALIZER in (obj["metadata"].get("finalizers") or ())


class Departures:
    """Puts the finalizer on, does what it stands for, and takes it off."""

    def __init__(
        self, cluster: Cluster, cache: ObjectCache, keeper: CredentialKeeper, events: Events, clock: Clock
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._keeper = keeper
        self._events = events
        self._clock = clock

    async def mark(self, observed: CachedObject, obj: Json, *, wanted: bool) -> bool:
        """Put the finalizer on or take it off; whether the object changed. Raises ApiError."""
        if holds_back(obj) == wanted:
            return False
        others = [each for each in obj["metadata"].get("finalizers") or () if each != FINALIZER]
        await self._write(observed, [*others, FINALIZER] if wanted else others)
        return True

    async def revoke(self, link: Link) -> Revoked:
        """End the grant at the far end. Raises nothing for what that does."""
        return Revoked(link.uid, await self._keeper.revoke(link))

    def left_behind(self, obj: Json, link: Link | NoLink, last: Revoked | None) -> str | None:
        """Why the object may go now: empty if nothing is left behind, None to go on trying."""
        metadata = obj["metadata"]
        if (metadata.get("annotations") or {}).get(SKIP_CLEANUP) == "true":
            return ""
        if last is not None and last.problem is None:
            return ""
        if isinstance(link, NoLink):
            return link.problem.details
        problem = last.problem if last is not None else None
        since = datetime.fromisoformat(metadata["deletionTimestamp"])
        overdue = self._clock.now() - since >= PATIENCE
        if problem is not None and (problem.lasting or overdue):
            return problem.message
        return "The outside system did not answer in time." if overdue else None

    async def release(self, observed: CachedObject, obj: Json, left: str) -> None:
        """Let it go. Raises ApiError."""
        await self.mark(observed, obj, wanted=False)
        if left:
            message = clip(f"The grant may still be valid at the outside system: revoke it there. {left}")
            note = EventNote(
                observed.key, observed.uid, "Warning", Reason.CLEANUP_ABANDONED.value, message, "Cleanup"
            )
            self._events.record(note)

    async def _write(self, observed: CachedObject, finalizers: Sequence[str]) -> None:
        key = observed.key
        body = {
            "metadata": {
                "uid": observed.uid,
                "resourceVersion": str(observed.resource_version),
                "finalizers": list(finalizers),
            }
        }
        try:
            written = await self._cluster.patch(_RESOURCE, key.namespace, key.name, body, PatchType.MERGE)
        except ApiError as error:
            if error.status == 404:
                return
            if error.status == 409:
                fresh = await self._cluster.get(_RESOURCE, key.namespace, key.name)
                if fresh is not None:
                    self._cache.upsert(key.kind, fresh)
                return
            raise
        self._cache.upsert(key.kind, written)
