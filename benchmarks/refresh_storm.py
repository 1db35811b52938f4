"""A refresh storm: many tokens that end at the same moment, while callers use some of them.

    python benchmarks/refresh_storm.py [--tokens 1000] [--seconds 180]

Bar: one token request each, spread, none late: no call meets a token that has ended. The vendor counts:
its tokens all end together, whenever they were obtained. Callers go through the gateway; probes go on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import callers
import far_ends
from rig import BASE, GROUP, OBJECTS, Program, Rig, wait_until

from controlplane import ControlPlane  # isort: skip - rig sets the path

CALLERS, CALLED = 100, 10
"""So many callers share so many of the Integrations."""
PAUSE = 2.0
PROBE_SECONDS = 60


def refresh_storm(rig: Rig, *, tokens: int, seconds: float) -> dict[str, Any]:
    """What the vendor saw, what callers saw, and what it cost the API server."""
    token = callers.create(rig)
    with far_ends.running("storm_far_end.py", str(seconds)) as port:
        _create(rig, port, tokens)
        with rig.hub({**callers.SETTINGS, "egress_allow": f"127.0.0.1/32:{port}"}) as hub:
            wait_until(lambda: _report(port)["clients"] >= tokens, hub, 300, "a token each")
            writes, cpu = _quiet(rig), hub.cpu_seconds()
            if _report(port)["renewals"]:
                raise RuntimeError("tokens were renewed before all was quiet: give it more seconds")
            to_end = _report(port)["to_end"]
            print(f"    {tokens} tokens, {to_end:.0f} s before they end", flush=True)
            told = asyncio.run(_call(hub, token, to_end))
            report = _report(port)
            return {
                "tokens": tokens,
                **_judged(report),
                "calls": report["calls"],
                "callers_told": dict(told),
                "writes_per_token": (rig.writes() - writes) / tokens,
                "hub_cpu_ms_per_token": 1000 * (hub.cpu_seconds() - cpu) / tokens,
            }


def _quiet(rig: Rig) -> int:
    """Writes so far, once none is added for three seconds: what belongs to the first tokens is over."""
    before, now = -1, rig.writes()
    while now != before:
        time.sleep(3)
        before, now = now, rig.writes()
    return now


def _judged(report: dict[str, Any]) -> dict[str, Any]:
    renewals = report["renewals"]
    by_second = Counter(int(moment // 1) for moment in renewals)
    seconds = {-at: by_second[at] for at in sorted(by_second)}
    print("    renewals by second before the end:", seconds, flush=True)
    return {
        "renewed": len(renewals),
        "most_requests_for_one": report["most_requests"] - 1,
        "first_seconds_before_end": -renewals[0] if renewals else 0.0,
        "last_seconds_before_end": -renewals[-1] if renewals else 0.0,
        "most_in_one_second": max(by_second.values(), default=0),
        "late": sum(moment >= 0 for moment in renewals) + report["calls"].get("expired", 0),
    }


async def _call(hub: Program, token: str, to_end: float) -> Counter[str]:
    """Callers until all tokens have ended and a little longer; how often they were told what."""
    told: Counter[str] = Counter()
    until = time.monotonic() + to_end + 5
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "X-Tenant": OBJECTS}
    body = json.dumps({"method": "GET", "endpoint": "/me"})

    async def caller(number: int) -> None:
        url = f"http://127.0.0.1:{hub.gateway_port}/api/integration-hub/{_name(number % CALLED)}/execute"
        await asyncio.sleep(PAUSE * number / CALLERS)
        while time.monotonic() < until:
            async with client.post(url, data=body, headers=headers) as answer:
                told[str(answer.status)] += 1
            await asyncio.sleep(PAUSE)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    hub.check()
    return told


def _report(port: int) -> Any:
    time.sleep(0.5)  # asking costs it too
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/report", timeout=30) as answer:
        return json.loads(answer.read())


def _name(number: int) -> str:
    return f"storm-{number:05d}"


def _create(rig: Rig, port: int, count: int) -> None:
    provider = {
        "apiVersion": "integrationhub.io/v1alpha1",
        "kind": "ClusterIntegrationProvider",
        "metadata": {"name": "storm"},
        "spec": {
            "displayName": "Storm",
            "category": "custom",
            "baseUrl": f"http://127.0.0.1:{port}",
            "authModes": [{"type": "OAUTH2_CLIENT_CREDENTIALS"}],
            "oauth": {"tokenUrl": f"http://127.0.0.1:{port}/token", "clientAuthentication": "basic"},
            "probe": {"path": "/me", "intervalSeconds": PROBE_SECONDS},
        },
    }
    rig.api("POST", f"{GROUP}/clusterintegrationproviders", provider)

    def one(number: int) -> None:
        name = _name(number)
        values = {"clientId": name, "clientSecret": f"secret of {name}"}
        secret = {"metadata": {"name": name}, "stringData": values}
        rig.api("POST", f"/api/v1/namespaces/{OBJECTS}/secrets", secret)
        integration = {
            "apiVersion": "integrationhub.io/v1alpha1",
            "kind": "Integration",
            "metadata": {"name": name},
            "spec": {
                "providerRef": {"name": "storm"},
                "instance": f"n{number}",
                "credentials": {"secretRef": {"name": name}, "refreshBeforeSeconds": 60},
            },
        }
        rig.api("POST", BASE, integration)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(count)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=180, help="life of the first tokens")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ControlPlane.start() as plane:
        found = refresh_storm(Rig(plane, Path(scratch)), tokens=options.tokens, seconds=options.seconds)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
