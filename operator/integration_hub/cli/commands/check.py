"""`check`: is a hub there, ready, and closed to strangers? `helm test` runs it inside the cluster."""

from __future__ import annotations

import time

import click

from integration_hub.cli import show
from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.wire import Peer, Wire

_PAUSE = 1.0
_CLOSED = "/api/v1/integrations"


@click.command()
@click.argument("url", envvar="INTEGRATION_HUB_SERVER")
@click.option("--timeout", default=60, show_default=True, help="Seconds to wait until it is ready.")
def check(url: str, timeout: int) -> None:
    """Ask a hub whether it is ready and closed to strangers.

    Waits until it is ready. Then a request without a token has to be refused.
    """
    wire = Wire(Peer(url, "the hub"), seconds=10.0)
    _ready(wire, timeout)
    refused = wire.send("GET", _CLOSED)
    wire.close()
    show.table(
        ("CHECK", "RESULT"),
        [
            ("ready", "ok"),
            ("closed to strangers", "ok" if refused.status == 401 else f"HTTP {refused.status}"),
        ],
    )
    if refused.status != 401:
        raise CliError(f"{_CLOSED} answered {refused.status} to a request without a token, not 401")


def _ready(wire: Wire, timeout: float) -> None:
    ends = time.monotonic() + timeout
    while True:
        try:
            answer = wire.send("GET", "/readyz")
            if answer.status == 200:
                return
            told = f"it answers {answer.status}"
        except CliError as error:
            if error.exit_status is not Exit.UNREACHABLE:
                raise
            told = str(error)
        if time.monotonic() >= ends:
            raise CliError(f"the hub is not ready within {timeout:g} s: {told}", Exit.TIMED_OUT)
        time.sleep(_PAUSE)
