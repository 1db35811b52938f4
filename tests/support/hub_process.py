"""The operator as users run it: a process of its own, with the rights of its own ServiceAccount."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
KEY = "6b1f" * 15 + "0a9c"
"""Of the hubs in tests: seals what they obtain."""


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """In the child: a killed test run leaves no hub behind that knocks at a control plane which is gone."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class HubProcess:
    """One `integration-hub run`. Its log is in `log`; probes and metrics on `port`, the API at `api`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path, gateway_port: int) -> None:
        self.process = process
        self.port = port
        self.log = log
        self.gateway_port = gateway_port
        self.api = f"http://127.0.0.1:{gateway_port}"

    def page(self, path: str) -> tuple[int, str]:
        """Status and body of one of its own pages, such as /readyz; status 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, /, **labels: str) -> float | None:
        """The value of a sample on /metrics that has these labels; None if there is none."""
        for line in self.page("/metrics")[1].splitlines():
            if line.startswith((name + "{", name + " ")) and all(
                f'{key}="{value}"' in line for key, value in labels.items()
            ):
                return float(line.rsplit(" ", 1)[1])
        return None

    def entries(self) -> list[dict[str, Any]]:
        """Its log so far, one object per line."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def terminate(self, seconds: float = 20) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@contextmanager
def running_hub(
    folder: Path,
    kubeconfig: Path,
    settings: Mapping[str, str] | None = None,
    *,
    leads: bool = True,
    ready: bool = True,
) -> Iterator[HubProcess]:
    """Run a hub with these settings (INTEGRATION_HUB_…, written without the prefix, in lower case).

    It is ready when this yields unless `ready` is false, and leads unless `leads` is. It ends with the block.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (port, gateway_port), log = _free_ports(2), folder / "hub.log"
    given = {
        "kubeconfig": str(kubeconfig),
        "probe_host": "127.0.0.1",
        "probe_port": str(port),
        "gateway_host": "127.0.0.1",
        "gateway_port": str(gateway_port),
        "public_url": f"http://127.0.0.1:{gateway_port}",
        "data_dir": str(folder / "data"),
        "token_encryption_key": KEY,
        # A fast machine asks more than 50 times a second, and no test but the limit's own is about that.
        "caller_requests_per_second": "100000",
        "caller_burst": "100000",
    }
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("INTEGRATION_HUB_")},
        **{f"INTEGRATION_HUB_{name.upper()}": value for name, value in {**given, **(settings or {})}.items()},
        "PYTHONPATH": str(ROOT / "operator"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "integration_hub", "run"],
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, and no thread forks here
        )
    hub = HubProcess(process, port, log, gateway_port)
    try:
        if ready:
            eventually(lambda: _up(hub, leads=leads), "the hub is ready", seconds=60)
        else:
            eventually(lambda: hub.page("/healthz")[0] == 200, "the hub is alive", seconds=60)
        yield hub
    finally:
        if process.poll() is None:
            try:
                hub.terminate()
            except subprocess.TimeoutExpired:
                hub.kill()


def _up(hub: HubProcess, *, leads: bool) -> bool:
    assert hub.process.poll() is None, f"the hub ended:\n{hub.log.read_text()[-3000:]}"
    return hub.page("/readyz")[0] == 200 and (not leads or hub.metric("integration_hub_leader") == 1)


def _free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
