"""`connect`: an account is connected by a person in a browser; the command opens the page and waits."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote

import click

from integration_hub.cli import options
from integration_hub.cli.api_server import INTEGRATIONS, resource_path
from integration_hub.cli.commands.integration import condition
from integration_hub.cli.exits import CliError
from integration_hub.cli.session import Session

Json = Any
_ADDRESSES = ("authorizeUrl", "authorizationUrl", "url")


@click.command()
@options.one_integration
@click.option("--no-open", is_flag=True, help="Print the address and open no browser.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the account is connected.")
@click.option("--again", is_flag=True, help="Even if it is connected: another account, or more scopes.")
@click.option("--timeout", default=600, show_default=True, help="Seconds to wait; the page is good for 600.")
@options.session()
@options.hub
def connect(session: Session, *, name: str, no_open: bool, no_wait: bool, again: bool, timeout: int) -> None:
    """Connect an account: open the vendor's page and wait until it is Ready."""
    path = resource_path(INTEGRATIONS, session.namespace, name)
    before = session.api.get(path)
    if not before["spec"].get("enabled", True):
        raise CliError(f"{name} is disabled: run `kubectl hub enable {name}` first")
    if _ready(before) and not again:
        click.echo(f"integration/{name} is already connected (--again connects anew)")
        return
    started = session.hub(warn=_warn).post(f"/api/v1/integrations/{quote(name, safe='')}/oauth/authorize", {})
    url = next((str(started[key]) for key in _ADDRESSES if started.get(key)), "")
    if not url.startswith(("https://", "http://")):
        raise CliError(f"the hub gave no address to connect {name} at")
    _offer(url, opened=not no_open)
    if no_wait:
        return
    click.echo("Waiting until it is connected (Ctrl-C ends the waiting, not the connecting) …", err=True)
    mark = _mark(before)
    session.api.wait(
        path,
        lambda now: _ready(now) and (not _ready(before) or _mark(now) != mark),
        seconds=timeout,
        what=f"{name} was not connected",
    )
    click.echo(f"integration/{name} connected")


def _offer(url: str, *, opened: bool) -> None:
    if opened and sys.stdout.isatty():
        import webbrowser  # noqa: PLC0415 - for people at a terminal only

        if webbrowser.open(url):
            click.echo("Your browser shows where to agree. If it does not, open:", err=True)
    click.echo(url)


def _ready(found: Json) -> bool:
    status = found.get("status") or {}
    current = status.get("observedGeneration") == found["metadata"].get("generation")
    return bool(current and condition(status).get("status") == "True")


def _mark(found: Json) -> tuple[Json, ...]:
    """What differs once another grant is in use."""
    status = found.get("status") or {}
    credentials = status.get("credentials") or {}
    oauth = status.get("oauth") or {}
    return (
        credentials.get("secretVersion"),
        credentials.get("expiresAt"),
        credentials.get("lastRotatedAt"),
        oauth.get("expiresAt"),
        oauth.get("connectedAt"),
    )


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)
