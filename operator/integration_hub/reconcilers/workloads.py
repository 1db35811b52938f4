"""Deployments as products need them: read when the watch says that they changed, and only then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from integration_hub.domain.rollout import Workload, read_workload
from integration_hub.ports import DEPLOYMENTS, ApiError, ClusterReader


class DeploymentIndex(Protocol):
    """What the metadata-only watch of Deployments knows."""

    def served(self, namespace: str) -> bool | None:
        """Whether the hub may look there; None while that is not known."""
        ...

    def version(self, namespace: str, name: str) -> tuple[str, str] | None:
        """Its uid and resourceVersion, None where there is no such Deployment."""
        ...


@dataclass(frozen=True, slots=True)
class WorkloadRead:
    """What was found: not `served`, no such Deployment (`workload` None), or the Deployment."""

    served: bool
    workload: Workload | None = None


NOT_SERVED = WorkloadRead(served=False)
MISSING = WorkloadRead(served=True)


class Workloads:
    """Reads Deployments in served namespaces."""

    def __init__(self, cluster: ClusterReader, index: DeploymentIndex) -> None:
        self._cluster = cluster
        self._index = index

    async def read(self, namespace: str, name: str, known: Workload | None) -> WorkloadRead:
        """The Deployment as it is now: `known` itself, if nothing happened to it since. Raises ApiError."""
        served = self._index.served(namespace)
        if served is False:
            return NOT_SERVED
        if served:
            version = self._index.version(namespace, name)
            if version is None:
                return MISSING
            if known is not None and _as_new(known, *version):
                return WorkloadRead(served=True, workload=known)
        return await self.fetch(namespace, name)

    async def fetch(self, namespace: str, name: str) -> WorkloadRead:
        """The Deployment straight from the API server. Raises ApiError."""
        try:
            found = await self._cluster.get(DEPLOYMENTS, namespace, name)
        except ApiError as error:
            if error.status == 403:
                return NOT_SERVED
            raise
        return WorkloadRead(served=True, workload=read_workload(found)) if found is not None else MISSING


def _as_new(known: Workload, uid: str, resource_version: str) -> bool:
    return known.uid == uid and int(known.resource_version) >= int(resource_version)
