"""`python tools/controlplane`: build, start and stop a control plane from a shell."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from controlplane import binaries, gobuild, pins
from controlplane.plane import ControlPlane, StartError

TEST_VARIABLE = "INTEGRATION_HUB_TEST_CONTROLPLANE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command: the answer goes to standard output, progress and errors to standard error."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (
        binaries.BinariesMissingError,
        gobuild.BuildError,
        StartError,
        FileExistsError,
        FileNotFoundError,
        ConnectionError,
    ) as error:
        print(f"controlplane: {error}", file=sys.stderr)
        return 1
    return 0


def default_state_dir() -> Path:
    """Where `up` keeps its control plane unless told otherwise."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "integration-hub" / "controlplane"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="controlplane", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str, *, with_dir: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        if with_dir:
            added.add_argument("state_dir", nargs="?", type=Path, default=default_state_dir(), metavar="DIR")
        return added

    up = command("up", _up, "start a control plane that runs until `down`")
    up.add_argument("--kwok-nodes", type=int, default=3, metavar="N", help="fake nodes (default 3)")
    up.add_argument("--audit", action="store_true", help="write every request to logs/audit.log")
    up.add_argument("--owner", type=int, metavar="PID", help="stop when this process ends")
    command("down", _down, "stop it and remove its files")
    command("env", _env, "print the shell variables that point kubectl and the tests at it")
    command("status", _status, "print each component's process")
    restart = command("restart", _restart, "kill a component and start it again", with_dir=False)
    restart.add_argument("component", choices=[name for name in pins.COMPONENTS if name != "kubectl"])
    restart.add_argument("state_dir", nargs="?", type=Path, default=default_state_dir(), metavar="DIR")
    build = command("build", _build, "have programs ready: find, download or build them", with_dir=False)
    build.add_argument("programs", nargs="*", metavar="PROGRAM", help="default: the control plane's")
    path = command("path", _path, "print a program's path, building it if need be", with_dir=False)
    path.add_argument("program", choices=[*pins.COMPONENTS, "helm"])
    return parser


def _up(options: argparse.Namespace) -> None:
    binaries.locate()
    started = time.monotonic()
    ControlPlane.start(
        options.state_dir, kwok_nodes=options.kwok_nodes, audit=options.audit, owner=options.owner
    )
    binaries.announce(f"ready after {time.monotonic() - started:.1f} s")
    _env(options)


def _down(options: argparse.Namespace) -> None:
    ControlPlane.find(options.state_dir).stop()


def _env(options: argparse.Namespace) -> None:
    plane = ControlPlane.attach(options.state_dir)
    print(f"export KUBECONFIG={plane.kubeconfig}")
    print(f"export {TEST_VARIABLE}={plane.state_dir}")
    print(f"export PATH={plane.program('kubectl').parent}:$PATH")


def _status(options: argparse.Namespace) -> None:
    for name, now in ControlPlane.attach(options.state_dir).status().items():
        running = "not started" if now["pid"] is None else f"pid {now['pid']}"
        print(f"{name:24} {running if now['exit'] is None else 'ended with ' + str(now['exit'])}")


def _restart(options: argparse.Namespace) -> None:
    ControlPlane.attach(options.state_dir).restart(options.component)


def _build(options: argparse.Namespace) -> None:
    for name, path in sorted(binaries.locate(options.programs or pins.COMPONENTS).items()):
        print(f"{name:24} {path}")


def _path(options: argparse.Namespace) -> None:
    print(binaries.locate([options.program])[options.program])
