"""Deployments as the API server returns them, in the states that a rollout goes through."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def deployment(
    name: str = "dataflow",
    *,
    uid: str = "dep-1",
    resource_version: str = "100",
    replicas: int | None = 1,
    available: int = 1,
    updated: int | None = None,
    running: int | None = None,
    generation: int = 1,
    observed: int | None = None,
    progressing: tuple[str, str] | None = ("True", "NewReplicaSetAvailable"),
    enough: bool | None = None,
    paused: bool = False,
    strategy: Json | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    conditions: list[Json] | None = None,
) -> Json:
    """A Deployment; by default one that is rolled out and available."""
    desired = 1 if replicas is None else replicas
    updated = desired if updated is None else updated
    enough = available >= desired if enough is None else enough
    told = [{"type": "Available", "status": str(enough), "reason": "MinimumReplicasAvailable"}]
    if progressing:
        told.append({"type": "Progressing", "status": progressing[0], "reason": progressing[1]})
    spec: Json = {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}, "annotations": annotations or {}}},
        "strategy": strategy or {"type": "RollingUpdate"},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    if paused:
        spec["paused"] = True
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": uid,
            "resourceVersion": resource_version,
            "generation": generation,
            "labels": labels or {},
        },
        "spec": spec,
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "replicas": updated if running is None else running,
            "updatedReplicas": updated,
            "availableReplicas": available,
            "conditions": [*told, *(conditions or [])],
        },
    }
