"""The small process that owns a control plane's programs and outlives nobody.

Run as `python -I supervisor.py SPEC`, with two inherited descriptors: the listening command socket, and a
socket bound to the API server's port, which keeps the port ours while the API server is down. It has a single
thread on purpose: Linux ties PR_SET_PDEATHSIG to the thread that forks, so that thread must not end early.

Nothing stays behind:
- when the owner process ends, however it ends, its pidfd becomes readable: programs killed, folders removed;
- when this process is killed itself, the kernel kills the programs (PR_SET_PDEATHSIG; Linux only).

Commands are one JSON line each way on the command socket:
{"do": "start" | "signal" | "status" | "stop", "component": name, "signal": number}.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REQUEST_TIMEOUT_S = 5.0
_OWNER_POLL_S = 0.5
_PR_SET_PDEATHSIG = 1


class Supervisor:
    """The programs of one control plane, and the commands about them."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._programs: dict[str, dict[str, Any]] = spec["components"]
        self._logs = Path(spec["logs"])
        self._root: str = spec["root"]
        self._contents: list[str] = spec["contents"]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._die_with_us = _death_signal()
        self.stopped = False

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command and say how it went."""
        match request:
            case {"do": "start", "component": name}:
                self._start(name)
            case {"do": "signal", "component": name, "signal": number}:
                self._signal(name, number)
            case {"do": "stop"}:
                self.stop()
            case {"do": "status"}:
                pass
            case _:
                raise ValueError(f"unknown command {request}")
        return {"components": {name: self._state(name) for name in self._programs}}

    def stop(self) -> None:
        """Kill every program and remove all files. As no state is kept, nothing needs a goodbye."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()
        remove(self._contents, self._root)
        self.stopped = True

    def _start(self, name: str) -> None:
        if name in self._running and self._running[name].poll() is None:
            return
        program = self._programs[name]
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                program["argv"],
                env={**os.environ, **program["env"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=self._die_with_us,  # noqa: PLW1509 - safe: this process has one thread
            )

    def _signal(self, name: str, number: int) -> None:
        process = self._running.get(name)
        if process is None or process.poll() is not None:
            raise ValueError(f"{name} is not running")
        process.send_signal(number)

    def _state(self, name: str) -> dict[str, int | None]:
        process = self._running.get(name)
        if process is None:
            return {"pid": None, "exit": None}
        return {"pid": process.pid, "exit": process.poll()}


def remove(contents: list[str], root: str) -> None:
    """Remove what a control plane wrote, and its root folder unless somebody keeps other things there."""
    for path in map(Path, contents):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        Path(root).rmdir()


def _death_signal() -> Callable[[], None] | None:
    """What a child does before exec: ask to die with its parent. None where that cannot be asked."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return arrange


def _serve(supervisor: Supervisor, listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb") as stream:
        connection.settimeout(_REQUEST_TIMEOUT_S)
        try:
            reply = supervisor.answer(json.loads(stream.readline()))
        except (ValueError, OSError) as error:
            reply = {"error": str(error)}
        with contextlib.suppress(OSError):  # the asker may be gone
            stream.write(json.dumps(reply).encode() + b"\n")
            stream.flush()


def _watch_owner(owner: int | None, selector: selectors.BaseSelector) -> Callable[[], bool]:
    """Wake the loop when process `owner` ends (Linux); return a function that says whether it has."""
    if owner is None:
        return lambda: False
    if hasattr(os, "pidfd_open"):
        try:
            handle = os.pidfd_open(owner)
        except ProcessLookupError:
            return lambda: True
        selector.register(handle, selectors.EVENT_READ)
        watch = selectors.DefaultSelector()
        watch.register(handle, selectors.EVENT_READ)
        return lambda: bool(watch.select(0))
    return lambda: not _alive(owner)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(spec_path: str) -> None:
    """Serve commands until told to stop, signalled, or orphaned."""
    if os.fork() > 0:
        os._exit(0)  # so that whoever started us has no child to wait for, and we are nobody's zombie
    spec = json.loads(Path(spec_path).read_text())
    supervisor = Supervisor(spec)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listener = socket.socket(fileno=spec["listener"])
    listener.settimeout(_REQUEST_TIMEOUT_S)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            orphaned = _watch_owner(spec["owner"], selector)
            while not supervisor.stopped and not orphaned():
                if any(key.fileobj is listener for key, _ in selector.select(_OWNER_POLL_S)):
                    with contextlib.suppress(OSError):
                        _serve(supervisor, listener)
    finally:
        supervisor.stop()


if __name__ == "__main__":
    main(sys.argv[1])
