"""The rig: a control plane, objects in bulk, programs under measurement, and a far end that counts.

What a program did is read where it cannot flatter itself: writes from the API server's own request
counters, completion from a watch, CPU and memory from the kernel.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "support")]

import hub_chart  # noqa: E402 - after the path is set
from controlplane import ControlPlane  # noqa: E402

HUB = "integration-hub"
OBJECTS = "bench"
GROUP = "/apis/integrationhub.io/v1alpha1"
BASE = f"{GROUP}/namespaces/{OBJECTS}/integrations"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{HUB}/leases/integration-hub"
IDLE_SECONDS = 30.0
"""The API server closes connections that are idle for long."""
TICKS = os.sysconf("SC_CLK_TCK")
Json = dict[str, Any]


class Api:
    """Keep-alive JSON requests as the administrator; one connection per thread."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._local = threading.local()
        self._tls = ssl.create_default_context(cafile=str(plane.ca_path))

    def connection(self) -> HTTPSConnection:
        host, port = self._plane.url.removeprefix("https://").split(":")
        connection = HTTPSConnection(host, int(port), context=self._tls, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def headers(self, content_type: str = "application/json") -> dict[str, str]:
        return {"Authorization": f"Bearer {self._plane.admin_token}", "Content-Type": content_type}

    def __call__(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Any:
        """Send and decode. Raises RuntimeError on an error status."""
        now = time.monotonic()
        if now > getattr(self._local, "until", 0.0):
            self._local.connection = self.connection()
        self._local.until = now + IDLE_SECONDS
        connection: HTTPSConnection = self._local.connection
        connection.request(
            method, path, json.dumps(body) if body is not None else None, self.headers(content_type)
        )
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text[:1] in b"{[" else text.decode()


@dataclass
class Program:
    """A program under measurement."""

    process: subprocess.Popen[bytes]
    log: Path
    probe_port: int = 0
    gateway_port: int = 0

    def cpu_seconds(self) -> float:
        return cpu_seconds_of(self.process.pid)

    def memory(self) -> tuple[float, float]:
        """(resident now, high-water mark) in MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        now, peak = (int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) for name in ("VmRSS", "VmHWM"))  # type: ignore[index]
        return now / 1024, peak / 1024

    def metric(self, name: str) -> float:
        """Sum of a metric over its labels, from the program's own /metrics; 0 while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.probe_port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if re.match(rf"{re.escape(name)}(\{{| )", line)
        )

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def check(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(
                f"program ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
            )


@dataclass
class Completions:
    """Counts, at the far end, the objects that were modified since `resource_version`."""

    seen: set[str] = field(default_factory=set)
    first: float = 0.0
    last: float = 0.0
    stopped: bool = False


class Rig:
    """One control plane for all benchmarks of a run."""

    def __init__(self, plane: ControlPlane, scratch: Path) -> None:
        self.plane = plane
        self.scratch = scratch
        self._key = secrets.token_hex(32)
        self.api = Api(plane)
        plane.create_namespace(OBJECTS)
        self.kubeconfig = hub_chart.install_rights(plane, HUB, tenants=[HUB, OBJECTS])

    # ------------------------------------------------------------------ objects

    def create_integrations(self, first: int, count: int) -> None:
        self._bulk(
            lambda number: self.api("POST", BASE, integration(number)), range(first, first + count), "created"
        )

    def bump(self, count: int, note: str) -> None:
        """Change every spec, so that every status is behind."""
        patch = {"spec": {"description": note}}
        kind = "application/merge-patch+json"
        self._bulk(
            lambda number: self.api("PATCH", f"{BASE}/{name(number)}", patch, kind), range(count), "changed"
        )

    @staticmethod
    def _bulk(work: Any, numbers: range, verb: str) -> None:
        with ThreadPoolExecutor(16) as pool:
            for done, _ in enumerate(pool.map(work, numbers), start=1):
                if done % 2000 == 0:
                    print(f"    {verb} {done}", flush=True)

    def resource_version(self) -> str:
        return str(self.api("GET", f"{BASE}?limit=1")["metadata"]["resourceVersion"])

    @contextmanager
    def completions(self) -> Iterator[Completions]:
        """Watch for modifications from now on."""
        counts = Completions()
        connection = self.api.connection()
        accept = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
        version = self.resource_version()
        connection.request(
            "GET", f"{BASE}?watch=1&resourceVersion={version}", headers=self.api.headers() | accept
        )
        answer = connection.getresponse()

        def follow() -> None:
            try:
                for line in answer:
                    moment = time.monotonic()
                    event = json.loads(line)
                    if event["type"] == "MODIFIED":
                        counts.first = counts.first or moment
                        counts.last = moment
                        counts.seen.add(event["object"]["metadata"]["name"])
            except (OSError, ValueError):
                if not counts.stopped:
                    raise

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield counts
        finally:
            counts.stopped = True
            if connection.sock:
                connection.sock.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            connection.close()

    def writes(self) -> int:
        """Write requests the API server has taken in all, but for Leases and Events, which are told apart."""
        text = self.api("GET", "/metrics")
        return sum(
            int(float(line.rsplit(" ", 1)[1]))
            for line in text.splitlines()
            if line.startswith("apiserver_request_total{")
            and re.search(r'verb="(APPLY|PATCH|PUT|POST|DELETE)"', line)
            and re.search(r'group="(integrationhub\.io|apps)"|resource="(events|secrets|configmaps)"', line)
        )

    # ------------------------------------------------------------------ leadership

    def hold_lease(self) -> None:
        """Be the leader ourselves, so that programs sync their caches and wait."""
        spec = {
            "holderIdentity": "benchmark",
            "leaseDurationSeconds": 3600,
            "acquireTime": _micro_time(),
            "renewTime": _micro_time(),
            "leaseTransitions": 0,
        }
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "integration-hub", "namespace": HUB},
            "spec": spec,
        }
        self.api("PATCH", f"{LEASE}?fieldManager=benchmark&force=true", body, "application/apply-patch+yaml")

    def release_lease(self) -> None:
        patch = {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}}
        self.api("PATCH", LEASE, patch, "application/merge-patch+json")

    # ------------------------------------------------------------------ programs

    @contextmanager
    def hub(
        self,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        profile: Path | None = None,
    ) -> Iterator[Program]:
        """The hub as shipped, as its own ServiceAccount; only the API budget is lifted.

        `settings` are written without the prefix, in lower case; `environment` is for the interpreter,
        `profile` a file for what a profiler finds (see profiled.py).
        """
        probe_port, gateway_port = _free_port(), _free_port()
        given = {
            "kubeconfig": str(self.kubeconfig),
            "namespace": HUB,
            "api_qps": "100000",
            "api_burst": "100000",
            "probe_host": "127.0.0.1",
            "probe_port": str(probe_port),
            "gateway_host": "127.0.0.1",
            "gateway_port": str(gateway_port),
            "public_url": f"http://127.0.0.1:{gateway_port}",
            "data_dir": str(self.scratch / "data"),
            "token_encryption_key": self._key,
            **(settings or {}),
        }
        named = {f"INTEGRATION_HUB_{name.upper()}": value for name, value in given.items()}
        program_of = (
            [str(ROOT / "benchmarks" / "profiled.py"), str(profile)]
            if profile
            else ["-m", "integration_hub", "run"]
        )
        command = [sys.executable, *program_of]
        with self._program("hub", command, {**named, **(environment or {})}, probe_port) as program:
            program.gateway_port = gateway_port
            yield program

    @contextmanager
    def control(self, binary: Path, status: Path) -> Iterator[Program]:
        """The minimal controller-runtime operator."""
        command = [str(binary), "--status", str(status), "--namespace", OBJECTS, "--lease-namespace", HUB]
        environment = {"KUBECONFIG": str(self.kubeconfig)}
        with self._program("control", command, environment, 0) as program:
            yield program

    @contextmanager
    def _program(
        self, title: str, command: list[str], environment: Mapping[str, str], port: int
    ) -> Iterator[Program]:
        log = self.scratch / f"{title}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, **environment}
            )
        program = Program(process, log, port)
        try:
            yield program
        finally:
            program.stop()


