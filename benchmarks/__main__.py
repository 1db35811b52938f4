"""`make bench`: measure the bars of the design and write RESULTS.md.

    python benchmarks [--quick] [--only reconcile,many,calls,probes,storm,cli]

Everything runs on loopback, each part against a control plane of its own. `--quick` is for trying a
change, not for figures to quote. `--only` measures some parts anew; the others keep their figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cli_start  # noqa: E402 - after the path is set
import gateway_calls  # noqa: E402
import probe_cost  # noqa: E402
import refresh_storm  # noqa: E402
import report  # noqa: E402
import scenarios  # noqa: E402
from rig import Rig  # noqa: E402

from controlplane import ControlPlane, pins  # noqa: E402 - rig sets the path

RAW = HERE / "results" / "figures.json"


@dataclass(frozen=True)
class Scale:
    """How much is measured; see RESULTS.md for what the words mean."""

    pairs: int = 5
    objects: int = 2000
    many: int = 10_000
    starts: int = 3
    calls: int = 600
    probed: int = 1000
    probe_seconds: float = 90
    tokens: int = 1000
    token_seconds: float = 180
    cli_runs: int = 15


QUICK = Scale(1, 300, 1200, 1, 200, 100, 30, 100, 90, 3)


@contextmanager
def rig() -> Iterator[Rig]:
    """A control plane with nothing on it yet."""
    with tempfile.TemporaryDirectory() as scratch, ControlPlane.start() as plane:
        yield Rig(plane, Path(scratch))


def reconcile(scale: Scale) -> dict[str, Any]:
    """The operator's pace: rate and CPU, against raw applies and a control."""
    control = build_control()
    with rig() as stage:
        status = scenarios.prepare(stage, scale.objects)
        print(f"  {scale.objects} objects, {scale.pairs} pairs", flush=True)
        passes = scenarios.reconcile(stage, status, control, count=scale.objects, pairs=scale.pairs)
        return {"reconcile": passes}


def many(scale: Scale) -> dict[str, Any]:
    """What many objects cost that nobody changes: memory, a start, and no writes."""
    few = min(1000, scale.objects // 2)
    with rig() as stage:
        print(f"  {few} objects", flush=True)
        scenarios.prepare(stage, few)
        few_memory = _memory(stage, "operator,gateway")
        stage.create_integrations(few, scale.many - few)
        scenarios.settle(stage, scale.many)
        print(f"  {scale.many} objects: memory and cold start", flush=True)
        many_memory = _memory(stage, "operator,gateway")
        return {
            "memory": {
                "few": few,
                "many": scale.many,
                "few_mib": few_memory,
                "many_mib": many_memory,
                "operator_mib": _memory(stage, "operator"),
                "slope_mib_per_1000": 1000 * (many_memory[0] - few_memory[0]) / (scale.many - few),
            },
            "cold_start": scenarios.cold_start(stage, scale.many, scale.starts),
        }


def _memory(stage: Rig, roles: str) -> tuple[float, float]:
    now, peak = scenarios.memory(stage, roles)
    print(f"    memory of {roles}: {now:.0f} MiB, peak {peak:.0f}", flush=True)
    return now, peak


def calls(scale: Scale) -> dict[str, Any]:
    with rig() as stage:
        return {"calls": gateway_calls.added_by_gateway(stage, pairs=scale.pairs, calls=scale.calls)}


def probes(scale: Scale) -> dict[str, Any]:
    with rig() as stage:
        return {"probes": probe_cost.probe_cost(stage, scale.probed, scale.probe_seconds)}


def storm(scale: Scale) -> dict[str, Any]:
    with rig() as stage:
        found = refresh_storm.refresh_storm(stage, tokens=scale.tokens, seconds=scale.token_seconds)
        return {"storm": found}


def cli(scale: Scale) -> dict[str, Any]:
    return {"cli": cli_start.starts(scale.cli_runs)}


PARTS: dict[str, Callable[[Scale], dict[str, Any]]] = {
    "reconcile": reconcile,
    "many": many,
    "calls": calls,
    "probes": probes,
    "storm": storm,
    "cli": cli,
}


def build_control() -> Path:
    """The controller-runtime control, built once into the cache under the key of its sources."""
    digest = subprocess.run(
        ["sha256sum", "main.go", "go.mod", "go.sum"], cwd=HERE / "control", capture_output=True, check=True
    ).stdout
    key = hashlib.sha256(digest).hexdigest()[:16]
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "integration-hub" / "bench-control"
    )
    binary = cache / key / "control"
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(binary), "."],
            cwd=HERE / "control",
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
        )
    return binary


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure, comma-separated")
    parser.add_argument("--quick", action="store_true", help="little of everything, no RESULTS.md")
    options = parser.parse_args()
    scale = QUICK if options.quick else Scale()
    results: dict[str, Any] = {}
    if RAW.exists() and not options.quick:
        results = json.loads(RAW.read_text())
    results |= {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "versions": versions()}
    for name in options.only.split(","):
        began = time.monotonic()
        print(name, flush=True)
        results |= PARTS[name](scale)
        print(f"  took {time.monotonic() - began:.0f} s", flush=True)
        if not options.quick:  # a later part that fails costs no figures
            RAW.parent.mkdir(exist_ok=True)
            RAW.write_text(json.dumps(results, indent=2) + "\n")
    text = report.render(results)
    print(text)
    if not options.quick:
        (HERE / "RESULTS.md").write_text(text)


def versions() -> dict[str, str]:
    packages = ("kopf", "kubernetes", "aiohttp", "pydantic", "fastapi", "uvicorn")
    return {
        "python": platform.python_version(),
        "API server": pins.KUBERNETES,
        "controller-runtime": "v0.23.3",
        **{package: version(package) for package in packages},
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }


if __name__ == "__main__":
    main()
