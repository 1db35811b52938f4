"""Two real replicas and one Lease: killed, stopped and told to end, as a cluster does it to pods."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import elected_writer
import integration_hub
from controlplane import ControlPlane

pytestmark = [pytest.mark.control_plane]

TAKEOVER_SECONDS = 20.0


class Replicas:
    """Processes of `elected_writer.py` in one namespace."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, identity: str) -> None:
        root = Path(integration_hub.__file__).parents[1]
        script = Path(elected_writer.__file__)
        self._processes[identity] = subprocess.Popen(
            [sys.executable, str(script), str(self._plane.kubeconfig), self._namespace, identity],
            env={**os.environ, "PYTHONPATH": str(root)},
        )

    def signal(self, identity: str, number: int) -> None:
        self._processes[identity].send_signal(number)

    def wait(self, identity: str) -> int:
        return self._processes[identity].wait(10)

    def get(self, kind: str, name: str) -> Any:
        """An object, or None."""
        answer = self._plane.kubectl(
            "get", kind, name, "-n", self._namespace, "-o", "json", "--ignore-not-found"
        ).stdout
        return json.loads(answer) if answer else None

    def holder(self) -> str:
        lease = self.get("lease", "integration-hub")
        return lease["spec"].get("holderIdentity", "") if lease else ""

    def ledger(self, identity: str) -> str:
        """The version of what a replica wrote last; empty before its first write."""
        written = self.get("configmap", f"ledger-{identity}")
        return written["metadata"]["resourceVersion"] if written else ""

    def until(self, done: Any, seconds: float) -> float:
        """The seconds it took."""
        began = time.monotonic()
        while not done():
            assert time.monotonic() - began < seconds, (
                f"not within {seconds} s; the holder is {self.holder()!r}"
            )
            time.sleep(0.1)
        return time.monotonic() - began

    def stop(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def replicas(control_plane: ControlPlane, namespace: str) -> Iterator[Replicas]:
    """A leader called `first`, which writes, and a candidate called `second`."""
    replicas = Replicas(control_plane, namespace)
    try:
        replicas.start("first")
        replicas.until(lambda: replicas.ledger("first"), 30)
        replicas.start("second")
        time.sleep(3)
        yield replicas
    finally:
        replicas.stop()


def test_a_killed_leader_is_followed_within_20_seconds(replicas: Replicas) -> None:
    assert replicas.ledger("second") == ""
    replicas.signal("first", signal.SIGKILL)
    replicas.until(lambda: replicas.ledger("second"), TAKEOVER_SECONDS)
    assert replicas.get("lease", "integration-hub")["spec"]["leaseTransitions"] == 2


def test_a_leader_that_was_stopped_writes_nothing_after_it_wakes(replicas: Replicas) -> None:
    replicas.signal("first", signal.SIGSTOP)
    replicas.until(lambda: replicas.ledger("second"), TAKEOVER_SECONDS)
    # What it had handed to the kernel before it was stopped has arrived long since.
    last = replicas.ledger("first")
    replicas.signal("first", signal.SIGCONT)
    time.sleep(5)
    assert replicas.ledger("first") == last
    assert replicas.holder() == "second"


def test_a_leader_told_to_end_hands_over_at_once(replicas: Replicas) -> None:
    replicas.signal("first", signal.SIGTERM)
    assert replicas.wait("first") == 0
    assert replicas.until(lambda: replicas.ledger("second"), TAKEOVER_SECONDS) < 8
