#!/usr/bin/env python3
"""A stand-in for the kubelet: NOT a kubelet, only the one habit of it that the demo needs.

    kubelet_stand_in.py --kubectl K --kubeconfig F --namespace N --deployment D -- COMMAND...

The demo's nodes are kwok's: they report pods as running and run nothing. So this runs the product's
process, and replaces it whenever the Deployment's pod template changes, which is when a real kubelet
would be given new pods. It reads the Deployment through the API, with `kubectl get --watch`, and
writes nothing there. It does not restart a product that merely answers badly: no more would a
kubelet without a liveness probe.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from types import FrameType
from typing import Any

WATCH_PAUSE_S = 0.5
STOP_TIMEOUT_S = 5.0
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


class Container:
    """The product's process: one at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the one that runs."""
        return self._process.pid if self._process else None

    def replace(self) -> None:
        """End the old process, if any, and start a new one."""
        self.stop()
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        """End the process; by force if it does not go."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def changes(templates: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The pod templates that differ from the one before; the first one does. Empty lines are passed over."""
    last: dict[str, Any] | None = None
    for line in templates:
        if not line.strip():
            continue
        template: dict[str, Any] = json.loads(line)
        if template != last:
            yield template
        last = template


def cause(template: dict[str, Any]) -> str:
    """Why the template changed, as far as it says so itself."""
    annotations: dict[str, str] = (template.get("metadata") or {}).get("annotations") or {}
    restarted = annotations.get(RESTARTED_AT)
    return f"restartedAt {restarted}" if restarted else "a change of its spec"


def watch(kubectl: Sequence[str], deployment: str) -> Generator[str]:
    """One line of JSON per event of the Deployment: its pod template. Begins anew when the watch ends."""
    query = ("get", "deployments", "--field-selector", f"metadata.name={deployment}", "--watch")
    while True:
        with subprocess.Popen(
            [*kubectl, *query, "--output", 'jsonpath={.spec.template}{"\\n"}'],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                yield from process.stdout
            finally:
                process.terminate()
        time.sleep(WATCH_PAUSE_S)


def say(text: str) -> None:
    """One line for the demo's screen, at once."""
    print(text, flush=True)


def run(container: Container, templates: Iterable[str]) -> None:
    """Keep the container's process in step with the pod template."""
    for number, template in enumerate(changes(templates)):
        before = container.pid
        container.replace()
        if number == 0:
            say(f"started the product, pid {container.pid}")
        else:
            pids = f"pid {before} by {container.pid}"
            say(f"pod template changed ({cause(template)}): replaced the product, {pids}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kubectl", default="kubectl")
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--deployment", required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    kubectl = [options.kubectl, "--kubeconfig", options.kubeconfig, "--namespace", options.namespace]
    container = Container(options.command)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with contextlib.closing(watch(kubectl, options.deployment)) as templates:
        try:
            run(container, templates)
        finally:
            container.stop()
    return 0


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
