"""`make bench`: measure the bars of the design and write RESULTS.md.

    python benchmarks [--quick] [--pairs 5] [--objects 2000] [--many 10000]

Everything runs on loopback against a control plane of its own. `--quick` is for trying a change,
not for figures to quote.
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
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import report  # noqa: E402 - after the path is set
import scenarios  # noqa: E402
from rig import Rig  # noqa: E402

from controlplane import ControlPlane, pins  # noqa: E402 - rig sets the path


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
    parser.add_argument("--pairs", type=int, default=5, help="paired runs")
    parser.add_argument("--objects", type=int, default=2000, help="objects of a reconcile pass")
    parser.add_argument("--many", type=int, default=10_000, help="objects of the memory and start bars")
    parser.add_argument("--quick", action="store_true", help="few objects, one pair, no RESULTS.md")
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.objects, options.many = 1, 300, 1200
    control = build_control()
    results: dict[str, Any] = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "versions": versions()}
    with tempfile.TemporaryDirectory() as scratch, ControlPlane.start() as plane:
        rig = Rig(plane, Path(scratch))
        few = min(1000, options.objects // 2)
        print(f"{few} objects", flush=True)
        status = scenarios.prepare(rig, few)
        few_memory = scenarios.memory(rig)
        print(f"  memory: {few_memory[0]:.0f} MiB, peak {few_memory[1]:.0f}", flush=True)
        rig.create_integrations(few, options.objects - few)
        scenarios.settle(rig, options.objects)
        print(f"reconcile, {options.objects} objects, {options.pairs} pairs", flush=True)
        results["reconcile"] = scenarios.reconcile(
            rig, status, control, count=options.objects, pairs=options.pairs
        )
        rig.create_integrations(options.objects, options.many - options.objects)
        scenarios.settle(rig, options.many)
        print(f"{options.many} objects: memory and cold start", flush=True)
        many_memory = scenarios.memory(rig)
        print(f"  memory: {many_memory[0]:.0f} MiB, peak {many_memory[1]:.0f}", flush=True)
        results["memory"] = {
            "few": few,
            "many": options.many,
            "few_mib": few_memory,
            "many_mib": many_memory,
            "slope_mib_per_1000": 1000 * (many_memory[0] - few_memory[0]) / (options.many - few),
        }
        results["cold_start"] = scenarios.cold_start(rig, options.many, 1 if options.quick else 3)
    print(json.dumps(results, indent=2))
    if not options.quick:
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "control-plane.json").write_text(json.dumps(results, indent=2) + "\n")
        (HERE / "RESULTS.md").write_text(report.render(results))


def versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "API server": pins.KUBERNETES,
        "controller-runtime": "v0.23.3",
        **{package: version(package) for package in ("kopf", "kubernetes", "aiohttp", "pydantic")},
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }


if __name__ == "__main__":
    main()
