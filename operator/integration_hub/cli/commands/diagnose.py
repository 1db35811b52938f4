"""`diagnose`: what is wrong, and what to do about it (the runbook of 002, made by the program)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import click

from integration_hub.cli import options, show
from integration_hub.cli.api_server import INTEGRATIONS, resource_path
from integration_hub.cli.commands.integration import request_test, tested
from integration_hub.cli.diagnosis import Check, Verdict
from integration_hub.cli.diagnosis import diagnose as judge
from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.session import Session

Json = Any
_CALLS = 100


@click.group()
def diagnose() -> None:
    """Find out what is wrong, and what to do about it."""


@diagnose.command()
@options.one_integration
@click.option("--no-test", is_flag=True, help="Judge by what is known; ask for no test.")
@click.option("--timeout", default=30, show_default=True, help="Seconds to wait for the test.")
@options.session("json", "yaml")
@options.hub
def integration(session: Session, *, name: str, no_test: bool, timeout: int) -> None:
    """Check credentials, network, endpoint, firewall and rate limits of a connection, in this order.

    Tests the connection first. With --server, the log of its calls is read too. Ends with status 1 if one
    of the checks failed.
    """
    found = session.api.get(resource_path(INTEGRATIONS, session.namespace, name))
    if not found["spec"].get("enabled", True):
        raise CliError(f"{name} is disabled, so nothing is checked: run `kubectl hub enable {name}`")
    fresh = False
    if not no_test:
        found, fresh = _after_test(session, name, timeout, found)
    checks = judge(found, _calls(session, name), tested=fresh)
    if session.format:
        show.structured([asdict(check) for check in checks], session.format)
    else:
        _print(checks)
    if any(check.verdict is Verdict.FAILED for check in checks):
        raise click.exceptions.Exit(int(Exit.FAILED))


def _after_test(session: Session, name: str, timeout: int, before: Json) -> tuple[Json, bool]:
    """The Integration once it was tested; as it is (and False), if no outcome comes."""
    asked = request_test(session, name)
    path = resource_path(INTEGRATIONS, session.namespace, name)
    try:
        after = session.api.wait(path, lambda now: tested(now, asked), seconds=timeout, what="no outcome")
    except CliError as error:
        if error.exit_status is not Exit.TIMED_OUT:
            raise
        click.echo(
            f"warning: no outcome within {timeout} s (does the hub run?); judged by what is known",
            err=True,
        )
        return session.api.find(path) or before, False
    return after, True


def _calls(session: Session, name: str) -> list[Json] | None:
    if not session.server:
        return None
    path = f"/api/integration-hub/{quote(name, safe='')}/logs"
    try:
        return list(session.hub().get(path, {"limit": _CALLS})["logs"])
    except CliError as error:
        click.echo(f"warning: the log of its calls cannot be read: {error}", err=True)
        return None


def _print(checks: list[Check]) -> None:
    rows = [(number, check.title, check.verdict.value, check.told) for number, check in enumerate(checks, 1)]
    show.table(("", "CHECK", "VERDICT", "FOUND"), rows, wrap=True)
    ways = [(number, check.way_out) for number, check in enumerate(checks, 1) if check.way_out]
    if ways:
        click.echo("\nWhat to do:")
        for number, way in ways:
            click.echo(f"  {number}  {way}")
