"""What is measured: the first five bars of the design, each against a control of the same run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rig import BASE, OBJECTS, PROVIDER, Completions, Program, Rig, name, spread, wait_until

HERE = Path(__file__).resolve().parent
WORKERS = 12


@dataclass(frozen=True)
class Pass:
    """One pass over all objects: how long, and what it cost the program."""

    objects: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.objects / self.seconds

    @property
    def cpu_milliseconds(self) -> float:
        return 1000 * self.cpu_seconds / self.objects


def settle(rig: Rig, count: int) -> None:
    """Have the hub report on every object once, so that statuses are as they would be in use."""
    with rig.hub() as hub:
        wait_until(lambda: _settled(rig, count), hub, 300, f"{count} objects settled")


def _settled(rig: Rig, count: int) -> bool:
    time.sleep(1)
    last = rig.api("GET", f"{BASE}/{name(count - 1)}")
    if last.get("status", {}).get("observedGeneration") != last["metadata"]["generation"]:
        return False
    behind, token = 0, ""
    while True:
        page = rig.api("GET", f"{BASE}?limit=500&continue={token}")
        behind += sum(
            item.get("status", {}).get("observedGeneration") != item["metadata"]["generation"]
            for item in page["items"]
        )
        token = page["metadata"].get("continue", "")
        if not token or behind:
            return not behind


def prepare(rig: Rig, count: int) -> Path:
    """The provider, `count` Integrations, all settled; returns a file with the status the hub writes."""
    PROVIDERS = "/apis/integrationhub.io/v1alpha1/clusterintegrationproviders"  # noqa: N806
    rig.api("POST", PROVIDERS, PROVIDER)
    rig.create_integrations(0, count)
    settle(rig, count)
    status = rig.api("GET", f"{BASE}/{name(0)}")["status"]
    path = rig.scratch / "status.json"
    path.write_text(json.dumps(status))
    return path


# ---------------------------------------------------------------------- bars 1 and 2


def reconcile_pass(rig: Rig, count: int, note: str, start: Callable[[], object]) -> Pass:
    """Every spec changed while the program stands by with a warm cache; then it may lead."""
    rig.hold_lease()
    rig.bump(count, note)
    with start() as program, rig.completions() as counts:  # type: ignore[attr-defined]
        _stand_by(program)
        before = program.cpu_seconds()
        rig.release_lease()
        wait_until(lambda: len(counts.seen) >= count, program, 180, f"{count} statuses written")
        cpu = program.cpu_seconds() - before
        return Pass(count, counts.last - counts.first, cpu)


def _stand_by(program: Program) -> None:
    """Wait until start-up is over: no CPU worth mentioning for two seconds."""
    deadline = time.monotonic() + 60
    quiet = 0
    while quiet < 4 and time.monotonic() < deadline:
        before = program.cpu_seconds()
        time.sleep(0.5)
        program.check()
        quiet = quiet + 1 if program.cpu_seconds() - before <= 0.03 else 0


def raw_pass(rig: Rig, count: int, note: str, status: Path) -> Pass:
    """The hub's own client applying the same statuses at the same concurrency, and nothing else."""
    rig.bump(count, note)
    command = [
        sys.executable, str(HERE / "raw_apply.py"), "--kubeconfig", str(rig.kubeconfig),
        "--namespace", OBJECTS, "--status", str(status), "--concurrency", str(WORKERS),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if ran.returncode:
        raise RuntimeError(ran.stderr[-3000:])
    figures = json.loads(ran.stdout.splitlines()[-1])
    return Pass(figures["objects"], figures["seconds"], figures["cpu_seconds"])


def reconcile(rig: Rig, status: Path, control: Path, *, count: int, pairs: int) -> dict[str, object]:
    """Bars 1 and 2: rate against raw applies, CPU against controller-runtime, interleaved."""
    passes: dict[str, list[Pass]] = {"raw": [], "hub": [], "control": []}
    for pair in range(pairs):
        passes["raw"].append(raw_pass(rig, count, f"raw {pair}", status))
        passes["hub"].append(reconcile_pass(rig, count, f"hub {pair}", rig.hub))
        passes["control"].append(
            reconcile_pass(rig, count, f"control {pair}", lambda: rig.control(control, status))
        )
        for title, done in passes.items():
            last = done[-1]
            figures = f"{last.rate:7.0f}/s  {last.cpu_milliseconds:6.2f} ms CPU each"
            print(f"    pair {pair}: {title:8} {figures}", flush=True)
    rates = [hub.rate / raw.rate for hub, raw in zip(passes["hub"], passes["raw"], strict=True)]
    costs = [
        hub.cpu_milliseconds / other.cpu_milliseconds
        for hub, other in zip(passes["hub"], passes["control"], strict=True)
    ]
    return {
        "objects": count,
        "passes": {
            title: [{"rate": p.rate, "cpu_ms": p.cpu_milliseconds} for p in done]
            for title, done in passes.items()
        },
        "rate_ratio": spread(rates),
        "cpu_ratio": spread(costs),
    }


# ---------------------------------------------------------------------- bars 3, 4 and 5


def cold_start(rig: Rig, count: int, starts: int) -> dict[str, object]:
    """Bars 3 and 5: process start until every settled object was looked at once; and what was written."""
    seconds: list[float] = []
    writes: list[int] = []
    cpu: list[float] = []
    for _ in range(starts):
        rig.hold_lease()
        rig.release_lease()
        before = rig.writes()
        started = time.monotonic()
        with rig.hub() as hub:
            wait_until(lambda hub=hub: _looked_at(hub) >= count, hub, 120, "all looked at once")
            seconds.append(time.monotonic() - started)
            cpu.append(hub.cpu_seconds())
            time.sleep(5)  # a late write counts too
        writes.append(rig.writes() - before)
        print(f"    start: {seconds[-1]:.1f} s, {cpu[-1]:.1f} s CPU, {writes[-1]} writes", flush=True)
    return {"objects": count, "seconds": spread(seconds), "cpu_seconds": spread(cpu), "writes": writes}


def _looked_at(hub: Program) -> float:
    """How many reconciles the hub has counted; asked once a second, since telling ten thousand samples costs
    it time as well.
    """
    time.sleep(1)
    return hub.metric("integration_hub_reconcile_total")


def memory(rig: Rig, roles: str = "operator,gateway") -> tuple[float, float]:
    """Resident memory (now, high-water mark) in MiB once the hub leads and all is quiet."""
    rig.hold_lease()
    rig.release_lease()
    with rig.hub({"roles": roles}) as hub:
        wait_until(lambda: hub.metric("integration_hub_reconcile_total") > 0, hub, 120, "first reconcile")
        _stand_by(hub)
        time.sleep(5)
        return hub.memory()


__all__ = ["Completions", "cold_start", "memory", "prepare", "reconcile", "settle", "spread"]
