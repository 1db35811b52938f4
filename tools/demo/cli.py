"""`make demo`: the command line, and a clean end whatever happens."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from controlplane import BinariesMissingError, StartError
from controlplane.gobuild import BuildError
from demo import stage as stages
from demo.processes import DemoError
from demo.screen import Screen
from demo.stage import Stage, Wishes
from demo.story import Story

_EXPECTED = (
    DemoError,
    BinariesMissingError,
    BuildError,
    StartError,
    subprocess.TimeoutExpired,
    OSError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo, or stop one that was kept. Exits 0, 1 with a sentence why not, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    screen = Screen()
    # A shell that starts the demo in the background has SIGINT ignored; Ctrl-C is to work all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    if options.stop:
        screen.say("Stopped; nothing is left." if stages.stop() else "No demo is running.")
        return 0
    return play(Wishes(keep=options.keep, context=options.context), screen)


def play(wishes: Wishes, screen: Screen) -> int:
    """Build the stage, tell the story, and take the stage down unless it is to be kept."""
    started = time.monotonic()
    where = f"the cluster of context {wishes.context}" if wishes.context else "a real Kubernetes API server"
    screen.title("Integration Hub", f"First light: an Integration and a product on {where}.")
    if wishes.keep and stages.kept_and_running():
        screen.bad("A demo that was kept is still running.\nStop it first: make demo STOP=1")
        return 1
    stage = Stage(wishes, screen)
    finished = False
    try:
        screen.section("Getting ready")
        stage.build()
        Story(stage, screen).tell()
        finished = True
    except KeyboardInterrupt:
        screen.bad("Stopped by you; cleaning up.")
        return 130
    except _EXPECTED as error:
        screen.bad(str(error))
        return 1
    finally:
        if not (finished and wishes.keep):
            _close(stage, screen)
    screen.say(screen.dim(f"{time.monotonic() - started:.0f} s in all."))
    return 0


def _close(stage: Stage, screen: Screen) -> None:
    """Take the stage down; a second Ctrl-C must not leave half of it."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with screen.wait("cleaning up") as step:
            stage.close()
            step.text = "stopped everything; nothing is left"
    finally:
        signal.signal(signal.SIGINT, previous)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)

    def switch(name: str, text: str) -> None:
        wished = bool(os.environ.get(name))
        parser.add_argument(
            f"--{name.lower()}", action="store_true", default=wished, help=f"{text} ({name}=1)"
        )

    switch("KEEP", "leave it running afterwards")
    switch("STOP", "stop one that was left running")
    context = os.environ.get("CONTEXT") or None
    parser.add_argument("--context", default=context, help="a cluster of your kubeconfig (CONTEXT=name)")
    return parser


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
