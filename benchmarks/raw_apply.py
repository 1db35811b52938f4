"""The control of the rate bar: the hub's own client applying statuses, with nothing around it."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

from integration_hub.adapters.clock import SystemClock
from integration_hub.adapters.kubernetes import Connection, KubernetesCluster
from integration_hub.ports import Resource

INTEGRATIONS = Resource("integrationhub.io", "v1alpha1", "integrations", "Integration")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--status", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    options = parser.parse_args()
    status = json.loads(options.status.read_text())
    connection = await Connection.open(SystemClock(), user_agent="raw-apply", kubeconfig=options.kubeconfig)
    cluster = KubernetesCluster(
        connection, field_manager="integration-hub-operator", budget=None, leadership=None
    )
    objects = await cluster.list(INTEGRATIONS, options.namespace)
    waiting = [
        (item["metadata"]["name"], item["metadata"]["resourceVersion"], item["metadata"]["generation"])
        for item in objects
        if item.get("status", {}).get("observedGeneration") != item["metadata"]["generation"]
    ]
    count = len(waiting)
    del objects

    async def work() -> None:
        while waiting:
            name, version, generation = waiting.pop()
            body = {**status, "observedGeneration": generation}
            await cluster.apply_status(INTEGRATIONS, options.namespace, name, body, resource_version=version)

    cpu, started = time.process_time(), time.monotonic()
    await asyncio.gather(*(work() for _ in range(options.concurrency)))
    figures = {
        "objects": count,
        "seconds": time.monotonic() - started,
        "cpu_seconds": time.process_time() - cpu,
    }
    await connection.close()
    print(json.dumps(figures))


asyncio.run(main())
