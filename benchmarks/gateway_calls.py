"""What the gateway adds to a call: the same request through it and directly, by one client, in pairs.

    python benchmarks/gateway_calls.py [--calls 600] [--pairs 5] [--profile FILE]

Bars: added CPU at most 1.5 ms, p50 added at most 3 ms, on loopback. *One*: one call after the other.
*Sixteen*: sixteen callers who ask again at once, of a far end that takes a tenth of a second, more or less,
so that sixteen calls are under way all the time, each at another point of its way. What the hub costs
while nobody asks it is what it takes during the direct calls; that is taken off. A caller's own rate
limit is lifted. The control is bare_gateway.py: what passing a call on costs in Python on this machine, on
this day (virtual machines are slower on some).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pstats
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import callers
import far_ends
from rig import GROUP, OBJECTS, Program, Rig, spread

from controlplane import ControlPlane  # isort: skip - rig sets the path

WARM_UP = 100
INTEGRATION = "called"

Call = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Load:
    """So many callers of `path`, each of whom asks again at once."""

    callers: int
    path: str


LOADS = {"one": Load(1, "/items"), "sixteen": Load(16, "/slow")}


@dataclass(frozen=True)
class Pass:
    """Latencies in milliseconds; CPU seconds of the hub meanwhile, and how long it took."""

    latencies: list[float]
    cpu: float
    seconds: float

    @property
    def p50(self) -> float:
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.latencies, n=100)[98]


def added_by_gateway(rig: Rig, *, pairs: int, calls: int, profile: Path | None = None) -> dict[str, Any]:
    """For each load the spread of the pairs' differences, with the passes they come from."""
    token = callers.create(rig)
    with far_ends.running("quick_far_end.py") as port, far_ends.started("bare_gateway.py", str(port)) as bare:
        _connect(rig, port)
        settings = {**callers.SETTINGS, "egress_allow": f"127.0.0.1/32:{port}"}
        with rig.hub(settings, profile=profile) as hub:
            return asyncio.run(_measure(hub, bare, port, token, pairs=pairs, calls=calls))


async def _measure(
    hub: Program, bare: far_ends.Started, port: int, token: str, *, pairs: int, calls: int
) -> dict[str, Any]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        direct, through = _direct(client, port), _through(client, hub.gateway_port, token)
        passed_on = _through(client, bare.port, token)
        await _until_it_works(through, hub)
        results: dict[str, Any] = {"calls": calls}
        for title, load in LOADS.items():
            for call in (direct, passed_on, through):
                await _pass(hub.cpu_seconds, call, load, WARM_UP)
            done: list[tuple[Pass, Pass, Pass]] = []
            for pair in range(pairs):
                control = await _pass(bare.cpu_seconds, passed_on, load, calls)
                plain = await _pass(hub.cpu_seconds, direct, load, calls)
                piped = await _pass(hub.cpu_seconds, through, load, calls)
                hub.check()
                done.append((plain, piped, control))
                print(f"    pair {pair}: {title:8} {_figures(plain, piped, control)}", flush=True)
            results[title] = {
                "added_cpu_ms": spread([_added_cpu(plain, piped) for plain, piped, _ in done]),
                "control_cpu_ms": spread([_control_cpu(control) for _, _, control in done]),
                "added_p50_ms": spread([piped.p50 - plain.p50 for plain, piped, _ in done]),
                "added_p99_ms": spread([piped.p99 - plain.p99 for plain, piped, _ in done]),
                "control_p50_ms": spread([control.p50 - plain.p50 for plain, _, control in done]),
                "direct_p50_ms": spread([plain.p50 for plain, _, _ in done]),
            }
        return results


def _added_cpu(plain: Pass, piped: Pass) -> float:
    """Milliseconds of the hub by call, less what it takes anyway."""
    idle = plain.cpu / plain.seconds * piped.seconds
    return 1000 * (piped.cpu - idle) / len(piped.latencies)


