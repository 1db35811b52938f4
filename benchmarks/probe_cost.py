"""What probing costs: 1,000 Integrations, each probed every 30 s, and the share of a core that takes.

    python benchmarks/probe_cost.py [--objects 1000] [--seconds 120]

Bar: at most 20 % of a core. Credentials are read from a Secret of each, verdicts stand, so no status
may be written while it is measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import far_ends
from rig import BASE, OBJECTS, Rig, name, wait_until

from controlplane import ControlPlane  # isort: skip - rig sets the path

INTERVAL = 30
PROVIDERS = "/apis/integrationhub.io/v1alpha1/clusterintegrationproviders"


def probe_cost(rig: Rig, objects: int, seconds: float) -> dict[str, float]:
    """CPU of the hub as a share of a core, probes a second, and status writes, over so many seconds."""
    with far_ends.running("quick_far_end.py") as port:
        _create(rig, port, objects)
        with rig.hub({"egress_allow": f"127.0.0.1/32:{port}"}) as hub:
            wait_until(
                lambda: hub.metric("integration_hub_probe_total") >= objects, hub, 300, "a probe of each"
            )
            time.sleep(INTERVAL)  # the first probes came in a burst; from now on they are spread
            probes, writes = hub.metric("integration_hub_probe_total"), _written(hub)
            cpu, began = hub.cpu_seconds(), time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - began
            return {
                "objects": objects,
                "interval_seconds": INTERVAL,
                "core_share": (hub.cpu_seconds() - cpu) / took,
                "probes_per_second": (hub.metric("integration_hub_probe_total") - probes) / took,
                "status_writes": _written(hub) - writes,
                "memory_mib": hub.memory()[0],
            }


def _written(hub: object) -> float:
    return float(hub.metric('integration_hub_status_writes_total{kind="Integration",outcome="Written"}'))  # type: ignore[attr-defined]


def _create(rig: Rig, port: int, count: int) -> None:
    provider = {
        "apiVersion": "integrationhub.io/v1alpha1",
        "kind": "ClusterIntegrationProvider",
        "metadata": {"name": "probed"},
        "spec": {
            "displayName": "Probed",
            "category": "custom",
            "baseUrl": f"http://127.0.0.1:{port}",
            "authModes": [{"type": "BEARER"}],
            "probe": {"path": "/me", "intervalSeconds": INTERVAL},
        },
    }
    rig.api("POST", PROVIDERS, provider)
    secrets = f"/api/v1/namespaces/{OBJECTS}/secrets"

    def one(number: int) -> None:
        secret = {"metadata": {"name": name(number)}, "stringData": {"token": f"token-{number}"}}
        rig.api("POST", secrets, secret)
        body = {
            "apiVersion": "integrationhub.io/v1alpha1",
            "kind": "Integration",
            "metadata": {"name": name(number), "namespace": OBJECTS},
            "spec": {
                "providerRef": {"name": "probed"},
                "instance": f"n{number}",
                "credentials": {"secretRef": {"name": name(number)}},
            },
        }
        rig.api("POST", BASE, body)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(count)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ControlPlane.start() as plane:
        print(json.dumps(probe_cost(Rig(plane, Path(scratch)), options.objects, options.seconds), indent=2))


if __name__ == "__main__":
    main()
