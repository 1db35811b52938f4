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


def measure(command: tuple[str, ...], kubeconfig: Path, runs: int) -> list[float]:
    """Seconds of each run; the first, which reads from disk, is not counted."""
    code = "from integration_hub.cli import main; main(prog_name='kubectl hub')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "KUBECONFIG": str(kubeconfig)}
    taken = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code, *command], env=environment, capture_output=True, check=True
        )
        taken.append(time.perf_counter() - begun)
    return taken[1:]


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
    with stand_in() as path:
        kubeconfig = options.kubeconfig or path
        for command in COMMANDS:
            taken = sorted(measure(command, kubeconfig, options.runs))
            median = statistics.median(taken)
            verdict = f"bar {1000 * BAR_SECONDS:.0f} ms {'met' if median <= BAR_SECONDS else 'NOT met'}"
            print(
                f"kubectl hub {' '.join(command)}: {1000 * median:.0f} ms "
                f"({1000 * taken[0]:.0f} to {1000 * taken[-1]:.0f}); {verdict}"
            )
        if options.imports:
            print("\n".join(imports(kubeconfig)))


if __name__ == "__main__":
    main()