def _control_cpu(control: Pass) -> float:
    """Milliseconds by call; it does nothing while nobody asks."""
    return 1000 * control.cpu / len(control.latencies)


def _figures(plain: Pass, piped: Pass, control: Pass) -> str:
    return (
        f"p50 {plain.p50:6.2f} → {piped.p50:6.2f} ms   p99 {plain.p99:6.2f} → {piped.p99:6.2f} ms   "
        f"added CPU {_added_cpu(plain, piped):5.2f} ms; control {control.p50:6.2f} ms, "
        f"{_control_cpu(control):5.2f} ms CPU"
    )


async def _pass(cpu_seconds: Callable[[], float], call: Call, load: Load, calls: int) -> Pass:
    """All callers until so many calls are made; `cpu_seconds` of whom it is about."""
    left = calls
    latencies: list[float] = []

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            began = time.perf_counter()
            await call(load.path)
            latencies.append(1000 * (time.perf_counter() - began))

    cpu, began = cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(load.callers)))
    return Pass(latencies, cpu_seconds() - cpu, time.perf_counter() - began)


# ---------------------------------------------------------------------- the client


def _direct(client: aiohttp.ClientSession, port: int) -> Call:
    headers = {"Accept": "application/json", "Authorization": "Bearer benchmark"}

    async def call(path: str) -> None:
        async with client.get(f"http://127.0.0.1:{port}{path}?state=open", headers=headers) as answer:
            await _expect(answer)

    return call


def _through(client: aiohttp.ClientSession, port: int, token: str) -> Call:
    url = f"http://127.0.0.1:{port}/api/integration-hub/{INTEGRATION}/execute"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}", "X-Tenant": OBJECTS}

    async def call(path: str) -> None:
        body = json.dumps({"method": "GET", "endpoint": f"{path}?state=open"})
        async with client.post(url, data=body, headers=headers) as answer:
            await _expect(answer)

    return call


async def _expect(answer: aiohttp.ClientResponse) -> None:
    body = await answer.read()
    if answer.status != 200 or b"Item 23" not in body:
        raise RuntimeError(f"{answer.status} {body[:300]!r}")


async def _until_it_works(call: Call, hub: Program) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            return await call("/items")
        except (aiohttp.ClientError, RuntimeError):
            hub.check()
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.5)


# ---------------------------------------------------------------------- what is called


def _connect(rig: Rig, port: int) -> None:
    secret = {"metadata": {"name": INTEGRATION}, "stringData": {"token": "benchmark"}}
    rig.api("POST", f"/api/v1/namespaces/{OBJECTS}/secrets", secret)
    provider = {
        "apiVersion": "integrationhub.io/v1alpha1",
        "kind": "IntegrationProvider",
        "metadata": {"name": INTEGRATION},
        "spec": {
            "displayName": "Called",
            "category": "custom",
            "baseUrl": f"http://127.0.0.1:{port}",
            "authModes": [{"type": "BEARER"}],
        },
    }
    integration = {
        "apiVersion": "integrationhub.io/v1alpha1",
        "kind": "Integration",
        "metadata": {"name": INTEGRATION},
        "spec": {
            "providerRef": {"kind": "IntegrationProvider", "name": INTEGRATION},
            "credentials": {"secretRef": {"name": INTEGRATION}},
            "healthCheck": {"enabled": False},
        },
    }
    rig.api("POST", f"{GROUP}/namespaces/{OBJECTS}/integrationproviders", provider)
    rig.api("POST", f"{GROUP}/namespaces/{OBJECTS}/integrations", integration)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--profile", type=Path, help="write a profile of the hub here, and show it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ControlPlane.start() as plane:
        rig = Rig(plane, Path(scratch))
        results = added_by_gateway(rig, pairs=options.pairs, calls=options.calls, profile=options.profile)
    print(json.dumps(results, indent=2))
    if options.profile:
        pstats.Stats(str(options.profile)).sort_stats("tottime").print_stats(60)


if __name__ == "__main__":
    main()
