"""What a call through the pipeline costs beyond the same call on bare aiohttp, on loopback.

    python benchmarks/call_cost.py [--calls 3000] [--pairs 5] [--profile]

The far end runs in a process of its own, so that the CPU time of this one is the caller's alone. Runs are
paired: bare, pipeline, bare, pipeline, … Every pair gives one difference; told are the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import multiprocessing
import pstats
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "operator"), str(ROOT / "tests" / "support")]

import aiohttp  # noqa: E402 - after the path is set
import structlog  # noqa: E402
from aiohttp import web  # noqa: E402

import call_stage  # noqa: E402
from integration_hub import logs  # noqa: E402
from integration_hub.ports import CallRecord, CallRequest, Link  # noqa: E402

SLACK = {
    "classes": [
        {"when": "body.ok == false && body.error == 'ratelimited'", "result": "rateLimited"},
        {"when": "has(body.ok) && body.ok == false", "result": "config", "message": "{{ body.error }}"},
    ]
}
BODY = json.dumps({"ok": True, "items": [{"id": n, "title": f"Item {n}"} for n in range(20)]}).encode()


@dataclass(frozen=True)
class Cost:
    """Of one call: CPU of the calling process, and the time until it is answered; in milliseconds."""

    cpu: float
    p50: float
    p99: float


def far_end(tell: Connection) -> None:
    """A server that answers everything alike. Ends with its parent."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=BODY, content_type="application/json")

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        tell.send(runner.addresses[0][1])
        await asyncio.get_running_loop().run_in_executor(None, tell.poll, None)

    asyncio.run(serve())


async def measure(call: Callable[[], Awaitable[Any]], calls: int) -> Cost:
    """One after the other: latency is the call's own, not that of a queue."""
    for _ in range(100):
        await call()
    taken = []
    cpu = time.process_time()
    for _ in range(calls):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    quantiles = statistics.quantiles(taken, n=100)
    return Cost(1000 * cpu / calls, 1000 * quantiles[49], 1000 * quantiles[98])


class _Forgetful:
    """A log that takes records and keeps none: what the store makes of them is measured with the store."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.shared = False

    def record_call(self, record: CallRecord) -> None:
        assert record.namespace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def compare(
    port: int, *, calls: int, pairs: int, provider: Mapping[str, Any], profile: bool = False
) -> dict[str, float]:
    async with aiohttp.ClientSession(auto_decompress=False) as bare, call_stage.way_out(port) as egress:
        stage = call_stage.stage(egress)
        stage.store = _Forgetful(stage.store)
        pipeline = stage.restart()
        link: Link = call_stage.link(provider={"baseUrl": f"http://{call_stage.HOST}:{port}/api", **provider})
        request = CallRequest("GET", "/items", query=(("state", "open"),), caller="system:serviceaccount:a:b")

        async def direct() -> None:
            headers = {"Authorization": f"Bearer {call_stage.TOKEN}"}
            async with bare.get(f"http://127.0.0.1:{port}/api/items?state=open", headers=headers) as answer:
                await answer.read()

        async def through() -> None:
            answer = await pipeline.call(link, request)
            assert answer.success, answer

        if profile:
            return await _profiled(through, calls)
        differences = []
        for _ in range(pairs):
            plain, piped = await measure(direct, calls), await measure(through, calls)
            differences.append((plain, piped))
        return {
            "bare_cpu_ms": statistics.median(plain.cpu for plain, _ in differences),
            "bare_p50_ms": statistics.median(plain.p50 for plain, _ in differences),
            "added_cpu_ms": statistics.median(piped.cpu - plain.cpu for plain, piped in differences),
            "added_p50_ms": statistics.median(piped.p50 - plain.p50 for plain, piped in differences),
            "added_p99_ms": statistics.median(piped.p99 - plain.p99 for plain, piped in differences),
        }


async def _profiled(call: Callable[[], Awaitable[Any]], calls: int) -> dict[str, float]:
    profiler = cProfile.Profile()
    for _ in range(100):
        await call()
    profiler.enable()
    for _ in range(calls):
        await call()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    return {}


def run(*, calls: int = 3000, pairs: int = 5, profile: bool = False) -> dict[str, dict[str, float]]:
    """The figures: of a plain provider, and of one with rules over the body and a rate limit."""
    logs.configure(level="info")
    structlog.get_logger().debug("measuring")
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=far_end, args=(theirs,), daemon=True)
    server.start()
    try:
        port = ours.recv()
        ruled = {**SLACK, "rateLimit": {"requests": 10_000_000, "windowSeconds": 60}}
        return {
            name: asyncio.run(compare(port, calls=calls, pairs=pairs, provider=provider, profile=profile))
            for name, provider in (("plain", {}), ("with rules and a limit", ruled))
        }
    finally:
        ours.send("end")
        server.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    print(json.dumps(run(calls=options.calls, pairs=options.pairs, profile=options.profile), indent=2))


if __name__ == "__main__":
    main()
