"""Workloads that asked to be restarted when the credentials they use are replaced.

A Deployment asks by the annotation `integrationhub.io/restart-on-rotation`, which names the Secret for
workloads. Which revision of it a Deployment runs on is noted on the Deployment itself, in the same
PATCH that restarts it: so a crash in between restarts nobody twice, and nobody is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from integration_hub.api.integration import RESTART_ON
from integration_hub.api.meta import GROUP, format_time
from integration_hub.domain.rollout import RESTARTED_AT, RolloutState, read_rollout
from integration_hub.ports import DEPLOYMENTS, ApiError, Clock, Cluster, Json, PatchType

REVISION_NOTE = f"{GROUP}/credentials-revision"
RECENT = timedelta(hours=1)
"""A Deployment without a note was there before an older revision, so it was started on that or later."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """Where the workloads stand: names of those that roll out still, and of those that failed to."""

    rolling: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        return not self.rolling and not self.failed


class Consumers:
    """Restarts Deployments of one namespace; each PATCH carries their uid and resourceVersion."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock

    async def bring_to(self, namespace: str, secret: str, revision: str) -> Restarted:
        """Have all that use this Secret run on this revision. Raises ApiError where nobody answers."""
        rolling, failed = [], []
        for deployment in await self._cluster.list(DEPLOYMENTS, namespace):
            metadata = deployment["metadata"]
            if (metadata.get("annotations") or {}).get(RESTART_ON) != secret:
                continue
            if self._outdated(metadata, revision):
                if await self._restart(namespace, metadata, revision):
                    rolling.append(metadata["name"])
                continue
            state = read_rollout(deployment).state
            if state is RolloutState.PROGRESSING:
                rolling.append(metadata["name"])
            elif state is RolloutState.FAILED:
                failed.append(metadata["name"])
        return Restarted(tuple(rolling), tuple(failed))

    def _outdated(self, metadata: Mapping[str, Json], revision: str) -> bool:
        noted = (metadata.get("annotations") or {}).get(REVISION_NOTE, "")
        if noted:
            return str(noted) < revision  # RFC 3339 in UTC sorts as text
        # Made in the same second it may have read what was there before.
        created = str(metadata.get("creationTimestamp") or "")
        return created <= revision and self._clock.now() - datetime.fromisoformat(revision) < RECENT

    async def _restart(self, namespace: str, metadata: Mapping[str, Json], revision: str) -> bool:
        """Whether a rollout is under way now. One that changed meanwhile is looked at again."""
        body = {
            "metadata": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "annotations": {REVISION_NOTE: revision},
            },
            "spec": {
                "template": {"metadata": {"annotations": {RESTARTED_AT: format_time(self._clock.now())}}}
            },
        }
        try:
            await self._cluster.patch(DEPLOYMENTS, namespace, metadata["name"], body, PatchType.STRATEGIC)
        except ApiError as error:
            if error.status == 404:
                return False
            if error.status != 409:
                raise
        return True
