"""How long the command line takes to start: `--help`, and a simple `get` against an API server on loopback.

    python benchmarks/cli_start.py [--runs 20] [--kubeconfig FILE] [--imports]

Wall time of whole processes, as a person waits for them. The bar is 300 ms. Without a kubeconfig the API
server is a stand-in that answers at once, so that the figure is the program's alone. `--imports` lists what
takes longest to import.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rig import spread

ROOT = Path(__file__).resolve().parents[1]
BAR_SECONDS = 0.3
COMMANDS = (("--help",), ("get", "-n", "team-a"))
_TABLE = {
    "kind": "Table",
    "columnDefinitions": [{"name": "Name"}, {"name": "Ready"}],
    "rows": [{"cells": ["chat", "True"], "object": {"metadata": {"namespace": "team-a"}}}],
}


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(_TABLE).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@contextmanager
def stand_in() -> Iterator[Path]:
    """A kubeconfig of an API server that answers everything with one table."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_text(json.dumps(config))
        yield path
    server.shutdown()


def starts(runs: int, kubeconfig: Path | None = None) -> dict[str, Any]:
    """Seconds of each command beside those of a Python that does nothing, interleaved."""
    code = "from integration_hub.cli import main; main(prog_name='kubectl hub')"
    programs = {"python": ["pass"], **{" ".join(each): [code, *each] for each in COMMANDS}}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    with stand_in() as path:
        for _ in range(runs + 1):
            for name, program in programs.items():
                taken[name].append(_timed(program, kubeconfig or path))
    # The first of each reads from disk.
    spreads = {name: _spreads(runs[1:]) for name, runs in taken.items()}
    return {"python": spreads.pop("python"), "commands": spreads}


def _spreads(runs: list[tuple[float, float]]) -> dict[str, float]:
    """Of the wall times, with the median of the CPU times."""
    return {**spread([wall for wall, _ in runs]), "cpu": statistics.median(cpu for _, cpu in runs)}


def _timed(program: list[str], kubeconfig: Path) -> tuple[float, float]:
    """Wall time, and CPU time of the process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "KUBECONFIG": str(kubeconfig)}
    begun, before = time.perf_counter(), _cpu_of_children()
    subprocess.run([sys.executable, "-c", *program], env=environment, capture_output=True, check=True)
    return time.perf_counter() - begun, _cpu_of_children() - before


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def imports(kubeconfig: Path, most: int = 12) -> list[str]:
    """The slowest imports of `get`, by Python's own account."""
    code = "from integration_hub.cli import main; main(prog_name='kubectl hub')"
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, *COMMANDS[1]],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator"), "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in ran.stderr.splitlines() if "|" in line and "imported package" not in line]
    return sorted(lines, key=lambda line: -int(line.split("|")[1]))[:most]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kubeconfig", type=Path, help="a real API server instead of the stand-in")
    parser.add_argument("--imports", action="store_true")
    options = parser.parse_args()
    found = starts(options.runs, options.kubeconfig)
    print(f"python -c pass: {_told(found['python'])}")
    for command, seconds in found["commands"].items():
        verdict = (
            f"bar {1000 * BAR_SECONDS:.0f} ms {'met' if seconds['median'] <= BAR_SECONDS else 'NOT met'}"
        )
        print(f"kubectl hub {command}: {_told(seconds)}; {verdict}")
    if options.imports:
        with stand_in() as path:
            print("\n".join(imports(options.kubeconfig or path)))


def _told(seconds: dict[str, float]) -> str:
    median, least, most, cpu = (1000 * seconds[name] for name in ("median", "min", "max", "cpu"))
    return f"{median:.0f} ms ({least:.0f} to {most:.0f}), {cpu:.0f} ms of CPU"


if __name__ == "__main__":
    main()
