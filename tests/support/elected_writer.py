"""A replica in miniature: stands for election and, while it leads, writes as fast as it is allowed to.

    python elected_writer.py KUBECONFIG NAMESPACE IDENTITY

Its writes go to the ConfigMap `ledger-IDENTITY`. SIGTERM releases the Lease.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from integration_hub.adapters.clock import SystemClock, SystemEntropy
from integration_hub.adapters.kubernetes import Connection, KubernetesCluster
from integration_hub.permissions import LEASE_NAME
from integration_hub.ports import CONFIG_MAPS, ApiError, NotLeaderError, PatchType
from integration_hub.runtime.budget import ApiBudget
from integration_hub.runtime.leader import Elector


async def _write(cluster: KubernetesCluster, namespace: str, identity: str) -> None:
    count = 0
    while True:
        count += 1
        body = {"metadata": {"name": f"ledger-{identity}"}, "data": {"count": str(count)}}
        try:
            await cluster.patch(CONFIG_MAPS, namespace, f"ledger-{identity}", body, PatchType.APPLY)
        except NotLeaderError:
            await asyncio.sleep(0.01)
        except ApiError:
            await asyncio.sleep(0.2)


async def main(kubeconfig: Path, namespace: str, identity: str) -> None:
    clock, entropy = SystemClock(), SystemEntropy()
    lease_connection = await Connection.open(clock, user_agent=f"lease-{identity}", kubeconfig=kubeconfig)
    connection = await Connection.open(clock, user_agent=f"writer-{identity}", kubeconfig=kubeconfig)
    elector = Elector(
        KubernetesCluster(lease_connection, field_manager="lease", budget=None, leadership=None),
        clock,
        entropy,
        namespace=namespace,
        name=LEASE_NAME,
        identity=identity,
    )
    cluster = KubernetesCluster(
        connection, field_manager=identity, budget=ApiBudget(clock, entropy), leadership=elector
    )
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    tasks = [
        asyncio.create_task(elector.run()),
        # Several at once, so that some are in the middle of a request whenever the process is stopped.
        *(asyncio.create_task(_write(cluster, namespace, identity)) for _ in range(4)),
    ]
    await told.wait()
    await elector.release()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await connection.close()
    await lease_connection.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