def cpu_seconds_of(pid: int) -> float:
    """What a process has used so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def name(number: int) -> str:
    return f"integration-{number:05d}"


def integration(number: int) -> Json:
    """An Integration of ordinary size whose probe is switched off: nothing but reconciling is measured."""
    return {
        "apiVersion": "integrationhub.io/v1alpha1",
        "kind": "Integration",
        "metadata": {"name": name(number), "namespace": OBJECTS, "labels": {"team": f"team-{number % 40}"}},
        "spec": {
            "displayName": f"Benchmark connection {number}",
            "description": "made",
            "providerRef": {"name": "benchmark"},
            "instance": f"n{number}",
            "config": {"site": f"site-{number}.example.com", "project": f"project-{number}", "pageSize": 50},
            "healthCheck": {"enabled": False},
        },
    }


PROVIDER: Json = {
    "apiVersion": "integrationhub.io/v1alpha1",
    "kind": "ClusterIntegrationProvider",
    "metadata": {"name": "benchmark"},
    "spec": {
        "displayName": "Benchmark",
        "category": "custom",
        "baseUrl": "https://benchmark.example.com",
        "authModes": [{"type": "NONE"}],
        "configSchema": {
            "site": {"type": "string", "required": True, "description": "Site."},
            "project": {"type": "string", "required": True, "description": "Project."},
            "pageSize": {"type": "number", "required": False, "description": "Page size.", "default": 25},
        },
    },
}


def wait_until(done: Any, program: Program, seconds: float, what: str) -> None:
    """Poll until `done()`; fails with the program's log if it ends, or with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not done():
        program.check()
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}\n{program.log.read_text()[-2000:]}")
        time.sleep(0.02)


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
